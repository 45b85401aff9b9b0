//! The charts of a watched deploy: old and new release in one, and the sparks beside the numbers.
//!
//! The geometry is `engine::histogram`; `static/watch.js` draws the big one again when bars arrive.

use std::fmt;

use askama::filters::HtmlSafe;
use engine::histogram::{Bars, Window, scale_top};
use store::watch::Bar;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::web::display::{Count, escape};

/// Errors told apart: those before the deploy and of other releases, those of the release, and those of issues that began
/// in it.
pub(super) struct Stack {
    pub(super) id: &'static str,
    pub(super) class: &'static str,
    pub(super) window: Window,
    pub(super) bars: Vec<Bar>,
    /// Lowest, middle and highest usual count of a bar.
    pub(super) usual: Option<(f64, f64, f64)>,
    /// Lines of earlier days: a class, and the counts of a bar along the window.
    pub(super) earlier: Vec<(&'static str, Vec<f64>)>,
    /// Moments to mark: when, what to say, and whether it is the beginning.
    pub(super) marks: Vec<(OffsetDateTime, String, bool)>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) ticks: usize,
}

/// Counts that cannot be are none.
pub(super) fn whole(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

/// The parts of a bar, from its foot.
pub(super) fn parts(bar: &Bar) -> [u64; 3] {
    let own = bar.own.min(bar.events);
    let fresh = bar.fresh.min(own);
    [whole(bar.events - own), whole(own - fresh), whole(fresh)]
}

impl Stack {
    /// The same in fewer bars, for narrow screens.
    pub(super) fn coarser(mut self, times: usize) -> Self {
        let sum = |bars: &[Bar]| Bar {
            bucket: bars.first().map_or(0, |bar| bar.bucket),
            events: bars.iter().map(|bar| bar.events).sum(),
            own: bars.iter().map(|bar| bar.own).sum(),
            fresh: bars.iter().map(|bar| bar.fresh).sum(),
        };
        self.bars = self.bars.chunks(times).map(sum).collect();
        let factor = times as f64;
        self.usual = self.usual.map(|(low, middle, high)| (low * factor, middle * factor, high * factor));
        self.earlier.iter_mut().flat_map(|(_, counts)| counts).for_each(|count| *count *= factor);
        self.window.span_s *= i64::try_from(times).unwrap_or(1);
        self.window.bars = self.bars.len();
        self
    }

    fn top(&self) -> u64 {
        let highest = self.bars.iter().map(|bar| whole(bar.events)).max().unwrap_or(0);
        // Rates of days are small numbers: the cast is exact enough for a scale.
        scale_top(highest.max(self.usual.map_or(0, |(_, _, high)| high.ceil() as u64)))
    }

    fn y(&self, count: f64, top: u64) -> f64 {
        let height = f64::from(self.height);
        (height - count * height / top as f64).clamp(0.0, height)
    }

    fn write_usual(&self, f: &mut fmt::Formatter<'_>, width: u32, top: u64) -> fmt::Result {
        if let Some((low, middle, high)) = self.usual {
            let (from, to, middle) = (self.y(high, top), self.y(low, top), self.y(middle, top));
            let tall = (to - from).max(1.0);
            write!(
                f,
                r#"<rect class="bars-band" x="0" y="{from:.1}" width="{width}" height="{tall:.1}"/><path class="rule-mid" d="M0 {middle:.1}h{width}"/>"#
            )?;
        }
        for (class, counts) in self.earlier.iter().filter(|(_, counts)| counts.len() > 1) {
            write!(f, r#"<polyline class="earlier {class}" points=""#)?;
            for (index, count) in counts.iter().enumerate() {
                let x = f64::from(width) * index as f64 / (counts.len() - 1) as f64;
                write!(f, "{x:.0},{:.1} ", self.y(*count, top))?;
            }
            f.write_str(r#""/>"#)?;
        }
        Ok(())
    }

    fn write_marks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name, is_start) in &self.marks {
            let along = (at.unix_timestamp() - self.window.start_s) * 1000;
            let permille = along / (self.window.end_s() - self.window.start_s).max(1);
            if !(0..=1000).contains(&permille) {
                continue;
            }
            let x = format!("{}.{}%", permille / 10, permille % 10);
            let class = if *is_start { "mark-line" } else { "mark-line mark-end" };
            write!(
                f,
                r#"<line class="{class}" x1="{x}" x2="{x}" y1="-10" y2="{}" data-mark="{}"/>"#,
                self.height,
                at.unix_timestamp()
            )?;
            if *is_start {
                // On the side that has more room: on a phone, a third of the width is too little.
                let (anchor, dx) = if permille > 500 { ("end", -6) } else { ("start", 6) };
                write!(
                    f,
                    r#"<text class="mark-name" x="{x}" y="-1" dx="{dx}" text-anchor="{anchor}" data-mark="{}" data-name="{1}">{1} {2} UTC</text>"#,
                    at.unix_timestamp(),
                    escape(name),
                    at.format(&format_description!("[hour]:[minute]:[second]")).unwrap_or_default(),
                )?;
            }
        }
        Ok(())
    }

    fn write_axis(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for tick in self.window.ticks(self.ticks) {
            let anchor = match tick.permille {
                0..=30 => "start",
                970.. => "end",
                _ => "middle",
            };
            let at = OffsetDateTime::from_unix_timestamp(tick.at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
            write!(
                f,
                r#"<text x="{}.{}%" y="{}" text-anchor="{anchor}" data-at="{}" data-day="0">{}</text>"#,
                tick.permille / 10,
                tick.permille % 10,
                self.height + 18,
                tick.at_s,
                at.format(&format_description!("[hour]:[minute]")).unwrap_or_default(),
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measures = Bars::fitting(self.bars.len(), self.width, self.height);
        let (width, height, top) = (measures.width(self.bars.len()), self.height, self.top());
        let stacked: Vec<[u64; 3]> = self.bars.iter().map(parts).collect();
        let list = |part: usize| stacked.iter().map(|bar| bar[part].to_string()).collect::<Vec<_>>().join(",");
        write!(
            f,
            r#"<figure class="chart stack {}" id="{}" data-start="{}" data-span="{}" data-bar="{}" data-gap="{}" data-height="{height}" data-old="{}" data-rest="{}" data-fresh="{}" data-usual="{}" data-drawn-top="{top}">"#,
            self.class,
            self.id,
            self.window.start_s,
            self.window.span_s,
            measures.bar,
            measures.gap,
            list(0),
            list(1),
            list(2),
            self.usual.map_or(0.0, |(_, _, high)| high.ceil()),
        )?;
        let total = stacked.iter().flatten().fold(0_u64, |sum, n| sum.saturating_add(*n));
        write!(
            f,
            r#"<svg class="over" height="{}" role="img" aria-label="{} errors in the last 30 minutes">"#,
            height + 24,
            count(total).exact()
        )?;
        for quarter in 0..=2 {
            let (y, class) = (height * quarter / 2, if quarter == 2 { "grid-foot" } else { "grid-line" });
            write!(f, r#"<line class="{class}" x1="0" x2="100%" y1="{y}.5" y2="{y}.5"/>"#)?;
        }
        write!(
            f,
            r#"<svg class="plot" width="100%" height="{height}" viewBox="0 0 {width} {height}" preserveAspectRatio="none"><g class="usual">"#
        )?;
        self.write_usual(f, width, top)?;
        let [old, rest, fresh] = measures.stacked(&stacked, top);
        write!(
            f,
            r#"</g><path class="bars-old" d="{old}"/><path class="bars-rest" d="{rest}"/><path class="bars-accent" d="{fresh}"/></svg>"#
        )?;
        self.write_axis(f)?;
        self.write_marks(f)?;
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

impl HtmlSafe for Stack {}

fn count(n: u64) -> Count {
    Count(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Half an hour beside a number, with the usual as a dotted line.
pub(super) struct Mini {
    pub(super) counts: Vec<u64>,
    /// Bars from here on have this class.
    pub(super) since: Option<(usize, &'static str)>,
    pub(super) usual: Option<f64>,
}

impl fmt::Display for Mini {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BARS: Bars = Bars { bar: 2, gap: 1, height: 28 };
        let width = BARS.width(self.counts.len());
        let highest = self.counts.iter().copied().max().unwrap_or(0);
        let top = highest.max(self.usual.map_or(1, |usual| usual.ceil() as u64)).max(1);
        let (first, class) = self.since.unwrap_or((self.counts.len(), ""));
        let first = first.min(self.counts.len());
        let (mut before, mut after) = (self.counts.clone(), self.counts.clone());
        before[first..].fill(0);
        after[..first].fill(0);
        write!(
            f,
            r#"<svg class="mini" width="{width}" height="{0}" viewBox="0 0 {width} {0}" aria-hidden="true"><path class="bars-foot" d="M0 27.5h{width}"/><path class="bars" d="{1}"/><path class="{class}" d="{2}"/>"#,
            BARS.height,
            BARS.path(&before, top),
            BARS.path(&after, top),
        )?;
        if let Some(usual) = self.usual {
            let y = f64::from(BARS.height) * (1.0 - usual / top as f64);
            write!(f, r#"<path class="rule-mid" d="M0 {y:.1}h{width}"/>"#)?;
        }
        f.write_str("</svg>")
    }
}

impl HtmlSafe for Mini {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_deploy_has_no_accent_and_names_are_escaped() {
        let bar = |bucket, events, own, fresh| Bar { bucket, events, own, fresh };
        let bars = vec![bar(0, 4, 0, 0), bar(10, 3, 2, 0), bar(20, 0, 0, 0)];
        let at = OffsetDateTime::from_unix_timestamp(10).unwrap();
        let mut stack = Stack {
            id: "c",
            class: "",
            window: Window { start_s: 0, span_s: 10, bars: 3 },
            bars,
            usual: Some((0.5, 1.5, 2.5)),
            earlier: vec![("yesterday", vec![1.0, 2.0])],
            marks: vec![(at, "<b> deployed".into(), true)],
            width: 18,
            height: 40,
            ticks: 2,
        };
        let svg = stack.to_string();
        assert!(svg.contains(r#"<path class="bars-accent" d=""/>"#), "{svg}");
        assert!(svg.contains(r#"data-old="4,1,0" data-rest="0,2,0" data-fresh="0,0,0""#), "{svg}");
        assert!(svg.contains("&lt;b&gt; deployed") && svg.contains(r#"points="0,"#), "{svg}");
        // Counters of two tables that do not agree draw no bar below nothing.
        stack.bars = vec![bar(0, 1, 5, 9)];
        assert!(stack.to_string().contains(r#"data-old="0" data-rest="0" data-fresh="1""#));
    }
}
