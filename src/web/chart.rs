//! Charts as SVG: sparklines for rows, and the big ones with their axes.
//!
//! The geometry is `engine::histogram`; here are the marks. Bars stand in an inner drawing that may be
//! stretched (narrow screens), labels outside of it at percentages, so that text is never distorted.
//! `static/chart.js` draws the same bars again from `data-counts` when live counts arrive.

use std::fmt;

use askama::filters::HtmlSafe;
use engine::histogram::{Bars, Window, scale_top};
use time::OffsetDateTime;
use time::macros::format_description;

use super::display::{Count, escape};

/// Which bars of a chart are in the accent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accent {
    /// None: an ordinary issue.
    None,
    /// All: a new issue.
    All,
    /// Those from this time on: an issue that came back then.
    Since(i64),
    /// All, in amber: an issue that escalates.
    Rising,
}

impl Accent {
    pub(super) fn first_bar(self, window: &Window) -> usize {
        match self {
            Self::None => usize::MAX,
            Self::All | Self::Rising => 0,
            Self::Since(at_s) if at_s < window.start_s => 0,
            Self::Since(at_s) => window.index(at_s).unwrap_or(usize::MAX),
        }
    }
}

/// A sparkline: one row's counts, own scale.
#[derive(Debug, Clone)]
pub(super) struct Spark {
    /// The buckets.
    pub window: Window,
    /// Their counts.
    pub counts: Vec<u64>,
    /// What is in the accent.
    pub accent: Accent,
    /// Measures of the bars.
    pub bars: Bars,
}

impl fmt::Display for Spark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bars, height) = (self.bars, self.bars.height);
        let (width, highest) = (bars.width(self.counts.len()), self.counts.iter().copied().max().unwrap_or(0));
        let total = self.counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        write!(
            f,
            r#"<svg class="spark" width="{width}" height="{height}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" aria-label="{total} events, at most {highest} in one bar">"#,
        )?;
        write_bars(f, &bars, &self.window, &self.counts, self.accent, highest.max(1))?;
        f.write_str("</svg>")
    }
}

impl HtmlSafe for Spark {}

fn write_bars(
    f: &mut fmt::Formatter<'_>,
    bars: &Bars,
    window: &Window,
    counts: &[u64],
    accent: Accent,
    top: u64,
) -> fmt::Result {
    let first = accent.first_bar(window).min(counts.len());
    let mut part = counts.to_vec();
    part[first..].fill(0);
    write!(f, r#"<path class="bars-zero" d="{}"/>"#, bars.zero_path(counts))?;
    write!(f, r#"<path class="bars" d="{}"/>"#, bars.path(&part, top))?;
    part = counts.to_vec();
    part[..first].fill(0);
    let class = if accent == Accent::Rising { "bars-rising" } else { "bars-accent" };
    write!(f, r#"<path class="{class}" d="{}"/>"#, bars.path(&part, top))
}

/// A line through a chart at one moment, with its name.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// The moment.
    pub at_s: i64,
    /// What happened.
    pub name: String,
}

/// Parts that are drawn: some by name, the others together, and what is not known. What is beyond is not.
pub(super) const PARTS_MAX: usize = 7;

/// A part of the counts of a chart.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Class of its bars.
    pub class: String,
    /// What it is.
    pub name: String,
    /// Its counts.
    pub counts: Vec<u64>,
}

/// A big chart with a time axis below and a scale at its right.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    /// Name for the script and for screen readers.
    pub id: &'static str,
    /// The buckets.
    pub window: Window,
    /// Their counts.
    pub counts: Vec<u64>,
    /// What is in the accent.
    pub accent: Accent,
    /// Moments to mark.
    pub marks: Vec<Mark>,
    /// The usual level: lowest, middle and highest count of a bar.
    pub usual: Option<(u64, u64, u64)>,
    /// What the counts are made of, from the foot up; nothing when they are not split.
    pub parts: Vec<Part>,
    /// Where a part of it that is drawn over leads, behind `?from=…&until=…`; none where it leads nowhere.
    pub zoom: Option<String>,
    /// Width of the bars at which they are whole pixels.
    pub width: u32,
    /// Height of the bars.
    pub height: u32,
    /// How many labels the time axis may have.
    pub ticks: usize,
    /// Extra class.
    pub class: &'static str,
}

