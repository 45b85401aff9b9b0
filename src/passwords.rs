//! Passwords: Argon2id in PHC form.
//!
//! Owns the parameters (the crate's defaults: 19 MiB, two passes) and the length bounds. Both
//! functions burn tens of milliseconds of CPU: call them from `spawn_blocking` or `web::block`.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

/// Shorter passwords are guessed.
pub const PASSWORD_CHARS_MIN: usize = 10;
/// Longer texts are not passwords; the bound keeps a request from hashing megabytes.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Checked where there is no hash to check, so that an unknown address costs the same time as a
/// wrong password.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash("nobody has this password").ok());

/// Hashes a new password.
///
/// # Errors
/// A sentence for the person who chose it, when it is too short or too long.
pub fn hash(password: &str) -> Result<String, String> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(format!("the password needs at least {PASSWORD_CHARS_MIN} characters"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(format!("the password may have at most {PASSWORD_BYTES_MAX} bytes"));
    }
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| format!("the password cannot be hashed: {error}"))
}

/// True when the password belongs to the hash. With `None` (nobody has this address, or has not
/// chosen a password) it takes the same time and says no.
#[must_use]
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    let known = hash.is_some();
    let Some(hash) = hash.or(NOBODY.as_deref()) else { return false };
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    let matches = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    matches && known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_matches() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify("correct horse battery", Some(&stored)));
        assert!(!verify("correct horse batterz", Some(&stored)));
        assert!(!verify("nobody has this password", None));
        assert!(!verify("x", Some("not a hash")));
        assert!(hash("short").is_err());
        assert!(hash(&"x".repeat(2000)).is_err());
    }
}
