//! Counts over time as bars: which buckets a chart has, how counts fall into them, and the geometry
//! of the bars and of both axes.
//!
//! Owns the arithmetic only; colours, words and markup belong to whoever draws. Times are whole
//! seconds since 1970 and arguments: nothing here knows what time it is.

use std::fmt::Write as _;

/// Bars of one chart: more are narrower than two pixels on the widest chart there is (1,080 px).
pub const BARS_MAX: usize = 360;

/// The lowest height of a bar that counts something, in pixels: one event must be visible next to
/// a million.
pub const BAR_HEIGHT_MIN: u32 = 2;

/// A row of equally wide buckets, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Start of the first bucket, seconds since 1970.
    pub start_s: i64,
    /// Width of each bucket in seconds.
    pub span_s: i64,
    /// How many buckets.
    pub bars: usize,
}

impl Window {
    /// The window of `bars` buckets whose last one contains `now_s`. Buckets start at whole multiples
    /// of their width, so that a chart drawn a second later has the same edges.
    #[must_use]
    pub fn ending_at(now_s: i64, span_s: i64, bars: usize) -> Self {
        let span_s = span_s.max(1);
        let bars = bars.clamp(1, BARS_MAX);
        let last = now_s.div_euclid(span_s).saturating_mul(span_s);
        let before = span_s.saturating_mul(i64::try_from(bars - 1).unwrap_or(0));
        Self { start_s: last.saturating_sub(before), span_s, bars }
    }

    /// First second after the window.
    #[must_use]
    pub fn end_s(&self) -> i64 {
        let width = self.span_s.saturating_mul(i64::try_from(self.bars).unwrap_or(0));
        self.start_s.saturating_add(width)
    }

    /// Which bar a time falls into.
    #[must_use]
    pub fn index(&self, at_s: i64) -> Option<usize> {
        let offset = at_s.checked_sub(self.start_s)?;
        let index = usize::try_from(offset.div_euclid(self.span_s)).ok()?;
        (index < self.bars).then_some(index)
    }

    /// Start of a bar.
    #[must_use]
    pub fn start_of(&self, bar: usize) -> i64 {
        let offset = self.span_s.saturating_mul(i64::try_from(bar).unwrap_or(0));
        self.start_s.saturating_add(offset)
    }

    /// Sums `(start of bucket, count)` pairs into the bars. What lies outside is left out, and what
    /// is negative counts as nothing.
    #[must_use]
    pub fn fill(&self, counts: impl IntoIterator<Item = (i64, i64)>) -> Vec<u64> {
        let mut bars = vec![0_u64; self.bars];
        for (at_s, count) in counts {
            if let Some(bar) = self.index(at_s).and_then(|index| bars.get_mut(index)) {
                *bar = bar.saturating_add(u64::try_from(count).unwrap_or(0));
            }
        }
        bars
    }

    /// Times for the labels of the time axis: about `want` of them, at steps that people read easily,
    /// each with its place along the axis in thousandths of the width.
    #[must_use]
    pub fn ticks(&self, want: usize) -> Vec<Tick> {
        const STEPS_S: [i64; 20] = [
            10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 345_600,
            604_800, 1_209_600, 2_592_000, 7_776_000,
        ];
        let width = self.end_s().saturating_sub(self.start_s).max(1);
        let want = i64::try_from(want.clamp(1, 12)).unwrap_or(1);
        let step = STEPS_S.into_iter().find(|step| width / step <= want).unwrap_or(width);
        let mut ticks = Vec::new();
        let mut at_s = self.start_s.div_euclid(step).saturating_add(1).saturating_mul(step);
        while at_s < self.end_s() {
            let permille = (at_s - self.start_s).saturating_mul(1000) / width;
            ticks.push(Tick { at_s, permille });
            at_s = at_s.saturating_add(step);
        }
        ticks
    }
}

/// A label of the time axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// The time it names.
    pub at_s: i64,
    /// Where it stands, in thousandths of the width.
    pub permille: i64,
}

