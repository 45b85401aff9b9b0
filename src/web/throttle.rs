//! A bound on guessing passwords: tries per address and account, and per address alone.
//!
//! In memory and per process: a restart forgets, and several processes each count their own. That is
//! enough to make guessing hopeless, which needs millions of tries.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long tries are remembered.
const WINDOW: Duration = Duration::from_secs(60);
/// Tries on one account from one address; people mistype three times, not six.
const TRIES_PER_ACCOUNT: u32 = 5;
/// Tries from one address; an office behind one address signs in within a minute after a restart.
const TRIES_PER_ADDRESS: u32 = 30;
/// Entries kept. Beyond it the oldest windows are dropped, then everything: memory stays bounded.
const ENTRIES_MAX: usize = 20_000;

#[derive(Debug, Hash, PartialEq, Eq)]
enum Key {
    Address(IpAddr),
    Account(IpAddr, String),
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    tries: Mutex<HashMap<Key, (Instant, u32)>>,
}

impl Throttle {
    /// Counts one try; the seconds to wait when it is one too many.
    pub(super) fn count(&self, address: IpAddr, account: &str, now: Instant) -> Result<(), u64> {
        let account: String = account.trim().to_lowercase().chars().take(254).collect();
        let mut tries = self.tries(now);
        let by_account = bump(&mut tries, Key::Account(address, account), TRIES_PER_ACCOUNT, now);
        let by_address = bump(&mut tries, Key::Address(address), TRIES_PER_ADDRESS, now);
        by_account.and(by_address)
    }

    /// Counts what asks for no account; the seconds to wait when it is one too many.
    pub(super) fn visit(&self, address: IpAddr, now: Instant) -> Result<(), u64> {
        bump(&mut self.tries(now), Key::Address(address), TRIES_PER_ADDRESS, now)
    }

    fn tries(&self, now: Instant) -> MutexGuard<'_, HashMap<Key, (Instant, u32)>> {
        // A panic while holding the lock leaves counters, not broken invariants.
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= ENTRIES_MAX {
            tries.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
            if tries.len() >= ENTRIES_MAX {
                tries.clear();
            }
        }
        tries
    }

    /// Forgets the tries on an account after the right password.
    pub(super) fn forgive(&self, address: IpAddr, account: &str) {
        let account = account.trim().to_lowercase();
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).remove(&Key::Account(address, account));
    }
}

fn bump(tries: &mut HashMap<Key, (Instant, u32)>, key: Key, most: u32, now: Instant) -> Result<(), u64> {
    let entry = tries.entry(key).or_insert((now, 0));
    if now.duration_since(entry.0) >= WINDOW {
        *entry = (now, 0);
    }
    entry.1 = entry.1.saturating_add(1);
    if entry.1 <= most {
        return Ok(());
    }
    Err((WINDOW.saturating_sub(now.duration_since(entry.0))).as_secs() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn the_sixth_try_waits_and_other_accounts_do_not() {
        let throttle = Throttle::default();
        let (here, now) = (IpAddr::V4(Ipv4Addr::LOCALHOST), Instant::now());
        for _ in 0..5 {
            assert_eq!(throttle.count(here, "Jo@example.org", now), Ok(()));
        }
        assert_eq!(throttle.count(here, " jo@EXAMPLE.org", now), Err(61));
        assert_eq!(throttle.count(here, "al@example.org", now), Ok(()));
        assert_eq!(throttle.count(here, "jo@example.org", now + WINDOW), Ok(()));
    }

    #[test]
    fn one_address_cannot_walk_through_accounts() {
        let throttle = Throttle::default();
        let (here, now) = (IpAddr::V4(Ipv4Addr::LOCALHOST), Instant::now());
        let refused = (0..100).filter(|n| throttle.count(here, &format!("{n}@x.org"), now).is_err()).count();
        assert_eq!(refused, 70);
    }

    #[test]
    fn the_right_password_clears_the_account() {
        let throttle = Throttle::default();
        let (here, now) = (IpAddr::V4(Ipv4Addr::LOCALHOST), Instant::now());
        for _ in 0..20 {
            assert_eq!(throttle.count(here, "jo@x.org", now), Ok(()));
            throttle.forgive(here, "Jo@x.org");
        }
    }
}
