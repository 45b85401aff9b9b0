//! The page behind a link in a mail: it says what will happen and for whom, and its button does it.
//!
//! Nobody is signed in here. What lets a person in is the signature of the link, which only the reader of that mail
//! has; it is also the proof that the form is ours, as no other site can know its address. Following a link (GET)
//! changes nothing, because scanners of mail follow links. A mail program that offers to unsubscribe posts to the
//! same address without asking us first (RFC 8058), which is meant for links that stop mails and works for no other.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::ProjectRole;
use engine::alert::link::{Act, Link, Refusal};
use engine::ids::{IssueId, UserId};
use engine::issue::{Fix, Signal, Terms};
use store::audit::{Author, Via, as_author};
use store::issues::{self, Issue};
use store::notifications::links::{self, Deed, Holder, Use};
use store::notifications::mutes;
use store::{live, projects};
use time::{Duration, OffsetDateTime, Time};

use super::display::{Age, absolute, cut, split_location};
use super::error::PageError;
use super::session::Fields;
use super::shell::{Theme, html, see_other};
use super::{Web, assets, signs};

/// The hour to which a night lasts.
const MORNING: Time = match Time::from_hms(7, 0, 0) {
    Ok(morning) => morning,
    Err(_) => Time::MIDNIGHT,
};

/// The longest time until the next 7:00 on the clock of a person: a day, and the hour by which one may be longer.
const NIGHT_MAX: Duration = Duration::hours(25);

/// Why the links of an address have ended.
const DISABLED: &str = "The account with this address was disabled.";
const LEFT: &str = "This address gets no mails of this project any more, so its links have ended.";

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    theme: Option<Theme>,
    now: OffsetDateTime,
    title: String,
    /// What it is about, for links that are about an issue.
    issue: Option<Issue>,
    text: String,
    /// When it was used.
    used_at: Option<OffsetDateTime>,
    button: Option<Button>,
    recipient: String,
    good_until: String,
}

/// The button that does it.
struct Button {
    /// What the form says.
    value: String,
    label: String,
    /// Until which hour on the clock of the reader, which only their browser knows.
    until: Option<u8>,
}

impl LinkPage {
    fn place(&self) -> (&str, &str) {
        self.issue.as_ref().map_or(("", ""), |issue| split_location(&issue.location))
    }

    fn heading(&self) -> String {
        self.issue.as_ref().map_or_else(String::new, |issue| cut(&issue.title, 300))
    }
}

/// `GET /a/{link}`
pub(super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    token: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let now = OffsetDateTime::now_utc();
    let link = read(&web, &token, now).await?;
    html(&page(&web, &link, Theme::of(&request), now).await?)
}

/// `POST /a/{link}`
pub(super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    token: web::Path<String>,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    let now = OffsetDateTime::now_utc();
    let link = read(&web, &token, now).await?;
    match (link.act, fields.get("do")) {
        (Act::Mute, "hear") => drop(mutes::unmute(&web.pool, link.project, &link.recipient).await?),
        // A mail program says nothing that we ask for.
        (Act::Mute, done @ ("" | "stop")) => {
            mutes::mute(&web.pool, link.project, &link.recipient, now).await?;
            if done.is_empty() {
                // It must not be sent anywhere else either.
                return html(&page(&web, &link, Theme::of(&request), now).await?);
            }
        }
        (_, done) => {
            let deed = asked(link.act, done, now)
                .ok_or_else(|| PageError::BadRequest("Open the link and press its button.".to_owned()))?;
            act(&web, &link, &deed, now).await?;
        }
    }
    Ok(see_other(&format!("/a/{token}")))
}

async fn read(web: &Web, token: &str, now: OffsetDateTime) -> Result<Link, PageError> {
    let key = web.link_key.get(&web.pool).await?;
    Link::read(token, key, now).map_err(|refusal| match refusal {
        Refusal::Forged => PageError::Forbidden(
            "This link is incomplete, or was altered on its way. Open it from the mail once more, or open the issue and \
             sign in.",
        ),
        Refusal::Expired(at) => PageError::Gone(format!(
            "This link ended on {}. Open the issue and sign in to do the same.",
            absolute(at)
        )),
    })
}

