//! How many items may come in: limits, the meter that all processes share, and the leases that each spends by itself.
//!
//! A limit is so many items in a window of fixed length; windows follow each other from 1970 on. Its meter is a row of the
//! database, read and written under the clock of the database. A process takes items from it in leases and spends them in
//! memory, by a clock that never jumps, so that a request costs no statement.
//!
//! What holds (and the tests hold): leases of one window never add up to more than the limit. Each time the shared clock jumps
//! forward into another window it opens that window, with one more limit; a clock that jumps back opens nothing, and one that is
//! right again is followed at the latest from the next window on. What a process that is killed has leased and not spent is
//! lost until the window ends: at most `LEASE_MAX` items, and a twentieth of the limit.

use std::time::Duration;

use crate::outcome::{Category, Reason};

/// Items of one lease: a statement for so many events is nothing beside storing them.
pub const LEASE_MAX: i64 = 1_000;
/// Leases that a limit is cut into, so that several processes get a share of it.
const SHARES: i64 = 20;
/// The longest window.
pub const WINDOW_S_MAX: i64 = 86_400;
/// Largest limit: more than any server takes.
pub const COUNT_MAX: i64 = 1_000_000_000_000;
/// A limit that is used up is asked for again after this long: it may have been given back, or raised.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// Clients are sent away for this long at most: they ask nobody meanwhile, and a limit may be raised.
const RETRY_S_MAX: u64 = 300;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counts {
    /// Errors, messages and browser reports.
    Events,
    /// Files.
    Attachments,
    /// Items of release health.
    Sessions,
    /// What people say.
    Feedback,
}

impl Counts {
    /// Every kind, in the order in which people see them.
    pub const ALL: [Self; 4] = [Self::Events, Self::Attachments, Self::Sessions, Self::Feedback];

    /// The stored name, also of fields and options.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Attachments => "attachments",
            Self::Sessions => "sessions",
            Self::Feedback => "feedback",
        }
    }

    /// From its stored name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|counts| counts.as_str() == name)
    }

    /// Rate-limit categories that clients are told (protocol, section 4). `default` is not among them: SDKs file what is
    /// limited by nothing here under it.
    #[must_use]
    pub const fn categories(self) -> &'static str {
        match self {
            Self::Events => "error;security",
            Self::Attachments => "attachment",
            Self::Sessions => "session",
            Self::Feedback => "feedback",
        }
    }

    /// What an item of a category counts as.
    #[must_use]
    pub const fn of(category: Category) -> Option<Self> {
        match category {
            Category::Error | Category::Security => Some(Self::Events),
            Category::Attachment => Some(Self::Attachments),
            Category::Session => Some(Self::Sessions),
            Category::Feedback => Some(Self::Feedback),
            _ => None,
        }
    }
}

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Of one client key.
    Key,
    /// Of a project.
    Project,
    /// Of all projects together.
    Instance,
}

/// So many items in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Items; 0 lets none in.
    pub most: i64,
    /// Length of the window.
    pub window_s: i64,
}

impl Limit {
    /// Start of the window that holds a second.
    #[must_use]
    pub const fn start(self, now_s: i64) -> i64 {
        let window_s = if self.window_s < 1 { 1 } else { self.window_s };
        now_s.saturating_sub(now_s.rem_euclid(window_s))
    }

    /// Items of a lease, when so many are needed at once.
    #[must_use]
    pub fn lease(self, needed: i64) -> i64 {
        needed.max((self.most / SHARES).clamp(1, LEASE_MAX))
    }
}

/// How much of a limit is leased in the window that began at `started`: what all processes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meter {
    /// Start of the window.
    pub started: i64,
    /// Items that were leased in it.
    pub used: i64,
}

/// Items that a process may let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How many.
    pub items: i64,
    /// The window that they are of.
    pub started: i64,
    /// Seconds until it ends, by the shared clock.
    pub left_s: i64,
}

