//! The sessions of a person: where they are signed in, and the buttons that end that.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use store::people::sessions::{self, Listed};
use time::OffsetDateTime;

use super::super::display::Age;
use super::super::error::PageError;
use super::super::session::{Posted, Viewer};
use super::super::shell::{Nav, Shell, html, see_other};
use super::super::{Web, signs};

#[derive(Template)]
#[template(path = "me/sessions.html")]
struct SessionsPage {
    shell: Shell,
    now: OffsetDateTime,
    sessions: Vec<Listed>,
    own: [u8; 32],
}

impl SessionsPage {
    fn is_own(&self, session: &Listed) -> bool {
        session.hash == self.own
    }

    fn name(&self, session: &Listed) -> String {
        hex::encode(&session.hash)
    }
}

/// `GET /me/sessions`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
) -> Result<HttpResponse, PageError> {
    let (own, now) = (viewer.session_hash(), OffsetDateTime::now_utc());
    let sessions = sessions::of_user(&web.pool, viewer.user_id, now).await?;
    let mut shell = Shell::load(&web, &request, viewer, Nav::Person).await?;
    shell.title = "Your sessions".to_owned();
    html(&SessionsPage { shell, now, sessions, own })
}

/// `POST /me/sessions`: ends one `session`, or all others.
pub(in super::super) async fn post(web: web::Data<Web>, posted: Posted) -> Result<HttpResponse, PageError> {
    let user = posted.viewer.user_id;
    match posted.fields.get("do") {
        "end" => {
            let hash = hex::decode(posted.fields.get("session"));
            let hash = hash.map_err(|_| PageError::BadRequest("Which session?".to_owned()))?;
            sessions::delete_own(&web.pool, user, &hash).await?;
        }
        "end-others" => drop(sessions::delete_others(&web.pool, user, &posted.viewer.session_hash()).await?),
        _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
    Ok(see_other("/me/sessions"))
}