/// What the button of the page says that is to be done.
fn asked(act: Act, done: &str, now: OffsetDateTime) -> Option<Deed> {
    if act == Act::Take {
        return (done == "take").then_some(Deed::Take);
    }
    signal(act, done, now).map(Deed::Signal)
}

fn signal(act: Act, done: &str, now: OffsetDateTime) -> Option<Signal<'static>> {
    let (name, seconds) = done.split_once(':').unwrap_or((done, ""));
    match (act, name) {
        (Act::Resolve, "resolve") => Some(Signal::Resolve { fix: Fix::Now, commit: None }),
        (Act::IgnoreDay, "ignore") => Some(Signal::Ignore(Terms::until(Some(now + Duration::DAY)))),
        (Act::IgnoreMorning, "ignore") => {
            let asked = seconds.parse().map(Duration::seconds).ok();
            let asked = asked.filter(|span| (Duration::SECOND..=NIGHT_MAX).contains(span)).map(|span| now + span);
            Some(Signal::Ignore(Terms::until(Some(asked.unwrap_or_else(|| next_morning(now))))))
        }
        _ => None,
    }
}

/// The next 7:00 of UTC, for a browser that did not tell its own.
fn next_morning(now: OffsetDateTime) -> OffsetDateTime {
    let today = now.to_offset(time::UtcOffset::UTC).replace_time(MORNING);
    if today > now { today } else { today + Duration::DAY }
}

async fn act(web: &Web, link: &Link, deed: &Deed, now: OffsetDateTime) -> Result<(), PageError> {
    let user = may_change(web, link).await?.map_err(PageError::Forbidden)?;
    let issue = issue(web, link).await?;
    let mark = mark(web, link).await?;
    let issue = (issue.project_id, issue.id);
    let used = Use { mark: &mark, expires_at: link.expires_at, issue, deed, address: &link.recipient, user, at: now };
    let author = Author { via: Via::Link, user, name: link.recipient.clone(), address: None };
    if as_author(author, links::use_once(&web.pool, used)).await?
        && let Err(error) = live::notify(&web.pool, &[issue]).await
    {
        // The change is made; open pages show it when they next read.
        tracing::warn!(%error, "open pages were not told of a change");
    }
    Ok(())
}

/// The person behind the address, where it is one. Whoever may not change issues on our pages may not do so by mail;
/// an address without an account was given the right by whoever made the destination that names it.
async fn may_change(web: &Web, link: &Link) -> Result<Result<Option<UserId>, &'static str>, PageError> {
    Ok(match links::holder(&web.pool, link.project, &link.recipient).await? {
        Holder::Person(user, ProjectRole::Admin | ProjectRole::Member) => Ok(Some(user)),
        Holder::Person(_, ProjectRole::Viewer) => {
            Err("Your account may read issues but not change them. An administrator can change that.")
        }
        Holder::Disabled => Err(DISABLED),
        Holder::Named if link.act == Act::Take => {
            Err("Whoever has an issue needs an account, and this address has none. An administrator can make one.")
        }
        Holder::Named => Ok(None),
        Holder::Nobody => Err(LEFT),
    })
}

/// The issue of a link as it is now; it may have become part of another one.
async fn issue(web: &Web, link: &Link) -> Result<Issue, PageError> {
    let missing = || PageError::NotFound("issue");
    let id: IssueId = link.issue.ok_or_else(missing)?;
    let found = issues::resolve(&web.pool, &[id]).await?;
    let (_, id) = *found.first().ok_or_else(missing)?;
    issues::get(&web.pool, id).await?.ok_or_else(missing)
}

async fn mark(web: &Web, link: &Link) -> Result<[u8; 16], PageError> {
    let key = web.link_key.get(&web.pool).await?;
    link.mark(key).ok_or_else(|| PageError::Internal("a link that was read cannot be written".to_owned()))
}

