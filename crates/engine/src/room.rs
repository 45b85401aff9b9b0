//! When the disk of the database is nearly full: payloads are left out, which are nearly all of it, so that counting goes on.
//!
//! Owns the two thresholds of each kind. They lie apart, so that what comes and goes near one of them is not told every minute.

/// Free bytes of the disk below which payloads are left out: what PostgreSQL may need for its log between two checkpoints.
pub const FREE_BYTES_LOW: u64 = 1 << 30;
/// Free bytes above which they are kept again.
pub const FREE_BYTES_ENOUGH: u64 = FREE_BYTES_LOW + (1 << 29);

/// What is known of the room that a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Free bytes of its disk, where that is known.
    pub free: Option<u64>,
    /// Bytes that it takes and may take, where a bound is set.
    pub used: Option<(u64, u64)>,
}

impl Room {
    /// Whether payloads are left out from now on. What is not known changes nothing.
    #[must_use]
    pub fn is_scarce(self, was_scarce: bool) -> bool {
        let of_disk = self.free.map(|free| free < if was_scarce { FREE_BYTES_ENOUGH } else { FREE_BYTES_LOW });
        let of_bound = self.used.map(|(used, most)| {
            let percent = if was_scarce { 90 } else { 95 };
            u128::from(used) * 100 >= u128::from(most) * percent
        });
        match (of_disk, of_bound) {
            (None, None) => was_scarce,
            (of_disk, of_bound) => of_disk.unwrap_or(false) || of_bound.unwrap_or(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_low_and_ends_well_above() {
        let free = |free| Room { free: Some(free), used: None };
        assert!(!free(FREE_BYTES_LOW).is_scarce(false));
        assert!(free(FREE_BYTES_LOW - 1).is_scarce(false));
        assert!(free(FREE_BYTES_ENOUGH - 1).is_scarce(true));
        assert!(!free(FREE_BYTES_ENOUGH).is_scarce(true));
    }

    #[test]
    fn a_bound_is_kept_with_the_same_distance() {
        let used = |used| Room { free: None, used: Some((used, 1_000)) };
        assert_eq!([used(949).is_scarce(false), used(950).is_scarce(false)], [false, true]);
        assert_eq!([used(899).is_scarce(true), used(900).is_scarce(true)], [false, true]);
        assert!(Room { free: Some(u64::MAX), used: Some((u64::MAX, 1)) }.is_scarce(false), "either is enough");
        assert!(Room { free: None, used: Some((0, 0)) }.is_scarce(false), "a bound of nothing");
    }

    #[test]
    fn what_is_not_known_changes_nothing() {
        assert_eq!([true, false].map(|was| Room::default().is_scarce(was)), [true, false]);
    }
}
