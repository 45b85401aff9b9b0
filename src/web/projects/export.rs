//! Taking the data of a project along.

use actix_web::{HttpResponse, web};
use store::export::Export;
use time::OffsetDateTime;

use super::super::Web;
use super::super::error::PageError;
use super::super::session::Posted;
use super::find;
use crate::exporting;

pub(super) use exporting::of_person;

/// `POST /projects/{slug}/export`: a form, as it is written into the audit log.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    slug: web::Path<String>,
    _posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let export = Export::begin(web.pool.clone(), project.id, OffsetDateTime::now_utc()).await?;
    Ok(exporting::of_project(&project.slug, export))
}
