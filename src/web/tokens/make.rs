//! Making a token: what the form offers and says, and the page that shows the secret, once.

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use engine::access::{Reach, SCOPES, Scope};
use engine::ids::ProjectId;
use store::StoreError;
use store::people::tokens::{self, NewToken};
use store::projects::{self, Project};
use time::{Duration, OffsetDateTime};

use super::super::place::Place;
use crate::secrets::{self, Kind, Secret};
use crate::web::error::PageError;
use crate::web::session::{Fields, Viewer};
use crate::web::shell::{Nav, Shell, html};
use crate::web::{Web, signs};

/// Projects that the form offers by a tick; others are named.
const PROJECTS_MAX: i64 = 100;
/// Projects that one token can be made for here.
const CHOSEN_MAX: usize = 500;

/// Days until a token ends; none at all is for good.
pub(super) const DAYS: [(&str, Option<i64>, &str); 4] = [
    ("30", Some(30), "in 30 days"),
    ("90", Some(90), "in 90 days"),
    ("365", Some(365), "in a year"),
    ("never", None, "never"),
];
const DAYS_DEFAULT: &str = "90";

/// What the secret looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Carries the URL and the organization, for `sentry-cli` and the plugins of bundlers.
    Organization,
    /// Our own.
    Plain,
    /// As a person has one with Sentry.
    Person,
}

impl Form {
    /// Each with its name in the form and its words.
    pub(super) const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Organization, "organization", "sntrys_…, for sentry-cli: knows this address"),
        (Self::Plain, "plain", "ffp_…, for scripts"),
        (Self::Person, "person", "sntryu_…, for tools that want a person's"),
    ];
}

/// Something to begin with.
#[derive(Debug)]
pub(super) struct Preset {
    pub(super) id: &'static str,
    pub(super) label: &'static str,
    form: Form,
    /// Scopes of a token of the instance; of those, a project's has what is about projects.
    scopes: &'static [Scope],
}

const PRESETS: [Preset; 3] = [
    Preset {
        id: "sentry-cli",
        label: "sentry-cli on a build machine",
        form: Form::Organization,
        scopes: &[Scope::OrgCi, Scope::ProjectReleases],
    },
    Preset {
        id: "read-only",
        label: "Read-only",
        form: Form::Plain,
        scopes: &[Scope::OrgRead, Scope::ProjectRead, Scope::EventRead],
    },
    Preset {
        id: "issues",
        label: "Working with issues",
        form: Form::Plain,
        scopes: &[Scope::ProjectRead, Scope::EventWrite],
    },
];

/// What can be chosen.
pub(super) struct Offer {
    pub(super) scopes: Vec<Scope>,
    /// None on the page of a project: it is for that one.
    pub(super) projects: Vec<Project>,
    /// Whether there are more than can be ticked.
    pub(super) has_more: bool,
}

impl Offer {
    pub(super) async fn load(web: &Web, home: Option<&Project>) -> Result<Self, PageError> {
        let projects = match home {
            Some(_) => Vec::new(),
            None => projects::list(&web.pool, &Reach::All, None, PROJECTS_MAX + 1).await?,
        };
        let has_more = i64::try_from(projects.len()).is_ok_and(|found| found > PROJECTS_MAX);
        let projects = projects.into_iter().take(usize::try_from(PROJECTS_MAX).unwrap_or(0)).collect();
        Ok(Self { scopes: scopes(home.is_some()).collect(), projects, has_more })
    }

    /// A preset with what of it may be given here.
    pub(super) fn preset(&self, id: &str) -> Draft {
        let preset = PRESETS.iter().find(|preset| preset.id == id).unwrap_or(&PRESETS[0]);
        Draft {
            preset: preset.id.to_owned(),
            name: String::new(),
            form: preset.form,
            scopes: preset.scopes.iter().copied().filter(|scope| self.scopes.contains(scope)).collect(),
            is_of_all: true,
            projects: Vec::new(),
            slugs: String::new(),
            days: DAYS_DEFAULT.to_owned(),
        }
    }

    pub(super) const fn presets(&self) -> &'static [Preset] {
        &PRESETS
    }
}

/// Scopes that can be given: of a project's token, what is about projects.
fn scopes(is_of_project: bool) -> impl Iterator<Item = Scope> {
    SCOPES.into_iter().map(|(scope, _)| scope).filter(move |scope| !is_of_project || scope.is_of_projects())
}

/// The form, as it begins or as it was filled in.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) preset: String,
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) scopes: Vec<Scope>,
    pub(super) is_of_all: bool,
    pub(super) projects: Vec<i64>,
    /// More projects, by name.
    pub(super) slugs: String,
    pub(super) days: String,
}

