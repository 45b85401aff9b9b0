//! Alert rules: each in its sentence, and the form that makes, tries and changes one.
//!
//! The form works without script: its buttons say what is to be done with what is typed. What cannot be read comes back as
//! it was typed, with what is wrong with it.

mod form;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::{Object, Reach};
use engine::alert::Kind;
use engine::alert::frequency::MINUTES;
use engine::ids::DestinationId;
use store::StoreError;
use store::notifications::preview::{Candidate, Message, Preview};
use store::notifications::{self as outbox, AlertRule, Destination, NewRule};
use time::OffsetDateTime;

use crate::destinations::words;
use crate::rehearsal::{self, RehearsalError, SHOWN};
use crate::web::Web;
use crate::web::access::Action;
use crate::web::display::Age;
use crate::web::error::PageError;
use crate::web::session::{Posted, Viewer};
use crate::web::shell::{Nav, Shell, answer, html, see_other};
use crate::web::signs;
use crate::web::toast::{self, Toast};
use form::{LEVELS, Typed};

/// A rule of the list.
pub(super) struct Line {
    pub(super) rule: AlertRule,
}

impl Line {
    pub(super) fn is_off(&self) -> bool {
        self.rule.disabled_at.is_some()
    }

    pub(super) fn sends_to(&self, id: DestinationId) -> bool {
        self.rule.destinations.iter().any(|(own, _)| *own == id)
    }

    pub(super) fn sentence(&self) -> String {
        self.rule.sentence()
    }

    /// What holds of it besides its sentence.
    pub(super) fn note(&self) -> &'static str {
        if self.rule.fallback { "Only for projects for which nobody made a rule that mails." } else { "" }
    }

    /// A name that only repeats the sentence is not said twice.
    pub(super) fn name(&self) -> &str {
        if self.rule.name == self.rule.sentence() { "" } else { &self.rule.name }
    }
}

/// The rules of these projects, in their order, which decides who hears of a thing by which.
pub(super) async fn lines(web: &Web, reach: &Reach) -> Result<Vec<Line>, PageError> {
    let all = outbox::list_rules(&web.pool, None).await?.into_iter();
    Ok(all.filter(|rule| reach.sees_what_serves(rule.rule.project)).map(|rule| Line { rule }).collect())
}

/// What a preview found.
struct Found {
    sentences: Vec<String>,
    messages: Vec<Message>,
    more: usize,
}

impl Found {
    fn new(preview: Preview, candidate: &Candidate) -> Self {
        let sentences = rehearsal::sentences(&preview, candidate);
        let more = preview.messages.len().saturating_sub(SHOWN);
        Self { sentences, messages: preview.messages.into_iter().rev().take(SHOWN).collect(), more }
    }
}

/// A place that a rule may send to.
struct Choice {
    destination: Destination,
    words: String,
}

#[derive(Template)]
#[template(path = "alerts/rule.html")]
struct RulePage {
    shell: Shell,
    now: OffsetDateTime,
    /// The rule as it is stored; `None` for a new one.
    stored: Option<Line>,
    typed: Typed,
    choices: Vec<Choice>,
    problem: Option<String>,
    found: Option<Found>,
    is_saved: bool,
}

impl RulePage {
    fn action(&self) -> String {
        match &self.stored {
            Some(line) => format!("/alerts/rules/{}", line.rule.id),
            None => "/alerts/rules".to_owned(),
        }
    }

    /// Whether its project is in no menu.
    fn is_unlisted(&self) -> bool {
        !self.typed.project.is_empty() && !self.shell.projects.iter().any(|one| one.slug == self.typed.project)
    }

    fn is_off(&self) -> bool {
        self.stored.as_ref().is_some_and(Line::is_off)
    }

    fn form_words(&self, message: &Message) -> String {
        match message.form {
            "list" => format!("List of {}", message.carries),
            "storm" => format!("Storm of {}", message.carries),
            "calm" => "Storm over".to_owned(),
            "limit" => "Hour full".to_owned(),
            _ => "Message".to_owned(),
        }
    }

    /// The address of a mail, else what people call the destination.
    fn to(&self, message: &Message) -> String {
        if !message.recipient.is_empty() {
            return message.recipient.clone();
        }
        let found = self.choices.iter().find(|choice| choice.destination.id == message.destination_id);
        found.map_or_else(|| message.destination_id.to_string(), |choice| choice.words.clone())
    }
}

/// What the address says.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(in crate::web) struct Address {
    saved: Option<String>,
}

/// `GET /alerts/rules/new`
pub(in crate::web) async fn new(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
) -> Result<HttpResponse, PageError> {
    html(&page(&web, &request, viewer, None, Typed::new()).await?)
}

/// `GET /alerts/rules/{id}`
pub(in crate::web) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    id: web::Path<String>,
    address: web::Query<Address>,
) -> Result<HttpResponse, PageError> {
    let stored = find(&web, &id).await?;
    let typed = Typed::of(&stored);
    let mut page = page(&web, &request, viewer, Some(stored), typed).await?;
    page.is_saved = address.saved.is_some();
    html(&page)
}

/// `POST /alerts/rules`: `do` is `save` or `preview`.
pub(in crate::web) async fn create(
    web: web::Data<Web>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    decide(&web, &request, posted, None).await
}