impl Chart {
    fn top(&self) -> u64 {
        let highest = self.counts.iter().copied().max().unwrap_or(0);
        scale_top(highest.max(self.usual.map_or(0, |(_, _, high)| high)))
    }

    fn write_usual(&self, f: &mut fmt::Formatter<'_>, bars: &Bars, width: u32, top: u64) -> fmt::Result {
        let Some((low, middle, high)) = self.usual else { return Ok(()) };
        let y = |count: u64| self.height - bars.height_of(count, top).min(self.height);
        let (from, to) = (y(high), y(low));
        write!(
            f,
            r#"<rect class="bars-band" x="0" y="{from}" width="{width}" height="{}"/><path class="rule-mid" d="M0 {1}h{width}"/>"#,
            (to - from).max(1),
            y(middle),
        )
    }

    /// Bars on top of each other, each part with its numbers for the pointer.
    fn write_parts(&self, f: &mut fmt::Formatter<'_>, bars: &Bars, top: u64) -> fmt::Result {
        let count =
            |part: usize, bar: usize| self.parts.get(part).and_then(|part| part.counts.get(bar)).copied().unwrap_or(0);
        let counts: Vec<[u64; PARTS_MAX]> =
            (0..self.counts.len()).map(|bar| std::array::from_fn(|part| count(part, bar))).collect();
        write!(f, r#"<path class="bars-zero" d="{}"/>"#, bars.zero_path(&self.counts))?;
        for (part, path) in self.parts.iter().zip(bars.stacked(&counts, top)) {
            let list: Vec<String> = part.counts.iter().map(u64::to_string).collect();
            let name = escape(&part.name);
            write!(
                f,
                r#"<path class="{}" data-name="{name}" data-part="{}" d="{path}"/>"#,
                part.class,
                list.join(",")
            )?;
        }
        Ok(())
    }

    fn write_axis(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = self.height + 18;
        for tick in self.window.ticks(self.ticks) {
            let anchor = match tick.permille {
                0..=30 => "start",
                970.. => "end",
                _ => "middle",
            };
            write!(
                f,
                r#"<text x="{}.{}%" y="{below}" text-anchor="{anchor}" data-at="{}" data-day="{}">{}</text>"#,
                tick.permille / 10,
                tick.permille % 10,
                tick.at_s,
                u8::from(self.days()),
                self.label(tick.at_s),
            )?;
        }
        let mut named = Vec::new();
        for mark in &self.marks {
            let permille = (mark.at_s - self.window.start_s).saturating_mul(1000)
                / (self.window.end_s() - self.window.start_s).max(1);
            if !(0..=1000).contains(&permille) {
                continue;
            }
            let (x, anchor) =
                (format!("{}.{}%", permille / 10, permille % 10), if permille > 500 { "end" } else { "start" });
            let dx = if permille > 500 { -4 } else { 4 };
            let name = escape(&mark.name);
            write!(
                f,
                r#"<line class="mark-line" x1="{x}" x2="{x}" y1="-10" y2="{}"><title>{name}</title></line>"#,
                self.height,
            )?;
            if self.is_free(&mut named, permille, mark) {
                write!(f, r#"<text class="mark-name" x="{x}" y="-1" dx="{dx}" text-anchor="{anchor}">{name}</text>"#)?;
            }
        }
        Ok(())
    }

    /// Whether the name of a mark meets none of those that are written; it is then one of them.
    fn is_free(&self, named: &mut Vec<(i64, i64)>, permille: i64, mark: &Mark) -> bool {
        /// Of one character at the size of the axis, in pixels, about.
        const CHARACTER: i64 = 6;
        let characters = i64::try_from(mark.name.chars().count()).unwrap_or(i64::MAX).saturating_add(2);
        let width = characters.saturating_mul(CHARACTER * 1000) / i64::from(self.width.max(1));
        let place = if permille > 500 { (permille - width, permille) } else { (permille, permille + width) };
        let is_free = named.iter().all(|(from, until)| place.1 <= *from || place.0 >= *until);
        if is_free {
            named.push(place);
        }
        is_free
    }

    /// True when the axis names days rather than times.
    fn days(&self) -> bool {
        self.window.end_s() - self.window.start_s > 3 * 86_400
    }

    fn label(&self, at_s: i64) -> String {
        let at = OffsetDateTime::from_unix_timestamp(at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        if self.days() {
            at.format(&format_description!("[day padding:none] [month repr:short]")).unwrap_or_default()
        } else {
            at.format(&format_description!("[hour]:[minute]")).unwrap_or_default()
        }
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bars = Bars::fitting(self.counts.len(), self.width, self.height);
        let (width, height, top) = (bars.width(self.counts.len()), self.height, self.top());
        let list: Vec<String> = self.counts.iter().map(u64::to_string).collect();
        let accent = self.accent.first_bar(&self.window).min(self.counts.len());
        let zoom = self.zoom.as_ref().map_or_else(String::new, |zoom| format!(r#" data-zoom="{}""#, escape(zoom)));
        write!(
            f,
            r#"<figure class="chart {}" id="{}"{zoom} data-start="{}" data-span="{}" data-bar="{}" data-gap="{}" data-height="{height}" data-accent="{accent}" data-counts="{}">"#,
            self.class,
            self.id,
            self.window.start_s,
            self.window.span_s,
            bars.bar,
            bars.gap,
            list.join(","),
        )?;
        let total = Count(list.iter().filter_map(|n| n.parse::<i64>().ok()).fold(0, i64::saturating_add));
        write!(f, r#"<svg height="{}" role="img" aria-label="{} events in this range">"#, height + 24, total.exact())?;
        for quarter in 0..=2 {
            let (y, class) = (height * quarter / 2, if quarter == 2 { "grid-foot" } else { "grid-line" });
            write!(f, r#"<line class="{class}" x1="0" x2="100%" y1="{y}.5" y2="{y}.5"/>"#)?;
        }
        write!(
            f,
            r#"<svg class="plot" width="100%" height="{height}" viewBox="0 0 {width} {height}" preserveAspectRatio="none">"#
        )?;
        self.write_usual(f, &bars, width, top)?;
        if self.parts.is_empty() {
            write_bars(f, &bars, &self.window, &self.counts, self.accent, top)?;
        } else {
            self.write_parts(f, &bars, top)?;
        }
        f.write_str("</svg>")?;
        self.write_axis(f)?;
        write!(
            f,
            r#"</svg><svg class="scale" height="{}" aria-hidden="true"><text x="100%" y="4" text-anchor="end" data-top>{}</text><text x="100%" y="{}" text-anchor="end" data-half>{}</text><text x="100%" y="{}" text-anchor="end">0</text></svg></figure>"#,
            height + 24,
            count(top),
            height / 2 + 4,
            count(top / 2),
            height + 4,
        )
    }
}

impl HtmlSafe for Chart {}

fn count(n: u64) -> Count {
    Count(i64::try_from(n).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accent_begins_where_the_issue_came_back() {
        let window = Window { start_s: 0, span_s: 60, bars: 3 };
        let first = |accent: Accent| accent.first_bar(&window);
        assert_eq!(first(Accent::All), 0);
        assert_eq!(first(Accent::Since(61)), 1);
        assert_eq!(first(Accent::Since(-5)), 0);
        assert_eq!(first(Accent::Since(999)), usize::MAX);
        let spark = Spark { window, counts: vec![1, 2, 0], accent: Accent::Since(60), bars: Bars::fitting(3, 12, 28) };
        let svg = spark.to_string();
        assert!(svg.contains(r#"<path class="bars" d="M0 28v-14h3v14z"/>"#), "{svg}");
        assert!(svg.contains(r#"<path class="bars-accent" d="M4 28v-28h3v28z"/>"#), "{svg}");
    }

    #[test]
    fn names_of_marks_are_escaped() {
        let chart = Chart {
            id: "c",
            window: Window { start_s: 0, span_s: 60, bars: 4 },
            counts: vec![0, 0, 1, 4],
            accent: Accent::None,
            marks: vec![Mark { at_s: 60, name: "<script>".into() }],
            usual: Some((0, 1, 2)),
            parts: Vec::new(),
            zoom: None,
            width: 40,
            height: 40,
            ticks: 3,
            class: "",
        };
        let svg = chart.to_string();
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script>"), "{svg}");
        assert!(svg.contains(r#"data-counts="0,0,1,4""#));
    }
}
