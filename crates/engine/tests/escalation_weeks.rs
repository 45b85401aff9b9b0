//! Escalation on synthetic traffic of weeks: no alarm in noise, an alarm within minutes of a jump.
//!
//! Traffic follows the day and the week, each day is some percent busier or quieter than usual, and
//! events come independently of each other. What a worker would see every minute is held against the band.

use engine::escalation::{Band, EVENTS_MIN, HISTORY_HOURS, HISTORY_MINUTES, Past};

const MINUTES_OF_WEEK: usize = 7 * 24 * 60;

/// A small generator (SplitMix64), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many independent events happen where `mean` are expected (Knuth, in parts that `exp` can carry).
    fn events(&mut self, mut mean: f64) -> u64 {
        let mut events = 0;
        while mean > 0.0 {
            let part = mean.min(30.0);
            mean -= part;
            let floor = (-part).exp();
            let mut product = self.unit();
            while product > floor {
                events += 1;
                product *= self.unit();
            }
        }
        events
    }
}

/// The shapes that traffic has: how busy a minute is, 1 at most.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Flat,
    /// A quiet night and quiet weekends.
    Office,
    /// A busy evening, busier on weekends.
    Evening,
    /// A job at each full hour, 3 minutes long, over a low floor.
    Hourly,
    /// A job every night, 20 minutes long, and little else.
    Nightly,
}

fn busy(shape: Shape, minute: usize) -> f64 {
    let (day, hour) = (minute / 1440 % 7, (minute % 1440) as f64 / 60.0);
    let wave = |top: f64| f64::midpoint(1.0, ((hour - top) / 24.0 * std::f64::consts::TAU).cos());
    match shape {
        Shape::Flat => 1.0,
        Shape::Office => (0.1 + 0.9 * wave(14.0)) * if day >= 5 { 0.3 } else { 1.0 },
        Shape::Evening => (0.2 + 0.8 * wave(21.0)) * if day >= 5 { 1.0 } else { 0.7 },
        Shape::Hourly => {
            if minute % 60 < 3 {
                1.0
            } else {
                0.05
            }
        }
        Shape::Nightly => {
            if (125..145).contains(&(minute % 1440)) {
                1.0
            } else {
                0.02
            }
        }
    }
}

/// Events of each minute; `peak` is what the busiest one expects.
fn traffic(shape: Shape, peak: f64, weeks: usize, seed: u64) -> Vec<u64> {
    let mut random = Random(seed);
    let mut mood = 1.0;
    (0..weeks * MINUTES_OF_WEEK)
        .map(|minute| {
            if minute % 1440 == 0 {
                mood = 0.8 + 0.4 * random.unit();
            }
            random.events(peak * busy(shape, minute) * mood)
        })
        .collect()
}

/// Minutes before the five that end with a minute, the newest first.
fn minutes_before(minutes: &[u64], minute: usize) -> Vec<u64> {
    let end = minute.saturating_sub(4);
    minutes[end.saturating_sub(HISTORY_MINUTES)..end].iter().rev().copied().collect()
}

/// Full hours before a minute, the newest first.
fn hours_before(minutes: &[u64], minute: usize) -> Vec<u64> {
    let hour = minute / 60;
    (hour.saturating_sub(HISTORY_HOURS)..hour)
        .rev()
        .map(|hour| minutes[hour * 60..(hour + 1) * 60].iter().sum())
        .collect()
}

/// The first minute from `from` on whose five minutes leave the band, with the sentence.
fn first_alarm(minutes: &[u64], from: usize) -> Option<(usize, String)> {
    (from..minutes.len()).find_map(|minute| {
        let window = minutes[minute.saturating_sub(4)..=minute].iter().sum();
        // As the worker does: nothing is read for a handful.
        if window <= EVENTS_MIN {
            return None;
        }
        let (hours, before) = (hours_before(minutes, minute), minutes_before(minutes, minute));
        let second_of_hour = (minute % 60 * 60 + 30) as u32;
        let band = Band::of(&Past { hours: &hours, minutes: &before, second_of_hour });
        band.filter(|band| band.is_left_by(window)).map(|band| (minute, band.sentence(window)))
    })
}

const SHAPES: [Shape; 5] = [Shape::Flat, Shape::Office, Shape::Evening, Shape::Hourly, Shape::Nightly];

#[test]
fn weeks_of_noise_raise_no_alarm() {
    for shape in SHAPES {
        for (seed, peak) in [0.02, 0.2, 0.7, 1.5, 3.0, 8.0, 40.0].into_iter().enumerate() {
            let minutes = traffic(shape, peak, 5, seed as u64);
            assert_eq!(first_alarm(&minutes, 0), None, "{shape:?}, {peak} a minute");
        }
    }
}

#[test]
fn a_fivefold_jump_is_found_within_five_minutes() {
    let mut jumps = 0;
    for shape in [Shape::Flat, Shape::Office, Shape::Evening] {
        for (seed, peak) in [5.0, 20.0, 60.0].into_iter().enumerate() {
            let noise = traffic(shape, peak, 5, seed as u64);
            // Night, morning, noon and evening of each day of the fifth week.
            for from in (4 * MINUTES_OF_WEEK + 137..5 * MINUTES_OF_WEEK - 60).step_by(397) {
                let usual = peak * busy(shape, from);
                // Five times less than this is a handful in five minutes.
                if usual < 4.0 {
                    continue;
                }
                jumps += 1;
                let mut minutes = noise[..from + 10].to_vec();
                let mut random = Random(from as u64);
                minutes[from..].fill_with(|| random.events(5.0 * usual));
                let (found, sentence) = first_alarm(&minutes, from).expect("an alarm");
                assert!(found < from + 5, "{shape:?}, {peak} a minute, jump at {from}: found at {found}: {sentence}");
            }
        }
    }
    assert!(jumps > 100, "{jumps}");
}

#[test]
fn a_jump_of_a_job_is_found_at_its_next_run() {
    let run = 4 * MINUTES_OF_WEEK + 2 * 1440 + 125;
    let mut minutes = traffic(Shape::Nightly, 20.0, 5, 3);
    minutes[run..run + 20].iter_mut().for_each(|events| *events *= 5);
    let (found, _) = first_alarm(&minutes, 4 * MINUTES_OF_WEEK).expect("an alarm");
    assert!((run..run + 5).contains(&found), "{found}");
}

#[test]
fn a_jump_in_the_first_week_is_found_where_it_leaves_every_hour_so_far() {
    let from = 3 * 1440 + 14 * 60;
    let mut minutes = traffic(Shape::Office, 20.0, 1, 7);
    let mut random = Random(1);
    minutes[from..].fill_with(|| random.events(160.0));
    let (found, _) = first_alarm(&minutes, 0).expect("an alarm");
    assert!((from..from + 5).contains(&found), "{found}");
}
