//! Every route of the pages by every role: what each answers is what `engine::access` says, and docs/ACCESS.md is that
//! table. A route that stands in no table is not there; one whose path has a new parameter needs a value in `reads`.

use std::fmt::Write as _;

use actix_web::http::Method;
use engine::access::{Decision, Grants, Object, ProjectRole, Role, Scope};
use engine::ids::ProjectId;
use firefinch::api::endpoints;
use firefinch::web::{Action, Needs, Noun, Page, pages};
use serde_json::json;

use super::reads::filled;
use super::{Browser, Site, add_person, csrf, exception};

/// What a route answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The page, or whatever is wrong with the form.
    Open,
    /// 403
    Refused,
    /// 404, as for what is not there.
    Hidden,
    /// The door.
    Door,
}

impl Answer {
    const fn word(self) -> &'static str {
        match self {
            Self::Open => "yes",
            Self::Refused => "no",
            Self::Hidden => "hidden",
            Self::Door => "sign in",
        }
    }
}

/// Somebody who comes: an instance role, and a role in the project `shop`; nobody at all is a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Persona {
    name: &'static str,
    who: Option<(Role, Option<ProjectRole>)>,
}

const PERSONAS: [Persona; 9] = [
    Persona { name: "owner", who: Some((Role::Owner, None)) },
    Persona { name: "admin", who: Some((Role::Admin, None)) },
    Persona { name: "member", who: Some((Role::Member, None)) },
    Persona { name: "viewer", who: Some((Role::Viewer, None)) },
    Persona { name: "project admin", who: Some((Role::Guest, Some(ProjectRole::Admin))) },
    Persona { name: "project member", who: Some((Role::Guest, Some(ProjectRole::Member))) },
    Persona { name: "project viewer", who: Some((Role::Guest, Some(ProjectRole::Viewer))) },
    Persona { name: "guest", who: Some((Role::Guest, None)) },
    Persona { name: "stranger", who: None },
];

impl Persona {
    fn expects(self, needs: Needs, shop: ProjectId) -> Answer {
        let Some((role, given)) = self.who else {
            return if needs == Needs::Nothing { Answer::Open } else { Answer::Door };
        };
        let grants = Grants::new(role, given.map(|given| (shop, given)));
        let told = |decision| match decision {
            Decision::Allowed => Answer::Open,
            Decision::Refused => Answer::Refused,
            Decision::Hidden => Answer::Hidden,
        };
        match needs {
            Needs::Nothing | Needs::Person | Needs::Account | Needs::Script => Answer::Open,
            Needs::Somewhere(action) if grants.can_somewhere(action) => Answer::Open,
            Needs::Somewhere(_) => Answer::Refused,
            Needs::Instance(action) => told(grants.can(action, Object::Instance)),
            Needs::Named(action, noun) => told(grants.can(action, object(noun, shop))),
        }
    }
}

/// Rule 1 and destination 1 come with the instance and serve all projects.
fn object(noun: Noun, shop: ProjectId) -> Object {
    match noun {
        Noun::Rule | Noun::Destination => Object::Instance,
        Noun::Project | Noun::Issue | Noun::Regrouping => Object::Project(shop),
    }
}

/// A site in which everything is there that a path can name; the issue and its event.
async fn furnished() -> (Site, i64, String) {
    let site = Site::open().await;
    for role in [Role::Owner, Role::Guest] {
        add_person(&site.server, role).await;
    }
    let mut event = exception("E", "v");
    event["release"] = "shop@1.0".into();
    let issue = site.issue(&event).await;
    let pool = &site.server.db.pool;
    let id: uuid::Uuid = sqlx::query_scalar("select event_id from events").fetch_one(pool).await.unwrap();
    let token = site.server.db.token(&[Scope::ProjectReleases]).await;
    let deploys = "/api/0/organizations/default/releases/shop@1.0/deploys/";
    let made = site.http.with_token(&token).request(reqwest::Method::POST, deploys);
    let made = site.http.send(made.json(&json!({"environment": "qa"}))).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let file = "insert into attachments (id, project_id, event_id, received_at, day, name, content_type, kind, bytes, \
                content) select '00000000000000000000000000000001', project_id, event_id, received_at, day, 'a', \
                'text/plain', 'event.attachment', 1, 'a' from events";
    sqlx::query(file).execute(pool).await.unwrap();
    sqlx::query("insert into teams (slug, name, created_at) values ('shop', 'Shop', now())")
        .execute(pool)
        .await
        .unwrap();
    let mut admin = site.sign_in(Role::Admin).await;
    assert_eq!(admin.submit("/issues", "/projects/shop/regroup", &[]).await.status, 303);
    (site, issue, id.simple().to_string())
}

