//! Making and changing destinations by forms, which say where to get what they ask for. A secret is never shown again:
//! its field is empty, and left empty it stays.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::Object;
use engine::alert::preset::{Ask, Part, Parts};
use engine::alert::{self, preset};
use store::StoreError;
use store::notifications::{self as outbox, Destination, NewDestination, Target};
use time::OffsetDateTime;

use super::destination::{find, say};
use crate::destinations::{self, Given, KINDS, Kind, Wrong};
use crate::web::Web;
use crate::web::access::Action;
use crate::web::error::PageError;
use crate::web::session::{Fields, Posted, Viewer};
use crate::web::shell::{Nav, Shell, html, see_other};
use crate::web::signs;
use crate::web::toast::Change;

/// Lines of headers that are read: more than may be, so that too many are refused.
const LINES_MAX: usize = 100;

/// Addresses in the field, and characters around them, that are read at all.
const ADDRESSES_CHARS_MAX: usize = 20_000;

#[derive(Template)]
#[template(path = "alerts/kinds.html")]
struct KindsPage {
    shell: Shell,
}

/// A part in the form.
struct Field {
    ask: Ask,
    value: String,
}

/// A signal that can be asked for.
struct Wish {
    kind: alert::Kind,
    is_wanted: bool,
}

#[derive(Template)]
#[template(path = "alerts/form.html")]
struct FormPage {
    shell: Shell,
    kind: Kind,
    /// The one that is changed.
    known: Option<Destination>,
    problem: Option<String>,
    name: String,
    fields: Vec<Field>,
    /// Addresses, one in a line.
    to: String,
    members: bool,
    owners: bool,
    /// Body template of a webhook.
    template: String,
    project: String,
    wishes: Vec<Wish>,
}

#[derive(Template)]
#[template(path = "alerts/made.html")]
struct MadePage {
    shell: Shell,
    destination: Destination,
    secret: String,
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in crate::web) struct Address {
    #[serde(default)]
    kind: String,
}

/// `GET /alerts/new`: the kinds, or the form of one.
pub(in crate::web) async fn new(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<Address>,
) -> Result<HttpResponse, PageError> {
    let mut shell = Shell::load(&web, &request, viewer, Nav::Alerts).await?;
    shell.title = "New destination".to_owned();
    match Kind::named(&address.kind) {
        Some(kind) => html(&FormPage::empty(shell, kind)),
        None => html(&KindsPage { shell }),
    }
}

/// `POST /alerts/new`
pub(in crate::web) async fn create(
    web: web::Data<Web>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let fields = &posted.fields;
    let kind = Kind::named(fields.get("kind")).ok_or_else(|| PageError::BadRequest("Which kind?".to_owned()))?;
    let made = make(&web, &posted.viewer, kind, fields).await?;
    let mut shell = Shell::load(&web, &request, posted.viewer, Nav::Alerts).await?;
    shell.title = "New destination".to_owned();
    match made {
        Ok(destination) => match &destination.target {
            Target::Webhook(target) => {
                let secret = target.secret.clone();
                html(&MadePage { shell, destination, secret })
            }
            Target::Mail(_) | Target::Preset(_) => {
                let mut response = see_other(&format!("/alerts/{}", destination.id));
                say(&web, &mut response, Change::Made, destination.id);
                Ok(response)
            }
        },
        Err(wrong) => refused(&FormPage::typed(shell, kind, None, fields, &wrong)),
    }
}

