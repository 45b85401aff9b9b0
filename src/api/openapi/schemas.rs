//! The schemas of the API: what scripts may rely on. Objects may grow; nothing here goes away.

mod destinations;
mod intake;
mod privacy;
mod releases;

use serde_json::{Map, Value, json};

/// All schemas by name.
pub(super) fn all() -> Value {
    let mut schemas = Map::new();
    for (name, schema) in basics()
        .into_iter()
        .chain(rules())
        .chain(alert_rules())
        .chain(ownership())
        .chain(privacy::all())
        .chain(issues())
        .chain(events())
        .chain(numbers())
        .chain(intake::all())
        .chain(releases::all())
        .chain(destinations::all())
    {
        schemas.insert(name.to_owned(), schema);
    }
    Value::Object(schemas)
}

/// A project and its grouping rules.
fn rules() -> Vec<(&'static str, Value)> {
    let mut detail = project_fields();
    detail.extend([
        ("resolveAge", whole()),
        ("watchMinutes", whole()),
        ("fingerprintingRules", text()),
        ("groupingEnhancements", text()),
        ("fingerprintingRulesBase", text()),
        ("groupingEnhancementsBase", text()),
        ("groupingRulesWarnings", reference("RuleProblems")),
    ]);
    let problem = object(&[("line", whole()), ("column", whole()), ("message", text())]);
    let part = object(&[("issueId", whole()), ("events", whole()), ("example", text()), ("title", text())]);
    let changes = list(object(&[("events", whole()), ("parts", list(part)), ("partCount", whole())]));
    let mut update = object(&[
        ("name", text()),
        ("resolveAge", whole()),
        ("watchMinutes", whole()),
        ("fingerprintingRules", text()),
        ("groupingEnhancements", text()),
    ]);
    update["required"] = json!([]);
    vec![
        ("ProjectDetail", object(&detail)),
        ("ProjectUpdate", update),
        ("RuleProblems", object(&[("fingerprint", list(problem.clone())), ("stack", list(problem))])),
        (
            "GroupingPreview",
            object(&[
                ("eventsRead", whole()),
                ("eventsStored", whole()),
                ("eventsStoredIsExact", flag()),
                ("merges", changes.clone()),
                ("mergeCount", whole()),
                ("splits", changes),
                ("splitCount", whole()),
                ("eventsTouched", whole()),
            ]),
        ),
    ]
}

/// Who owns what.
fn ownership() -> Vec<(&'static str, Value)> {
    let fields = [("raw", text()), ("autoAssignment", text())];
    let mut update = object(&fields);
    update["required"] = json!([]);
    let rule =
        json!({ "type": ["object", "null"], "properties": { "line": whole(), "pattern": text(), "matched": text() } });
    let event = object(&[
        ("issueId", text()),
        ("eventId", text()),
        ("title", text()),
        ("rule", rule),
        ("owners", list(text())),
    ]);
    let unknown = object(&[("line", whole()), ("owner", text())]);
    let rest = [("isActive", flag()), ("fallthrough", flag()), ("codeownersAutoSync", flag())];
    vec![
        ("Ownership", object(&[&fields[..], &rest].concat())),
        ("OwnershipUpdate", update),
        ("OwnershipPreview", object(&[("events", list(event)), ("unknownOwners", list(unknown))])),
    ]
}

/// Alert rules.
fn alert_rules() -> Vec<(&'static str, Value)> {
    let frequency = object(&[("of", text()), ("count", whole()), ("minutes", whole())]);
    let mut conditions = object(&[
        ("environments", list(text())),
        ("levels", list(text())),
        ("releases", list(text())),
        ("latest", flag()),
        ("tags", list(list(text()))),
        ("new_issues", whole()),
        ("frequency", frequency),
        ("owners", list(text())),
    ]);
    conditions["required"] = json!([]);
    let mut asked = object(&[
        ("id", text()),
        ("project", text()),
        ("signals", list(text())),
        ("conditions", conditions),
        ("destinations", list(text())),
    ]);
    asked["required"] = json!([]);
    let message = object(&[
        ("at", date()),
        ("form", text()),
        ("destinationId", whole()),
        ("recipient", text()),
        ("projectId", or_null("integer")),
        ("deliveries", whole()),
        ("carries", whole()),
    ]);
    let preview = object(&[
        ("since", date()),
        ("until", date()),
        ("signalsRead", whole()),
        ("signals", whole()),
        ("deliveries", whole()),
        ("byEarlierRules", whole()),
        ("held", whole()),
        ("suppressed", list(any())),
        ("waiting", whole()),
        ("messages", list(message)),
    ]);
    vec![
        ("RuleAsked", asked),
        ("RulePreview", object(&[("sentences", list(text())), ("messageCount", whole()), ("preview", preview)])),
    ]
}

fn project_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("id", text()),
        ("slug", text()),
        ("name", text()),
        ("platform", or_null("string")),
        ("dateCreated", date()),
        ("status", text()),
        ("isMember", flag()),
        ("hasAccess", flag()),
        ("features", list(text())),
        ("organization", any()),
    ]
}

