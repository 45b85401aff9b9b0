//! The histogram of an issue: which time the address asks for, its bars, and how they are split.
//!
//! The small one beside the figures shows a named range that ends now, and follows what happens. A part of time
//! (`from`, `until`) or a split (`by`) opens the large one below, with links to move and to zoom, the deploys by name, a
//! legend and the same numbers as a table. Everything is in the address, and works without script.
//!
//! Totals are the counters, and exact. Nothing counts releases or environments of an issue; a split is read from its
//! newest events of that time, a bounded number, and says how far that reaches.

use std::collections::BTreeMap;

use engine::histogram::Window;
use engine::issue::State;
use store::activity::Activity;
use store::counts::{self, Range};
use store::deploys;
use store::events::{self, SPLIT_EVENTS_MAX, SplitBucket, SplitBy};
use store::issues::Issue;
use time::OffsetDateTime;

use super::super::Web;
use super::super::chart::{Accent, Chart, Mark, PARTS_MAX, Part};
use super::super::display::{self, Count, cut};
use super::super::error::PageError;
use super::IssueAddress;

/// A range that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) name: &'static str,
    pub(super) words: &'static str,
    span_s: i64,
    bars: usize,
}

pub(super) const SPANS: [Span; 5] = [
    Span { name: "1h", words: "Last hour", span_s: 60, bars: 60 },
    Span { name: "24h", words: "Last 24 h", span_s: 1_800, bars: 48 },
    Span { name: "7d", words: "Last 7 days", span_s: 7_200, bars: 84 },
    Span { name: "30d", words: "Last 30 days", span_s: 43_200, bars: 60 },
    Span { name: "90d", words: "Last 90 days", span_s: 86_400, bars: 90 },
];

impl Span {
    /// The named one, else the smallest that shows the beginning of a young issue.
    pub(super) fn choose(name: Option<&str>, issue: &Issue, now: OffsetDateTime) -> Self {
        let by_age = match (now - issue.first_seen).whole_hours() {
            ..1 => SPANS[0],
            1..24 => SPANS[1],
            _ => SPANS[2],
        };
        SPANS.into_iter().find(|span| Some(span.name) == name).unwrap_or(by_age)
    }

    fn window(self, now_s: i64) -> Window {
        Window::ending_at(now_s, self.span_s, self.bars)
    }
}

/// Bars of a part of time, at most: wide enough to be pointed at.
const BARS_MAX: i64 = 90;
/// The shortest part of time that is shown: ten minutes.
const SHORTEST_S: i64 = 600;
/// How far back hours are counted (`store::maintenance`).
const HOURS_KEPT_S: i64 = 90 * 86_400;
/// How far back minutes are counted, with an hour to spare for the bucket that is being deleted.
const MINUTES_KEPT_S: i64 = 48 * 3_600;
/// Widths that bars may have: minutes, then hours, then days.
const WIDTHS_S: [i64; 12] = [60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];
/// Releases or environments with bars of their own; more cannot be told apart by eye.
const SERIES_MAX: usize = PARTS_MAX - 2;
/// Deploys drawn; the newest of the time shown.
const DEPLOYS_MAX: usize = 12;
/// Deploys that are looked through for those.
const DEPLOYS_READ: usize = 100;

/// The buckets of a part of time: the narrowest that are counted there and not too many.
fn zoomed(from: i64, until: i64, now_s: i64) -> Window {
    let until = until.clamp(now_s - HOURS_KEPT_S + SHORTEST_S, now_s + 1);
    let from = from.clamp(now_s - HOURS_KEPT_S, until - SHORTEST_S);
    let narrowest = if from >= now_s - MINUTES_KEPT_S { 60 } else { 3_600 };
    let fits = |span_s: &i64| *span_s >= narrowest && (until - from) / span_s < BARS_MAX;
    let span_s = WIDTHS_S.into_iter().find(fits).unwrap_or(86_400);
    let start_s = from.div_euclid(span_s) * span_s;
    let bars = (until - start_s + span_s - 1) / span_s;
    Window { start_s, span_s, bars: usize::try_from(bars).unwrap_or(1).max(1) }
}

/// What the address asks for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    span: Span,
    window: Window,
    is_zoomed: bool,
    by: Option<SplitBy>,
}

