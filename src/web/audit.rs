//! The audit log: who changed what, by page and as a file. For administrators.
//!
//! Everything that the page shows is in its address: the filters, and the place to read on from.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use bytes::Bytes;
use engine::access::Reach;
use futures_util::stream;
use serde_json::Value;
use sqlx::PgPool;
use store::audit::{self, Entry, Filter, Kind};
use store::projects;
use time::{Date, OffsetDateTime};
use url::form_urlencoded::Serializer;

use super::Web;
use super::display::Age;
use super::error::PageError;
use super::session::Viewer;
use super::shell::{Nav, Shell, html};
use super::signs;

/// Rows of a page.
const ROWS: i64 = 50;
/// Entries that one step of an export reads.
const STEP_ROWS: i64 = 1_000;
/// Entries of one export, the newest of those that the filter has; a narrower time has the others.
const EXPORT_ROWS_MAX: i64 = 100_000;
/// Projects that can be chosen.
const PROJECTS_MAX: i64 = 500;

/// What the address says.
#[derive(Debug, Default, Clone, serde::Deserialize)]
#[serde(default)]
pub(super) struct Address {
    /// A part of an address or name.
    person: String,
    /// A slug.
    project: String,
    kind: String,
    /// A day, as `2026-11-22`.
    from: String,
    /// The last day.
    until: String,
    /// The last entry of the page before.
    before: String,
}

impl Address {
    fn query(&self, more: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        let own = [
            ("person", &self.person),
            ("project", &self.project),
            ("kind", &self.kind),
            ("from", &self.from),
            ("until", &self.until),
        ];
        query.extend_pairs(own.iter().filter(|(_, value)| !value.is_empty()));
        query.extend_pairs(more);
        query.finish()
    }

    fn is_filtered(&self) -> bool {
        [&self.person, &self.project, &self.kind, &self.from, &self.until].iter().any(|text| !text.is_empty())
    }

    /// The filter, or what is wrong with it.
    async fn filter(&self, web: &Web, viewer: &Viewer) -> Result<Result<Filter<'_>, String>, PageError> {
        let project = match viewer.chosen(web, Some(&self.project)).await {
            Ok(project) => project.map(|project| project.id),
            Err(PageError::NotFound(_)) => return Ok(Err(format!("There is no project {:.80}.", self.project))),
            Err(error) => return Err(error),
        };
        let kind = match (self.kind.as_str(), Kind::named(&self.kind)) {
            ("", _) => None,
            (_, Some(kind)) => Some(kind),
            (name, None) => return Ok(Err(format!("There is no kind {name:.80}."))),
        };
        let (from, until) = match (day(&self.from), day(&self.until)) {
            (Ok(from), Ok(until)) => (from, until.and_then(Date::next_day)),
            (Err(wrong), _) | (_, Err(wrong)) => return Ok(Err(wrong)),
        };
        let midnight = |day: Date| day.midnight().assume_utc();
        Ok(Ok(Filter {
            person: Some(self.person.as_str()).filter(|text| !text.is_empty() && !text.contains('\0')),
            project,
            kind,
            from: from.map(midnight),
            until: until.map(midnight),
            before: self.before.parse().ok(),
        }))
    }
}

fn day(text: &str) -> Result<Option<Date>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let form = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(text, form).map(Some).map_err(|_| format!("{text:.40} is no day: write it like 2026-11-22."))
}

/// An entry in words.
struct Line {
    entry: Entry,
}

impl Line {
    /// `role: viewer → member`, and the like.
    fn details(&self) -> String {
        let Value::Object(details) = &self.entry.details else { return String::new() };
        let told = details.iter().map(|(name, value)| match value {
            Value::Array(two) if two.len() == 2 && name != "ids" => {
                format!("{name}: {} → {}", plain(&two[0]), plain(&two[1]))
            }
            Value::Array(all) => format!("{name}: {}", all.iter().map(plain).collect::<Vec<_>>().join(", ")),
            value => format!("{name}: {}", plain(value)),
        });
        told.collect::<Vec<_>>().join("; ")
    }