fn basics() -> Vec<(&'static str, Value)> {
    vec![
        ("Error", object(&[("detail", text())])),
        ("Token", object(&[("version", text()), ("auth", object(&[("scopes", list(text()))])), ("user", any())])),
        (
            "Organization",
            object(&[
                ("id", text()),
                ("slug", text()),
                ("name", text()),
                ("dateCreated", date()),
                ("isEarlyAdopter", flag()),
                ("require2FA", flag()),
                ("requireEmailVerification", flag()),
                ("features", list(text())),
                ("status", any()),
                ("avatar", any()),
                ("links", any()),
            ]),
        ),
        ("Monitor", object(&[("id", text()), ("slug", text()), ("name", text()), ("status", text())])),
        ("Repository", object(&[("id", text()), ("name", text())])),
        ("Project", object(&project_fields())),
        (
            "Member",
            object(&[
                ("id", text()),
                ("email", text()),
                ("name", text()),
                ("role", text()),
                ("orgRole", text()),
                ("projectRole", or_null("string")),
                ("roleName", text()),
                ("pending", flag()),
                ("expired", flag()),
                ("dateCreated", date()),
                ("user", object(&[("id", text()), ("name", text()), ("email", text()), ("isActive", flag())])),
            ]),
        ),
        (
            "Team",
            object(&[
                ("id", text()),
                ("slug", text()),
                ("name", text()),
                ("dateCreated", date()),
                ("memberCount", whole()),
                ("projectCount", whole()),
            ]),
        ),
    ]
}

fn activity() -> Value {
    object(&[
        ("id", text()),
        ("type", text()),
        ("user", any()),
        ("data", any()),
        ("dateCreated", date()),
        ("undone", flag()),
        ("undoable", flag()),
    ])
}

fn issues() -> Vec<(&'static str, Value)> {
    let issue = issue_fields();
    let mut detail = issue.clone();
    detail.extend([
        ("activity", list(reference("Activity"))),
        ("firstRelease", release()),
        ("lastRelease", release()),
        ("statusChangedAt", date()),
        ("owners", list(object(&[("type", text()), ("owner", text()), ("email", text()), ("reason", text())]))),
        ("participants", list(any())),
        ("seenBy", list(any())),
        ("userReportCount", whole()),
        ("pluginActions", list(any())),
        ("tags", list(any())),
    ]);
    let value = [("name", text()), ("value", text()), ("count", whole()), ("firstSeen", date()), ("lastSeen", date())];
    vec![
        ("Issue", object(&issue)),
        ("IssueDetail", object(&detail)),
        ("IssueUpdate", issue_update()),
        ("Assignee", object(&[("type", text()), ("id", text()), ("name", text()), ("email", text())])),
        (
            "IssueUpdated",
            json!({
                "type": "object",
                "description": "What was applied. more: the call stopped at its bound; call again to go on.",
                "properties": {
                    "status": text(), "statusDetails": any(), "substatus": text(), "more": flag(),
                    "assignedTo": any(),
                    "merge": object(&[("parent", text()), ("children", list(text()))]),
                    "regrouping": reference("Regrouping"),
                },
            }),
        ),
        ("Regrouping", regrouping()),
        // A pair: the issue, and its scores.
        ("Similar", list(json!({}))),
        (
            "ShortIdMatch",
            object(&[
                ("organizationSlug", text()),
                ("projectSlug", text()),
                ("groupId", text()),
                ("group", reference("Issue")),
                ("shortId", text()),
            ]),
        ),
        ("Activity", activity()),
        ("Activities", object(&[("activity", list(reference("Activity")))])),
        (
            "Hash",
            object(&[
                ("id", text()),
                ("variant", text()),
                ("explanation", any()),
                ("text", text()),
                ("cameWith", or_null("string")),
                ("dateCreated", date()),
            ]),
        ),
        (
            "TagKey",
            object(&[
                ("key", text()),
                ("name", text()),
                ("totalValues", whole()),
                ("uniqueValues", whole()),
                ("topValues", list(object(&value))),
            ]),
        ),
    ]
}

fn issue_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("id", text()),
        ("shortId", text()),
        ("title", text()),
        ("culprit", text()),
        ("permalink", text()),
        ("logger", or_null("string")),
        ("level", one_of(&["fatal", "error", "warning", "info", "debug"])),
        ("status", one_of(&["unresolved", "resolved", "ignored"])),
        ("statusDetails", any()),
        ("substatus", or_null("string")),
        ("isPublic", flag()),
        ("platform", text()),
        ("project", any()),
        ("type", text()),
        ("metadata", any()),
        ("numComments", whole()),
        ("assignedTo", json!({ "anyOf": [reference("Assignee"), { "type": "null" }] })),
        ("isBookmarked", flag()),
        ("isSubscribed", flag()),
        ("hasSeen", flag()),
        ("annotations", list(any())),
        ("isUnhandled", flag()),
        ("count", text()),
        ("userCount", whole()),
        ("firstSeen", date()),
        ("lastSeen", date()),
        ("stats", any()),
    ]
}

