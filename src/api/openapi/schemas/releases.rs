//! Releases, commits, deploys, and uploads that are not kept.

use serde_json::{Value, json};

use super::{any, date, list, object, one_of, or_null, reference, text, whole};

pub(super) fn all() -> Vec<(&'static str, Value)> {
    let mut all = releases();
    all.extend(deploys());
    all.extend(artifacts());
    all
}

fn releases() -> Vec<(&'static str, Value)> {
    let commit = object(&[
        ("id", text()),
        ("message", or_null("string")),
        ("dateCreated", or_null("string")),
        ("author", any()),
        ("repository", any()),
    ]);
    let mut previous = release();
    previous["required"] = json!([]);
    let mut made = sent();
    made["properties"]["version"] = text();
    made["properties"]["projects"] =
        json!({ "type": "array", "items": { "type": ["string", "integer"] }, "description": "Slugs or numbers." });
    made["required"] = json!(["version"]);
    vec![
        ("Release", release()),
        ("PreviousRelease", previous),
        ("NewRelease", made),
        ("ReleaseUpdate", sent()),
        ("Commit", commit),
    ]
}

fn release() -> Value {
    object(&[
        ("version", text()),
        ("shortVersion", text()),
        ("status", one_of(&["open", "archived"])),
        ("ref", or_null("string")),
        ("url", or_null("string")),
        ("dateCreated", date()),
        ("dateStarted", or_null("string")),
        ("dateReleased", or_null("string")),
        ("firstEvent", or_null("string")),
        ("lastEvent", or_null("string")),
        ("newGroups", whole()),
        ("commitCount", whole()),
        ("deployCount", whole()),
        ("lastCommit", or_null("object")),
        ("lastDeploy", or_null("object")),
        ("authors", list(object(&[("name", or_null("string")), ("email", text())]))),
        ("projects", list(any())),
        ("owner", any()),
        ("data", any()),
    ])
}

/// What a tool may say of a release.
fn sent() -> Value {
    let file = json!({ "type": "object", "properties": { "path": text(), "type": one_of(&["A", "M", "D"]) } });
    let commit = json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": text(), "repository": text(), "author_name": text(), "author_email": text(), "message": text(),
            "timestamp": date(), "patch_set": list(file),
        },
    });
    let reference = json!({
        "type": "object",
        "required": ["commit"],
        "properties": { "repository": text(), "commit": text(), "previousCommit": or_null("string") },
    });
    json!({
        "type": "object",
        "description": "commits replaces the list; refs are commits of which only the hash is known.",
        "properties": {
            "url": or_null("string"), "ref": or_null("string"), "status": one_of(&["open", "archived"]),
            "dateStarted": or_null("string"), "dateReleased": or_null("string"),
            "commits": list(commit), "refs": list(reference),
        },
    })
}

fn deploys() -> Vec<(&'static str, Value)> {
    let states = one_of(&["running", "finished", "good", "bad", "rolled_back"]);
    let deploy = object(&[
        ("id", text()),
        ("version", text()),
        ("environment", text()),
        ("name", or_null("string")),
        ("url", or_null("string")),
        ("dateStarted", or_null("string")),
        ("dateFinished", or_null("string")),
        ("state", states.clone()),
        ("stateBy", text()),
        ("stateReason", text()),
        ("stateSince", date()),
        ("watchMinutes", or_null("integer")),
        ("watchUntil", or_null("string")),
        ("watchEnded", or_null("string")),
        ("watchVerdict", or_null("string")),
        ("watchReason", or_null("string")),
    ]);
    let new = json!({
        "type": "object",
        "required": ["environment"],
        "properties": {
            "environment": text(), "name": or_null("string"), "url": or_null("string"),
            "dateStarted": or_null("string"), "dateFinished": or_null("string"), "projects": list(any()),
            "state": one_of(&["running", "finished"]), "watchMinutes": or_null("integer"),
        },
    });
    let mark = json!({
        "type": "object",
        "required": ["state"],
        "properties": { "state": states, "reason": or_null("string"), "dateFinished": or_null("string") },
    });
    vec![("Deploy", deploy), ("NewDeploy", new), ("DeployMark", mark), ("Verdict", verdict())]
}

fn verdict() -> Value {
    let sessions = object(&[("total", whole()), ("crashed", whole()), ("crashFree", or_null("number"))]);
    let number = || json!({ "type": "number" });
    let evidence = object(&[
        ("newIssues", whole()),
        ("newIssuesOfManyUsers", whole()),
        ("regressedIssues", whole()),
        ("errorsPerMinute", number()),
        ("usualErrorsPerMinute", or_null("number")),
        ("share", or_null("number")),
        ("shareOf", or_null("string")),
        ("sessions", sessions.clone()),
        ("sessionsBefore", sessions),
    ]);
    let issue =
        object(&[("id", text()), ("shortId", text()), ("title", text()), ("count", text()), ("userCount", whole())]);
    object(&[
        ("verdict", one_of(&["good", "watch", "bad", "too_early"])),
        ("reason", text()),
        ("deploy", reference("Deploy")),
        ("elapsedSeconds", whole()),
        ("evidence", evidence),
        ("newIssues", list(issue.clone())),
        ("regressedIssues", list(issue)),
        ("brokenLimits", or_null("array")),
    ])
}

fn artifacts() -> Vec<(&'static str, Value)> {
    let options = object(&[
        ("url", text()),
        ("chunkSize", whole()),
        ("chunksPerRequest", whole()),
        ("maxRequestSize", whole()),
        ("maxFileSize", whole()),
        ("maxWait", whole()),
        ("concurrency", whole()),
        ("hashAlgorithm", text()),
        ("compression", list(text())),
        ("accept", list(text())),
    ]);
    let assembled = object(&[("state", text()), ("missingChunks", list(text())), ("detail", text())]);
    let mut bundle = object(&[
        ("checksum", text()),
        ("chunks", list(text())),
        ("projects", list(any())),
        ("version", or_null("string")),
        ("dist", or_null("string")),
    ]);
    bundle["required"] = json!(["checksum", "projects"]);
    let by_checksum = |schema: Value| json!({ "type": "object", "additionalProperties": schema });
    vec![
        ("UploadOptions", options),
        ("Assembled", assembled),
        ("AssembledFiles", by_checksum(reference("Assembled"))),
        ("BundleOffer", bundle),
        ("DebugFileOffers", by_checksum(json!({ "type": "object", "properties": { "name": text() } }))),
    ]
}