impl Asked {
    fn read(address: &IssueAddress, issue: &Issue, now_s: i64, now: OffsetDateTime) -> Self {
        let span = Span::choose(address.range.as_deref(), issue, now);
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<i64>().ok());
        let zoom = number(&address.from).zip(number(&address.until)).filter(|(from, until)| from < until);
        let by = match address.by.as_deref() {
            Some("release") => Some(SplitBy::Release),
            Some("environment") => Some(SplitBy::Environment),
            _ => None,
        };
        let window = zoom.map_or_else(|| span.window(now_s), |(from, until)| zoomed(from, until, now_s));
        Self { span, window, is_zoomed: zoom.is_some(), by }
    }

    /// The address of the same with another part of time.
    fn at(&self, from: i64, until: i64) -> String {
        format!("?from={from}&until={until}{}#histogram", self.by_part())
    }

    fn by_part(&self) -> String {
        self.by.map_or_else(String::new, |by| format!("&by={}", name(by)))
    }

    /// The address of the same, split otherwise.
    fn split(&self, by: Option<SplitBy>) -> String {
        let by = by.map_or_else(String::new, |by| format!("&by={}", name(by)));
        if self.is_zoomed {
            format!("?from={}&until={}{by}#histogram", self.window.start_s, self.window.end_s())
        } else {
            format!("?range={}{by}#histogram", self.span.name)
        }
    }
}

const fn name(by: SplitBy) -> &'static str {
    match by {
        SplitBy::Release => "release",
        SplitBy::Environment => "environment",
    }
}

/// The histogram as the page shows it.
pub(super) struct Histogram {
    pub(super) chart: Chart,
    /// Of the range in the menu.
    pub(super) range: &'static str,
    pub(super) in_range: Count,
    /// What the large one has besides.
    pub(super) large: Option<Large>,
    /// Opens the large one, split by release.
    pub(super) split_link: String,
}

