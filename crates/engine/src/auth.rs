//! Who sent it: DSNs, and every way in which an SDK names its key.
//!
//! Owns the grammar of protocol sections 1 and 2.1. It does not know which keys exist. Where the
//! official relay refuses a request that names its key twice, this accepts it as long as all agree:
//! proxies and browser extensions repeat headers, and the second copy changes nothing.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::ids::ProjectId;

/// The public half of a client key: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 16]);

impl PublicKey {
    /// A key from 16 random bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl FromStr for PublicKey {
    type Err = AuthError;

    fn from_str(text: &str) -> Result<Self, AuthError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| AuthError::BadKey)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a request's authentication cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthError {
    /// Nothing names a key.
    #[error("missing authorization information")]
    Missing,
    /// Two places name different keys.
    #[error("the request names two different keys")]
    Conflict,
    /// A header that is not in the documented form.
    #[error("malformed authorization information: expected 'Sentry sentry_key=…'")]
    Malformed,
    /// A key that is not 32 hexadecimal digits.
    #[error("bad sentry_key: a public key is 32 hexadecimal digits")]
    BadKey,
    /// A protocol version that does not exist.
    #[error("bad sentry_version: this server speaks versions up to 7")]
    BadVersion,
    /// An envelope header `dsn` that is no DSN.
    #[error("the envelope header holds a malformed dsn")]
    BadDsn,
}

/// The places of one request in which a key may stand.
#[derive(Debug, Default, Clone, Copy)]
pub struct Sources<'a> {
    /// Header `X-Sentry-Auth`.
    pub x_sentry_auth: Option<&'a str>,
    /// Header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The query string, still encoded.
    pub query: &'a str,
}

/// What a request says about its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The key.
    pub key: PublicKey,
    /// `name/version` of the SDK, shortened to 100 characters.
    pub client: Option<String>,
}

impl Credentials {
    /// Reads all places of a request that may name a key; `None` when none does.
    ///
    /// # Errors
    /// When one is malformed or two disagree.
    pub fn read(sources: &Sources<'_>) -> Result<Option<Self>, AuthError> {
        let mut found = None;
        if let Some(header) = sources.x_sentry_auth {
            // Some SDKs leave the scheme word out of their own header.
            let fields = strip_scheme(header, "sentry").unwrap_or(header);
            merge(&mut found, Some(read_fields(fields)?))?;
        }
        if let Some(header) = sources.authorization {
            merge(&mut found, read_authorization(header)?)?;
        }
        merge(&mut found, read_query(sources.query)?)?;
        Ok(found)
    }

    /// Checks that the DSN of an envelope header names the same key, where both are there.
    ///
    /// # Errors
    /// `Conflict` when it does not.
    pub fn agree_with(&self, dsn: &Dsn) -> Result<(), AuthError> {
        if self.key == dsn.public_key { Ok(()) } else { Err(AuthError::Conflict) }
    }
}

fn merge(found: &mut Option<Credentials>, next: Option<Credentials>) -> Result<(), AuthError> {
    match (found.as_mut(), next) {
        (_, None) => {}
        (None, next) => *found = next,
        (Some(known), Some(next)) if known.key == next.key => {
            known.client = known.client.take().or(next.client);
        }
        (Some(_), Some(_)) => return Err(AuthError::Conflict),
    }
    Ok(())
}

/// The text after a scheme word, which may be in any case.
fn strip_scheme<'a>(header: &'a str, scheme: &str) -> Option<&'a str> {
    let header = header.trim_start();
    let word = header.get(..scheme.len())?;
    let rest = &header[scheme.len()..];
    (word.eq_ignore_ascii_case(scheme) && rest.starts_with([' ', '\t', ','])).then(|| rest.trim_start())
}

fn read_authorization(header: &str) -> Result<Option<Credentials>, AuthError> {
    if let Some(fields) = strip_scheme(header, "sentry") {
        return read_fields(fields).map(Some);
    }
    if let Some(dsn) = strip_scheme(header, "dsn") {
        let dsn: Dsn = dsn.trim().parse().map_err(|_| AuthError::BadDsn)?;
        return Ok(Some(Credentials { key: dsn.public_key, client: None }));
    }
    let Some(encoded) = strip_scheme(header, "basic") else {
        // A bearer token of some proxy is not ours to judge.
        return Ok(None);
    };
    let encoded = encoded.trim_end().trim_end_matches('=');
    let decoded = STANDARD_NO_PAD.decode(encoded).map_err(|_| AuthError::Malformed)?;
    let decoded = String::from_utf8(decoded).map_err(|_| AuthError::Malformed)?;
    let key = decoded.split(':').next().unwrap_or_default();
    Ok(Some(Credentials { key: key.parse()?, client: None }))
}

