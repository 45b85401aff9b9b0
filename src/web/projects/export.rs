//! Taking data along: downloads that are written while they are read, of a project and of a person.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use futures_util::stream::{self, Stream};
use store::StoreError;
use store::export::{Export, PersonExport};
use time::OffsetDateTime;

use super::super::Web;
use super::super::error::PageError;
use super::super::session::Posted;
use super::find;

/// `POST /projects/{slug}/export`: a form, as it is written into the audit log.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    slug: web::Path<String>,
    _posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let export = Export::begin(web.pool.clone(), project.id, OffsetDateTime::now_utc()).await?;
    let pages = stream::unfold(Some(export), |export| async move {
        let mut export = export?;
        let next = export.next().await;
        chunk(next, export)
    });
    Ok(download(&project.slug, pages))
}

/// What is kept of a person.
pub(super) fn of_person(export: PersonExport) -> HttpResponse {
    let pages = stream::unfold(Some(export), |export| async move {
        let mut export = export?;
        let next = export.next().await;
        chunk(next, export)
    });
    download("person", pages)
}

type Chunk = Result<web::Bytes, actix_web::Error>;

/// The next lines, and the export while there may be more. Where it fails the file ends without its last line, and the
/// connection with it.
fn chunk<E>(next: Result<Option<String>, StoreError>, export: E) -> Option<(Chunk, Option<E>)> {
    match next {
        Ok(lines) => Some((Ok(web::Bytes::from(lines?)), Some(export))),
        Err(error) => Some((Err(actix_web::Error::from(PageError::from(error))), None)),
    }
}

fn download(name: &str, pages: impl Stream<Item = Chunk> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/x-ndjson"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.ndjson\"")))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(Box::pin(pages))
}
