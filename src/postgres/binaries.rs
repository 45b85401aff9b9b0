//! Finding PostgreSQL's server binaries on the machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PostgresError;

/// Oldest version whose SQL we use is 14 (`docs/ARCHITECTURE.md`, "PostgreSQL").
pub(super) const MAJOR_MIN: u32 = 14;

/// A directory with `postgres` and `initdb`, and their major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) dir: PathBuf,
    pub(super) major: u32,
}

/// Directories with one directory per installed version, as (parent, path below each child).
const VERSIONED: [(&str, &str); 7] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr/libexec/postgresql", ""),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/usr/local/pgsql", ""),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
    ("/usr", "bin"),
];

/// The binaries to use: those of `wanted` where a cluster exists, else the newest.
pub(super) fn find(configured: Option<&Path>, wanted: Option<u32>) -> Result<Binaries, PostgresError> {
    if let Some(dir) = configured {
        let found = probe(dir).ok_or_else(|| {
            PostgresError::NoBinaries(format!(
                "{} holds no PostgreSQL server: it must contain `postgres` and `initdb`",
                dir.display()
            ))
        })?;
        return check(found, wanted);
    }
    let mut by_major: BTreeMap<u32, Binaries> = BTreeMap::new();
    for dir in candidates() {
        if let Some(found) = probe(&dir) {
            by_major.entry(found.major).or_insert(found);
        }
    }
    let chosen = match wanted {
        Some(major) => by_major.get(&major).or_else(|| by_major.values().next_back()),
        None => by_major.values().next_back(),
    };
    check(chosen.cloned().ok_or_else(|| PostgresError::NoBinaries(install_hint()))?, wanted)
}

fn check(found: Binaries, wanted: Option<u32>) -> Result<Binaries, PostgresError> {
    if found.major < MAJOR_MIN {
        return Err(PostgresError::NoBinaries(format!(
            "{} is PostgreSQL {}; Firefinch needs {MAJOR_MIN} or newer",
            found.dir.display(),
            found.major
        )));
    }
    match wanted {
        Some(major) if major != found.major => Err(PostgresError::Refused(format!(
            "the data directory was made by PostgreSQL {major}, but the server found on this machine is PostgreSQL {} \
             ({}). Install PostgreSQL {major} beside it, or point `pg_bin` at its binaries; to move the data to \
             another version, use pg_upgrade",
            found.major,
            found.dir.display()
        ))),
        _ => Ok(found),
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for (parent, below) in VERSIONED {
        let Ok(children) = std::fs::read_dir(parent) else { continue };
        let children = children.flatten().map(|child| child.path());
        // Of /usr and the Homebrew directories only what is named after PostgreSQL.
        dirs.extend(
            children
                .filter(|child| {
                    let name = child.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    name.starts_with("postgresql")
                        || name.starts_with("pgsql")
                        || name.starts_with(|c: char| c.is_ascii_digit())
                        || name == "bin"
                })
                .map(|child| if below.is_empty() { child } else { child.join(below) }),
        );
    }
    dirs
}

/// Accepts real binaries only: a wrapper script in `PATH` may start another version.
fn probe(dir: &Path) -> Option<Binaries> {
    // Debian's wrappers in /usr/bin do not include `postgres` and `initdb`, a link elsewhere does.
    let postgres = dir.join("postgres").canonicalize().ok()?;
    let dir = postgres.parent()?.to_path_buf();
    if !dir.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(&postgres).arg("--version").output().ok()?;
    let major = major(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { dir, major })
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` is 15; `18beta1` is 18.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL)")?.1.trim_start();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn install_hint() -> String {
    "no PostgreSQL server was found on this machine. Install one (Debian, Ubuntu: `apt-get install postgresql`; \
     Fedora: `dnf install postgresql-server`; Arch: `pacman -S postgresql`; Alpine: `apk add postgresql`; macOS: \
     `brew install postgresql@17`), point `pg_bin` (FIREFINCH_PG_BIN) at the directory of its binaries, or set \
     DATABASE_URL to use a server elsewhere"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_is_read_from_what_the_server_prints() {
        for (text, expected) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("mysqld 8.0", None),
            ("", None),
        ] {
            assert_eq!(major(text), expected, "{text}");
        }
    }

    #[test]
    fn the_server_on_this_machine_is_found() {
        assert!(find(None, None).unwrap().major >= MAJOR_MIN);
    }

    #[test]
    fn another_version_than_the_cluster_is_refused_with_both_numbers() {
        let error = find(None, Some(99)).unwrap_err().to_string();
        assert!(error.contains("made by PostgreSQL 99"), "{error}");
    }

    #[test]
    fn a_directory_without_binaries_is_named() {
        let error = find(Some(Path::new("/nowhere")), None).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere holds no PostgreSQL server"), "{error}");
    }
}
