//! The releases that a project has seen, in memory: what the store looks up by index is found here by looking at all.

use engine::issue::{Fix, Standing, State};
use engine::release::{self, Name, Order, Seen};
use time::OffsetDateTime;

/// Releases in the order in which they were first seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct World {
    seen: Vec<(String, OffsetDateTime)>,
}

impl World {
    /// Whether the release is new.
    pub(crate) fn see(&mut self, name: &str, at: OffsetDateTime) -> bool {
        let is_new = self.first_seen(name).is_none();
        if is_new {
            self.seen.push((name.to_owned(), at));
        }
        is_new
    }

    pub(crate) fn first_seen(&self, name: &str) -> Option<OffsetDateTime> {
        self.seen.iter().find(|(known, _)| known == name).map(|(_, at)| *at)
    }

    fn newest_first(&self) -> Vec<&(String, OffsetDateTime)> {
        let mut all: Vec<_> = self.seen.iter().collect();
        all.sort_by(|one, other| (other.1, &other.0).cmp(&(one.1, &one.0)));
        all
    }

    pub(crate) fn order(&self) -> Order {
        let newest: Vec<&str> =
            self.newest_first().iter().map(|(name, _)| name.as_str()).take(release::NEWEST).collect();
        release::choose_order(&newest).0
    }

    /// The newest release, as seen from an issue that was last seen in `near`.
    pub(crate) fn newest(&self, near: Option<&str>) -> Option<String> {
        let newest = self.newest_first();
        let is_version = |name: &&str| Name::parse(name).version.is_some();
        let names: Vec<&str> = newest.iter().map(|(name, _)| name.as_str()).collect();
        let guide = near.filter(is_version).or_else(|| names.iter().copied().find(|name| is_version(name)));
        if let (Order::Version, Some(guide)) = (self.order(), guide) {
            let package = Name::parse(guide).package;
            let mut greatest: Vec<&str> =
                names.iter().copied().filter(|name| Name::parse(name).package == package && is_version(name)).collect();
            // Stable: of equal versions the one that was seen last stays first.
            greatest.sort_by(|one, other| Name::parse(other).sort_key().cmp(&Name::parse(one).sort_key()));
            return release::pick_greatest(&greatest, near).map(str::to_owned);
        }
        names.first().map(|name| (*name).to_owned())
    }

    /// How a release stands to the one that the state names, if it names one.
    pub(crate) fn standing(&self, state: &State, name: &str, since: OffsetDateTime) -> Option<Standing> {
        let State::Resolved(Fix::In(pin) | Fix::After(pin)) = state else { return None };
        let of = |name: &str| self.first_seen(name);
        let (one, other) = (Seen { name, first_seen: of(name) }, Seen { name: pin, first_seen: of(pin) });
        Some(Standing {
            comparison: release::compare(one, other, self.order()),
            was_there: of(name).is_some_and(|at| at <= since),
            is_unreplaced: self.is_unreplaced(name, pin, since),
        })
    }

    fn is_unreplaced(&self, name: &str, pin: &str, since: OffsetDateTime) -> bool {
        let own = Name::parse(name);
        let is_last = self.seen.iter().filter(|(known, _)| known != name && release::is_same_line(known, name)).all(
            |(known, at)| match own.sort_key() {
                Some(key) => Name::parse(known).sort_key() <= Some(key),
                None => Some(*at) <= self.first_seen(name),
            },
        );
        let passed = !release::is_same_line(name, pin)
            || self.seen.iter().any(|(known, at)| {
                let other = Name::parse(known);
                *at > since && release::may_follow(known, name) && other.version.is_some() != own.version.is_some()
            });
        is_last && passed
    }
}
