//! Taking data along, for pages and API: downloads that are written while they are read, of a project and of a person.

use actix_web::HttpResponse;
use actix_web::error::ErrorInternalServerError;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::Bytes;
use futures_util::stream::{self, Stream};
use store::StoreError;
use store::export::{Export, PersonExport};

/// What an export is: a JSON object a line.
pub(crate) const LINES: &str = "application/x-ndjson";

/// All data of the project that is called `slug`.
pub(crate) fn of_project(slug: &str, export: Export) -> HttpResponse {
    let pages = stream::unfold(Some(export), |export| async move {
        let mut export = export?;
        let next = export.next().await;
        chunk(next, export)
    });
    download(slug, pages)
}

/// What is kept of a person.
pub(crate) fn of_person(export: PersonExport) -> HttpResponse {
    let pages = stream::unfold(Some(export), |export| async move {
        let mut export = export?;
        let next = export.next().await;
        chunk(next, export)
    });
    download("person", pages)
}

type Chunk = Result<Bytes, actix_web::Error>;

/// The next lines, and the export while there may be more. Where it fails the file ends without its last line, and the
/// connection with it.
fn chunk<E>(next: Result<Option<String>, StoreError>, export: E) -> Option<(Chunk, Option<E>)> {
    match next {
        Ok(lines) => Some((Ok(Bytes::from(lines?)), Some(export))),
        Err(error) => {
            tracing::error!(%error, "an export ends early");
            Some((Err(ErrorInternalServerError("the export ends early")), None))
        }
    }
}

fn download(name: &str, pages: impl Stream<Item = Chunk> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, LINES))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.ndjson\"")))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .streaming(Box::pin(pages))
}