/// What stands around the large chart.
pub(super) struct Large {
    /// The time that is shown, in words.
    pub(super) words: String,
    /// Other parts of time: what they are, and where.
    pub(super) moves: Vec<(&'static str, String)>,
    /// Other splits: what they are, where, and whether it is this one.
    pub(super) splits: [(&'static str, String, bool); 3],
    pub(super) legend: Vec<Entry>,
    /// What the split reaches.
    pub(super) note: Option<String>,
    /// Deploys in this time, by name.
    pub(super) deploys: Vec<(OffsetDateTime, String)>,
    /// A row for each bar that counts something: its time, its total, and its parts in the order of the legend.
    pub(super) rows: Vec<(OffsetDateTime, u64, Vec<u64>)>,
}

/// A line of the legend.
pub(super) struct Entry {
    pub(super) class: String,
    pub(super) name: String,
    pub(super) count: Count,
    /// The events of it.
    pub(super) link: Option<String>,
}

/// Reads what the histogram shows.
pub(super) async fn load(
    web: &Web,
    issue: &Issue,
    address: &IssueAddress,
    activity: &[Activity],
    now: OffsetDateTime,
) -> Result<Histogram, PageError> {
    let now_s = now.unix_timestamp();
    let asked = Asked::read(address, issue, now_s, now);
    let window = asked.window;
    let counts = counts_of(web, issue, window).await?;
    let is_large = asked.is_zoomed || asked.by.is_some();
    let mut chart = chart(issue, window, counts, activity);
    chart.zoom = Some(asked.by_part());
    let large = if is_large {
        chart = Chart { id: "histogram-large", width: 1080, height: 120, ticks: 9, ..chart };
        let deploys = deploys_in(web, issue, window).await?;
        chart.marks.extend(deploys.iter().map(|(at, name)| Mark { at_s: at.unix_timestamp(), name: name.clone() }));
        chart.marks.sort_by_key(|mark| mark.at_s);
        Some(large(web, issue, &asked, &mut chart, deploys, now_s).await?)
    } else {
        None
    };
    Ok(Histogram {
        in_range: Count(chart.counts.iter().fold(0, |sum, n| sum.saturating_add(i64::try_from(*n).unwrap_or(0)))),
        chart,
        range: asked.span.name,
        large,
        split_link: asked.split(Some(SplitBy::Release)),
    })
}

async fn counts_of(web: &Web, issue: &Issue, window: Window) -> Result<Vec<u64>, PageError> {
    // Minutes are kept for two days, hours for as long as any range here.
    let span_s = if window.span_s % 3_600 == 0 { 3_600 } else { 60 };
    let range = Range { span_s, from: window.start_s, until: window.end_s() };
    let buckets = counts::of_issue(&web.pool, issue.project_id, issue.id, range).await?;
    Ok(window.fill(buckets.iter().map(|bucket| (bucket.bucket, bucket.events))))
}

fn chart(issue: &Issue, window: Window, counts: Vec<u64>, activity: &[Activity]) -> Chart {
    let accent = match &issue.state {
        State::New => Accent::All,
        State::Regressed => Accent::Since(issue.status_changed_at.unix_timestamp()),
        _ => Accent::None,
    };
    let marks = activity.iter().filter(|change| change.kind == "resolved").take(1).map(|change| Mark {
        at_s: change.at.unix_timestamp(),
        name: change
            .release
            .as_ref()
            .map_or_else(|| "resolved".to_owned(), |release| format!("resolved in {}", cut(release, 40))),
    });
    Chart {
        id: "histogram",
        counts,
        window,
        accent,
        marks: marks.collect(),
        usual: None,
        parts: Vec::new(),
        zoom: None,
        width: 600,
        height: 48,
        ticks: 5,
        class: "",
    }
}

async fn deploys_in(web: &Web, issue: &Issue, window: Window) -> Result<Vec<(OffsetDateTime, String)>, PageError> {
    let newest = deploys::newest(&web.pool, issue.project_id, DEPLOYS_READ).await?;
    let mut found: Vec<(OffsetDateTime, String)> = newest
        .into_iter()
        .filter_map(|deploy| {
            let at = deploy.finished_at.or(deploy.started_at)?;
            window.index(at.unix_timestamp())?;
            Some((at, format!("{} to {}", cut(&deploy.version, 40), cut(&deploy.environment, 20))))
        })
        .take(DEPLOYS_MAX)
        .collect();
    found.reverse();
    Ok(found)
}

async fn large(
    web: &Web,
    issue: &Issue,
    asked: &Asked,
    chart: &mut Chart,
    deploys: Vec<(OffsetDateTime, String)>,
    now_s: i64,
) -> Result<Large, PageError> {
    let window = asked.window;
    let (mut legend, mut note) = (Vec::new(), None);
    if let Some(by) = asked.by {
        let range = Range { span_s: 60, from: window.start_s, until: window.end_s() };
        let buckets = events::split_of_issue(&web.pool, issue, by, range, window.span_s).await?;
        let read: i64 = buckets.iter().map(|bucket| bucket.events).sum();
        let split = split(window, &chart.counts, &buckets);
        legend = split.iter().map(|part| entry(issue, by, part)).collect();
        chart.parts = split;
        chart.accent = Accent::None;
        note = (read >= SPLIT_EVENTS_MAX).then(|| {
            format!(
                "Read from the newest {} events of this time; what came before them is counted, but not told apart.",
                Count(SPLIT_EVENTS_MAX).exact()
            )
        });
    }
    Ok(Large {
        words: words(window),
        moves: moves(asked, now_s),
        splits: [
            ("none", asked.split(None), asked.by.is_none()),
            ("release", asked.split(Some(SplitBy::Release)), asked.by == Some(SplitBy::Release)),
            ("environment", asked.split(Some(SplitBy::Environment)), asked.by == Some(SplitBy::Environment)),
        ],
        rows: rows(chart),
        legend,
        note,
        deploys,
    })
}

fn words(window: Window) -> String {
    let at = |at_s| display::absolute(OffsetDateTime::from_unix_timestamp(at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH));
    format!("{} to {}", at(window.start_s), at(window.end_s()))
}

/// Half of it, twice as much, and what lies beside it, as far as something is counted there.
fn moves(asked: &Asked, now_s: i64) -> Vec<(&'static str, String)> {
    let (from, until) = (asked.window.start_s, asked.window.end_s());
    let (width, oldest) = (until - from, now_s - HOURS_KEPT_S);
    let mut moves = Vec::new();
    if from > oldest {
        moves.push(("Earlier", asked.at((from - width / 2).max(oldest), until - width / 2)));
    }
    if until < now_s {
        moves.push(("Later", asked.at((from + width / 2).min(now_s - width), (until + width / 2).min(now_s))));
    }
    if width > SHORTEST_S {
        moves.push(("Zoom in", asked.at(from + width / 4, until - width / 4)));
    }
    if from > oldest || until < now_s {
        moves.push(("Zoom out", asked.at((from - width / 2).max(oldest), (until + width / 2).min(now_s))));
    }
    moves
}

/// The bars of each release or environment, the most frequent first, then the others together, then what is not known.
fn split(window: Window, totals: &[u64], buckets: &[SplitBucket]) -> Vec<Part> {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for bucket in buckets {
        *sums.entry(bucket.name.as_str()).or_default() += bucket.events;
    }
    let mut names: Vec<(&str, i64)> = sums.into_iter().collect();
    names.sort_by_key(|(_, events)| std::cmp::Reverse(*events));
    let of = |wanted: &dyn Fn(&str) -> bool| {
        window.fill(buckets.iter().filter(|bucket| wanted(&bucket.name)).map(|bucket| (bucket.bucket, bucket.events)))
    };
    let mut parts: Vec<Part> = names
        .iter()
        .take(SERIES_MAX)
        .enumerate()
        .map(|(index, (name, _))| Part {
            class: format!("bars-s{index}"),
            name: (*name).to_owned(),
            counts: of(&|other| other == *name),
        })
        .collect();
    if names.len() > SERIES_MAX {
        let others: Vec<&str> = names[SERIES_MAX..].iter().map(|(name, _)| *name).collect();
        let counts = of(&|name| others.contains(&name));
        parts.push(Part { class: "bars-others".to_owned(), name: OTHERS.to_owned(), counts });
    }
    let known = |bar: usize| parts.iter().map(|part| part.counts.get(bar).copied().unwrap_or(0)).sum::<u64>();
    let unknown: Vec<u64> = totals.iter().enumerate().map(|(bar, total)| total.saturating_sub(known(bar))).collect();
    if unknown.iter().any(|count| *count > 0) {
        parts.push(Part { class: "bars-unknown".to_owned(), name: UNKNOWN.to_owned(), counts: unknown });
    }
    parts
}

const OTHERS: &str = "others together";
const UNKNOWN: &str = "not told apart";

fn entry(issue: &Issue, by: SplitBy, part: &Part) -> Entry {
    let is_one = part.class.starts_with("bars-s");
    let term = engine::query::term(name(by), &part.name).filter(|_| is_one && !part.name.is_empty());
    let link = term.map(|term| {
        let query: String = url::form_urlencoded::byte_serialize(term.as_bytes()).collect();
        format!("/issues/{}/events?query={query}", issue.id)
    });
    Entry {
        class: part.class.clone(),
        name: if part.name.is_empty() { format!("without {}", article(by)) } else { part.name.clone() },
        count: Count(i64::try_from(part.counts.iter().sum::<u64>()).unwrap_or(i64::MAX)),
        link,
    }
}

const fn article(by: SplitBy) -> &'static str {
    match by {
        SplitBy::Release => "a release",
        SplitBy::Environment => "an environment",
    }
}

fn rows(chart: &Chart) -> Vec<(OffsetDateTime, u64, Vec<u64>)> {
    let row = |(bar, total): (usize, &u64)| {
        let at = OffsetDateTime::from_unix_timestamp(chart.window.start_of(bar)).ok()?;
        let parts = chart.parts.iter().map(|part| part.counts.get(bar).copied().unwrap_or(0));
        (*total > 0).then(|| (at, *total, parts.collect()))
    };
    chart.counts.iter().enumerate().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_992_360;

    #[test]
    fn a_part_of_time_has_the_narrowest_bars_that_are_counted_there() {
        let of = |from, until| zoomed(from, until, NOW);
        let hour = of(NOW - 3_600, NOW);
        assert_eq!((hour.span_s, hour.bars), (60, 60));
        assert_eq!(of(NOW - 86_400, NOW).span_s, 1_800);
        // Minutes of last week are gone.
        let old = of(NOW - 7 * 86_400, NOW - 7 * 86_400 + 600);
        assert_eq!((old.span_s, old.bars), (3_600, 1));
        for (from, until) in
            [(0, i64::MAX), (i64::MIN, 1), (NOW, NOW + 1), (NOW - 5, NOW - 4), (i64::MAX - 1, i64::MAX)]
        {
            let window = of(from, until);
            assert!(window.bars >= 1 && window.bars <= 91, "{from} {until}: {window:?}");
            assert!(window.start_s >= NOW - HOURS_KEPT_S - 86_400 && window.end_s() <= NOW + 86_400, "{window:?}");
        }
    }

    #[test]
    fn a_split_is_bounded_and_adds_up() {
        let window = Window { start_s: 0, span_s: 60, bars: 2 };
        let bucket = |bucket, name: &str, events| SplitBucket { bucket, name: name.to_owned(), events };
        let mut buckets: Vec<SplitBucket> = (0..7).map(|n| bucket(60, &format!("r{n}"), 10 - n)).collect();
        buckets.push(bucket(0, "r0", 1));
        let totals = [5, 60];
        let parts = split(window, &totals, &buckets);
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["r0", "r1", "r2", "r3", "r4", OTHERS, UNKNOWN]);
        for (bar, total) in totals.iter().enumerate() {
            assert_eq!(parts.iter().map(|part| part.counts[bar]).sum::<u64>(), *total);
        }
        assert_eq!((parts[5].counts[1], parts[6].counts[0]), (9, 4));
    }
}
