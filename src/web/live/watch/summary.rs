//! What came of a watched deploy, as Markdown: for the ticket of the release, a chat, or an assistant.

use std::fmt::Write as _;

use actix_web::{HttpResponse, web};
use engine::ids::DeployId;
use engine::scrub::Scrubber;
use store::deploys;
use store::verdict::Named;
use time::OffsetDateTime;

use super::Reading;
use super::graph::whole;
use crate::web::Web;
use crate::web::display::{Count, Rate, absolute, cut};
use crate::web::error::PageError;
use crate::web::session::Viewer;

/// Issues of each kind that are named.
const NAMED_MAX: usize = 10;
/// Characters of a title.
const TITLE_CHARS: usize = 120;

/// What the address says.
#[derive(Debug, serde::Deserialize)]
pub(in crate::web) struct SummaryAddress {
    /// A deploy may be of several projects.
    project: String,
}

/// `GET /deploys/{deploy}/summary`
pub(in crate::web) async fn show(
    web: web::Data<Web>,
    viewer: Viewer,
    path: web::Path<DeployId>,
    address: web::Query<SummaryAddress>,
) -> Result<HttpResponse, PageError> {
    let project = viewer.project(&web, &address.project).await?;
    let found = deploys::by_id(&web.pool, project.id, path.into_inner()).await?;
    let deploy = found.ok_or(PageError::NotFound("deploy"))?;
    let reading = Reading::make(&web, deploy, OffsetDateTime::now_utc()).await?;
    let text = write(&reading, &web.base_url);
    Ok(HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(text))
}

fn write(reading: &Reading, base_url: &str) -> String {
    let (deploy, facts) = (&reading.deploy, &reading.since.facts);
    let link = format!("{base_url}{}", super::page::link(&deploy.project_slug, &deploy.environment, Some(deploy.id)));
    let mut text = format!(
        "**[{}]({link})** to {}: **{}**\n\n{}\n\n",
        plain(&deploy.version),
        plain(&deploy.environment),
        reading.said.grade,
        plain(&reading.said.reason)
    );
    let mut line = |what: &str, said: String| {
        let _ = writeln!(text, "- {what}: {said}");
    };
    line("Deployed", absolute(reading.began));
    line("Watched until", absolute(reading.at));
    if !deploy.state_by.is_empty() {
        let why =
            if deploy.state_reason.is_empty() { String::new() } else { format!(": {}", plain(&deploy.state_reason)) };
        line("Marked", format!("{} by {}{why}", deploy.state.as_str().replace('_', " "), plain(&deploy.state_by)));
    }
    line("New issues", Count(i64::try_from(facts.new_issues).unwrap_or(i64::MAX)).exact());
    line("Regressed", Count(i64::try_from(facts.regressed).unwrap_or(i64::MAX)).exact());
    let held = reading.fixes.iter().filter(|fix| !fix.is_back).count();
    line("Fixes held", format!("{held} of {}", reading.fixes.len()));
    let usual = facts.usual_per_min.map_or_else(String::new, |usual| format!(", usual {}", Rate(usual)));
    line("Errors a minute", format!("{} now, {} at most{usual}", Rate(facts.errors_per_min), Rate(peak(reading))));
    if let Some(crash_free) = facts.sessions.crash_free() {
        line("Crash-free sessions", format!("{crash_free:.1} % of {}", facts.sessions.total));
    }
    issues(&mut text, "New", &reading.since.new_issues, &deploy.project_slug, base_url);
    issues(&mut text, "Regressed", &reading.since.regressed, &deploy.project_slug, base_url);
    text
}

/// The most errors of a minute since the deploy, as far as the chart reaches.
fn peak(reading: &Reading) -> f64 {
    let bars: Vec<u64> = reading.bars_since().map(|bar| whole(bar.events)).collect();
    let most = bars.windows(6).map(|minute| minute.iter().sum::<u64>()).max();
    most.unwrap_or_else(|| bars.iter().sum()) as f64
}

fn issues(text: &mut String, what: &str, named: &[Named], slug: &str, base_url: &str) {
    if named.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n## {what}\n");
    for issue in named.iter().take(NAMED_MAX) {
        let short_id = engine::ids::ShortId::new(slug, issue.number);
        let title = cut(&Scrubber::standard().text(&issue.title), TITLE_CHARS);
        let _ = writeln!(
            text,
            "- [{short_id}]({base_url}/issues/{}) {}: {} events, {} users",
            issue.id.get(),
            plain(&title),
            Count(issue.events).exact(),
            Count(issue.users).exact()
        );
    }
}

/// Text from outside that stays on its line and is no markup.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\r' | '\n' => safe.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' => {
                safe.push('\\');
                safe.push(char);
            }
            char => safe.push(char),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_no_markup() {
        assert_eq!(plain("a\n# <b>[x](y)`"), "a \\# \\<b\\>\\[x\\](y)\\`");
    }
}
