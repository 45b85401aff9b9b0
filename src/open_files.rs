//! The bound on open files, which is also the bound on connections.
//!
//! Systems begin processes with 1,024 for the sake of old programs that keep file numbers in small
//! bit sets; the hard bound is what an administrator means. Every open live page is one file.

/// Raises the bound of this process to what the system allows; returns the bound now in force.
#[must_use]
pub fn raise_bound() -> Option<u64> {
    let mut bounds = read()?;
    // macOS says "no bound" and then refuses more than this.
    #[cfg(target_os = "macos")]
    let wanted = bounds.rlim_max.min(libc::OPEN_MAX as libc::rlim_t);
    #[cfg(not(target_os = "macos"))]
    let wanted = bounds.rlim_max;
    if bounds.rlim_cur < wanted {
        bounds.rlim_cur = wanted;
        if !write(bounds) {
            tracing::warn!("the bound on open files cannot be raised");
        }
    }
    read().map(|bounds| bounds.rlim_cur)
}

#[allow(unsafe_code)]
fn read() -> Option<libc::rlimit> {
    let mut bounds = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes into the struct that it is given, which outlives the call.
    (unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut bounds) } == 0).then_some(bounds)
}

#[allow(unsafe_code)]
fn write(bounds: libc::rlimit) -> bool {
    // SAFETY: setrlimit reads the struct that it is given and keeps no reference to it.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const bounds) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_raised_to_what_is_allowed() {
        let now = raise_bound().unwrap();
        assert!(now >= 256, "{now}");
        assert_eq!(raise_bound(), Some(now));
    }
}
