//! Asks the readers of addresses whether somebody's mails may come there (`store::notifications::addresses`).
//!
//! Beside the messages and never among them: a mail server that hangs here delays no alert, and this mail is the only one
//! that goes to an address which nobody has confirmed.

use std::time::Duration;

use engine::alert::backoff;
use engine::alert::confirm::{self, Confirmation};
use engine::alert::text::one_line;
use store::StoreError;
use store::notifications::addresses::{self, Asked, Question};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

use super::attempt::Attempt;
use super::{ATTEMPT_MAX, LEASE, Notifier};
use crate::workers::unless_stopped;

/// How often the table is looked at: somebody sits before the page and waits for that mail.
const POLL: Duration = Duration::from_secs(2);

impl Notifier {
    /// Sends the mails that ask and are due at `now`. Returns how many were tried.
    ///
    /// # Errors
    /// When PostgreSQL fails.
    pub async fn ask(&self, now: OffsetDateTime) -> Result<usize, StoreError> {
        let questions = addresses::due(&self.pool, now, LEASE).await?;
        for question in &questions {
            let attempt = match tokio::time::timeout(ATTEMPT_MAX, self.send(question, now)).await {
                Ok(attempt) => attempt,
                Err(_) => Attempt::later(format!("no answer within {} s", ATTEMPT_MAX.as_secs())),
            };
            self.write_down(question, &attempt, now).await?;
        }
        Ok(questions.len())
    }

    async fn send(&self, question: &Question, now: OffsetDateTime) -> Attempt {
        let Some(mail) = &self.mail else { return Attempt::dead("no mail server is configured (FIREFINCH_SMTP_URL)") };
        let key = match self.link_key.get(&self.pool).await {
            Ok(key) => key,
            Err(error) => return Attempt::later(format!("cannot read the key of the links: {error}")),
        };
        let expires_at = question.wanted_at + confirm::LIFETIME;
        let asked = Confirmation { user: question.user, address: question.address.clone(), expires_at };
        let Some(url) = asked.url(&self.base_url, key) else { return Attempt::dead("the address is too long") };
        let login = one_line(&question.login, 254);
        let text = format!(
            "{login} wants the mails of Firefinch at {} sent to this address.\n\n\
             To say yes, open this page and press its button:\n\n{url}\n\n\
             It is good until {}. Nothing more is sent here without a yes: if you do not know\n\
             what this is about, there is nothing to do.\n",
            self.base_url,
            expires_at.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default(),
        );
        mail.send_text(&question.address, &format!("Send the mails of {login} here?"), text, now).await
    }

    async fn write_down(&self, question: &Question, attempt: &Attempt, now: OffsetDateTime) -> Result<(), StoreError> {
        let expires_at = question.wanted_at + backoff::LIFETIME;
        let number = u32::try_from(question.attempt).unwrap_or(1);
        let asked = match attempt {
            Attempt::Sent { .. } => Asked::Sent,
            Attempt::Dead { error } => Asked::Dead { error },
            Attempt::Later { error, asked, .. } => {
                match backoff::next_attempt(now, expires_at, number, *asked, rand::random()) {
                    Some(at) => Asked::Later { at, error },
                    None => Asked::Dead { error },
                }
            }
        };
        addresses::asked(&self.pool, question, asked).await
    }
}

/// Asks, and lets people in, until `shutdown` turns true. What is cut off is asked again when its lease ends.
pub(super) async fn run(notifier: &Notifier, mut shutdown: watch::Receiver<bool>) {
    let mut healthy = true;
    loop {
        let round = async {
            notifier.ask(OffsetDateTime::now_utc()).await?;
            notifier.let_in(OffsetDateTime::now_utc()).await
        };
        let Some(done) = unless_stopped(&mut shutdown, round).await else { return };
        match &done {
            Err(error) if healthy => tracing::warn!(%error, "cannot read which mails are owed to people"),
            _ => {}
        }
        healthy = done.is_ok();
        if unless_stopped(&mut shutdown, tokio::time::sleep(POLL)).await.is_none() {
            return;
        }
    }
}