async fn page(web: &Web, link: &Link, theme: Option<Theme>, now: OffsetDateTime) -> Result<LinkPage, PageError> {
    let (title, text, button) = (String::new(), String::new(), None);
    let blank = LinkPage {
        theme,
        now,
        title,
        issue: None,
        text,
        used_at: None,
        button,
        recipient: link.recipient.clone(),
        good_until: absolute(link.expires_at),
    };
    if link.act == Act::Mute { mute_page(web, link, blank).await } else { issue_page(web, link, blank, now).await }
}

async fn mute_page(web: &Web, link: &Link, page: LinkPage) -> Result<LinkPage, PageError> {
    let project = projects::by_id(&web.pool, link.project).await?.ok_or(PageError::NotFound("project"))?;
    let used_at = mutes::muted_at(&web.pool, link.project, &link.recipient).await?;
    let slug = project.slug;
    let (title, text, value, label) = match used_at {
        None => (
            format!("Stop the mails of {slug}?"),
            format!("{} then gets no mails of {slug} any more. Everybody else still does.", link.recipient),
            "stop",
            "Stop these mails",
        ),
        Some(_) => (
            format!("No more mails of {slug}"),
            format!("{} gets no mails of {slug}. Everybody else still does.", link.recipient),
            "hear",
            "Send them again",
        ),
    };
    let button = Some(Button { value: value.to_owned(), label: label.to_owned(), until: None });
    Ok(LinkPage { title, text, used_at, button, ..page })
}

async fn issue_page(web: &Web, link: &Link, page: LinkPage, now: OffsetDateTime) -> Result<LinkPage, PageError> {
    let ended = match links::holder(&web.pool, link.project, &link.recipient).await? {
        Holder::Disabled => Some(DISABLED),
        Holder::Nobody => Some(LEFT),
        Holder::Person(..) | Holder::Named => None,
    };
    if let Some(why) = ended {
        // Not even what has become of the issue: they may not read the project.
        return Ok(LinkPage { title: "This link has ended".to_owned(), text: why.to_owned(), ..page });
    }
    let issue = issue(web, link).await?;
    let (short_id, status) = (issue.short_id().to_string(), issue.state.status());
    let used_at = links::used_at(&web.pool, &mark(web, link).await?).await?;
    let page = LinkPage { issue: Some(issue), used_at, ..page };
    if link.act == Act::Take {
        return take_page(web, link, page, &short_id).await;
    }
    if used_at.is_some() {
        let title = match status {
            "unresolved" => format!("{short_id} is open again"),
            _ => format!("Done: {short_id} is {status}"),
        };
        return Ok(LinkPage { title, text: "This link works once.".to_owned(), ..page });
    }
    let is_pointless = match link.act {
        Act::Resolve => status != "unresolved" && status != "ignored",
        _ => status != "unresolved",
    };
    if is_pointless {
        let text = "There is nothing to do, and the link stays good.".to_owned();
        return Ok(LinkPage { title: format!("{short_id} is {status} already"), text, ..page });
    }
    if let Err(why) = may_change(web, link).await? {
        return Ok(LinkPage { title: format!("{short_id} stays as it is"), text: why.to_owned(), ..page });
    }
    let counted = "Its events are still counted, and you hear of it when they go on after that.";
    let morning = absolute(next_morning(now));
    let (title, text, value, label, until) = match link.act {
        Act::IgnoreDay => {
            (format!("Ignore {short_id} for 24 hours?"), counted, "ignore", "Ignore for 24 h".to_owned(), None)
        }
        Act::IgnoreMorning => (
            format!("Ignore {short_id} until the morning?"),
            counted,
            "ignore",
            format!("Ignore until {morning}"),
            Some(7),
        ),
        Act::Resolve | Act::Mute | Act::Take => (
            format!("Resolve {short_id}?"),
            "You hear of it when it comes back.",
            "resolve",
            "Resolve".to_owned(),
            None,
        ),
    };
    let button = Some(Button { value: value.to_owned(), label, until });
    Ok(LinkPage { title, text: text.to_owned(), button, ..page })
}