impl Meter {
    /// Leases as many of the wanted items as the limit leaves in the window of now.
    pub fn grant(&mut self, limit: Limit, now_s: i64, wanted: i64) -> Grant {
        let start = limit.start(now_s);
        // A clock that went back brings no new window: what was leased counts on.
        if start > self.started {
            self.used = 0;
        }
        self.started = start;
        let items = wanted.min(limit.most.saturating_sub(self.used)).max(0);
        self.used = self.used.saturating_add(items);
        Grant {
            items,
            started: start,
            left_s: start.saturating_add(limit.window_s.max(1)).saturating_sub(now_s).max(1),
        }
    }

    /// Takes back what was not spent of a window, while it lasts.
    pub fn give_back(&mut self, started: i64, items: i64) {
        if self.started == started {
            self.used = self.used.saturating_sub(items.max(0)).max(0);
        }
    }

    /// What is leased in the window of now.
    #[must_use]
    pub const fn used_at(self, limit: Limit, now_s: i64) -> i64 {
        if limit.start(now_s) > self.started { 0 } else { self.used }
    }
}

/// What one process holds of a limit. Times are those of a clock that never jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lease {
    left: i64,
    /// The window that they are of.
    started: i64,
    /// When it ends.
    ends: Duration,
    /// Let in since it began, by this process.
    spent: i64,
    /// Set while there is no more, until when the meter is not asked.
    shut_until: Option<Duration>,
}

/// What to do with items that the lease does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// There are none.
    Nothing,
    /// Ask the meter for so many.
    Ask(i64),
    /// Refuse them; there is room again after so many seconds.
    Refuse(u64),
}

impl Lease {
    /// Takes as many of `n` items as it holds, and says what to do with the others.
    pub fn take(&mut self, now: Duration, n: i64) -> (i64, Rest) {
        if now >= self.ends {
            // What is left of an ended window is nobody's.
            (self.left, self.spent, self.shut_until) = (0, 0, None);
        }
        let taken = n.min(self.left).max(0);
        self.left -= taken;
        self.spent += taken;
        let rest = match (n - taken, self.shut(now)) {
            (..=0, _) => Rest::Nothing,
            (_, Some(seconds)) => Rest::Refuse(seconds),
            (missing, None) => Rest::Ask(missing),
        };
        (taken, rest)
    }

    /// Seconds until there is room again, while it is known that there is none.
    #[must_use]
    pub fn shut(&self, now: Duration) -> Option<u64> {
        let is_shut = self.left == 0 && now < self.ends && self.shut_until.is_some_and(|until| now < until);
        is_shut.then(|| (self.ends - now).as_secs().saturating_add(1).min(RETRY_S_MAX))
    }

    /// Adds what was granted of `wanted` items.
    pub fn add(&mut self, now: Duration, grant: Grant, wanted: i64) {
        if grant.started != self.started || now >= self.ends {
            (self.left, self.spent) = (0, 0);
        }
        self.started = grant.started;
        self.ends = now + Duration::from_secs(grant.left_s.unsigned_abs());
        self.left += grant.items;
        self.shut_until = (grant.items < wanted).then_some(now + ASK_AGAIN);
    }

    /// Goes on without the meter while that cannot be asked: as if this process were the only one.
    pub fn go_alone(&mut self, now: Duration, limit: Limit) {
        if now >= self.ends {
            self.ends = now + Duration::from_secs(limit.window_s.unsigned_abs());
            self.spent = 0;
        }
        self.left = limit.most.saturating_sub(self.spent).max(0);
        self.shut_until = Some(now + ASK_AGAIN);
    }

    /// Puts items back that were not let in after all.
    pub fn put_back(&mut self, now: Duration, n: i64) {
        if now < self.ends {
            self.left += n;
            self.spent -= n;
        }
    }

    /// Takes out what is not spent, to be given back to the meter: the window that it is of, and how many.
    pub fn empty(&mut self, now: Duration) -> Option<(i64, i64)> {
        let left = std::mem::take(&mut self.left);
        (left > 0 && now < self.ends).then_some((self.started, left))
    }
}

