//! What a person does to a release by forms: says how a deploy fares, and archives it.

use actix_web::{HttpResponse, web};
use engine::deploy::State;
use engine::ids::{DeployId, ProjectId};
use engine::limits::NAME_CHARS_MAX;
use engine::release::page_path;
use engine::watch::{BadMinutes, Minutes};
use store::deploys::{self, Mark};
use store::releases::{self, Facts};
use store::watches;
use time::OffsetDateTime;

use crate::web::Web;
use crate::web::error::PageError;
use crate::web::session::{Fields, Posted, local_path};
use crate::web::shell::see_other;

/// What a button asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// `archive`, `unarchive`.
    Archive(bool),
    /// `running`, `finished`, `good`, `bad`, `rolled_back`, of the deploy that the form names.
    Mark(State),
    /// `watch`: the deploy that the form names, for so many minutes.
    Watch,
}

impl Wish {
    fn read(text: &str) -> Option<Self> {
        match text {
            "archive" => Some(Self::Archive(true)),
            "unarchive" => Some(Self::Archive(false)),
            "watch" => Some(Self::Watch),
            state => state.parse().ok().map(Self::Mark),
        }
    }
}

/// `POST /projects/{slug}/releases/{version}`
pub(in crate::web) async fn post(
    web: web::Data<Web>,
    path: web::Path<(String, String)>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let (slug, version) = path.into_inner();
    let now = OffsetDateTime::now_utc();
    let fields = &posted.fields;
    let wish = Wish::read(fields.get("do")).ok_or_else(|| PageError::BadRequest("Unknown action.".to_owned()))?;
    let project = store::projects::by_slug(&web.pool, &slug).await?.ok_or(PageError::NotFound("project"))?;
    let is_there = !version.contains('\0') && releases::exists(&web.pool, project.id, &version).await?;
    if !is_there {
        return Err(PageError::NotFound("release"));
    }
    match wish {
        Wish::Archive(archived) => {
            let facts = Facts { archived: Some(archived), ..Facts::default() };
            releases::tell(&web.pool, &[project.id], &version, &facts, now).await?;
        }
        Wish::Mark(state) => {
            let id = named(fields)?;
            let reason = reason(fields.get("reason"));
            let mark = Mark { state, by: &posted.viewer.name, reason: &reason, finished_at: None };
            if !deploys::mark(&web.pool, &[project.id], &version, id, mark, now).await? {
                return Err(PageError::NotFound("deploy"));
            }
        }
        Wish::Watch => watch(&web, project.id, (&version, named(fields)?), fields.get("minutes")).await?,
    }
    Ok(see_other(local_path(fields.get("back"), &page_path(&project.slug, &version))))
}

/// The deploy that a form names.
fn named(fields: &Fields) -> Result<DeployId, PageError> {
    fields.get("deploy").parse().map_err(|_| PageError::NotFound("deploy"))
}

async fn watch(web: &Web, project: ProjectId, (version, id): (&str, DeployId), typed: &str) -> Result<(), PageError> {
    let minutes = typed.trim().parse().map_err(|_| BadMinutes).and_then(Minutes::new);
    let minutes = minutes.map_err(|problem| PageError::BadRequest(format!("{typed:.20} is no time: {problem}.")))?;
    if watches::choose(&web.pool, project, (version, id), minutes).await? {
        return Ok(());
    }
    deploys::by_id(&web.pool, project, id).await?.ok_or(PageError::NotFound("deploy"))?;
    Err(PageError::BadRequest("The watch of this deploy has ended. A new deploy begins another one.".to_owned()))
}

/// One line of what a person typed.
fn reason(text: &str) -> String {
    engine::alert::text::one_line(text, NAME_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_say_what_they_ask_for() {
        assert_eq!(Wish::read("archive"), Some(Wish::Archive(true)));
        assert_eq!(Wish::read("rolled_back"), Some(Wish::Mark(State::RolledBack)));
        assert_eq!(Wish::read("watch"), Some(Wish::Watch));
        assert_eq!((Wish::read(""), Wish::read("fine")), (None, None));
        assert_eq!(reason(" too\r\nmany "), "too many");
    }
}
