//! Keyset paging: a place in a list, a direction, and a bounded number of rows.
//!
//! Every list is ordered newest first. A page is asked for from a key on, in one of two directions;
//! it answers with its rows, newest first whatever the direction, and says whether there are more.

/// Most rows of one page, whatever a caller asks for: bounds the memory of one request.
pub const PAGE_ROWS_MAX: usize = 100;

/// Which way to walk a list from a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards older rows, as when reading on.
    Older,
    /// Towards newer rows, as when going back.
    Newer,
}

/// Where a page starts and how long it may be.
#[derive(Debug, Clone, Copy)]
pub struct Paging<K> {
    /// The page holds rows strictly beyond this key; none means from the end that it walks away from.
    pub from: Option<K>,
    /// Which way.
    pub direction: Direction,
    /// Most rows; cut to `PAGE_ROWS_MAX`.
    pub rows: usize,
}

impl<K> Paging<K> {
    /// The newest `rows` rows.
    #[must_use]
    pub const fn first(rows: usize) -> Self {
        Self { from: None, direction: Direction::Older, rows }
    }

    /// Rows asked for, within the bound.
    pub(crate) fn rows_bounded(&self) -> usize {
        self.rows.clamp(1, PAGE_ROWS_MAX)
    }

    /// One more row than asked for tells whether there are more.
    pub(crate) fn rows_probed(&self) -> i64 {
        i64::try_from(self.rows_bounded()).unwrap_or(i64::MAX - 1) + 1
    }
}

/// Rows of a list, newest first.
#[derive(Debug, Clone)]
pub struct Page<T, K> {
    /// The rows.
    pub rows: Vec<T>,
    /// From where to read on towards older rows, when there may be any.
    pub older: Option<K>,
    /// From where to read back towards newer rows, when there may be any.
    pub newer: Option<K>,
}

impl<T, K: Copy> Page<T, K> {
    /// Makes a page of rows as they were read, walking in the direction of `paging` and one more
    /// than the page holds when there are more.
    pub(crate) fn from_probe(mut rows: Vec<T>, paging: &Paging<K>, key: impl Fn(&T) -> K) -> Self {
        let more = rows.len() > paging.rows_bounded();
        rows.truncate(paging.rows_bounded());
        // Behind us lies at least the row whose key we came from.
        let came_from_a_key = paging.from.is_some();
        let (older, newer) = match paging.direction {
            Direction::Older => (more, came_from_a_key),
            Direction::Newer => {
                rows.reverse();
                (came_from_a_key, more)
            }
        };
        let edge = |wanted: bool, row: Option<&T>| wanted.then(|| row.map(&key).or(paging.from)).flatten();
        Self { older: edge(older, rows.last()), newer: edge(newer, rows.first()), rows }
    }

    /// The same page with other rows, one for one.
    #[must_use]
    pub fn map<U>(self, row: impl FnMut(T) -> U) -> Page<U, K> {
        Page { rows: self.rows.into_iter().map(row).collect(), older: self.older, newer: self.newer }
    }
}
