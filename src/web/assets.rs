//! The static files: embedded in the binary, served under names that carry the hash of their content.
//!
//! A name with a hash never changes its content, so browsers may keep it for ever; a new version has
//! a new name. Text is compressed once, when it is first asked for. To add a file, put it into
//! `static/` and name it in a template by `shell.asset("name")`.

use std::collections::HashMap;
use std::sync::LazyLock;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use flate2::Compression;
use rust_embed::Embed;
use sha2::{Digest, Sha256};

use super::error::PageError;
use super::gzip;

#[derive(Embed)]
#[folder = "static/"]
struct Files;

/// One static file.
struct Asset {
    url: String,
    content_type: String,
    plain: Bytes,
    gzip: Option<Bytes>,
}

struct Assets {
    /// By the name in `static/`.
    by_name: HashMap<String, Asset>,
    /// Last part of the URL to the name in `static/`.
    by_hashed: HashMap<String, String>,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(load);

fn load() -> Assets {
    let mut assets = Assets { by_name: HashMap::new(), by_hashed: HashMap::new() };
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else { continue };
        let hash = hex::encode(&Sha256::digest(&file.data)[..6]);
        let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
        let hashed = format!("{stem}.{hash}.{extension}");
        let content_type = mime_guess::from_ext(extension).first_or_octet_stream();
        let is_text = content_type.type_() == mime_guess::mime::TEXT || content_type.subtype() == "svg";
        let asset = Asset {
            url: format!("/static/{hashed}"),
            content_type: if is_text { format!("{content_type}; charset=utf-8") } else { content_type.to_string() },
            gzip: is_text.then(|| gzip::pack(&file.data, Compression::best())).flatten(),
            plain: Bytes::copy_from_slice(&file.data),
        };
        assets.by_hashed.insert(hashed, name.to_string());
        assets.by_name.insert(name.to_string(), asset);
    }
    assets
}

/// The URL of a file in `static/`. A name that does not exist leads to a 404, which the tests find.
pub(super) fn url(name: &str) -> &'static str {
    ASSETS.by_name.get(name).map_or("/static/missing", |asset| asset.url.as_str())
}

/// `GET /static/{file}`
pub(super) async fn get(request: HttpRequest, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let asset = ASSETS.by_hashed.get(path.as_str()).and_then(|name| ASSETS.by_name.get(name));
    let asset = asset.ok_or(PageError::NotFound("file"))?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(asset.content_type.as_str())
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((VARY, "accept-encoding"));
    Ok(match &asset.gzip {
        Some(packed) if gzip::is_accepted(request.headers()) => {
            response.insert_header((CONTENT_ENCODING, "gzip")).body(packed.clone())
        }
        _ => response.body(asset.plain.clone()),
    })
}

/// `GET /favicon.ico`, which browsers ask for whatever the page says.
pub(super) async fn favicon() -> HttpResponse {
    HttpResponse::SeeOther().insert_header(("location", url("favicon.svg"))).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_hash_and_text_is_compressed() {
        let css = &ASSETS.by_name["app.css"];
        assert!(css.url.starts_with("/static/app.") && css.url.len() == "/static/app..css".len() + 12);
        assert_eq!(css.content_type, "text/css; charset=utf-8");
        assert!(css.gzip.as_ref().unwrap().len() < css.plain.len() / 3);
        assert_eq!(url("no such file"), "/static/missing");
    }
}
