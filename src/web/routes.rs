//! Every route of the pages on one page, each with what it asks for.
//!
//! The table is what actix is configured from, and what tests walk: a route that stands here is guarded, and one that
//! does not stand here is not there.

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::middleware::{self, Next};
use actix_web::{Route, Scope, web};

use super::access::Action::{
    ChangeAlerts, ChangeCommands, ChangeIssues, ChangeMembers, ChangePrivacy, ChangeProjects, ChangeReleases,
    ChangeRules, ChangeTokens, MakeProjects, ManageInstance, ManagePeople, ManageTokens, Read, ReadAudit, ReadSystem,
};
use super::access::Needs::{self, Account, Instance, Named, Nothing, Person, Script, Somewhere};
use super::access::Noun::{Destination, Issue, Project, Regrouping, Rule};
use super::{
    access, alerts, assets, attachments, audit, entry, feedback, issue, issues, link, live, me, people, projects,
    regroupings, releases, setup, shell, sign_in, system, tokens, wall,
};

/// One method of one path.
#[derive(Clone)]
pub struct Page {
    /// HTTP method.
    pub method: Method,
    /// As actix writes it.
    pub path: &'static str,
    /// Who may come.
    pub needs: Needs,
    route: fn() -> Route,
}

macro_rules! page {
    ($method:ident $path:literal, $needs:expr, $handler:path) => {
        Page {
            method: Method::$method,
            path: $path,
            needs: $needs,
            route: || web::method(Method::$method).to($handler),
        }
    };
}

/// Every route. Paths are looked up in this order, so `/alerts/new` stands before `/alerts/{id}`.
#[must_use]
pub fn pages() -> Vec<Page> {
    [of_issues(), of_projects(), of_alerts(), of_people(), watching()].concat()
}

#[rustfmt::skip]
fn of_issues() -> Vec<Page> {
    vec![
        page!(GET "/", Nothing, super::home),
        page!(GET "/issues", Person, issues::list),
        page!(POST "/issues", Somewhere(ChangeIssues), issues::actions::post),
        page!(GET "/issues/completions", Person, issues::completions::get),
        page!(POST "/issues/views", Person, issues::views::post),
        page!(GET "/issues/{id}", Named(Read, Issue), issue::show),
        page!(GET "/issues/{id}/events", Named(Read, Issue), issue::events::list),
        page!(GET "/issues/{id}/tags/{key}", Named(Read, Issue), issue::events::tag),
        page!(GET "/issues/{id}/events/{event}", Named(Read, Issue), issue::show_event),
        page!(GET "/issues/{id}/feedback", Named(Read, Issue), feedback::of_issue),
        page!(POST "/issues/{id}/comments", Named(ChangeIssues, Issue), issue::comments::post),
        page!(POST "/issues/{id}/shares", Named(ChangeIssues, Issue), issue::share::post),
        page!(GET "/s/{secret}", Nothing, issue::share::show),
        page!(POST "/issues/{id}/split", Named(ChangeIssues, Issue), regroupings::split),
        page!(POST "/regroupings/{id}/undo", Named(ChangeIssues, Regrouping), regroupings::undo),
    ]
}

