//! People and teams: who may sign in, what they are on the instance, and which projects teams were given.
//!
//! For administrators. What somebody is in one project is on the page of its members (`projects::members`).

pub(super) mod invitations;
pub(super) mod sign_in;
pub(super) mod teams;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::{ProjectRole, Reach, Role};
use engine::ids::UserId;
use store::people::entries::{self, Invitation};
use store::people::teams::Team;
use store::people::users::{self, User};
use store::people::{factors, sessions, teams as kept, tokens};
use store::projects::{self, Project};
use store::{StoreError, live};
use time::OffsetDateTime;

use super::Web;
use super::display::Age;
use super::error::PageError;
use super::session::{Posted, Viewer};
use super::shell::{Nav, Shell, html, see_other};
use super::signs;

/// Projects that an invitation can be made for here.
const PROJECTS_MAX: i64 = 100;
/// People of one page.
const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "people/list.html")]
struct ListPage {
    shell: Shell,
    now: OffsetDateTime,
    people: Vec<User>,
    /// Those of them who have a second factor.
    guarded: Vec<UserId>,
    /// How many tokens those of them made who made any; they go on working without them.
    makers: Vec<(UserId, i64)>,
    more: Option<UserId>,
    is_first: bool,
    teams: Vec<Team>,
    invitations: Vec<Invitation>,
    /// What an invitation can name.
    projects: Vec<Project>,
    has_mail: bool,
    is_saved: bool,
}

impl ListPage {
    /// What who looks may make of somebody; without what they are, nothing.
    fn roles(&self, user: &User) -> Vec<Role> {
        let own = self.shell.viewer.grants.role();
        Role::ALL.into_iter().filter(|to| *to == user.role || own.may_turn(user.role, *to)).collect()
    }

    fn may_change(&self, user: &User) -> bool {
        self.shell.viewer.grants.role().may_turn(user.role, Role::Guest)
    }

    /// What who looks may invite somebody as.
    fn offered(&self) -> Vec<Role> {
        let own = self.shell.viewer.grants.role();
        Role::ALL.into_iter().filter(|to| own.may_turn(Role::Guest, *to)).collect()
    }

    fn is_guarded(&self, user: &User) -> bool {
        self.guarded.contains(&user.id)
    }

    /// Tokens that somebody made and that work.
    fn tokens(&self, user: &User) -> i64 {
        self.makers.iter().find(|(id, _)| *id == user.id).map_or(0, |(_, tokens)| *tokens)
    }

    fn is_own(&self, user: &User) -> bool {
        self.shell.viewer.user_id == user.id
    }
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(super) struct Address {
    after: Option<i64>,
    saved: Option<String>,
}

/// `GET /people`
pub(super) async fn list(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<Address>,
) -> Result<HttpResponse, PageError> {
    let after = address.after.map(UserId);
    let mut people = users::list(&web.pool, after, i64::try_from(ROWS).unwrap_or(1) + 1).await?;
    let more = people.len() > ROWS;
    people.truncate(ROWS);
    let mut shell = Shell::load(&web, &request, viewer, Nav::People).await?;
    shell.title = "People".to_owned();
    let (ids, now) = (people.iter().map(|user| user.id).collect::<Vec<_>>(), OffsetDateTime::now_utc());
    html(&ListPage {
        shell,
        now,
        guarded: factors::holders(&web.pool, &ids).await?,
        makers: tokens::count_by_maker(&web.pool, &ids, now).await?,
        more: people.last().map(|user| user.id).filter(|_| more),
        people,
        is_first: after.is_none(),
        teams: kept::list(&web.pool).await?,
        invitations: entries::invitations(&web.pool, now).await?,
        projects: projects::list(&web.pool, &Reach::All, None, PROJECTS_MAX).await?,
        has_mail: web.config.smtp_url.is_some(),
        is_saved: address.saved.is_some(),
    })
}

/// `POST /people`: `do` is `role`, `disable`, `enable`, `sign-out`, `reset-second-factor` or `remove`, of a `user`.
pub(super) async fn post(web: web::Data<Web>, posted: Posted) -> Result<HttpResponse, PageError> {
    let fields = &posted.fields;
    let missing = || PageError::NotFound("person");
    let id = fields.get("user").parse().map_err(|_| PageError::BadRequest("Which person?".to_owned()))?;
    let user = users::by_id(&web.pool, id).await?.ok_or_else(missing)?;
    let to = match fields.get("do") {
        "role" => fields.get("role").parse().map_err(|_| PageError::BadRequest("Choose a role.".to_owned()))?,
        _ => Role::Guest,
    };
    if !posted.viewer.grants.role().may_turn(user.role, to) {
        return Err(PageError::Forbidden("Only owners make, unmake and change owners."));
    }
    let now = OffsetDateTime::now_utc();
    let mut tx = web.pool.begin().await.map_err(StoreError::from)?;
    match fields.get("do") {
        "role" => drop(users::set_role(&mut tx, id, to).await?),
        "disable" => drop(users::set_disabled(&mut tx, id, Some(now)).await?),
        "enable" => drop(users::set_disabled(&mut tx, id, None).await?),
        "sign-out" => drop(sessions::delete_of_user(&web.pool, id).await?),
        "reset-second-factor" => drop(factors::reset(&mut tx, id).await?),
        "remove" => {
            let given_back = users::remove(&web.pool, id, now).await?.ok_or_else(missing)?;
            if let Err(error) = live::notify(&web.pool, &given_back).await {
                tracing::warn!(%error, "open pages were not told of a change");
            }
        }
        _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(see_other("/people?saved=1"))
}
