//! Where the frames of an event are found: the mappings of its project, and the commit that ran.

use engine::code_link::{Links, Mapping, Version};
use engine::ids::ProjectId;
use store::events::StoredEvent;
use store::{code_mappings, commits};

use super::event::EventView;
use super::stack::Code;
use super::unpack;
use crate::web::Web;
use crate::web::error::PageError;

/// A frame of the own code of a project, for trying mappings.
pub(in crate::web) struct OurFrame {
    /// As it is shown.
    pub place: String,
    /// The whole path, where it is another one.
    pub abs_path: String,
    /// What the mappings make of it.
    pub links: Links,
}

/// The frames of an event that mappings are about, with the links that these make.
pub(in crate::web) async fn our_frames(
    web: &Web,
    stored: &StoredEvent,
    mappings: Vec<Mapping>,
) -> Result<Vec<OurFrame>, PageError> {
    let sources = Sources::with(web, stored.event.project_id, stored.event.release.as_deref(), mappings).await?;
    let view = EventView::new(&unpack(stored)?, sources.code());
    let ours = view.into_frames().filter(|frame| frame.in_app);
    Ok(ours.map(|frame| OurFrame { place: frame.place, abs_path: frame.abs_path, links: frame.links }).collect())
}

/// What links of frames are made of.
#[derive(Debug, Default)]
pub(super) struct Sources {
    mappings: Vec<Mapping>,
    release: Option<String>,
    commit: Option<String>,
}

impl Sources {
    /// Those of an event of a release, by the mappings of its project.
    pub(super) async fn load(web: &Web, project_id: ProjectId, release: Option<&str>) -> Result<Self, PageError> {
        let mappings = code_mappings::list(&web.pool, project_id).await?;
        Self::with(web, project_id, release, mappings).await
    }

    /// The same by other mappings.
    async fn with(
        web: &Web,
        project_id: ProjectId,
        release: Option<&str>,
        mappings: Vec<Mapping>,
    ) -> Result<Self, PageError> {
        let commit = match release.filter(|_| !mappings.is_empty()) {
            Some(release) => commits::of_release(&web.pool, project_id, release, 0, 1).await?.pop(),
            None => None,
        };
        Ok(Self { mappings, release: release.map(str::to_owned), commit: commit.map(|commit| commit.sha) })
    }

    /// For the view of an event.
    pub(super) fn code(&self) -> Code<'_> {
        let version = Version { commit: self.commit.as_deref(), release: self.release.as_deref() };
        Code { mappings: &self.mappings, version, ..Code::default() }
    }
}