/// Why items were refused, as it is counted.
#[must_use]
pub const fn reason(scope: Scope, limit: Limit) -> Reason {
    match (scope, limit.window_s < WINDOW_S_MAX) {
        (Scope::Key, _) => Reason::KeyLimit,
        (Scope::Project, true) => Reason::ProjectRate,
        (Scope::Project, false) => Reason::ProjectQuota,
        (Scope::Instance, true) => Reason::InstanceRate,
        (Scope::Instance, false) => Reason::InstanceQuota,
    }
}

/// One limit that was met, as clients are told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// What it counts.
    pub counts: Counts,
    /// Whose it is.
    pub scope: Scope,
    /// Why.
    pub reason: Reason,
    /// Seconds until there is room again.
    pub retry_s: u64,
}

/// The value of `X-Sentry-Rate-Limits` (protocol, section 4).
#[must_use]
pub fn header(met: &[Met]) -> String {
    let one = |met: &Met| {
        let scope = match met.scope {
            Scope::Key => "key",
            Scope::Project => "project",
            Scope::Instance => "organization",
        };
        format!("{}:{}:{scope}:{}", met.retry_s, met.counts.categories(), met.reason.as_str())
    };
    met.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Limit = Limit { most: 100, window_s: 60 };

    /// What happens next: to one of the processes, to the clock, or nothing for a while.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Arrive(usize, i64),
        Pass(u64),
        Jump(i64),
        Kill(usize),
        Stop(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..3usize, 1..40i64).prop_map(|(process, n)| Step::Arrive(process, n)),
            4 => (0..45u64).prop_map(Step::Pass),
            1 => (-200_000..200_000i64).prop_map(Step::Jump),
            1 => (0..3usize).prop_map(Step::Kill),
            1 => (0..3usize).prop_map(Step::Stop),
        ]
    }

    /// Three processes over one meter.
    struct World {
        limit: Limit,
        meter: Meter,
        leases: [Lease; 3],
        /// A clock that never jumps, and how far the shared one is ahead of it.
        passed: Duration,
        ahead: i64,
    }

    impl World {
        fn new(limit: Limit) -> Self {
            Self {
                limit,
                meter: Meter::default(),
                leases: [Lease::default(); 3],
                passed: Duration::ZERO,
                ahead: 1_700_000_000,
            }
        }

        fn now_s(&self) -> i64 {
            self.ahead + i64::try_from(self.passed.as_secs()).unwrap()
        }

        /// Lets in what the limit allows of `n` items.
        fn arrive(&mut self, process: usize, n: i64) -> i64 {
            let lease = &mut self.leases[process];
            let (mut taken, rest) = lease.take(self.passed, n);
            if let Rest::Ask(missing) = rest {
                let wanted = self.limit.lease(missing);
                let now_s = self.ahead + i64::try_from(self.passed.as_secs()).unwrap();
                let grant = self.meter.grant(self.limit, now_s, wanted);
                lease.add(self.passed, grant, wanted);
                taken += lease.take(self.passed, missing).0;
            }
            taken
        }

        fn step(&mut self, step: Step) -> i64 {
            match step {
                Step::Arrive(process, n) => return self.arrive(process, n),
                Step::Pass(seconds) => self.passed += Duration::from_secs(seconds),
                Step::Jump(seconds) => self.ahead += seconds,
                Step::Kill(process) => self.leases[process] = Lease::default(),
                Step::Stop(process) => {
                    if let Some((started, left)) = self.leases[process].empty(self.passed) {
                        self.meter.give_back(started, left);
                    }
                    self.leases[process] = Lease::default();
                }
            }
            0
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// In each window of a clock that does not jump, no more than the limit; however processes come and go.
        #[test]
        fn no_window_lets_in_more_than_the_limit(
            most in 0..120i64, window_s in 1..200i64, steps in prop::collection::vec(step(), 1..120),
        ) {
            let limit = Limit { most, window_s };
            let mut world = World::new(limit);
            let mut counted = std::collections::BTreeMap::<i64, i64>::new();
            for step in steps.into_iter().filter(|step| !matches!(step, Step::Jump(_))) {
                let taken = world.step(step);
                let sum = counted.entry(limit.start(world.now_s())).or_default();
                *sum += taken;
                prop_assert!(*sum <= most, "{sum} of {most}");
            }
        }

        /// Each jump forward opens one window more at most; jumps back open none.
        #[test]
        fn a_clock_that_jumps_opens_no_more_windows_than_it_enters(
            most in 1..120i64, window_s in 1..200i64, steps in prop::collection::vec(step(), 1..120),
        ) {
            let limit = Limit { most, window_s };
            let mut world = World::new(limit);
            let (mut taken, mut entered) = (0, 1);
            let mut start = limit.start(world.now_s());
            for step in steps {
                taken += world.step(step);
                let next = limit.start(world.now_s());
                if next > start {
                    // Every window that was passed on the way was entered by nobody.
                    entered += 1;
                }
                start = next;
            }
            prop_assert!(taken <= most * entered, "{taken} in {entered} windows of {most}");
        }

        /// Once the clock is right again, the whole limit is there from the next window on.
        #[test]
        fn nothing_is_stuck_once_the_clock_is_right(
            most in 1..120i64, window_s in 1..200i64, steps in prop::collection::vec(step(), 1..80),
        ) {
            let limit = Limit { most, window_s };
            let mut world = World::new(limit);
            for step in steps {
                world.step(step);
            }
            world.ahead = 1_700_000_000;
            // Leases of the wrong time end within one window; then the meter is asked at the right time, and follows it.
            world.step(Step::Pass(window_s.unsigned_abs()));
            world.step(Step::Arrive(0, 1));
            world.step(Step::Pass(window_s.unsigned_abs()));
            prop_assert_eq!(world.arrive(0, most), most);
            prop_assert_eq!(world.arrive(1, 1), 0);
        }

        /// No arithmetic fails, whatever a row holds.
        #[test]
        fn rows_of_any_kind_are_survived(started: i64, used: i64, most: i64, window_s: i64, now_s: i64, wanted: i64) {
            let limit = Limit { most, window_s };
            let mut meter = Meter { started, used };
            let grant = meter.grant(limit, now_s, wanted);
            prop_assert!(grant.items >= 0 && grant.left_s > 0);
            meter.give_back(started, wanted);
            let _ = (limit.lease(wanted), meter.used_at(limit, now_s));
        }
    }

    #[test]
    fn a_process_alone_lets_in_one_limit_and_then_asks_again() {
        let mut lease = Lease::default();
        assert_eq!(lease.take(Duration::ZERO, 10), (0, Rest::Ask(10)));
        lease.go_alone(Duration::ZERO, MINUTE);
        assert_eq!(lease.take(Duration::ZERO, 120), (100, Rest::Refuse(61)));
        lease.go_alone(Duration::from_secs(20), MINUTE);
        assert_eq!(lease.take(Duration::from_secs(20), 1), (0, Rest::Refuse(41)), "not one limit more");
        assert_eq!(lease.take(Duration::from_secs(31), 1), (0, Rest::Ask(1)), "the meter may be back");
        assert_eq!(lease.take(Duration::from_secs(61), 1), (0, Rest::Ask(1)));
    }

    #[test]
    fn what_is_put_back_is_there_again() {
        let mut lease = Lease::default();
        lease.add(Duration::ZERO, Grant { items: 5, started: 0, left_s: 60 }, 5);
        assert_eq!(lease.take(Duration::ZERO, 5), (5, Rest::Nothing));
        lease.put_back(Duration::ZERO, 2);
        assert_eq!(lease.empty(Duration::ZERO), Some((0, 2)));
        assert_eq!(lease.empty(Duration::ZERO), None);
    }

    #[test]
    fn clients_are_told_what_was_met_and_nothing_else() {
        let met = |counts, scope, limit| Met { counts, scope, reason: reason(scope, limit), retry_s: 17 };
        let day = Limit { window_s: WINDOW_S_MAX, ..MINUTE };
        let told = header(&[
            met(Counts::Events, Scope::Key, MINUTE),
            met(Counts::Attachments, Scope::Project, day),
            met(Counts::Sessions, Scope::Instance, MINUTE),
        ]);
        assert_eq!(
            told,
            "17:error;security:key:key_limit, 17:attachment:project:project_quota, 17:session:organization:instance_rate"
        );
    }
}
