//! Every route of the API on one page, with what it needs and what it answers.
//!
//! The table is what actix is configured from and what OpenAPI is written from, so neither can forget
//! a route. A handler is: read parameters, call `store`, shape the answer.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError, Scope as ActixScope, web};
use engine::access::Scope::{
    self, EventAdmin, EventRead, EventWrite, OrgCi, OrgRead, OrgWrite, ProjectRead, ProjectReleases, ProjectWrite,
};

use store::audit::as_author;

use super::call::{Answer, Call};
use super::error::ApiError;
use super::{
    alert_rules, artifacts, attachments, bulk, deploys, destinations, events, filters, issue, issues, keys, limits,
    members, organizations, ownership, person, privacy, projects, regroupings, releases, reports, rules, stats,
    verdict,
};

type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Answer>>>;

/// One method of one path.
#[derive(Clone)]
pub struct Endpoint {
    /// HTTP method.
    pub method: Method,
    /// Path below `/api/0`, with its trailing slash; it answers without one, too.
    pub path: &'static str,
    /// A token needs one of these; none means that any valid token will do.
    pub scopes: &'static [Scope],
    /// Largest body.
    pub body_bytes_max: usize,
    /// What it does, for people.
    pub summary: &'static str,
    /// Names of its query parameters, see `openapi`.
    pub parameters: &'static [&'static str],
    /// What a 200 carries.
    pub answer: Body,
    /// What it takes.
    pub takes: Option<&'static str>,
    /// With which status it says that it is done: the first, or another one as the summary tells.
    pub done: &'static [u16],
    handler: Handler,
}

impl Endpoint {
    const fn taking(mut self, schema: &'static str) -> Self {
        self.takes = Some(schema);
        self
    }

    const fn done(mut self, statuses: &'static [u16]) -> Self {
        self.done = statuses;
        self
    }

    const fn up_to(mut self, body_bytes_max: usize) -> Self {
        self.body_bytes_max = body_bytes_max;
        self
    }
}