/// The top of a scale: the next round step (1, 2, 4, 5 or 8 times a power of ten) at or over the
/// highest bar, never below 4 so that single events do not fill the chart.
#[must_use]
pub fn scale_top(highest: u64) -> u64 {
    if highest <= 4 {
        return 4;
    }
    let mut power = 1_u64;
    loop {
        for step in [1, 2, 4, 5, 8] {
            match power.checked_mul(step) {
                Some(top) if top >= highest => return top,
                Some(_) => {}
                None => return u64::MAX,
            }
        }
        power = match power.checked_mul(10) {
            Some(power) => power,
            None => return u64::MAX,
        };
    }
}

/// Measures of the bars of one chart, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bars {
    /// Width of a bar.
    pub bar: u32,
    /// Space between two bars.
    pub gap: u32,
    /// Height of the whole chart.
    pub height: u32,
}

impl Bars {
    /// The measures with which `bars` bars fill `width` pixels as far as whole pixels allow.
    #[must_use]
    pub fn fitting(bars: usize, width: u32, height: u32) -> Self {
        let count = u32::try_from(bars.clamp(1, BARS_MAX)).unwrap_or(1);
        let pitch = (width / count).max(2);
        let gap = if pitch >= 6 { 2 } else { 1 };
        Self { bar: pitch - gap, gap, height }
    }

    /// Width of the whole chart.
    #[must_use]
    pub fn width(&self, bars: usize) -> u32 {
        u32::try_from(bars).unwrap_or(0).saturating_mul(self.bar + self.gap)
    }

    /// Height of a count on a scale that ends at `top`: at least `BAR_HEIGHT_MIN` for anything above
    /// zero, 0 for zero.
    #[must_use]
    pub fn height_of(&self, count: u64, top: u64) -> u32 {
        if count == 0 {
            return 0;
        }
        let full = u128::from(self.height);
        let scaled = (u128::from(count) * full).div_ceil(u128::from(top.max(1)));
        u32::try_from(scaled.min(full)).unwrap_or(self.height).max(BAR_HEIGHT_MIN.min(self.height))
    }

    /// SVG path data of the bars above zero, foot at the bottom of the chart.
    #[must_use]
    pub fn path(&self, counts: &[u64], top: u64) -> String {
        let mut path = String::new();
        for (index, &count) in counts.iter().enumerate() {
            let height = self.height_of(count, top);
            if height > 0 {
                let x = self.width(index);
                let _ = write!(path, "M{x} {}v-{height}h{}v{height}z", self.height, self.bar);
            }
        }
        path
    }

    /// SVG path data of bars of several parts, the first at the foot: one path for each part. Each part above zero is seen,
    /// and one pixel of the page is left between two of them.
    #[must_use]
    pub fn stacked<const PARTS: usize>(&self, bars: &[[u64; PARTS]], top: u64) -> [String; PARTS] {
        let mut paths = std::array::from_fn(|_| String::new());
        for (index, parts) in bars.iter().enumerate() {
            let (mut sum, mut foot) = (0_u64, 0);
            for (part, path) in parts.iter().zip(&mut paths) {
                if *part == 0 {
                    continue;
                }
                sum = sum.saturating_add(*part);
                let head = self.height_of(sum, top).max(foot + BAR_HEIGHT_MIN + u32::from(foot > 0)).min(self.height);
                let from = (foot + u32::from(foot > 0)).min(self.height);
                let (x, y, height) = (self.width(index), self.height - from, head.saturating_sub(from));
                if height > 0 {
                    let _ = write!(path, "M{x} {y}v-{height}h{}v{height}z", self.bar);
                }
                foot = head;
            }
        }
        paths
    }

    /// SVG path data of the ticks that stand for zero: one pixel high.
    #[must_use]
    pub fn zero_path(&self, counts: &[u64]) -> String {
        let mut path = String::new();
        for (index, _) in counts.iter().enumerate().filter(|(_, count)| **count == 0) {
            let _ = write!(path, "M{} {}v-1h{}v1z", self.width(index), self.height, self.bar);
        }
        path
    }
}

/// The usual level from the counts of the same hour on earlier days: lowest, middle and highest.
/// Nothing with fewer than three days, because two points are no habit.
#[must_use]
pub fn usual(counts: &[u64]) -> Option<Usual> {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    match (sorted.first(), sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(&low), Some(&middle), Some(&high)) if sorted.len() >= 3 => Some(Usual { low, middle, high }),
        _ => None,
    }
}