impl Draft {
    pub(super) fn read(fields: &Fields) -> Self {
        let form = Form::ALL.into_iter().find(|(_, name, _)| *name == fields.get("form"));
        Self {
            preset: String::new(),
            name: fields.get("name").trim().replace('\0', ""),
            form: form.map_or(Form::Plain, |(form, ..)| form),
            scopes: fields.all("scope").filter_map(|scope| scope.parse().ok()).take(SCOPES.len()).collect(),
            is_of_all: fields.get("reach") != "some",
            projects: fields.all("project").filter_map(|id| id.parse().ok()).take(CHOSEN_MAX).collect(),
            slugs: fields.get("slugs").replace('\0', ""),
            days: fields.get("days").to_owned(),
        }
    }

    pub(super) fn has(&self, scope: &Scope) -> bool {
        self.scopes.contains(scope)
    }

    pub(super) fn names(&self, project: &Project) -> bool {
        self.projects.contains(&project.id.get())
    }

    /// In which projects it is to work, or what is wrong with that.
    async fn reach(&self, web: &Web) -> Result<Result<Reach, String>, PageError> {
        if self.is_of_all {
            return Ok(Ok(Reach::All));
        }
        let mut ids: Vec<ProjectId> = self.projects.iter().copied().map(ProjectId).collect();
        for slug in self.slugs.split([' ', ',', '\n', '\r']).filter(|slug| !slug.is_empty()).take(CHOSEN_MAX) {
            match projects::by_slug(&web.pool, slug).await? {
                Some(project) => ids.push(project.id),
                None => return Ok(Err(format!("There is no project {slug:.80}."))),
            }
        }
        if ids.is_empty() {
            return Ok(Err("Choose the projects in which it works, or all.".to_owned()));
        }
        Ok(Ok(Reach::All.among(&ids)))
    }
}

/// A token that was made now.
pub(super) struct Made {
    name: String,
    secret: Secret,
    form: Form,
    reach: Reach,
}

/// Makes a token of the instance, or of `home` alone; or says what is wrong with the form.
pub(super) async fn make(web: &Web, draft: &Draft, home: Option<&Project>) -> Result<Result<Made, String>, PageError> {
    if let Some(scope) = draft.scopes.iter().find(|scope| home.is_some() && !scope.is_of_projects()) {
        return Ok(Err(format!("{scope} is about the whole instance: its administrators make such tokens.")));
    }
    if draft.scopes.is_empty() {
        return Ok(Err("Tick what it may do: a token without any scope can do nothing.".to_owned()));
    }
    let Some((_, days, _)) = DAYS.into_iter().find(|(name, ..)| *name == draft.days) else {
        return Ok(Err("When does it expire?".to_owned()));
    };
    let reach = match home {
        Some(project) => Reach::Projects(vec![project.id]),
        None => match draft.reach(web).await? {
            Ok(reach) => reach,
            Err(problem) => return Ok(Err(problem)),
        },
    };
    let mut scopes = draft.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let now = OffsetDateTime::now_utc();
    let secret = match draft.form {
        Form::Organization => secrets::organization_token(&web.base_url, &web.config.org_slug, now),
        Form::Person => secrets::user_token(),
        Form::Plain => secrets::generate(Kind::ApiToken),
    };
    let new = NewToken {
        name: &draft.name,
        hash: &secret.hash,
        hint: &secret.hint(),
        home: home.map(|project| project.id),
        scopes: &scopes,
        reach: &reach,
        now,
        expires_at: days.map(|days| now + Duration::days(days)),
    };
    match tokens::create(&web.pool, new).await {
        Ok(token) => Ok(Ok(Made { name: token.name, secret, form: draft.form, reach })),
        Err(StoreError::Conflict(problem)) => Ok(Err(format!("{problem}."))),
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "tokens/made.html")]
struct MadePage {
    shell: Shell,
    place: Place,
    name: String,
    secret: String,
    /// What `sentry-cli` is told by, on one line.
    line: String,
    back: String,
}

/// The page with the secret.
pub(super) async fn shown(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    place: Place,
    made: Made,
) -> Result<HttpResponse, PageError> {
    let mut shell = place.shell(web, request, viewer, (Nav::Tokens, "Tokens")).await?;
    shell.title = "The token".to_owned();
    let only = match made.reach.ids().as_deref() {
        Some([id]) => projects::by_id(&web.pool, ProjectId(*id)).await?,
        _ => None,
    };
    let secret = made.secret.text;
    let mut line = "export".to_owned();
    if made.form != Form::Organization {
        line.push_str(&format!(" SENTRY_URL={} SENTRY_ORG={}", web.base_url, web.config.org_slug));
    }
    if let Some(project) = only {
        line.push_str(&format!(" SENTRY_PROJECT={}", project.slug));
    }
    line.push_str(&format!(" SENTRY_AUTH_TOKEN={secret}"));
    html(&MadePage { shell, back: place.path("tokens"), place, name: made.name, secret, line })
}