/// Shape of a body, by the name of its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// One object.
    One(&'static str),
    /// A page of objects with a `Link` header.
    Page(&'static str),
    /// A whole list.
    List(&'static str),
    /// A JSON object a line, as many as there are: an export.
    Lines,
    /// No body.
    Nothing,
}

/// Bodies of updates are a few hundred bytes; nobody needs more than this.
const UPDATE_BYTES_MAX: usize = 64 * 1024;

/// Two texts of rules, each of whose bytes JSON may write as two.
const RULES_BYTES_MAX: usize = 4 * engine::limits::RULES_BYTES_MAX;

/// A release with its commits and the files that they changed; as much as any request may have.
const RELEASE_BYTES_MAX: usize = engine::limits::WIRE_BYTES_MAX;

/// Names and chunks of some thousand debug files.
const OFFERS_BYTES_MAX: usize = 4 * 1024 * 1024;

const LIST: &[&str] = &["cursor", "per_page"];
const SEARCH: &[&str] = &["query", "cursor", "per_page", "environment", "statsPeriod", "shortIdLookup", "sort"];
const SEARCH_ALL: &[&str] = &[
    "query",
    "cursor",
    "per_page",
    "project",
    "environment",
    "statsPeriod",
    "groupStatsPeriod",
    "shortIdLookup",
    "sort",
];
const RELEASES: &[&str] = &["query", "status", "environment", "cursor", "per_page"];
const SELECT: &[&str] = &["id", "status", "query"];
const SELECT_ALL: &[&str] = &["id", "status", "query", "project"];
const STATS: &[&str] = &["statsPeriod", "start", "end", "groupBy", "project"];
const ENVIRONMENT: &[&str] = &["environment"];
const FAIL_ON: &[&str] = &["failOn"];
const SERIES: &[&str] = &["resolution", "since", "until", "stat"];
const ANY: &[Scope] = &[];

macro_rules! endpoint {
    ($method:ident, $path:expr, $scopes:expr, $handler:path, $summary:literal, $parameters:expr, $answer:expr) => {
        Endpoint {
            method: Method::$method,
            path: $path,
            scopes: $scopes,
            body_bytes_max: UPDATE_BYTES_MAX,
            summary: $summary,
            parameters: $parameters,
            answer: $answer,
            takes: None,
            done: &[200],
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// Every endpoint.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = of_organization();
    endpoints.extend(of_destinations());
    endpoints.extend(of_projects());
    endpoints.extend(of_privacy());
    endpoints.extend(of_intake());
    endpoints.extend(of_releases());
    endpoints.extend(of_issues());
    endpoints
}

#[rustfmt::skip]
fn of_organization() -> Vec<Endpoint> {
    use Body::{List, Nothing, One, Page};
    vec![
        endpoint!(GET, "/", ANY, organizations::token, "What the token may do", &[], One("Token")),
        endpoint!(GET, "/organizations/", &[OrgRead, OrgCi], organizations::list, "The organization, as a list of one", LIST, Page("Organization")),
        endpoint!(GET, "/organizations/{org}/", &[OrgRead, OrgCi], organizations::get, "The organization", &[], One("Organization")),
        endpoint!(GET, "/organizations/{org}/projects/", &[OrgRead, ProjectRead], projects::list, "Projects", LIST, Page("Project")),
        endpoint!(GET, "/organizations/{org}/members/", &[OrgRead], members::of_organization, "People who can sign in, and what they are on the instance", &[], List("Member")),
        endpoint!(GET, "/organizations/{org}/teams/", &[OrgRead], members::teams, "Teams", &[], List("Team")),
        endpoint!(GET, "/organizations/{org}/repos/", &[OrgRead, OrgCi, ProjectReleases], organizations::repos, "Repositories: always none, so that clients send commits in full", LIST, Page("Repository")),
        endpoint!(GET, "/organizations/{org}/monitors/", &[OrgRead, OrgCi, ProjectRead], organizations::monitors, "Monitors: always none, as check-ins are not kept", LIST, Page("Monitor")),
        endpoint!(GET, "/organizations/{org}/chunk-upload/", &[OrgCi, ProjectReleases, ProjectWrite], artifacts::options, "How tools would upload source maps and debug files", &[], One("UploadOptions")),
        endpoint!(POST, "/organizations/{org}/artifactbundle/assemble/", &[OrgCi, ProjectReleases, ProjectWrite], artifacts::assemble_bundle, "Offer an archive of source maps; it is noted and not kept", &[], One("Assembled")).taking("BundleOffer"),
        endpoint!(GET, "/organizations/{org}/issues/", &[EventRead], issues::list_all, "Issues of all projects, the last seen first", SEARCH_ALL, Page("Issue")),
        endpoint!(PUT, "/organizations/{org}/issues/", &[EventWrite], bulk::update_all, "Change many issues", SELECT_ALL, One("IssueUpdated")).taking("IssueUpdate"),
        endpoint!(DELETE, "/organizations/{org}/issues/", &[EventAdmin], bulk::delete_all, "Delete issues by id, with their events", &["id", "project"], Nothing).done(&[204]),
        endpoint!(POST, "/organizations/{org}/alert-rules/preview/", &[OrgRead, ProjectRead], alert_rules::preview, "What an alert rule would have sent in the last week", &[], One("RulePreview")).taking("RuleAsked"),
        endpoint!(GET, "/organizations/{org}/shortids/{issue}/", &[EventRead], issue::by_short_id, "The issue behind a short id", &[], One("ShortIdMatch")),
        endpoint!(GET, "/organizations/{org}/stats_v2/", &[OrgRead], stats::outcomes, "Fates of all items that came in", STATS, One("Outcomes")),
    ]
}

#[rustfmt::skip]
fn of_destinations() -> Vec<Endpoint> {
    use Body::{List, Nothing, One};
    vec![
        endpoint!(GET, "/organizations/{org}/destinations/", &[ProjectRead], destinations::list, "Where messages go, and how each destination does", &[], List("Destination")),
        endpoint!(POST, "/organizations/{org}/destinations/", &[ProjectWrite], destinations::create, "Make a destination; the signing secret of a webhook is told this once", &[], One("Destination")).taking("NewDestination").done(&[201]),
        endpoint!(GET, "/organizations/{org}/destinations/{destination}/", &[ProjectRead], destinations::get, "A destination, without its secrets", &[], One("Destination")),
        endpoint!(PUT, "/organizations/{org}/destinations/{destination}/", &[ProjectWrite], destinations::update, "Change a destination, stop it or start it; what is left out stays", &[], One("Destination")).taking("DestinationUpdate"),
        endpoint!(POST, "/organizations/{org}/destinations/{destination}/test/", &[ProjectWrite], destinations::test, "Send a test message and tell what the other end answers", &[], List("TestAnswer")),
        endpoint!(DELETE, "/organizations/{org}/destinations/{destination}/", &[ProjectWrite], destinations::delete, "Delete a destination; pages and command line can put it back for 30 days", &[], Nothing).done(&[204]),
    ]
}

#[rustfmt::skip]
fn of_projects() -> Vec<Endpoint> {
    use Body::{List, Nothing, One, Page};
    vec![
        endpoint!(GET, "/projects/", &[ProjectRead], projects::list, "Projects", LIST, Page("Project")),
        endpoint!(GET, "/projects/{org}/{project}/", &[ProjectRead], projects::get, "A project with its grouping rules", &[], One("ProjectDetail")),
        endpoint!(PUT, "/projects/{org}/{project}/", &[ProjectWrite], projects::put, "Change the name of a project, when its quiet issues are resolved, and its grouping rules, which apply to events that arrive from now on", &[], One("ProjectDetail")).taking("ProjectUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(POST, "/projects/{org}/{project}/grouping-rules/preview/", &[EventRead], rules::preview, "What grouping rules would do to the newest stored events, without saving them", &[], One("GroupingPreview")).taking("ProjectUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(GET, "/projects/{org}/{project}/ownership/", &[ProjectRead], ownership::get, "Who owns what of a project", &[], One("Ownership")),
        endpoint!(PUT, "/projects/{org}/{project}/ownership/", &[ProjectWrite], ownership::put, "Change who owns what; it holds for issues that are new from now on", &[], One("Ownership")).taking("OwnershipUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(POST, "/projects/{org}/{project}/ownership/preview/", &[EventRead], ownership::preview, "Who would own the newest stored events, without saving anything", &[], One("OwnershipPreview")).taking("OwnershipUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(GET, "/projects/{org}/{project}/members/", &[ProjectRead], members::of_project, "People who see a project, and what they are there", &[], List("Member")),
        endpoint!(GET, "/projects/{org}/{project}/stats/", &[ProjectRead], stats::project, "Events of a project over time", SERIES, List("StatsPoint")),
        endpoint!(GET, "/projects/{org}/{project}/issues/", &[EventRead], issues::list_project, "Issues of a project, the last seen first", SEARCH, Page("Issue")),
        endpoint!(PUT, "/projects/{org}/{project}/issues/", &[EventWrite], bulk::update_project, "Change many issues of a project; without any selection, all of them", SELECT, One("IssueUpdated")).taking("IssueUpdate"),
        endpoint!(DELETE, "/projects/{org}/{project}/issues/", &[EventAdmin], bulk::delete_project, "Delete issues of a project by id, with their events", &["id"], Nothing).done(&[204]),
        endpoint!(GET, "/projects/{org}/{project}/events/", &[EventRead], events::list_project, "Events of a project, the newest first", LIST, Page("EventSummary")),
        endpoint!(GET, "/projects/{org}/{project}/events/{event}/", &[EventRead], events::get_of_project, "An event", &[], One("Event")),
        endpoint!(GET, "/projects/{org}/{project}/events/{event}/json/", &[EventRead], events::json, "An event as its SDK sent it", &[], One("Payload")),
        endpoint!(GET, "/projects/{org}/{project}/events/{event}/attachments/", &[EventRead], attachments::list, "Files that came with an event", &[], List("Attachment")),
        endpoint!(GET, "/projects/{org}/{project}/events/{event}/attachments/{attachment}/", &[EventRead], attachments::get, "A file of an event; with download, its bytes", &["download"], One("Attachment")),
        endpoint!(DELETE, "/projects/{org}/{project}/events/{event}/attachments/{attachment}/", &[EventAdmin], attachments::delete, "Delete a file of an event", &[], Nothing).done(&[204]),
        endpoint!(GET, "/projects/{org}/{project}/user-feedback/", &[EventRead], attachments::feedback_of_project, "What people say in a project, the newest first", LIST, Page("Feedback")),
        endpoint!(POST, "/projects/{org}/{project}/user-feedback/", &[ProjectWrite], reports::create, "Pass on what a person says about an event; what was said about it before is replaced", &[], One("Feedback")).taking("UserReport"),
        endpoint!(POST, "/projects/{org}/{project}/files/difs/assemble/", &[OrgCi, ProjectReleases, ProjectWrite], artifacts::assemble_debug_files, "Offer debug files by their checksums; they are noted and not kept", &[], One("AssembledFiles")).taking("DebugFileOffers").up_to(OFFERS_BYTES_MAX),
        endpoint!(POST, "/projects/{org}/{project}/files/dsyms/", &[OrgCi, ProjectReleases, ProjectWrite], artifacts::upload_debug_files, "Offer debug files in an archive; they are noted and not kept", &[], List("Assembled")).up_to(RELEASE_BYTES_MAX),
        endpoint!(GET, "/projects/{org}/{project}/regroupings/", &[EventRead], regroupings::list, "Merges, splits and regroupings of a project, the newest first", &[], List("Regrouping")),
        endpoint!(POST, "/projects/{org}/{project}/regroupings/", &[EventWrite], regroupings::regroup, "Group the stored events of a project again, by its rules of now", &[], One("Regrouping")).done(&[202]),
        endpoint!(GET, "/projects/{org}/{project}/regroupings/{regrouping}/", &[EventRead], regroupings::get, "A change of the grouping, with its progress", &[], One("Regrouping")),
        endpoint!(POST, "/projects/{org}/{project}/regroupings/{regrouping}/undo/", &[EventWrite], regroupings::undo, "Undo a merge, a split or a regrouping", &[], One("Regrouping")).done(&[202]),
    ]
}

/// What is hidden, and whose data goes or is taken along.
#[rustfmt::skip]
fn of_privacy() -> Vec<Endpoint> {
    use Body::{Lines, List, One};
    vec![
        endpoint!(GET, "/projects/{org}/{project}/privacy/", &[ProjectRead], privacy::get, "What is hidden of events before they are kept", &[], One("Privacy")),
        endpoint!(PUT, "/projects/{org}/{project}/privacy/", &[ProjectWrite], privacy::put, "Change what is hidden of events that come from now on", &[], One("Privacy")).taking("PrivacyUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(POST, "/projects/{org}/{project}/privacy/preview/", &[EventRead], privacy::preview, "What more would be hidden in the newest stored events, without saving anything", &[], One("PrivacyPreview")).taking("PrivacyUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(GET, "/projects/{org}/{project}/privacy/person/", &[EventAdmin], person::list, "Deletions of people's data, the newest first", &[], List("Erasure")),
        endpoint!(POST, "/projects/{org}/{project}/privacy/person/", &[EventAdmin], person::delete, "Delete the events of a person, with their files and feedback, for good", &[], One("Erasure")).taking("Person").done(&[202]),
        endpoint!(POST, "/projects/{org}/{project}/privacy/person/preview/", &[EventAdmin], person::preview, "What would be deleted of a person, counted up to 10,000", &[], One("PersonFound")).taking("Person"),
        endpoint!(POST, "/projects/{org}/{project}/privacy/person/export/", &[EventAdmin], person::export, "What is kept of a person, a JSON object a line", &[], Lines).taking("Person"),
        endpoint!(POST, "/projects/{org}/{project}/export/", &[EventAdmin], person::export_project, "All data of a project, a JSON object a line", &[], Lines),
        endpoint!(GET, "/organizations/{org}/privacy/", &[OrgRead], privacy::get_instance, "What is hidden of the events of every project before they are kept", &[], One("InstancePrivacy")),
        endpoint!(PUT, "/organizations/{org}/privacy/", &[OrgWrite], privacy::put_instance, "Change what is hidden of the events of every project that come from now on", &[], One("InstancePrivacy")).taking("InstancePrivacyUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(POST, "/organizations/{org}/privacy/preview/", &[EventRead], privacy::preview_instance, "What more would be hidden in the newest stored events of ten projects, without saving anything", &[], One("PrivacyPreview")).taking("InstancePrivacyUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(GET, "/organizations/{org}/privacy/person/", &[EventAdmin], person::list_all, "Deletions of people's data over all projects, the newest first", &[], List("Erasure")),
        endpoint!(POST, "/organizations/{org}/privacy/person/", &[EventAdmin], person::delete_all, "Delete the events of a person in every project, with their files and feedback, for good", &[], One("Erasure")).taking("Person").done(&[202]),
        endpoint!(POST, "/organizations/{org}/privacy/person/preview/", &[EventAdmin], person::preview_all, "What would be deleted of a person in all projects, counted up to 10,000", &[], One("PersonFound")).taking("Person"),
        endpoint!(POST, "/organizations/{org}/privacy/person/export/", &[EventAdmin], person::export_all, "What is kept of a person in all projects, a JSON object a line", &[], Lines).taking("Person"),
    ]
}

/// What may come in.
#[rustfmt::skip]
fn of_intake() -> Vec<Endpoint> {
    use Body::{List, Nothing, One};
    vec![
        endpoint!(GET, "/projects/{org}/{project}/keys/", &[ProjectRead], keys::list, "Client keys (DSNs) of a project", &[], List("Key")),
        endpoint!(POST, "/projects/{org}/{project}/keys/", &[ProjectWrite], keys::create, "Make one more client key", &[], One("Key")).taking("KeyUpdate").done(&[201]),
        endpoint!(GET, "/projects/{org}/{project}/keys/{public_key}/", &[ProjectRead], keys::get, "A client key", &[], One("Key")),
        endpoint!(PUT, "/projects/{org}/{project}/keys/{public_key}/", &[ProjectWrite], keys::update, "Rename a client key, refuse it or take it again; what is left out stays", &[], One("Key")).taking("KeyUpdate"),
        endpoint!(POST, "/projects/{org}/{project}/keys/{public_key}/rotate/", &[ProjectWrite], keys::rotate, "Make a client key in the place of another one, which is taken for some more hours", &[], One("Key")).taking("KeyRotation").done(&[201]),
        endpoint!(DELETE, "/projects/{org}/{project}/keys/{public_key}/", &[ProjectWrite], keys::delete, "Delete a client key for good", &[], Nothing).done(&[204]),
        endpoint!(GET, "/projects/{org}/{project}/inbound-filters/", &[ProjectRead], filters::get, "Which events a project does not want", &[], One("Filters")),
        endpoint!(PUT, "/projects/{org}/{project}/inbound-filters/", &[ProjectWrite], filters::put, "Change which events a project does not want; what is left out stays", &[], One("Filters")).taking("FiltersUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(POST, "/projects/{org}/{project}/inbound-filters/preview/", &[EventRead], filters::preview, "Which of the newest stored events would have been filtered, without saving anything", &[], One("FiltersPreview")).taking("FiltersUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(GET, "/organizations/{org}/inbound-filters/", &[OrgRead], filters::get_instance, "Which events the instance does not want", &[], One("Filters")),
        endpoint!(PUT, "/organizations/{org}/inbound-filters/", &[OrgWrite], filters::put_instance, "Change which events the instance does not want; what is left out stays", &[], One("Filters")).taking("FiltersUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(POST, "/organizations/{org}/inbound-filters/preview/", &[EventRead], filters::preview_instance, "Which of the newest stored events of ten projects would have been filtered, without saving anything", &[], One("FiltersPreview")).taking("FiltersUpdate").up_to(RULES_BYTES_MAX),
        endpoint!(GET, "/organizations/{org}/limits/", &[OrgRead], limits::get_instance, "How much may come into all projects together, and what is used of it", &[], One("InstanceLimits")),
        endpoint!(PUT, "/organizations/{org}/limits/", &[OrgWrite], limits::put_instance, "Change how much may come into all projects together; null is no limit, what is left out stays", &[], One("InstanceLimits")).taking("InstanceLimitsUpdate"),
        endpoint!(GET, "/projects/{org}/{project}/limits/", &[ProjectRead], limits::get, "How much may come into a project, and what is used of it", &[], One("Limits")),
        endpoint!(PUT, "/projects/{org}/{project}/limits/", &[ProjectWrite], limits::put, "Change how much may come into a project; null is no limit, what is left out stays", &[], One("Limits")).taking("LimitsUpdate"),
    ]
}

/// Each with and without the organization in front; newer scripts name it.
fn of_issues() -> Vec<Endpoint> {
    use Body::{List, Nothing, One, Page};
    macro_rules! both {
        ($($method:ident $tail:literal, $handler:path, $summary:literal, $parameters:expr, $answer:expr;)*) => {
            vec![$(
                endpoint!($method, concat!("/issues/{issue}/", $tail), &[EventRead], $handler, $summary, $parameters, $answer),
                endpoint!($method, concat!("/organizations/{org}/issues/{issue}/", $tail), &[EventRead], $handler, $summary, $parameters, $answer),
            )*]
        };
    }
    let mut endpoints = both! {
        DELETE "", issue::delete, "Delete an issue with its events; its keys are free at once", &[], Nothing;
        POST "activities/{activity}/undo/", issue::undo, "Mark the newest change of an issue's state as wrong, and undo it", &[], One("IssueDetail");
        GET "", issue::get, "An issue, by number or short id", &[], One("IssueDetail");
        GET "events/", events::list_issue, "Events of an issue, the newest first", LIST, Page("EventSummary");
        GET "events/latest/", events::latest, "The newest event of an issue", &[], One("Event");
        GET "events/oldest/", events::oldest, "The oldest stored event of an issue", &[], One("Event");
        GET "events/{event}/", events::get_of_issue, "An event of an issue", &[], One("Event");
        GET "hashes/", issue::hashes, "Grouping hashes that lead to an issue", &[], List("Hash");
        DELETE "hashes/", regroupings::split, "Split grouping hashes, with their events, off an issue", &["id"], One("Regrouping");
        GET "similar/", issue::similar, "Issues of the same type and platform, the most alike first, each with its scores", &[], List("Similar");
        GET "user-feedback/", attachments::feedback_of_issue, "What people say about an issue, the newest first", LIST, Page("Feedback");
        GET "user-reports/", attachments::feedback_of_issue, "The same by its older name", LIST, Page("Feedback");
        GET "tags/", issue::tags, "Tags of the newest events of an issue", &[], List("TagKey");
        GET "activities/", issue::activities, "What happened to an issue, newest first", &[], One("Activities");
        PUT "", issue::update, "Change an issue", &[], One("IssueDetail");
    };
    for endpoint in endpoints.iter_mut().filter(|endpoint| endpoint.method != Method::GET) {
        endpoint.scopes = &[EventWrite];
    }
    for endpoint in endpoints.iter_mut().filter(|endpoint| endpoint.answer == Nothing) {
        endpoint.scopes = &[EventAdmin];
        endpoint.done = &[202];
    }
    for endpoint in endpoints.iter_mut().filter(|endpoint| endpoint.method == Method::PUT) {
        endpoint.takes = Some("IssueUpdate");
    }
    for endpoint in endpoints.iter_mut().filter(|endpoint| endpoint.method == Method::DELETE) {
        endpoint.done = &[202];
    }
    endpoints
}

/// Each below the organization, where it means all projects that have the release, and below one project.
fn of_releases() -> Vec<Endpoint> {
    use Body::{Nothing, One, Page};
    macro_rules! both {
        ($($method:ident $tail:literal, $scopes:expr, $handler:path, $summary:literal, $parameters:expr, $answer:expr, $done:expr;)*) => {
            vec![$(
                endpoint!($method, concat!("/organizations/{org}/releases/", $tail), $scopes, $handler, $summary, $parameters, $answer).done($done),
                endpoint!($method, concat!("/projects/{org}/{project}/releases/", $tail), $scopes, $handler, $summary, $parameters, $answer).done($done),
            )*]
        };
    }
    const READ: &[Scope] = &[ProjectRead, ProjectReleases];
    const WRITE: &[Scope] = &[ProjectReleases];
    const VERDICT: &str = "/projects/{org}/{project}/deploys/{deploy}/verdict/";
    let verdict = endpoint!(
        GET,
        VERDICT,
        READ,
        verdict::get,
        "What is said of a deploy, with the evidence and the limits that it breaks",
        FAIL_ON,
        One("Verdict")
    );
    let mut endpoints = both! {
        GET "", READ, releases::list, "Releases, the newest first", RELEASES, Page("Release"), &[200];
        POST "", WRITE, releases::create, "Make a release (201), or tell more of one that is there (208)", &[], One("Release"), &[201, 208];
        GET "{version}/", READ, releases::get, "A release", ENVIRONMENT, One("Release"), &[200];
        PUT "{version}/", WRITE, releases::update, "Finalize a release, archive it, replace its commits", &[], One("Release"), &[200];
        DELETE "{version}/", WRITE, releases::delete, "Remove a release that no event names", &[], Nothing, &[204];
        GET "{version}/commits/", READ, releases::list_commits, "Commits of a release, the newest first", LIST, Page("Commit"), &[200];
        GET "{version}/previous-with-commits/", READ, releases::previous_with_commits, "The release before this one that has commits, or an empty object", &[], One("PreviousRelease"), &[200];
        GET "{version}/deploys/", READ, deploys::list, "Deploys of a release, the newest first", LIST, Page("Deploy"), &[200];
        POST "{version}/deploys/", WRITE, deploys::create, "Note a deploy (201), or find the same one (208)", &[], One("Deploy"), &[201, 208];
        PUT "{version}/deploys/{deploy}/", WRITE, deploys::mark, "Say how a deploy fares", &[], One("Deploy"), &[200];
    };
    endpoints.push(verdict);
    for endpoint in endpoints.iter_mut().filter(|endpoint| endpoint.method != Method::GET) {
        endpoint.body_bytes_max = RELEASE_BYTES_MAX;
        endpoint.takes = match (endpoint.method.as_str(), endpoint.path.contains("/deploys/")) {
            ("POST", true) => Some("NewDeploy"),
            ("PUT", true) => Some("DeployMark"),
            ("POST", false) => Some("NewRelease"),
            ("PUT", false) => Some("ReleaseUpdate"),
            _ => None,
        };
    }
    endpoints
}

/// The table as actix routes. Paths are looked up in the order of the table, so `latest` stands before
/// `{event}`.
pub(super) fn scope() -> ActixScope {
    let mut resources: Vec<(&'static str, Vec<Rc<Endpoint>>)> = Vec::new();
    for endpoint in endpoints().into_iter().map(Rc::new) {
        match resources.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, methods)) => methods.push(endpoint),
            None => resources.push((endpoint.path, vec![endpoint])),
        }
    }
    let mut scope = web::scope("/api/0");
    for (path, methods) in resources {
        let without_slash = path.strip_suffix('/').unwrap_or(path);
        let allowed = methods.iter().map(|endpoint| endpoint.method.as_str()).collect::<Vec<_>>().join(", ");
        let mut resource = web::resource([path, without_slash]);
        for endpoint in methods {
            resource =
                resource.route(web::method(endpoint.method.clone()).to(
                    move |request: HttpRequest, payload: web::Payload| answer(Rc::clone(&endpoint), request, payload),
                ));
        }
        scope = scope.service(resource.default_service(web::to(move |request: HttpRequest| {
            let mut response = ApiError::MethodNotAllowed(request.method().to_string()).error_response();
            if let Ok(allowed) = HeaderValue::from_str(&allowed) {
                response.headers_mut().insert(header::ALLOW, allowed);
            }
            async { response }
        })));
    }
    scope.default_service(web::to(|| async { ApiError::NotFound.error_response() }))
}

async fn answer(endpoint: Rc<Endpoint>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let answer = match Call::accept(&endpoint, request, payload).await {
        Ok(call) => as_author(call.author(), (endpoint.handler)(call)).await,
        Err(error) => Err(error),
    };
    answer.unwrap_or_else(|error| error.error_response())
}