#[rustfmt::skip]
fn of_projects() -> Vec<Page> {
    vec![
        page!(GET "/releases", Person, releases::list),
        page!(GET "/projects/{slug}/releases/{version}", Named(Read, Project), releases::show),
        page!(POST "/projects/{slug}/releases/{version}", Named(ChangeReleases, Project), releases::actions::post),
        page!(GET "/projects", Person, projects::list),
        page!(POST "/projects", Instance(MakeProjects), projects::create),
        page!(GET "/projects/new", Instance(MakeProjects), projects::new),
        page!(GET "/projects/{slug}/regroupings", Named(Read, Project), regroupings::list),
        page!(POST "/projects/{slug}/regroup", Named(ChangeProjects, Project), regroupings::regroup),
        page!(GET "/projects/{slug}", Named(Read, Project), projects::start),
        page!(GET "/projects/{slug}/feedback", Named(Read, Project), feedback::of_project),
        page!(GET "/projects/{slug}/attachments/{attachment}", Named(Read, Project), attachments::show),
        page!(GET "/projects/{slug}/attachments/{attachment}/content", Named(Read, Project), attachments::content),
        page!(GET "/projects/{slug}/settings", Named(Read, Project), projects::settings::show),
        page!(POST "/projects/{slug}/settings", Named(ChangeProjects, Project), projects::settings::post),
        page!(POST "/projects/{slug}/settings/roll-back", Named(ChangeCommands, Project), projects::settings::post_command),
        page!(GET "/projects/{slug}/members", Named(Read, Project), projects::members::show),
        page!(POST "/projects/{slug}/members", Named(ChangeMembers, Project), projects::members::post),
        page!(GET "/projects/{slug}/tokens", Named(ChangeTokens, Project), tokens::show),
        page!(POST "/projects/{slug}/tokens", Named(ChangeTokens, Project), tokens::post),
        page!(GET "/projects/{slug}/code", Named(Read, Project), projects::code::show),
        page!(POST "/projects/{slug}/code", Named(ChangeProjects, Project), projects::code::post),
        page!(GET "/projects/{slug}/owners", Named(Read, Project), projects::owners::show),
        page!(POST "/projects/{slug}/owners", Named(ChangeProjects, Project), projects::owners::post),
        page!(GET "/projects/{slug}/keys", Named(Read, Project), projects::keys::show),
        page!(POST "/projects/{slug}/keys", Named(ChangeProjects, Project), projects::keys::post),
        page!(GET "/projects/{slug}/filters", Named(Read, Project), projects::filters::show),
        page!(POST "/projects/{slug}/filters", Named(ChangeProjects, Project), projects::filters::post),
        page!(GET "/projects/{slug}/limits", Named(Read, Project), projects::limits::show),
        page!(POST "/projects/{slug}/limits", Named(ChangeProjects, Project), projects::limits::post),
        page!(GET "/projects/{slug}/privacy", Named(Read, Project), projects::privacy::show),
        page!(POST "/projects/{slug}/privacy", Named(ChangePrivacy, Project), projects::privacy::post),
        page!(POST "/projects/{slug}/export", Named(ChangePrivacy, Project), projects::export::post),
        page!(GET "/projects/{slug}/privacy/person", Named(ChangePrivacy, Project), projects::person::show),
        page!(POST "/projects/{slug}/privacy/person", Named(ChangePrivacy, Project), projects::person::post),
        page!(GET "/projects/{slug}/rules", Named(Read, Project), projects::rules::show),
        page!(POST "/projects/{slug}/rules", Named(ChangeRules, Project), projects::rules::post),
    ]
}

#[rustfmt::skip]
fn of_alerts() -> Vec<Page> {
    vec![
        page!(GET "/a/{link}", Nothing, link::show),
        page!(POST "/a/{link}", Nothing, link::post),
        page!(GET "/alerts", Person, alerts::list),
        page!(POST "/alerts", Person, alerts::hear),
        page!(GET "/alerts/deliveries", Person, alerts::deliveries::list),
        page!(POST "/alerts/rules", Somewhere(ChangeAlerts), alerts::rules::create),
        page!(GET "/alerts/rules/new", Somewhere(ChangeAlerts), alerts::rules::new),
        page!(GET "/alerts/rules/{id}", Named(Read, Rule), alerts::rules::show),
        page!(POST "/alerts/rules/{id}", Named(ChangeAlerts, Rule), alerts::rules::post),
        page!(GET "/alerts/new", Somewhere(ChangeAlerts), alerts::edit::new),
        page!(POST "/alerts/new", Somewhere(ChangeAlerts), alerts::edit::create),
        page!(GET "/alerts/{id}", Named(Read, Destination), alerts::destination::show),
        page!(POST "/alerts/{id}", Named(ChangeAlerts, Destination), alerts::destination::post),
        page!(GET "/alerts/{id}/edit", Named(ChangeAlerts, Destination), alerts::edit::edit),
        page!(POST "/alerts/{id}/edit", Named(ChangeAlerts, Destination), alerts::edit::update),
    ]
}

