//! Uploads of source maps and debug files, which this version does not use.
//!
//! A build that worked against Sentry shall not break here, and must not be told a lie either. So every file
//! that is offered is answered `ok` at once: tools upload nothing then, and end well. That it was offered and not kept is
//! remembered, and the page of the release says so. `accept` names what makes `sentry-cli` 2 ask before
//! it uploads, as 3 always does; there is nowhere to upload to.

use std::collections::BTreeMap;

use engine::limits::{DIST_CHARS_MAX, NAME_CHARS_MAX, RELEASE_CHARS_MAX};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use store::artifacts::{self, Kind, Offer};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use super::releases::{ProjectName, body_text};

/// What every answer says to those who read it.
const NOT_KEPT: &str = "not kept: this server does not use source maps or debug files yet";

/// Debug files of one call; a large application has some hundred.
const FILES_MAX: usize = 5_000;

#[derive(Deserialize)]
struct BundleBody {
    checksum: String,
    #[serde(default)]
    projects: Vec<ProjectName>,
    version: Option<String>,
    dist: Option<String>,
}

#[derive(Deserialize)]
struct DebugFileBody {
    name: Option<String>,
}

/// `GET /organizations/{org}/chunk-upload/`
pub(super) async fn options(call: Call) -> Answer {
    answer(json!({
        "url": format!("{}/api/0/organizations/{}/chunk-upload/", call.api().base_url, call.api().org_slug),
        "chunkSize": 8 * 1024 * 1024,
        "chunksPerRequest": 64,
        "maxRequestSize": 32 * 1024 * 1024,
        "maxFileSize": 2_147_483_648_i64,
        "maxWait": 60,
        "concurrency": 1,
        "hashAlgorithm": "sha1",
        "compression": ["gzip"],
        "accept": [
            "release_files", "artifact_bundles", "artifact_bundles_v2", "debug_files", "pdbs", "sources",
            "bcsymbolmaps", "il2cpp", "portablepdbs", "proguard",
        ],
    }))
}

/// `POST /organizations/{org}/artifactbundle/assemble/`
pub(super) async fn assemble_bundle(call: Call) -> Answer {
    let body: BundleBody = call.body_as()?;
    let mut projects = Vec::new();
    for name in &body.projects {
        projects.push(name.find(&call).await?);
    }
    if projects.is_empty() {
        return Err(ApiError::bad_request("One or more projects are invalid"));
    }
    let offer = Offer {
        checksum: checksum(&body.checksum)?,
        version: body.version.as_deref().and_then(|version| body_text(version, RELEASE_CHARS_MAX)),
        dist: body.dist.as_deref().and_then(|dist| body_text(dist, DIST_CHARS_MAX)),
        name: None,
    };
    artifacts::offer(&call.api().pool, &projects, Kind::Bundle, &[offer], call.now).await?;
    answer(assembled())
}

/// `POST /projects/{org}/{project}/files/difs/assemble/`: an answer for each file, by its checksum.
pub(super) async fn assemble_debug_files(call: Call) -> Answer {
    let project = call.project().await?;
    let body: BTreeMap<String, DebugFileBody> = call.body_as()?;
    if body.len() > FILES_MAX {
        return Err(ApiError::BadRequest(format!("At most {FILES_MAX} files at a time")));
    }
    let mut offers = Vec::new();
    let mut answers = Map::new();
    for (sum, file) in &body {
        let sum = checksum(sum)?;
        answers.insert(sum.clone(), assembled());
        let name = file.name.as_deref().and_then(|name| body_text(name, NAME_CHARS_MAX));
        offers.push(Offer { checksum: sum, version: None, dist: None, name });
    }
    artifacts::offer(&call.api().pool, &[project.id], Kind::DebugFile, &offers, call.now).await?;
    answer(Value::Object(answers))
}

/// `POST /projects/{org}/{project}/files/dsyms/`: the older upload, an archive in one request. What `sentry-cli` 2 does
/// with mappings of ProGuard.
pub(super) async fn upload_debug_files(call: Call) -> Answer {
    let project = call.project().await?;
    // The archive is not opened; what names it is the hash of the request.
    let checksum = hex::encode(Sha256::digest(call.bytes())).chars().take(40).collect();
    let offer = Offer { checksum, version: None, dist: None, name: Some("debug files in an archive".into()) };
    artifacts::offer(&call.api().pool, &[project.id], Kind::DebugFile, &[offer], call.now).await?;
    answer(json!([]))
}

fn assembled() -> Value {
    json!({ "state": "ok", "missingChunks": [], "detail": NOT_KEPT })
}

fn checksum(text: &str) -> Result<String, ApiError> {
    let is_sha1 = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_sha1 {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(ApiError::bad_request("checksum is 40 hexadecimal digits"))
    }
}