fn regrouping() -> Value {
    object(&[
        ("id", text()),
        ("kind", one_of(&["merge", "unmerge", "split", "regroup", "restore"])),
        ("state", one_of(&["running", "done", "undone"])),
        ("project", text()),
        ("issue", or_null("string")),
        ("issues", list(text())),
        ("undoes", or_null("string")),
        ("undoable", flag()),
        ("undoableUntil", or_null("string")),
        ("reason", text()),
        ("done", whole()),
        ("total", whole()),
        ("moved", whole()),
        ("error", or_null("string")),
        ("dateCreated", date()),
        ("dateFinished", or_null("string")),
    ])
}

fn issue_update() -> Value {
    let statuses = one_of(&["resolved", "unresolved", "ignored", "muted", "resolvedInNextRelease"]);
    json!({
        "type": "object",
        "description": "statusDetails takes inRelease (a version, or latest), inNextRelease and ignoreDuration. merge stands alone, and needs ids.",
        "properties": {
            "status": statuses,
            "statusDetails": any(),
            "merge": { "type": ["integer", "boolean", "null"], "description": "1: the issues become one." },
            "substatus": text(),
            "assignedTo": { "type": ["string", "integer", "null"], "description": "user:7, an e-mail address or a name; empty: nobody." },
            "discard": { "type": ["boolean", "null"], "description": "true: gone for good; later events are dropped." },
            "ignoreDuration": { "type": ["integer", "null"], "description": "Minutes." },
            "snoozeDuration": { "type": ["integer", "null"], "description": "Minutes; the older name." },
        },
    })
}

fn events() -> Vec<(&'static str, Value)> {
    let summary = vec![
        ("id", text()),
        ("eventID", text()),
        ("event.type", text()),
        ("type", text()),
        ("groupID", text()),
        ("projectID", text()),
        ("title", text()),
        ("message", text()),
        ("culprit", text()),
        ("level", text()),
        ("platform", text()),
        ("environment", or_null("string")),
        ("location", or_null("string")),
        ("user", any()),
        ("tags", list(object(&[("key", text()), ("value", text())]))),
        ("dateCreated", date()),
        ("dateReceived", date()),
    ];
    let mut full = summary.clone();
    full.extend([
        ("metadata", any()),
        ("entries", list(object(&[("type", text()), ("data", any())]))),
        ("dist", or_null("string")),
        ("release", release()),
        ("fingerprints", list(text())),
        ("contexts", any()),
        ("context", any()),
        ("packages", any()),
        ("sdk", any()),
        ("errors", list(any())),
        ("_meta", any()),
        ("size", whole()),
        ("nextEventID", or_null("string")),
        ("previousEventID", or_null("string")),
    ]);
    let payload = json!({ "type": "object", "description": "Whatever the SDK sent." });
    let mut all = vec![("EventSummary", object(&summary)), ("Event", object(&full)), ("Payload", payload)];
    all.extend(companions());
    all
}

/// What comes along with events.
fn companions() -> [(&'static str, Value); 3] {
    let mut issue = object(&[("id", text())]);
    issue["type"] = json!(["object", "null"]);
    let file = object(&[
        ("id", text()),
        ("event_id", text()),
        ("type", text()),
        ("name", text()),
        ("mimetype", text()),
        ("size", whole()),
        ("headers", any()),
        ("dateCreated", date()),
    ]);
    let said = object(&[
        ("id", text()),
        ("eventID", or_null("string")),
        ("name", text()),
        ("email", text()),
        ("comments", text()),
        ("url", text()),
        ("dateCreated", date()),
        ("issue", issue),
    ]);
    let mut report = object(&[("event_id", text()), ("name", text()), ("email", text()), ("comments", text())]);
    report["required"] = json!(["event_id", "comments"]);
    [("Attachment", file), ("Feedback", said), ("UserReport", report)]
}

fn numbers() -> Vec<(&'static str, Value)> {
    let group = object(&[("by", any()), ("totals", object(&[("sum(quantity)", whole())]))]);
    let point = json!({
        "type": "array", "minItems": 2, "maxItems": 2, "items": whole(),
        "description": "Start of the point in seconds since 1970, and the events in it.",
    });
    vec![
        (
            "Outcomes",
            object(&[("start", date()), ("end", date()), ("intervals", list(date())), ("groups", list(group))]),
        ),
        ("StatsPoint", point),
    ]
}

/// An object with all of these.
fn object(fields: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

fn list(items: Value) -> Value {
    let mut schema = json!({ "type": "array" });
    schema["items"] = items;
    schema
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn date() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn whole() -> Value {
    json!({ "type": "integer" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// An object of which everything may be left out.
fn optional(fields: &[(&str, Value)]) -> Value {
    let mut schema = object(fields);
    schema["required"] = json!([]);
    schema
}

fn or_null(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn one_of(values: &[&str]) -> Value {
    json!({ "type": "string", "enum": values })
}

fn release() -> Value {
    json!({ "type": ["object", "null"], "properties": { "version": text(), "shortVersion": text() } })
}

fn any() -> Value {
    json!({})
}

fn reference(name: &str) -> Value {
    super::reference(name)
}