/// Reads `k=v, k=v`; unknown keys are ignored.
fn read_fields(fields: &str) -> Result<Credentials, AuthError> {
    let mut reader = FieldReader::default();
    for field in fields.split(',') {
        let Some((name, value)) = field.split_once('=') else {
            if field.trim().is_empty() {
                continue;
            }
            return Err(AuthError::Malformed);
        };
        // A header sent twice arrives as one list, in which the scheme word is repeated.
        let name = name.trim();
        let name = strip_scheme(name, "sentry").unwrap_or(name);
        reader.field(name, value.trim().trim_matches('"'))?;
    }
    reader.finish()?.ok_or(AuthError::Malformed)
}

fn read_query(query: &str) -> Result<Option<Credentials>, AuthError> {
    let mut reader = FieldReader::default();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !name.starts_with("sentry_") {
            continue;
        }
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8_lossy();
        reader.field(name, &value)?;
    }
    reader.finish()
}

#[derive(Default)]
struct FieldReader {
    key: Option<PublicKey>,
    client: Option<String>,
}

impl FieldReader {
    fn field(&mut self, name: &str, value: &str) -> Result<(), AuthError> {
        match name {
            "sentry_key" => {
                let key = value.parse()?;
                if self.key.is_some_and(|known| known != key) {
                    return Err(AuthError::Conflict);
                }
                self.key = Some(key);
            }
            "sentry_version" => check_version(value)?,
            "sentry_client" if !value.is_empty() => self.client = Some(value.chars().take(100).collect()),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Option<Credentials>, AuthError> {
        Ok(self.key.map(|key| Credentials { key, client: self.client }))
    }
}

/// `7`, `7.1` and everything below; newer versions do not exist.
fn check_version(version: &str) -> Result<(), AuthError> {
    let major = version.split('.').next().unwrap_or_default();
    match major.parse::<u32>() {
        Ok(0..=7) => Ok(()),
        _ => Err(AuthError::BadVersion),
    }
}

/// Where a client sends to, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dsn {
    /// True for `https`.
    pub secure: bool,
    /// The key.
    pub public_key: PublicKey,
    /// Host name or address, IPv6 in brackets, with the port where one is written.
    pub authority: String,
    /// What stands between host and project: empty, or `/pre/fix`.
    pub prefix: String,
    /// The project.
    pub project_id: ProjectId,
}

/// A text that is no DSN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a DSN has the form https://<32 hex digits>@<host>/<project number>")]
pub struct DsnError;

fn split_scheme(url: &str) -> Result<(bool, &str), DsnError> {
    if let Some(rest) = url.strip_prefix("https://") {
        return Ok((true, rest));
    }
    url.strip_prefix("http://").map(|rest| (false, rest)).ok_or(DsnError)
}

impl FromStr for Dsn {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        let (secure, rest) = split_scheme(text.trim())?;
        let (user, place) = rest.split_once('@').ok_or(DsnError)?;
        // The legacy secret after the colon is accepted and ignored.
        let key = user.split(':').next().unwrap_or_default();
        let place = place.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let (host_and_prefix, project) = place.rsplit_once('/').ok_or(DsnError)?;
        let (authority, path) = host_and_prefix.split_once('/').unwrap_or((host_and_prefix, ""));
        if authority.is_empty() || !project.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(DsnError);
        }
        Ok(Self {
            secure,
            public_key: key.parse().map_err(|_| DsnError)?,
            authority: authority.to_owned(),
            prefix: if path.is_empty() { String::new() } else { format!("/{path}") },
            project_id: project.parse().map_err(|_| DsnError)?,
        })
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}@{}{}/{}", self.public_key, self.authority, self.prefix, self.project_id)
    }
}

