//! Mails that let somebody in: invitations, and links to a new password (`store::people::entries`).
//!
//! Beside the messages, as questions to addresses are. The secret of a link is made when its mail is sent, and only its
//! hash is kept: a mail that is tried again carries another one, and the one before ends.

use engine::alert::backoff;
use engine::alert::text::one_line;
use store::StoreError;
use store::people::entries::{self, Kind, Owed};
use time::OffsetDateTime;

use super::attempt::Attempt;
use super::{ATTEMPT_MAX, LEASE, Notifier};
use crate::secrets;

impl Notifier {
    /// Sends the mails that let somebody in and are due at `now`. Returns how many were tried.
    ///
    /// # Errors
    /// When PostgreSQL fails.
    pub async fn let_in(&self, now: OffsetDateTime) -> Result<usize, StoreError> {
        let owed = entries::due(&self.pool, now, LEASE).await?;
        for owed in &owed {
            let attempt = match tokio::time::timeout(ATTEMPT_MAX, self.send_entry(owed, now)).await {
                Ok(attempt) => attempt?,
                Err(_) => Attempt::later(format!("no answer within {} s", ATTEMPT_MAX.as_secs())),
            };
            let number = u32::try_from(owed.attempt).unwrap_or(1);
            let (next, error) = match &attempt {
                Attempt::Sent { .. } => (None, None),
                Attempt::Dead { error } => (None, Some(error.as_str())),
                Attempt::Later { error, asked, .. } => {
                    (backoff::next_attempt(now, owed.expires_at, number, *asked, rand::random()), Some(error.as_str()))
                }
            };
            entries::mailed(&self.pool, owed.id, next, error).await?;
        }
        Ok(owed.len())
    }

    async fn send_entry(&self, owed: &Owed, now: OffsetDateTime) -> Result<Attempt, StoreError> {
        let Some(mail) = &self.mail else { return Ok(Attempt::dead(super::NO_MAIL_SERVER)) };
        let secret = secrets::generate(secrets::Kind::Entry);
        if !entries::arm(&self.pool, owed.id, &secret.hash).await? {
            return Ok(Attempt::dead("it was taken back"));
        }
        let base = &self.base_url;
        let (subject, text) = match owed.kind {
            Kind::Invitation => {
                let by = owed.by.as_deref().map_or_else(|| "Somebody".to_owned(), |by| one_line(by, 100));
                (
                    format!("{by} invites you to Firefinch"),
                    format!(
                        "{by} invites you to the Firefinch at {base}.\n\n\
                         To choose a password and sign in, open this page:\n\n{base}/join/{}\n\n\
                         It works once, for a week. If you do not know what this is about, there is nothing to do.\n",
                        secret.text
                    ),
                )
            }
            Kind::Reset => (
                "Your new password for Firefinch".to_owned(),
                format!(
                    "Somebody, you we hope, asked for a new password for the Firefinch at {base}.\n\n\
                     To choose one, open this page:\n\n{base}/reset/{}\n\n\
                     It works once, for two hours. If it was not you, there is nothing to do: the old one still works.\n",
                    secret.text
                ),
            ),
        };
        Ok(mail.send_text(&owed.email, &subject, text, now).await)
    }
}