async fn make(
    web: &Web,
    viewer: &Viewer,
    kind: Kind,
    fields: &Fields,
) -> Result<Result<Destination, Wrong>, PageError> {
    let target = match given(kind, fields, None).target(kind.name, None, web.desk.allow_private) {
        Ok(target) => target,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let name = match destinations::name(Some(fields.get("name")), &target) {
        Ok(name) => name,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let project_id = viewer.chosen(web, Some(fields.get("project"))).await?.map(|project| project.id);
    viewer.must(Action::ChangeAlerts, Object::of(project_id))?;
    let signals: Vec<String> =
        fields.all("signal").filter_map(alert::Kind::parse).map(|kind| kind.as_str().to_owned()).collect();
    let new = NewDestination { project_id, name: &name, target, signals: &signals };
    let id = match outbox::create_destination(&web.pool, &new, OffsetDateTime::now_utc()).await {
        Ok(id) => id,
        Err(StoreError::Conflict(why)) => return Err(PageError::BadRequest(format!("{why}."))),
        Err(error) => return Err(error.into()),
    };
    let made = outbox::find_destination(&web.pool, id).await?;
    made.map(Ok).ok_or(PageError::NotFound("destination"))
}

/// `GET /alerts/{id}/edit`
pub(in crate::web) async fn edit(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let (known, kind) = known(&web, &id).await?;
    let mut shell = Shell::load(&web, &request, viewer, Nav::Alerts).await?;
    shell.title = known.name.clone();
    html(&FormPage::of(shell, kind, known))
}

/// `POST /alerts/{id}/edit`
pub(in crate::web) async fn update(
    web: web::Data<Web>,
    request: HttpRequest,
    posted: Posted,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let fields = &posted.fields;
    let (known, kind) = known(&web, &id).await?;
    let target = given(kind, fields, Some(&known)).target(kind.name, Some(&known.target), web.desk.allow_private);
    let changed = target.and_then(|target| Ok((destinations::name(Some(fields.get("name")), &target)?, target)));
    let (name, target) = match changed {
        Ok(changed) => changed,
        Err(wrong) => {
            let mut shell = Shell::load(&web, &request, posted.viewer, Nav::Alerts).await?;
            shell.title = known.name.clone();
            return refused(&FormPage::typed(shell, kind, Some(known), fields, &wrong));
        }
    };
    outbox::update_destination(&web.pool, known.id, &name, &target).await?;
    if let (Target::Webhook(target), false) = (&target, fields.get("new_secret").is_empty()) {
        let mut shell = Shell::load(&web, &request, posted.viewer, Nav::Alerts).await?;
        shell.title = name;
        return html(&MadePage { shell, destination: known, secret: target.secret.clone() });
    }
    let mut response = see_other(&format!("/alerts/{}", known.id));
    say(&web, &mut response, Change::Saved, known.id);
    Ok(response)
}

/// A destination that was not deleted, and its kind.
async fn known(web: &Web, id: &str) -> Result<(Destination, Kind), PageError> {
    let missing = || PageError::NotFound("destination");
    let known = find(web, id).await?;
    let kind = Kind::named(known.target.kind()).ok_or_else(missing)?;
    if known.deleted_at.is_some() { Err(missing()) } else { Ok((known, kind)) }
}

fn refused(page: &FormPage) -> Result<HttpResponse, PageError> {
    let mut response = html(page)?;
    *response.status_mut() = StatusCode::BAD_REQUEST;
    Ok(response)
}

/// What the form says.
fn given(kind: Kind, fields: &Fields, known: Option<&Destination>) -> Given {
    let mut parts = Parts::default();
    for ask in kind.asks() {
        let value = fields.get(ask.part.as_str());
        // An empty field of a secret leaves it as it is; any other says that there is nothing.
        let said = (!value.is_empty() || (known.is_some() && !ask.secret)).then(|| value.to_owned());
        match ask.part {
            Part::Url => parts.url = said,
            Part::Token => parts.token = said,
            Part::Channel => parts.channel = said,
            Part::Server => parts.server = said,
        }
    }
    let mut given = Given { parts, ..Given::default() };
    match kind.name {
        "mail" => {
            let text: String = fields.get("to").chars().take(ADDRESSES_CHARS_MAX).collect();
            let to = text.split(|char: char| char.is_whitespace() || matches!(char, ',' | ';'));
            given.to = Some(to.map(str::to_owned).collect());
            given.members = Some(!fields.get("members").is_empty());
            given.owners = Some(!fields.get("owners").is_empty());
        }
        "webhook" => {
            given.parts.url = Some(fields.get("url").to_owned()).filter(|url| !url.is_empty());
            given.secret = (!fields.get("new_secret").is_empty()).then(String::new);
            given.template = Some(fields.get("template").to_owned());
            let lines: Vec<&str> = fields.get("headers").lines().filter(|line| !line.trim().is_empty()).collect();
            // A line that is no header is one with an empty name, which is refused with what to write.
            let header = |line: &&str| destinations::read_header(line).unwrap_or_default();
            let none = !fields.get("no_headers").is_empty();
            given.headers = (none || !lines.is_empty()).then(|| lines.iter().take(LINES_MAX).map(header).collect());
        }
        _ => {}
    }
    given
}

impl FormPage {
    fn empty(shell: Shell, kind: Kind) -> Self {
        // Incident receivers close what they opened.
        let closes = matches!(kind.name, "pagerduty" | "opsgenie");
        let wanted = |one: alert::Kind| alert::Kind::USUAL.contains(&one) || (closes && one.is_end());
        Self {
            shell,
            kind,
            known: None,
            problem: None,
            name: String::new(),
            fields: kind.asks().iter().map(|ask| Field { ask: *ask, value: String::new() }).collect(),
            to: String::new(),
            members: false,
            owners: false,
            template: String::new(),
            project: String::new(),
            wishes: alert::Kind::ALL.into_iter().map(|kind| Wish { kind, is_wanted: wanted(kind) }).collect(),
        }
    }

    /// The form of one that is there, without its secrets.
    fn of(shell: Shell, kind: Kind, known: Destination) -> Self {
        let mut form = Self::empty(shell, kind);
        form.name = known.name.clone();
        match &known.target {
            Target::Mail(target) => {
                (form.to, form.members, form.owners) = (target.to.join("\n"), target.members, target.owners);
            }
            Target::Preset(preset) => {
                let parts = preset.parts();
                for field in form.fields.iter_mut().filter(|field| !field.ask.secret) {
                    field.value = value(&parts, field.ask.part);
                }
            }
            Target::Webhook(target) => form.template = target.template.clone().unwrap_or_default(),
        }
        form.known = Some(known);
        form
    }

    /// What was typed, but for secrets, with what is wrong with it.
    fn typed(shell: Shell, kind: Kind, known: Option<Destination>, fields: &Fields, wrong: &Wrong) -> Self {
        let mut form = Self::empty(shell, kind);
        form.known = known;
        form.problem = Some(sentence(&wrong.words));
        form.name = fields.get("name").to_owned();
        for field in form.fields.iter_mut().filter(|field| !field.ask.secret) {
            field.value = fields.get(field.ask.part.as_str()).to_owned();
        }
        form.to = fields.get("to").to_owned();
        form.members = !fields.get("members").is_empty();
        form.owners = !fields.get("owners").is_empty();
        form.template = fields.get("template").to_owned();
        form.project = fields.get("project").to_owned();
        for wish in &mut form.wishes {
            wish.is_wanted = fields.all("signal").any(|signal| signal == wish.kind.as_str());
        }
        form
    }

    fn is_new(&self) -> bool {
        self.known.is_none()
    }

    fn is_required(&self, field: &Field) -> bool {
        field.ask.required && (self.is_new() || !field.ask.secret)
    }

    /// The host that a webhook goes to now; the rest of its address is often its secret.
    fn host(&self) -> Option<&str> {
        match &self.known.as_ref()?.target {
            Target::Webhook(target) => Some(target.host()),
            Target::Preset(target) => Some(preset::host(target.url())),
            Target::Mail(_) => None,
        }
    }

    /// Names of the headers that are sent now.
    fn headers(&self) -> String {
        match self.known.as_ref().map(|known| &known.target) {
            Some(Target::Webhook(target)) => {
                target.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
            }
            _ => String::new(),
        }
    }

    fn action(&self) -> String {
        self.known.as_ref().map_or_else(|| "/alerts/new".to_owned(), |known| format!("/alerts/{}/edit", known.id))
    }
}

fn value(parts: &Parts, part: Part) -> String {
    let value = match part {
        Part::Url => &parts.url,
        Part::Token => &parts.token,
        Part::Channel => &parts.channel,
        Part::Server => &parts.server,
    };
    value.clone().unwrap_or_default()
}

/// With a capital and a full stop.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let first: String = chars.next().map(|char| char.to_uppercase().collect()).unwrap_or_default();
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}
