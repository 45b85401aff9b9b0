//! Where something is chosen: in one project, or for all of them. Both pages are one handler on two routes.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use engine::ids::ProjectId;
use store::projects::Project;

use super::Web;
use super::error::PageError;
use super::projects::find;
use super::session::{Viewer, state};
use super::shell::{Nav, Shell};

/// A project, where the path of the page names one by its `{slug}`; else the instance.
#[derive(Debug)]
pub(super) struct Place {
    /// Absent on the page of the instance.
    pub(super) project: Option<Project>,
}

impl Place {
    /// Of the project; `None` is the instance.
    pub(super) fn id(&self) -> Option<ProjectId> {
        self.project.as_ref().map(|project| project.id)
    }

    /// Address of its page of that name, such as `limits`.
    pub(super) fn path(&self, page: &str) -> String {
        self.project.as_ref().map_or_else(|| format!("/{page}"), |project| format!("/projects/{}/{page}", project.slug))
    }

    /// The frame of its page: under the projects, or where the instance has it in the menu.
    pub(super) async fn shell(
        &self,
        web: &Web,
        request: &HttpRequest,
        viewer: Viewer,
        (nav, title): (Nav, &str),
    ) -> Result<Shell, PageError> {
        let nav = if self.project.is_some() { Nav::Projects } else { nav };
        let mut shell = Shell::load(web, request, viewer, nav).await?;
        shell.title =
            self.project.as_ref().map_or_else(|| title.to_owned(), |project| format!("{title} of {}", project.slug));
        shell.project = self.project.as_ref().map(|project| project.slug.clone());
        Ok(shell)
    }
}

impl FromRequest for Place {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let project = match request.match_info().get("slug") {
                Some(slug) => Some(find(state(&request)?, slug).await?),
                None => None,
            };
            Ok(Self { project })
        })
    }
}