/// The page of a link that gives the issue to its reader.
async fn take_page(web: &Web, link: &Link, page: LinkPage, short_id: &str) -> Result<LinkPage, PageError> {
    let holder = page.issue.as_ref().and_then(|issue| issue.assignee.clone());
    let has = holder.as_ref().map_or("Nobody", |holder| holder.shown());
    if page.used_at.is_some() {
        let (title, text) = (format!("{has} has {short_id}"), "This link works once.".to_owned());
        return Ok(LinkPage { title, text, ..page });
    }
    let user = match may_change(web, link).await? {
        Ok(user) => user,
        Err(why) => return Ok(LinkPage { title: format!("{short_id} stays as it is"), text: why.to_owned(), ..page }),
    };
    if holder.is_some() && holder.as_ref().map(|holder| holder.id) == user {
        let text = "There is nothing to do, and the link stays good.".to_owned();
        return Ok(LinkPage { title: format!("You have {short_id} already"), text, ..page });
    }
    let text = match &holder {
        Some(holder) => format!("{} has it now. Everybody who looks sees that you do from then on.", holder.shown()),
        None => "Nobody has it now. Everybody who looks sees that you do from then on.".to_owned(),
    };
    let button = Some(Button { value: "take".to_owned(), label: "I\u{2019}m on it".to_owned(), until: None });
    Ok(LinkPage { title: format!("Take {short_id}?"), text, button, ..page })
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn mornings_are_the_next_seven() {
        assert_eq!(next_morning(datetime!(2026-11-22 3:00 UTC)), datetime!(2026-11-22 7:00 UTC));
        assert_eq!(next_morning(datetime!(2026-11-22 7:00 UTC)), datetime!(2026-11-23 7:00 UTC));
        assert_eq!(next_morning(datetime!(2026-12-31 23:59 UTC)), datetime!(2027-01-01 7:00 UTC));
        assert_eq!(next_morning(datetime!(2026-11-22 6:30 +2)), datetime!(2026-11-22 7:00 UTC));
    }

    #[test]
    fn a_link_does_what_it_was_made_for_and_nothing_else() {
        let now = datetime!(2026-11-22 3:00 UTC);
        let until = |act, done| match asked(act, done, now) {
            Some(Deed::Signal(Signal::Ignore(terms))) => Some(terms),
            _ => None,
        };
        let resolve = Signal::Resolve { fix: Fix::Now, commit: None };
        assert_eq!(asked(Act::Resolve, "resolve", now), Some(Deed::Signal(resolve)));
        assert_eq!(asked(Act::Take, "take", now), Some(Deed::Take));
        let at = |at| Some(Terms::until(Some(at)));
        assert_eq!(until(Act::IgnoreDay, "ignore"), at(now + Duration::DAY));
        assert_eq!(until(Act::IgnoreDay, "ignore:9"), at(now + Duration::DAY));
        assert_eq!(until(Act::IgnoreMorning, "ignore"), at(datetime!(2026-11-22 7:00 UTC)));
        assert_eq!(until(Act::IgnoreMorning, "ignore:3600"), at(datetime!(2026-11-22 4:00 UTC)));
        for odd in ["ignore:0", "ignore:-1", "ignore:90001", "ignore:x", "ignore:99999999999999999999"] {
            assert_eq!(until(Act::IgnoreMorning, odd), at(datetime!(2026-11-22 7:00 UTC)), "{odd}");
        }
        for (act, done) in [
            (Act::Resolve, ""),
            (Act::Resolve, "ignore"),
            (Act::IgnoreDay, "resolve"),
            (Act::IgnoreMorning, "List-Unsubscribe"),
            (Act::IgnoreDay, ""),
            (Act::Take, "resolve"),
            (Act::Resolve, "take"),
        ] {
            assert_eq!(asked(act, done, now), None, "{act:?} {done}");
        }
    }
}