/// What is usual at an hour, in events per hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// The quietest day.
    pub low: u64,
    /// The day in the middle.
    pub middle: u64,
    /// The loudest day.
    pub high: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bar_contains_now_and_edges_do_not_move_with_it() {
        for now_s in [1_000_000, 1_000_001, 1_000_019] {
            let window = Window::ending_at(now_s, 20, 10);
            assert_eq!(window, Window { start_s: 999_820, span_s: 20, bars: 10 });
            assert_eq!(window.index(now_s), Some(9));
        }
        let window = Window::ending_at(59, 60, 1);
        assert_eq!(
            (window.index(-1), window.index(0), window.index(59), window.index(60)),
            (None, Some(0), Some(0), None)
        );
    }

    #[test]
    fn counts_fall_into_their_bars_and_strangers_are_left_out() {
        let window = Window { start_s: 0, span_s: 60, bars: 3 };
        assert_eq!(window.fill([(0, 1), (59, 2), (60, 3), (179, 4), (180, 9), (-1, 9), (61, -5)]), [3, 3, 4]);
        assert_eq!(window.fill([(0, i64::MAX), (1, i64::MAX), (2, i64::MAX)]), [u64::MAX, 0, 0]);
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        for now_s in [i64::MIN, -1, 0, i64::MAX] {
            for span_s in [i64::MIN, 0, 1, 86_400, i64::MAX] {
                let window = Window::ending_at(now_s, span_s, usize::MAX);
                let _ = (window.ticks(5), window.index(i64::MAX), window.index(i64::MIN), window.start_of(usize::MAX));
            }
        }
    }

    #[test]
    fn scale_ends_at_the_next_round_step() {
        let tops: Vec<u64> = [0, 1, 4, 5, 6, 9, 11, 33, 64, 81, 1_204].into_iter().map(scale_top).collect();
        assert_eq!(tops, [4, 4, 4, 5, 8, 10, 20, 40, 80, 100, 2_000]);
        assert_eq!(scale_top(u64::MAX), u64::MAX);
    }

    #[test]
    fn ticks_are_round_times_inside_the_window() {
        let window = Window::ending_at(1_764_000_500, 60, 60);
        let ticks = window.ticks(5);
        assert_eq!(ticks.len(), 4);
        assert!(ticks.iter().all(|tick| tick.at_s % 900 == 0 && (0..=1000).contains(&tick.permille)));
        assert!(window.ticks(0).len() <= 2);
    }

    #[test]
    fn any_count_is_seen_and_zero_is_a_tick() {
        let bars = Bars { bar: 3, gap: 1, height: 28 };
        assert_eq!(bars.path(&[0, 1, 1_000_000], 1_000_000), "M4 28v-2h3v2zM8 28v-28h3v28z");
        assert_eq!(bars.zero_path(&[0, 1]), "M0 28v-1h3v1z");
        assert_eq!(bars.height_of(u64::MAX, 1), 28);
        assert_eq!(bars.width(40), 160);
        assert_eq!(Bars::fitting(40, 160, 28), bars);
        assert_eq!(Bars::fitting(180, 1080, 168), Bars { bar: 4, gap: 2, height: 168 });
        assert_eq!(Bars::fitting(1_000, 10, 9).bar, 1);
    }

    #[test]
    fn parts_stand_on_each_other_and_each_is_seen() {
        let bars = Bars { bar: 4, gap: 2, height: 168 };
        let [old, rest, new] = bars.stacked(&[[4, 2, 6], [0, 0, 12], [1_000, 1, 1], [0, 0, 0]], 12);
        assert_eq!(old, "M0 168v-56h4v56zM12 168v-168h4v168z");
        assert_eq!(rest, "M0 111v-27h4v27z");
        assert_eq!(new, "M0 83v-83h4v83zM6 168v-168h4v168z");
        let [old, rest, new] = bars.stacked(&[[1, 1, 1_000_000]], 1_000_002);
        assert_eq!((old.as_str(), rest.as_str()), ("M0 168v-2h4v2z", "M0 165v-2h4v2z"));
        assert!(new.starts_with("M0 162v-162"), "{new}");
    }

    #[test]
    fn two_days_are_no_habit() {
        assert_eq!(usual(&[5, 1]), None);
        assert_eq!(usual(&[5, 1, 3]), Some(Usual { low: 1, middle: 3, high: 5 }));
    }
}
