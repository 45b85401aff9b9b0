//! The account that runs the server: ourselves, or another one when we are root, which PostgreSQL
//! refuses.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::PostgresError;

/// Who runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// True when we have to become that account.
    switch: bool,
}

impl Account {
    /// Ourselves, or, as root, the owner of an existing cluster, the configured account, `postgres`
    /// or `nobody`.
    pub(super) fn choose(pgdata: &Path, configured: Option<&str>) -> Result<Self, PostgresError> {
        let (uid, gid) = ids();
        if uid != 0 {
            return Ok(Self { name: format!("user {uid}"), uid, gid, switch: false });
        }
        if let Ok(owner) = fs::metadata(pgdata)
            && owner.uid() != 0
        {
            return Ok(Self {
                name: format!("user {}", owner.uid()),
                uid: owner.uid(),
                gid: owner.gid(),
                switch: true,
            });
        }
        let names: Vec<&str> = configured.map_or_else(|| vec!["postgres", "nobody"], |name| vec![name]);
        names.iter().find_map(|name| look_up(name)).filter(|account| account.uid != 0).ok_or_else(|| {
            PostgresError::Refused(format!(
                "PostgreSQL does not run as root, and there is no usable account {} on this machine: name one with \
                 `pg_user` (FIREFINCH_PG_USER)",
                names.join(" or ")
            ))
        })
    }

    /// Makes a command run as this account, in a clean environment that no person's settings reach.
    pub(super) fn apply(&self, command: &mut Command) {
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        // Ctrl-C in a terminal reaches every process of the group: only we decide when to stop.
        command.process_group(0);
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Makes a private directory of this account.
    pub(super) fn make_dir(&self, path: &Path) -> Result<(), PostgresError> {
        let what = || format!("make {}", path.display());
        if !path.is_dir() {
            fs::create_dir(path).map_err(PostgresError::io(what()))?;
        }
        if self.switch {
            chown(path, Some(self.uid), Some(self.gid)).map_err(PostgresError::io(what()))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(PostgresError::io(what()))
    }

    /// Checks that the account may pass through every directory above `path`.
    pub(super) fn may_reach(&self, path: &Path, what: &str) -> Result<(), PostgresError> {
        for dir in path.ancestors().skip(1) {
            let Ok(meta) = fs::metadata(dir) else { continue };
            let bit = if meta.uid() == self.uid {
                0o100
            } else if meta.gid() == self.gid {
                0o010
            } else {
                0o001
            };
            if meta.mode() & bit == 0 {
                return Err(PostgresError::Refused(format!(
                    "PostgreSQL runs as {}, who may not pass through {} (mode {:o}) to reach {what} {}: choose another \
                     place, for instance /var/lib/firefinch",
                    self.name,
                    dir.display(),
                    meta.mode() & 0o777,
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

/// True when this process may do everything.
#[must_use]
pub fn we_are_root() -> bool {
    ids().0 == 0
}

fn ids() -> (u32, u32) {
    // SAFETY: geteuid and getegid read two numbers of this process and cannot fail.
    #[allow(unsafe_code)]
    unsafe {
        (libc::geteuid(), libc::getegid())
    }
}

/// Asks `id`, which knows accounts from every source that the machine has.
fn look_up(name: &str) -> Option<Account> {
    let number = |flag: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, "--", name]).output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    };
    Some(Account { name: name.to_owned(), uid: number("-u")?, gid: number("-g")?, switch: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_directory_on_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let closed = dir.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
        let stranger = Account { name: "stranger".into(), uid: 4_000_000, gid: 4_000_000, switch: true };
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let error = stranger.may_reach(&closed.join("data"), "the data directory").unwrap_err().to_string();
        assert!(error.contains("stranger, who may not pass through") && error.contains("closed (mode 600)"), "{error}");
        assert!(stranger.may_reach(&closed, "the data directory").is_ok());
    }

    #[test]
    fn an_unknown_account_is_no_account() {
        assert_eq!(look_up("no-such-account-here"), None);
    }
}
