//! What came of a watched deploy, as Markdown: up to now while it is watched, and as it was written down at the end.

use actix_web::{HttpResponse, web};
use engine::ids::DeployId;
use engine::verdict::judge;
use store::{deploys, verdict, watches};
use time::OffsetDateTime;

use crate::web::Web;
use crate::web::error::PageError;
use crate::web::session::Viewer;

/// What the address says.
#[derive(Debug, serde::Deserialize)]
pub(in crate::web) struct SummaryAddress {
    /// A deploy may be of several projects.
    project: String,
}

/// `GET /deploys/{deploy}/summary`
pub(in crate::web) async fn show(
    web: web::Data<Web>,
    viewer: Viewer,
    path: web::Path<DeployId>,
    address: web::Query<SummaryAddress>,
) -> Result<HttpResponse, PageError> {
    let project = viewer.project(&web, &address.project).await?;
    let found = deploys::by_id(&web.pool, project.id, path.into_inner()).await?;
    let deploy = found.ok_or(PageError::NotFound("deploy"))?;
    let summary = match watches::written(&web.pool, project.id, deploy.id).await? {
        Some(written) => written,
        None => {
            let now = OffsetDateTime::now_utc();
            let since = verdict::since(&web.pool, &deploy, now).await?;
            watches::summarize(&web.pool, &deploy, (&since, &judge(&since.facts), None), now).await?
        }
    };
    let text = summary.markdown(&web.base_url, &deploy.project_slug);
    Ok(HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(text))
}
