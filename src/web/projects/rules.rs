//! The grouping rules of a project: two texts, what is wrong with them, and what they would do.
//!
//! A form without script: its two buttons try the rules on stored events, or save them. What cannot be
//! read is shown at its line with a caret, and the texts come back as they were typed.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::grouping::Rules;
use engine::grouping::preview::{Change, Part};
use engine::grouping::rules::{BUILTIN_FINGERPRINT_RULES, BUILTIN_STACK_RULES, Problem, Problems};
use store::StoreError;
use store::projects::Project;
use store::rules::{NewRules, ProjectRules};
use time::OffsetDateTime;

use super::super::display::{Count, cut};
use super::super::error::PageError;
use super::super::session::{Posted, Viewer};
use super::super::shell::{Nav, Shell, answer, html, see_other};
use super::super::{Web, signs};
use super::find;
use crate::preview::{self, Preview, PreviewError};

/// Characters of a line that are shown around a problem.
const LINE_CHARS: usize = 100;

/// A problem with its line and a caret under its place.
struct Caret {
    place: String,
    line: String,
    caret: String,
    message: String,
}

impl Caret {
    fn all(text: &str, problems: Vec<Problem>) -> Vec<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let line_of = |problem: &Problem| lines.get(problem.line as usize - 1).copied().unwrap_or_default();
        problems.into_iter().map(|problem| Self::new(line_of(&problem), problem)).collect()
    }

    fn new(line: &str, Problem { line: number, column, message }: Problem) -> Self {
        let column = column as usize - 1;
        // A long line is shown from a little before the place.
        let skipped = column.saturating_sub(LINE_CHARS * 3 / 4);
        let shown = line.chars().skip(skipped).take(LINE_CHARS);
        let line = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
        let caret = " ".repeat(column - skipped) + "^";
        Self { place: format!("line {number}, column {}", column + 1), line, caret, message }
    }
}

/// What a preview found, in words.
struct Found {
    read: Count,
    of: String,
    touched: Count,
    merges: Vec<Change>,
    more_merges: usize,
    splits: Vec<Change>,
    more_splits: usize,
}

impl Found {
    fn new(preview: Preview) -> Self {
        let count = |count: usize| Count(i64::try_from(count).unwrap_or(i64::MAX));
        let stored = Count(preview.events_stored);
        let of = if preview.events_stored_is_exact { stored.to_string() } else { format!("more than {stored}") };
        let changes = preview.changes;
        Self {
            read: count(preview.events_read),
            of,
            touched: count(changes.events_touched),
            more_merges: changes.merge_count - changes.merges.len(),
            merges: changes.merges,
            more_splits: changes.split_count - changes.splits.len(),
            splits: changes.splits,
        }
    }

    fn is_nothing(&self) -> bool {
        self.merges.is_empty() && self.splits.is_empty()
    }

    fn title(&self, part: &Part) -> String {
        cut(&part.title, 90)
    }
}

#[derive(Template)]
#[template(path = "projects/rules.html")]
struct RulesPage {
    shell: Shell,
    project: Project,
    fingerprint: String,
    stack: String,
    version: i64,
    is_saved: bool,
    problem: Option<String>,
    fingerprint_problems: Vec<Caret>,
    stack_problems: Vec<Caret>,
    warnings: Vec<String>,
    found: Option<Found>,
    builtin_fingerprint: &'static str,
    builtin_stack: &'static str,
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct RulesAddress {
    saved: Option<String>,
}

/// `GET /projects/{slug}/rules`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
    address: web::Query<RulesAddress>,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let saved = store::rules::load(&web.pool, project.id).await?;
    let compiled = Rules::compile(&saved.fingerprint_rules, &saved.stack_rules);
    let mut page = page(&web, &request, viewer, project, saved).await?;
    page.is_saved = address.saved.is_some();
    page.tell(compiled.map(|(_, warnings)| warnings));
    html(&page)
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    project: Project,
    texts: ProjectRules,
) -> Result<RulesPage, PageError> {
    let mut shell = Shell::load(web, request, viewer, Nav::Projects).await?;
    shell.title = format!("Grouping rules of {}", project.slug);
    shell.project = Some(project.slug.clone());
    Ok(RulesPage {
        shell,
        project,
        fingerprint: texts.fingerprint_rules,
        stack: texts.stack_rules,
        version: texts.version,
        is_saved: false,
        problem: None,
        fingerprint_problems: Vec::new(),
        stack_problems: Vec::new(),
        warnings: Vec::new(),
        found: None,
        builtin_fingerprint: BUILTIN_FINGERPRINT_RULES,
        builtin_stack: BUILTIN_STACK_RULES,
    })
}