/// Decodes standard base64 with or without padding and line breaks (legacy `store` bodies).
#[must_use]
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    if let Ok(bytes) = STANDARD.decode(text) {
        return Some(bytes);
    }
    let compact: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').collect();
    STANDARD_NO_PAD.decode(compact).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "53669cc8d481c8aad8af7557abf50570";
    const OTHER: &str = "00669cc8d481c8aad8af7557abf50570";

    fn read(x: Option<&str>, authorization: Option<&str>, query: &str) -> Result<Option<String>, AuthError> {
        let sources = Sources { x_sentry_auth: x, authorization, query };
        Credentials::read(&sources).map(|found| found.map(|credentials| credentials.key.to_string()))
    }

    #[test]
    fn every_documented_form_names_the_key() {
        let basic = format!("Basic {}", STANDARD.encode(format!("{KEY}:")));
        let upper = KEY.to_uppercase();
        let cases = [
            read(Some(&format!("Sentry sentry_version=7, sentry_client=a/1, sentry_key={KEY}")), None, ""),
            read(Some(&format!("sentry sentry_key={KEY},sentry_version=7.1,sentry_secret=x,new=1")), None, ""),
            read(Some(&format!("sentry_key={KEY}")), None, ""),
            read(Some(&format!("Sentry  sentry_key={upper},")), None, ""),
            read(None, Some(&format!("Sentry sentry_key={KEY}")), ""),
            read(None, Some(&format!("DSN http://{KEY}@h/1")), ""),
            read(None, Some(&basic), ""),
            read(None, None, &format!("sentry_version=7&sentry_key={KEY}&sentry_client=x%2F1")),
            read(None, Some("Bearer of-a-proxy"), &format!("a=b&sentry_key={KEY}")),
            read(Some(&format!("Sentry sentry_key={KEY}")), Some(&basic), &format!("sentry_key={KEY}")),
        ];
        for (index, case) in cases.into_iter().enumerate() {
            assert_eq!(case, Ok(Some(KEY.to_owned())), "case {index}");
        }
    }

    #[test]
    fn wrong_forms_are_told_apart() {
        assert_eq!(read(None, None, "a=b"), Ok(None));
        assert_eq!(read(None, Some("Bearer x"), ""), Ok(None));
        assert_eq!(read(Some("Sentry x"), None, ""), Err(AuthError::Malformed));
        assert_eq!(read(Some(""), None, ""), Err(AuthError::Malformed));
        assert_eq!(read(None, Some("Basic !!!"), ""), Err(AuthError::Malformed));
        assert_eq!(read(None, None, "sentry_key=abc"), Err(AuthError::BadKey));
        assert_eq!(read(None, None, &format!("sentry_key={KEY}&sentry_version=8")), Err(AuthError::BadVersion));
        let twice = format!("Sentry sentry_key={KEY}, Sentry sentry_key={OTHER}");
        assert_eq!(read(Some(&twice), None, ""), Err(AuthError::Conflict));
        let (x, query) = (format!("Sentry sentry_key={KEY}"), format!("sentry_key={OTHER}"));
        assert_eq!(read(Some(&x), None, &query), Err(AuthError::Conflict));
    }

    #[test]
    fn client_is_kept() {
        let query = format!("sentry_key={KEY}&sentry_client=sentry.javascript.browser%2F11.12.0");
        let found = Credentials::read(&Sources { query: &query, ..Sources::default() }).unwrap().unwrap();
        assert_eq!(found.client.as_deref(), Some("sentry.javascript.browser/11.12.0"));
    }

    #[test]
    fn dsn_is_read_and_written() {
        for (text, written) in [
            (format!("https://{KEY}@h/42"), format!("https://{KEY}@h/42")),
            (format!("http://{KEY}:secret@h:9000/pre/fix/42/"), format!("http://{KEY}@h:9000/pre/fix/42")),
            (format!("http://{KEY}@[::1]:9000/1?x=y"), format!("http://{KEY}@[::1]:9000/1")),
        ] {
            assert_eq!(text.parse::<Dsn>().unwrap().to_string(), written);
        }
        for text in ["", "http://h/1", "ftp://a@h/1", "http://abc@h/1", &format!("http://{KEY}@h"), "http://@h/1"] {
            assert_eq!(text.parse::<Dsn>(), Err(DsnError), "{text}");
        }
        assert!(format!("http://{KEY}@h/shop").parse::<Dsn>().is_err());
    }
}