/// What a route answers a browser.
async fn observe(browser: &Browser, page: &Page, path: &str, token: &str) -> Answer {
    let mut request = browser.request(page.method.as_str().parse().unwrap(), path);
    if page.method == Method::POST {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", token);
        if page.path.starts_with("/alerts/") {
            // Without it, they serve every project.
            form.append_pair("project", "shop");
        }
        let form = form.finish();
        request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    }
    // The live stream has no end, so bodies are not read.
    let reply = request.send().await.unwrap();
    let to = reply.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or_default();
    match reply.status().as_u16() {
        303 if to.starts_with("/sign-in") => Answer::Door,
        401 => Answer::Door,
        403 => Answer::Refused,
        404 => Answer::Hidden,
        500.. => panic!("{} {path}: {}", page.method, reply.status()),
        _ => Answer::Open,
    }
}

#[tokio::test]
async fn every_route_answers_every_role_as_the_table_says() {
    let (site, issue, event) = furnished().await;
    let shop = ProjectId(site.project.id);
    let mut requests = 0;
    for persona in PERSONAS {
        let browser = match persona.who {
            Some((role, given)) => {
                site.server.db.member(&format!("{role}@example.org"), &site.project, given).await;
                site.sign_in(role).await
            }
            None => Browser::new(&site.http),
        };
        let token = match persona.who {
            Some(_) => csrf(&browser.clone().page("/issues").await),
            None => String::new(),
        };
        for page in pages() {
            // Keys of their own kind, each tried where it belongs; and signing out would end the walk.
            if page.needs == Needs::Nothing || page.path == "/sign-out" {
                continue;
            }
            let mut path = filled(page.path, issue, &event, "none");
            if page.path.contains("{deploy}") {
                path.push_str("?project=shop");
            }
            let mut expected = persona.expects(page.needs, shop);
            // It takes the project from its query.
            if page.path.contains("{deploy}") && persona.name == "guest" {
                expected = Answer::Hidden;
            }
            let found = observe(&browser, &page, &path, &token).await;
            assert_eq!(found, expected, "{} {path} for {}", page.method, persona.name);
            requests += 1;
        }
    }
    assert!(requests > 400, "only {requests} requests");
}

/// What a route asks for, in words.
fn words(needs: Needs) -> String {
    match needs {
        Needs::Nothing => "nothing: for everybody, or its address is the key".to_owned(),
        Needs::Account => "somebody, also without the second factor that all need".to_owned(),
        Needs::Person | Needs::Script => "somebody: their own, or what they may read".to_owned(),
        Needs::Somewhere(action) => format!("{action:?}, of each that is named"),
        Needs::Instance(action) => format!("{action:?}"),
        Needs::Named(action, noun) => format!("{action:?}, of the {}", format!("{noun:?}").to_lowercase()),
    }
}

/// The tables of docs/ACCESS.md.
fn tables() -> String {
    let shop = ProjectId(1);
    let columns = || PERSONAS.iter().map(|persona| persona.name).collect::<Vec<_>>().join(" | ");
    let rule = || PERSONAS.map(|_| "---").join(" | ");
    let mut text = format!("## Actions\n\n| action | {} |\n| --- | {} |\n", columns(), rule());
    for action in Action::ALL {
        let is_instance = Grants::new(Role::Guest, []).can(action, Object::Instance) != Decision::Hidden;
        let needs = if is_instance { Needs::Instance(action) } else { Needs::Named(action, Noun::Project) };
        let answers = PERSONAS.map(|persona| persona.expects(needs, shop).word()).join(" | ");
        writeln!(text, "| {action:?} | {answers} |").unwrap();
    }
    write!(text, "\n## Pages\n\n| | route | asks for | {} |\n| --- | --- | --- | {} |\n", columns(), rule()).unwrap();
    for page in pages() {
        let answers = PERSONAS.map(|persona| persona.expects(page.needs, shop).word()).join(" | ");
        writeln!(text, "| {} | `{}` | {} | {answers} |", page.method, page.path, words(page.needs)).unwrap();
    }
    text.push_str("\n## Web API\n\n| | endpoint below `/api/0` | a token needs one of |\n| --- | --- | --- |\n");
    for endpoint in endpoints() {
        let scopes: Vec<&str> = endpoint.scopes.iter().map(|scope| scope.as_str()).collect();
        let scopes = if scopes.is_empty() { "any scope".to_owned() } else { scopes.join(", ") };
        writeln!(text, "| {} | `{}` | {scopes} |", endpoint.method, endpoint.path).unwrap();
    }
    text
}

/// Where the tables stand; what is above the mark is written by hand.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ACCESS.md");
const MARK: &str =
    "<!-- From here on written by `WRITE_ACCESS=1 cargo test --test it the_document_has_the_tables`. -->\n";

#[test]
fn the_document_has_the_tables() {
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let (prose, found) = document.split_once(MARK).expect("the document has its mark");
    let wanted = tables();
    if std::env::var_os("WRITE_ACCESS").is_some() {
        std::fs::write(DOCUMENT, format!("{prose}{MARK}\n{wanted}")).unwrap();
        return;
    }
    assert!(found.trim_start() == wanted, "docs/ACCESS.md has other tables: write it anew as its mark says");
}