impl RulesPage {
    /// Shows what is wrong, or what does less than it says.
    fn tell(&mut self, compiled: Result<Problems, Problems>) {
        match compiled {
            Ok(warnings) => self.warnings = warnings.to_string().lines().map(str::to_owned).collect(),
            Err(problems) => {
                self.fingerprint_problems = Caret::all(&self.fingerprint, problems.fingerprint);
                self.stack_problems = Caret::all(&self.stack, problems.stack);
            }
        }
    }

    fn refused(self) -> Result<HttpResponse, PageError> {
        answer(&self, false)
    }
}

/// `POST /projects/{slug}/rules`: `do` is `try` or `save`.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    slug: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    // Browsers end lines with two characters.
    let text = |name: &str| posted.fields.get(name).replace("\r\n", "\n");
    let version =
        posted.fields.get("version").parse().map_err(|_| PageError::BadRequest("Which version?".to_owned()))?;
    let texts = ProjectRules {
        project_id: project.id,
        fingerprint_rules: text("fingerprint"),
        stack_rules: text("stack"),
        version,
    };
    let compiled = Rules::compile(&texts.fingerprint_rules, &texts.stack_rules);
    let changed_by = posted.viewer.user_id;
    let rules = match compiled {
        Ok((rules, warnings)) => (Arc::new(rules), warnings),
        Err(problems) => {
            let mut page = page(&web, &request, posted.viewer, project, texts).await?;
            page.tell(Err(problems));
            return page.refused();
        }
    };
    if posted.fields.get("do") == "save" {
        let new = NewRules {
            project_id: project.id,
            fingerprint_rules: &texts.fingerprint_rules,
            stack_rules: &texts.stack_rules,
            seen_version: Some(version),
            changed_by: Some(changed_by),
            now: OffsetDateTime::now_utc(),
        };
        return match store::rules::save(&web.pool, new).await {
            Ok(_) => Ok(see_other(&format!("/projects/{}/rules?saved=1", project.slug))),
            Err(StoreError::Conflict(problem)) => {
                let mut page = page(&web, &request, posted.viewer, project, texts).await?;
                page.problem = Some(problem);
                page.refused()
            }
            Err(error) => Err(error.into()),
        };
    }
    let old = preview::current(&web.pool, project.id).await?;
    let found = preview::run(&web.pool, project.id, old, rules.0).await;
    let mut page = page(&web, &request, posted.viewer, project, texts).await?;
    page.tell(Ok(rules.1));
    match found {
        Ok(preview) => page.found = Some(Found::new(preview)),
        Err(PreviewError::Store(error)) => return Err(error.into()),
        Err(error @ PreviewError::Busy) => page.problem = Some(error.to_string()),
        Err(PreviewError::Failed(cause)) => return Err(PageError::Internal(cause)),
    }
    html(&page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_its_place() {
        let problem = |column| Problem { line: 1, column, message: "m".to_owned() };
        let caret = Caret::new("äö\tx", problem(4));
        assert_eq!((&*caret.line, &*caret.caret, &*caret.place), ("äö x", "   ^", "line 1, column 4"));
        let long = format!("{}X", "a".repeat(500));
        let caret = Caret::new(&long, problem(501));
        assert_eq!(caret.line.chars().nth(caret.caret.len() - 1), Some('X'));
        assert_eq!(Caret::all("a\nb", vec![problem(1)])[0].line, "a");
    }
}