    fn kind(&self) -> &str {
        let found = Kind::ALL.into_iter().find(|(_, name, _)| *name == self.entry.kind);
        found.map_or(self.entry.kind.as_str(), |(_, _, words)| words)
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        value => value.to_string(),
    }
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    now: OffsetDateTime,
    address: Address,
    problem: Option<String>,
    lines: Vec<Line>,
    older: Option<String>,
    /// Slugs of projects, and whether each is chosen.
    projects: Vec<(String, bool)>,
    exports: [(&'static str, String); 2],
}

/// `GET /audit`
pub(super) async fn list(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<Address>,
) -> Result<HttpResponse, PageError> {
    let address = address.into_inner();
    let (mut entries, mut problem) = (Vec::new(), None);
    match address.filter(&web, &viewer).await? {
        Ok(filter) => entries = audit::list(&web.pool, filter, ROWS + 1).await?,
        Err(wrong) => problem = Some(wrong),
    }
    let more = i64::try_from(entries.len()).is_ok_and(|found| found > ROWS);
    entries.truncate(usize::try_from(ROWS).unwrap_or(0));
    let older = entries.last().filter(|_| more);
    let older = older.map(|last| format!("/audit?{}", address.query(&[("before", &last.id.to_string())])));
    let all = projects::list(&web.pool, &Reach::All, None, PROJECTS_MAX).await?;
    let mut shell = Shell::load(&web, &request, viewer, Nav::Audit).await?;
    shell.title = "Audit log".to_owned();
    html(&AuditPage {
        projects: all.into_iter().map(|one| (one.slug.clone(), one.slug == address.project)).collect(),
        exports: ["csv", "ndjson"]
            .map(|format| (format, format!("/audit/export?{}", address.query(&[("format", format)])))),
        lines: entries.into_iter().map(|entry| Line { entry }).collect(),
        now: OffsetDateTime::now_utc(),
        shell,
        address,
        problem,
        older,
    })
}

/// What the address of an export says besides.
#[derive(serde::Deserialize)]
pub(super) struct ExportAddress {
    #[serde(default)]
    format: String,
}

/// In which form entries are written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Ndjson,
}

/// `GET /audit/export`: what the page would show, the newest first, up to `EXPORT_ROWS_MAX` entries.
pub(super) async fn export(
    web: web::Data<Web>,
    viewer: Viewer,
    address: web::Query<Address>,
    wanted: web::Query<ExportAddress>,
) -> Result<HttpResponse, PageError> {
    let format = match wanted.format.as_str() {
        "csv" => Format::Csv,
        "ndjson" => Format::Ndjson,
        _ => return Err(PageError::BadRequest("format is csv or ndjson.".to_owned())),
    };
    let address = address.into_inner();
    let before = match address.filter(&web, &viewer).await? {
        Ok(filter) => filter.before,
        Err(wrong) => return Err(PageError::BadRequest(wrong)),
    };
    let (content_type, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "audit.csv"),
        Format::Ndjson => ("application/x-ndjson", "audit.ndjson"),
    };
    let export = Export { web, viewer, address, format, before, left: EXPORT_ROWS_MAX, is_begun: false };
    let chunks = stream::unfold(Some(export), |export| async move {
        let mut export = export?;
        match export.step().await {
            Ok((chunk, true)) => Some((Ok(chunk), Some(export))),
            Ok((chunk, false)) => Some((Ok(chunk), None)),
            // The file ends short, and the connection with it: whoever reads it is told.
            Err(error) => Some((Err(actix_web::Error::from(error)), None)),
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, content_type))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(Box::pin(chunks)))
}

/// An export on its way: it holds one step in memory, and no transaction between steps.
struct Export {
    web: web::Data<Web>,
    viewer: Viewer,
    address: Address,
    format: Format,
    before: Option<i64>,
    left: i64,
    is_begun: bool,
}

impl Export {
    /// The next lines, and whether there may be more.
    async fn step(&mut self) -> Result<(Bytes, bool), PageError> {
        let filter = self.address.filter(&self.web, &self.viewer).await?.map_err(PageError::BadRequest)?;
        let entries = read(&self.web.pool, Filter { before: self.before, ..filter }, STEP_ROWS.min(self.left)).await?;
        let mut text = String::new();
        if !self.is_begun && self.format == Format::Csv {
            text.push_str("at,via,actor,address,kind,what,subject,project,details,times,last_at\r\n");
        }
        self.is_begun = true;
        for entry in &entries {
            match self.format {
                Format::Csv => text.push_str(&csv(entry)),
                Format::Ndjson => {
                    text.push_str(&serde_json::to_string(entry).unwrap_or_default());
                    text.push('\n');
                }
            }
        }
        let found = i64::try_from(entries.len()).unwrap_or(0);
        self.left -= found;
        self.before = entries.last().map(|entry| entry.id);
        Ok((Bytes::from(text), found == STEP_ROWS && self.left > 0))
    }
}

async fn read(pool: &PgPool, filter: Filter<'_>, rows: i64) -> Result<Vec<Entry>, PageError> {
    Ok(audit::list(pool, filter, rows).await?)
}

fn csv(entry: &Entry) -> String {
    let time = |at: OffsetDateTime| at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    let line = Line { entry: entry.clone() };
    let cells = [
        time(entry.at),
        entry.via.clone(),
        entry.actor.clone(),
        entry.address.clone().unwrap_or_default(),
        entry.kind.clone(),
        entry.what.clone(),
        entry.subject.clone(),
        entry.project.clone().unwrap_or_default(),
        line.details(),
        entry.times.to_string(),
        time(entry.last_at),
    ];
    format!("{}\r\n", cells.map(|cell| quoted(&cell)).join(","))
}

/// A cell that stays one, and that no spreadsheet takes for a formula.
fn quoted(cell: &str) -> String {
    let mark = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{mark}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_cells() {
        assert_eq!(quoted("a, \"b\"\nc"), "\"a, \"\"b\"\"\nc\"");
        assert_eq!(quoted("=cmd()"), "\"'=cmd()\"");
    }

    #[test]
    fn days_are_read_or_refused() {
        assert_eq!(day(""), Ok(None));
        assert!(day("2026-11-22").is_ok_and(|day| day.is_some()));
        assert!(day("22.11.2026").is_err() && day("2026-13-01").is_err());
    }
}