/// `POST /alerts/rules/{id}`: `do` is `save`, `preview`, `enable`, `disable`, `delete` or `restore`.
pub(in crate::web) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    id: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let missing = || PageError::NotFound("rule");
    let (id, now) = (id.parse::<i64>().map_err(|_| missing())?, OffsetDateTime::now_utc());
    let change = posted.fields.get("do");
    let done = match change {
        "enable" => outbox::set_rule_enabled(&web.pool, id, true, now).await?,
        "disable" => outbox::set_rule_enabled(&web.pool, id, false, now).await?,
        "delete" => outbox::delete_rule(&web.pool, id, now).await?,
        "restore" => outbox::restore_rule(&web.pool, id).await?,
        _ => {
            let stored = outbox::find_rule(&web.pool, id).await?.ok_or_else(missing)?;
            return decide(&web, &request, posted, Some(stored)).await;
        }
    };
    if !done {
        return Err(missing());
    }
    let mut response = see_other("/alerts");
    let cookie =
        web.cookie(toast::COOKIE, Toast::rule_cookie(change, id), time::Duration::seconds(toast::COOKIE_SECONDS));
    // Without it the page only does not say what was done.
    let _ = response.add_cookie(&cookie);
    Ok(response)
}

/// Saves what was typed, or tries it, or says what is wrong with it.
async fn decide(
    web: &Web,
    request: &HttpRequest,
    posted: Posted,
    stored: Option<AlertRule>,
) -> Result<HttpResponse, PageError> {
    let typed = Typed::read(&posted.fields);
    let project = match typed.project.as_str() {
        "" => None,
        slug => Some(posted.viewer.project(web, slug).await?.id),
    };
    posted.viewer.must(Action::ChangeAlerts, Object::of(project))?;
    let id = stored.as_ref().map(|rule| rule.id);
    let asked = typed.rule(project).and_then(|rule| Ok(Candidate { id, rule, destinations: typed.destinations()? }));
    let problem;
    match (asked, posted.fields.get("do")) {
        (Err(wrong), _) => problem = wrong,
        (Ok(candidate), _) if !may_send_to(web, &posted.viewer, &candidate.destinations).await? => {
            problem = "One of the chosen destinations is gone. Choose another one.".to_owned();
        }
        (Ok(candidate), "save") => match save(web, &typed, &candidate).await {
            Ok(id) => return Ok(see_other(&format!("/alerts/rules/{id}?saved=1"))),
            Err(StoreError::Conflict(wrong)) => problem = wrong,
            Err(error) => return Err(error.into()),
        },
        (Ok(candidate), "preview") => match rehearsal::run(&web.pool, &candidate, OffsetDateTime::now_utc()).await {
            Ok(preview) => {
                let mut page = page(web, request, posted.viewer, stored, typed).await?;
                page.found = Some(Found::new(preview, &candidate));
                return html(&page);
            }
            Err(RehearsalError::Store(error)) => return Err(error.into()),
            Err(error @ RehearsalError::Busy) => problem = format!("{error}."),
            Err(error @ RehearsalError::Failed(_)) => return Err(PageError::Internal(error.to_string())),
        },
        _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
    let mut page = page(web, request, posted.viewer, stored, typed).await?;
    page.problem = Some(problem);
    answer(&page, false)
}

/// Where somebody may have a rule send to: what serves all projects hears of theirs, too.
async fn choices(web: &Web, viewer: &Viewer) -> Result<Vec<Destination>, PageError> {
    let mut all = outbox::list_destinations(&web.pool, None).await?;
    let reach = viewer.reach();
    all.retain(|one| one.project_id.is_none_or(|id| reach.sees(id)));
    Ok(all)
}

async fn may_send_to(web: &Web, viewer: &Viewer, wanted: &[DestinationId]) -> Result<bool, PageError> {
    let choices = choices(web, viewer).await?;
    Ok(wanted.iter().all(|id| choices.iter().any(|one| one.id == *id)))
}

async fn save(web: &Web, typed: &Typed, candidate: &Candidate) -> Result<i64, StoreError> {
    let Candidate { id, rule, destinations } = candidate;
    let sentence;
    let name = match typed.name.as_str() {
        "" => {
            let all = outbox::list_destinations(&web.pool, None).await?;
            let chosen = all.into_iter().filter(|one| destinations.contains(&one.id)).map(|one| one.name);
            sentence = rule
                .sentence(Some(typed.project.as_str()).filter(|slug| !slug.is_empty()), &chosen.collect::<Vec<_>>());
            &sentence
        }
        name => name,
    };
    let (new, now) = (NewRule { name, rule, destinations }, OffsetDateTime::now_utc());
    match id {
        Some(id) => outbox::change_rule(&web.pool, *id, &new).await.map(|()| *id),
        None => outbox::create_rule(&web.pool, &new, now).await,
    }
}

async fn find(web: &Web, id: &str) -> Result<AlertRule, PageError> {
    let missing = || PageError::NotFound("rule");
    let id: i64 = id.parse().map_err(|_| missing())?;
    outbox::find_rule(&web.pool, id).await?.ok_or_else(missing)
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    stored: Option<AlertRule>,
    typed: Typed,
) -> Result<RulePage, PageError> {
    let choices = choices(web, &viewer).await?;
    let mut shell = Shell::load(web, request, viewer, Nav::Alerts).await?;
    shell.title = if stored.is_some() { "Rule" } else { "New rule" }.to_owned();
    let choice = |destination: Destination| Choice { words: words(&destination.target), destination };
    Ok(RulePage {
        shell,
        now: OffsetDateTime::now_utc(),
        stored: stored.map(|rule| Line { rule }),
        typed,
        choices: choices.into_iter().map(choice).collect(),
        problem: None,
        found: None,
        is_saved: false,
    })
}