#[rustfmt::skip]
fn of_people() -> Vec<Page> {
    vec![
        page!(GET "/me/notifications", Person, me::show),
        page!(POST "/me/notifications", Person, me::post),
        page!(GET "/me/address/{link}", Nothing, me::confirm::show),
        page!(POST "/me/address/{link}", Nothing, me::confirm::post),
        page!(GET "/me/sessions", Person, me::sessions::show),
        page!(POST "/me/sessions", Person, me::sessions::post),
        page!(GET "/me/sign-in", Account, me::sign_in::show),
        page!(POST "/me/sign-in", Account, me::sign_in::post),
        page!(POST "/me/passkeys", Account, me::passkeys::post),
        page!(POST "/me/passkeys/ask", Account, me::passkeys::ask),
        page!(POST "/sign-in/passkey", Nothing, sign_in::passkey::post),
        page!(POST "/sign-in/passkey/ask", Nothing, sign_in::passkey::ask),
        page!(POST "/sign-in/provider", Nothing, sign_in::provider::depart),
        page!(GET "/sign-in/provider/callback", Nothing, sign_in::provider::arrive),
        page!(GET "/sign-in/second", Nothing, sign_in::second::show),
        page!(POST "/sign-in/second", Nothing, sign_in::second::post),
        page!(GET "/sign-in/forgotten", Nothing, entry::forgotten),
        page!(POST "/sign-in/forgotten", Nothing, entry::ask),
        page!(GET "/join/{secret}", Nothing, entry::show),
        page!(POST "/join/{secret}", Nothing, entry::join),
        page!(GET "/reset/{secret}", Nothing, entry::show),
        page!(POST "/reset/{secret}", Nothing, entry::reset),
        page!(GET "/sign-in", Nothing, sign_in::show),
        page!(POST "/sign-in", Nothing, sign_in::post),
        page!(POST "/sign-out", Account, sign_in::sign_out),
        page!(GET "/setup/{secret}", Nothing, setup::show),
        page!(POST "/setup/{secret}", Nothing, setup::claim),
        page!(GET "/people", Instance(ManagePeople), people::list),
        page!(POST "/people", Instance(ManagePeople), people::post),
        page!(GET "/people/sign-in", Instance(ManageInstance), people::sign_in::show),
        page!(POST "/people/sign-in", Instance(ManageInstance), people::sign_in::post),
        page!(POST "/people/invitations", Instance(ManagePeople), people::invitations::post),
        page!(POST "/people/teams", Instance(ManagePeople), people::teams::create),
        page!(GET "/people/teams/{slug}", Instance(ManagePeople), people::teams::show),
        page!(POST "/people/teams/{slug}", Instance(ManagePeople), people::teams::post),
        page!(GET "/tokens", Instance(ManageTokens), tokens::show),
        page!(POST "/tokens", Instance(ManageTokens), tokens::post),
        page!(GET "/privacy", Instance(ManageInstance), projects::privacy::show),
        page!(POST "/privacy", Instance(ManageInstance), projects::privacy::post),
        page!(GET "/privacy/person", Instance(ManageInstance), projects::person::show),
        page!(POST "/privacy/person", Instance(ManageInstance), projects::person::post),
        page!(GET "/filters", Instance(ManageInstance), projects::filters::show),
        page!(POST "/filters", Instance(ManageInstance), projects::filters::post),
        page!(GET "/limits", Instance(ManageInstance), projects::limits::show),
        page!(POST "/limits", Instance(ManageInstance), projects::limits::post),
        page!(GET "/audit", Instance(ReadAudit), audit::list),
        page!(GET "/audit/export", Instance(ReadAudit), audit::export),
        page!(GET "/system", Instance(ReadSystem), system::show),
        page!(POST "/theme", Account, shell::choose_theme),
        page!(GET "/static/{file}", Nothing, assets::get),
        page!(GET "/favicon.ico", Nothing, assets::favicon),
    ]
}

/// What people leave open.
#[rustfmt::skip]
fn watching() -> Vec<Page> {
    vec![
        page!(GET "/live", Person, live::page),
        page!(GET "/live/stream", Script, live::stream::open),
        page!(GET "/deploys/current", Person, live::watch::page::current),
        page!(GET "/deploys/{deploy}/summary", Person, live::watch::summary::show),
        page!(GET "/wall", Person, wall::page),
    ]
}

/// The table as routes of actix, each behind its guard.
pub(super) fn mount(scope: Scope) -> Scope {
    pages().into_iter().fold(scope, |scope, page| {
        let needs = page.needs;
        let guard = move |request: ServiceRequest, next: Next<BoxBody>| access::guard(needs, request, next);
        scope.route(page.path, (page.route)().wrap(middleware::from_fn(guard)))
    })
}
