//! Tokens of the web API: those of the instance and of every project, for administrators; and those of one project, for
//! the administrators of that.
//!
//! A project's page knows only what was made on it: a token of the instance that works in the project, too, is neither
//! shown there nor revoked.

mod make;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::ids::{TokenId, UserId};
use store::people::tokens::{self, Filter, Listed, State};
use store::people::users::{self, User};
use time::{Duration, OffsetDateTime};

use self::make::{DAYS, Draft, Form, Offer};
use super::display::{Age, absolute};
use super::error::PageError;
use super::place::Place;
use super::session::{Posted, Viewer};
use super::shell::{Nav, Shell, answer, html, see_other};
use super::{Web, signs};

/// Rows of a page.
const ROWS: usize = 50;
/// What ends within so long says so in a colour.
const SOON: Duration = Duration::days(14);

#[derive(Template)]
#[template(path = "tokens/list.html")]
struct ListPage {
    shell: Shell,
    place: Place,
    now: OffsetDateTime,
    rows: Vec<Listed>,
    address: Address,
    /// Whose tokens these are, where the address says that.
    maker: Option<User>,
    /// The last of this page, when there are more.
    more: Option<TokenId>,
    offer: Offer,
    draft: Draft,
    problem: Option<String>,
}

impl ListPage {
    fn path(&self) -> String {
        self.place.path("tokens")
    }

    /// Address of the list with another choice of states, or further on.
    fn link(&self, show: &str, before: Option<&TokenId>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(Some(("show", show)).filter(|(_, show)| !show.is_empty()));
        query.extend_pairs(self.maker.as_ref().map(|user| ("by", user.id.to_string())));
        query.extend_pairs(before.map(|id| ("before", id.to_string())));
        let query = query.finish();
        if query.is_empty() { self.path() } else { format!("{}?{query}", self.path()) }
    }

    /// Where it works, in words.
    fn place(&self, row: &Listed) -> String {
        let Some(ids) = row.token.reach.ids() else { return "in all projects".to_owned() };
        let others = ids.len().saturating_sub(row.slugs.len());
        match (row.slugs.is_empty(), others) {
            (true, _) => "in no project: what it was made for is gone".to_owned(),
            (false, 0) => format!("in {}", row.slugs.join(", ")),
            (false, more) => format!("in {} and {more} more", row.slugs.join(", ")),
        }
    }

    fn is_active(&self, row: &Listed) -> bool {
        row.token.state(self.now) == State::Active
    }

    /// Whether it ends soon.
    fn is_ending(&self, row: &Listed) -> bool {
        self.is_active(row) && row.token.expires_at.is_some_and(|at| at - self.now <= SOON)
    }

    /// How it stands, and until when.
    fn state(&self, row: &Listed) -> String {
        match (row.token.state(self.now), row.token.expires_at, row.token.revoked_at) {
            (State::Revoked, _, Some(at)) => format!("revoked {}", at.date()),
            (State::Expired, Some(at), _) => format!("expired {}", at.date()),
            (_, None, _) => "does not expire".to_owned(),
            (_, Some(at), _) if at - self.now <= SOON => format!("expires in {}", left(at - self.now)),
            (_, Some(at), _) => format!("until {}", at.date()),
        }
    }

    /// The moment that goes with it.
    fn moment(&self, row: &Listed) -> String {
        row.token.revoked_at.or(row.token.expires_at).map(absolute).unwrap_or_default()
    }
}

/// `3 days`, and hours only on the last day.
fn left(time: Duration) -> String {
    let (count, unit) = match time.whole_days() {
        0 => (time.whole_hours().max(1), "hour"),
        days => (days, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// What the address says.
#[derive(Debug, Default, Clone, serde::Deserialize)]
#[serde(default)]
pub(super) struct Address {
    /// `active`, `over`, or all.
    show: String,
    /// The last token of the page before.
    before: String,
    /// Who made them.
    by: String,
    /// What the form begins with.
    preset: String,
    revoked: String,
}

/// `GET /projects/{slug}/tokens`, `GET /tokens`
pub(super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    place: Place,
    address: web::Query<Address>,
) -> Result<HttpResponse, PageError> {
    html(&page(&web, &request, viewer, place, address.into_inner(), None).await?)
}

/// `POST /projects/{slug}/tokens`, `POST /tokens`: `do` is `make` or `revoke`.
pub(super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    place: Place,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    match posted.fields.get("do") {
        "make" => {
            let draft = Draft::read(&posted.fields);
            match make::make(&web, &draft, place.project.as_ref()).await? {
                Ok(made) => make::shown(&web, &request, posted.viewer, place, made).await,
                Err(problem) => {
                    let typed = Some((draft, problem));
                    let page = page(&web, &request, posted.viewer, place, Address::default(), typed).await?;
                    answer(&page, false)
                }
            }
        }
        "revoke" => {
            let id: TokenId = posted.fields.get("token").parse().map_err(|_| PageError::NotFound("token"))?;
            let home = place.id();
            // One that was revoked meanwhile is as it was to be; one that is not theirs is not there.
            let is_done = tokens::revoke(&web.pool, id, home, OffsetDateTime::now_utc()).await?;
            if !is_done && !tokens::exists(&web.pool, id, home).await? {
                return Err(PageError::NotFound("token"));
            }
            Ok(see_other(&format!("{}?revoked=1", place.path("tokens"))))
        }
        _ => Err(PageError::BadRequest("The form says nothing that can be done with a token.".to_owned())),
    }
}

/// `typed` is a form that cannot be done, and why.
async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    place: Place,
    address: Address,
    typed: Option<(Draft, String)>,
) -> Result<ListPage, PageError> {
    let now = OffsetDateTime::now_utc();
    let maker = match address.by.parse() {
        Ok(id) if place.project.is_none() => users::by_id(&web.pool, UserId(id)).await?,
        _ => None,
    };
    let filter = Filter {
        home: place.id(),
        made_by: maker.as_ref().map(|user| user.id),
        is_active: match address.show.as_str() {
            "active" => Some(true),
            "over" => Some(false),
            _ => None,
        },
        before: address.before.parse().ok(),
    };
    let mut rows = tokens::list(&web.pool, filter, now, i64::try_from(ROWS).unwrap_or(1) + 1).await?;
    let more = rows.len() > ROWS;
    rows.truncate(ROWS);
    let shell = place.shell(web, request, viewer, (Nav::Tokens, "Tokens")).await?;
    let offer = Offer::load(web, place.project.as_ref()).await?;
    let (draft, problem) = match typed {
        Some((draft, problem)) => (draft, Some(problem)),
        None => (offer.preset(&address.preset), None),
    };
    let more = rows.last().map(|row| row.token.id).filter(|_| more);
    Ok(ListPage { shell, place, now, rows, address, maker, more, offer, draft, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_in_one_unit() {
        let told = [Duration::days(3), Duration::hours(30), Duration::hours(5), Duration::minutes(2)].map(left);
        assert_eq!(told, ["3 days", "1 day", "5 hours", "1 hour"]);
    }
}
