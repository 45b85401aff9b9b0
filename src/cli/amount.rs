//! Amounts as people write them: a whole number and a unit.

use engine::watch::Minutes;

/// Units of time in minutes.
const MINUTES: [(&str, u32); 4] = [("m", 1), ("h", 60), ("d", 24 * 60), ("w", 7 * 24 * 60)];

/// `15m` in units of what `units` says of `m`; `None` for anything else.
pub(super) fn of(text: &str, units: &[(&str, u32)]) -> Option<u32> {
    let (number, unit) = text.split_at(text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len()));
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u32>().ok()?.checked_mul(*size)
}

/// Minutes in a time such as `30m`, `12h`, `7d` or `2w`; at least one.
pub(super) fn minutes(text: &str) -> Result<u32, String> {
    match of(text, &MINUTES) {
        Some(minutes @ 1..) => Ok(minutes),
        _ => Err("a time is a whole number and m, h, d or w, such as 30m or 7d".to_owned()),
    }
}

/// For how long a deploy is watched: `30m`, `2h`.
pub(super) fn watch(text: &str) -> Result<Minutes, String> {
    let minutes = minutes(text).map(i64::from)?;
    Minutes::new(minutes).map_err(|problem| problem.to_string())
}

/// For how long the deploys of a project are watched; none is what those of every project are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnWatch(pub(super) Option<Minutes>);

/// A time for a project, or `0` to have none of its own.
pub(super) fn own_watch(text: &str) -> Result<OwnWatch, String> {
    if text == "0" { Ok(OwnWatch(None)) } else { watch(text).map(|minutes| OwnWatch(Some(minutes))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_have_bounds() {
        assert_eq!(watch("2h"), Minutes::new(120).map_err(|problem| problem.to_string()));
        for text in ["4m", "25h", "15"] {
            assert!(watch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        for (text, wanted) in [("30m", 30), ("12h", 720), ("7d", 10_080), ("2w", 20_160)] {
            assert_eq!(minutes(text), Ok(wanted));
        }
        for text in ["", "15", "m", "0h", "-1m", "1s", "1.5h", "4294967295w", "1 d", "1dd", "é"] {
            assert!(minutes(text).is_err(), "{text}");
        }
    }
}
