//! What a person can set, and where each value comes from: flag, environment, file, default.
//!
//! Owns [`Settings`] (one optional field per setting, read alike from flags, environment and the
//! TOML file) and [`Config`] (the same, resolved and checked). Nothing else reads the environment.
//! To add a setting: a field in `Settings`, a line in `Settings::or`, a field and a default in
//! `Config`.

mod oidc;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use crate::error::Failure;
use crate::front::Front;
use crate::ingest::Patience;
use crate::postgres;

pub use oidc::{Becomes, Oidc, OidcSettings};

/// Text that must not show up in logs.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Redacted(String);

impl Redacted {
    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Redacted {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Redacted {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text per record, for people.
    Pretty,
    /// One JSON object per line, for machines.
    Json,
}

/// Every setting, as somebody wrote it or not.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
#[command(next_help_heading = "Settings (also in the TOML file, under the same names with _ for -)")]
pub struct Settings {
    /// Directory of everything that is kept: embedded PostgreSQL, spool
    /// [default: /var/lib/firefinch as root, else ~/.local/share/firefinch]
    #[arg(long, global = true, env = "FIREFINCH_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:9000]
    #[arg(long, global = true, env = "FIREFINCH_LISTEN", value_name = "HOST:PORT")]
    pub listen: Option<SocketAddr>,
    /// URL under which browsers and SDKs reach this server [default: http://LISTEN]
    #[arg(long, global = true, env = "FIREFINCH_BASE_URL", value_name = "URL")]
    pub base_url: Option<String>,
    /// More host names of this server, with commas between them; * is any. Pages and API refuse others
    #[arg(long, global = true, env = "FIREFINCH_HOSTS", value_name = "NAMES")]
    pub hosts: Option<String>,
    /// Addresses or networks of proxies whose X-Forwarded-For is believed, with commas between them
    /// [default: 127.0.0.0/8,::1]
    #[arg(long, global = true, env = "FIREFINCH_TRUSTED_PROXIES", value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,
    /// The organization's name in API paths [default: default]
    #[arg(long, global = true, env = "FIREFINCH_ORG_SLUG", value_name = "SLUG")]
    pub org_slug: Option<String>,
    /// PostgreSQL 14 or newer to use instead of the embedded one
    #[arg(long, global = true, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<Redacted>,
    /// Connections to PostgreSQL at most [default: 20]
    #[arg(long, global = true, env = "FIREFINCH_DATABASE_CONNECTIONS_MAX", value_name = "N")]
    pub database_connections_max: Option<u32>,
    /// Directory with PostgreSQL's server programs, for the embedded one [default: searched]
    #[arg(long, global = true, env = "FIREFINCH_PG_BIN", value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
    /// Account that runs the embedded PostgreSQL when we are root [default: postgres, else nobody]
    #[arg(long, global = true, env = "FIREFINCH_PG_USER", value_name = "NAME")]
    pub pg_user: Option<String>,
    /// Stop the embedded PostgreSQL when this process is killed, instead of leaving it for the
    /// next start [default: false]
    #[arg(long, global = true, env = "FIREFINCH_PG_DIES_WITH_US", num_args = 0..=1, default_missing_value = "true")]
    pub pg_dies_with_us: Option<bool>,
    /// Mail server: smtp://, smtps:// or smtp+starttls://[user:password@]host[:port]; no mail without
    #[arg(long, global = true, env = "FIREFINCH_SMTP_URL", value_name = "URL", hide_env_values = true)]
    pub smtp_url: Option<Redacted>,
    /// Sender of mails, such as: Firefinch <errors@example.org>
    #[arg(long, global = true, env = "FIREFINCH_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// Let webhooks reach loopback and private addresses [default: false]
    #[arg(
        long,
        global = true,
        env = "FIREFINCH_ALLOW_PRIVATE_WEBHOOKS",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub allow_private_webhooks: Option<bool>,
    /// Disk that the spool may use while PostgreSQL is away, in bytes [default: 1073741824]
    #[arg(long, global = true, env = "FIREFINCH_SPOOL_BYTES_MAX", value_name = "BYTES")]
    pub spool_bytes_max: Option<u64>,
    /// Disk that the files sent with events of one project may use, in bytes; the oldest go first, 0 keeps none
    /// [default: 5368709120]
    #[arg(long, global = true, env = "FIREFINCH_ATTACHMENT_BYTES_MAX", value_name = "BYTES")]
    pub attachment_bytes_max: Option<u64>,
    /// Bytes that the database may take: near them, events are counted without what they carry [default: no bound; the
    /// disk of the embedded PostgreSQL is watched anyway]
    #[arg(long, global = true, env = "FIREFINCH_DATABASE_BYTES_MAX", value_name = "BYTES")]
    pub database_bytes_max: Option<u64>,
    /// Days that events are kept [default: 90]
    #[arg(long, global = true, env = "FIREFINCH_RETENTION_DAYS", value_name = "DAYS")]
    pub retention_days: Option<u16>,
    /// Requests that may wait for the batch writer before others are refused [default: 2000]
    #[arg(long, global = true, env = "FIREFINCH_QUEUE_REQUESTS_MAX", value_name = "N")]
    pub queue_requests_max: Option<usize>,
    /// Open HTTP connections at most [default: 25000]
    #[arg(long, global = true, env = "FIREFINCH_HTTP_CONNECTIONS_MAX", value_name = "N")]
    pub http_connections_max: Option<usize>,
    /// HTTP worker threads [default: one per core]
    #[arg(long, global = true, env = "FIREFINCH_HTTP_WORKERS", value_name = "N")]
    pub http_workers: Option<usize>,
    /// Log format [default: pretty on a terminal, else json]
    #[arg(long, global = true, env = "FIREFINCH_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// What to log, as tracing directives [default: info for serve, warn for other commands]
    #[arg(long, global = true, env = "FIREFINCH_LOG", value_name = "DIRECTIVES")]
    pub log: Option<String>,
    /// Single sign-on.
    #[command(flatten)]
    #[serde(default)]
    pub oidc: OidcSettings,
}

impl Settings {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// When it cannot be read, or holds a key or value that we do not know; the text names file and
    /// line.
    pub fn from_file(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
        Self::from_toml(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
    }

    fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// These settings, and `other` where these are silent.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            listen: self.listen.or(other.listen),
            base_url: self.base_url.or(other.base_url),
            hosts: self.hosts.or(other.hosts),
            trusted_proxies: self.trusted_proxies.or(other.trusted_proxies),
            org_slug: self.org_slug.or(other.org_slug),
            database_url: self.database_url.or(other.database_url),
            database_connections_max: self.database_connections_max.or(other.database_connections_max),
            pg_bin: self.pg_bin.or(other.pg_bin),
            pg_user: self.pg_user.or(other.pg_user),
            pg_dies_with_us: self.pg_dies_with_us.or(other.pg_dies_with_us),
            smtp_url: self.smtp_url.or(other.smtp_url),
            mail_from: self.mail_from.or(other.mail_from),
            allow_private_webhooks: self.allow_private_webhooks.or(other.allow_private_webhooks),
            spool_bytes_max: self.spool_bytes_max.or(other.spool_bytes_max),
            attachment_bytes_max: self.attachment_bytes_max.or(other.attachment_bytes_max),
            database_bytes_max: self.database_bytes_max.or(other.database_bytes_max),
            retention_days: self.retention_days.or(other.retention_days),
            queue_requests_max: self.queue_requests_max.or(other.queue_requests_max),
            http_connections_max: self.http_connections_max.or(other.http_connections_max),
            http_workers: self.http_workers.or(other.http_workers),
            log_format: self.log_format.or(other.log_format),
            log: self.log.or(other.log),
            oidc: self.oidc.or(other.oidc),
        }
    }
}

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Config {
    /// Directory of everything that is kept.
    pub data_dir: PathBuf,
    /// Address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// URL of this server as others reach it, without a trailing slash. `None`: made from the
    /// address that it really listens on; see [`Config::public_url`].
    pub base_url: Option<String>,
    /// More names under which it is reached; see [`Config::front`].
    pub hosts: Option<String>,
    /// Proxies whose `X-Forwarded-For` is believed; `None`: those on this machine.
    pub trusted_proxies: Option<String>,
    /// The organization's name in API paths.
    pub org_slug: String,
    /// PostgreSQL to use instead of the embedded one.
    pub database_url: Option<Redacted>,
    /// Connections of the pool.
    pub database_connections_max: u32,
    /// The embedded PostgreSQL.
    pub postgres: PostgresConfig,
    /// Outgoing mail; `None` where no server is configured.
    pub smtp_url: Option<Redacted>,
    /// Sender of mails.
    pub mail_from: String,
    /// Let webhooks reach loopback and private addresses.
    pub allow_private_webhooks: bool,
    /// Disk that the spool may use.
    pub spool_bytes_max: u64,
    /// Disk that the files of one project may use.
    pub attachment_bytes_max: i64,
    /// Bytes that the database may take; `None`: as many as there are.
    pub database_bytes_max: Option<u64>,
    /// Days that events are kept.
    pub retention_days: u16,
    /// Requests that may wait for the batch writer.
    pub queue_requests_max: usize,
    /// How long the body of an ingest request may take. Not a setting: it follows from what SDKs do.
    pub patience: Patience,
    /// Open HTTP connections at most.
    pub http_connections_max: usize,
    /// HTTP worker threads; `None`: one per core.
    pub http_workers: Option<usize>,
    /// How logs look; `None`: pretty on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    /// What to log; `None`: as much as suits the command.
    pub log: Option<String>,
    /// A provider of identities to sign in with.
    pub oidc: Option<Oidc>,
}

/// Settings of the embedded PostgreSQL.
#[derive(Debug, Clone, Default)]
pub struct PostgresConfig {
    /// Directory with the server programs; searched when `None`.
    pub bin: Option<PathBuf>,
    /// Account to give up root for.
    pub user: Option<String>,
    /// Stop the server when this process is killed.
    pub dies_with_us: bool,
    /// Trade durability for speed: for throw-away clusters of tests only, so not a setting.
    pub throw_away: bool,
}

impl Config {
    /// Resolves and checks settings.
    ///
    /// # Errors
    /// When a value makes no sense; the text says which and what to write instead.
    pub fn resolve(settings: Settings) -> Result<Self, Failure> {
        let data_dir = match not_empty(settings.data_dir) {
            Some(data_dir) => std::path::absolute(&data_dir)
                .map_err(|error| Failure::Usage(format!("data_dir {}: {error}", data_dir.display())))?,
            None => default_data_dir()?,
        };
        let mut config = Self::with_defaults(data_dir);
        config.listen = settings.listen.unwrap_or(config.listen);
        config.base_url = filled(settings.base_url).map(|url| check_base_url(&url)).transpose()?;
        config.hosts = filled(settings.hosts);
        config.trusted_proxies = filled(settings.trusted_proxies);
        config.org_slug = check_slug(filled(settings.org_slug).unwrap_or(config.org_slug))?;
        config.database_url = settings.database_url.filter(|url| !url.expose().is_empty());
        config.database_connections_max = settings.database_connections_max.unwrap_or(config.database_connections_max);
        config.postgres.bin = not_empty(settings.pg_bin);
        config.postgres.user = filled(settings.pg_user);
        config.postgres.dies_with_us = settings.pg_dies_with_us.unwrap_or(false);
        config.smtp_url = settings.smtp_url.filter(|url| !url.expose().is_empty());
        config.mail_from = filled(settings.mail_from).unwrap_or(config.mail_from);
        config.allow_private_webhooks = settings.allow_private_webhooks.unwrap_or(false);
        config.spool_bytes_max = settings.spool_bytes_max.unwrap_or(config.spool_bytes_max);
        config.attachment_bytes_max = settings
            .attachment_bytes_max
            .map_or(config.attachment_bytes_max, |bytes| bytes.try_into().unwrap_or(i64::MAX));
        config.database_bytes_max = settings.database_bytes_max;
        config.retention_days = settings.retention_days.unwrap_or(config.retention_days);
        config.queue_requests_max = settings.queue_requests_max.unwrap_or(config.queue_requests_max);
        config.http_connections_max = settings.http_connections_max.unwrap_or(config.http_connections_max);
        config.http_workers = settings.http_workers;
        config.log_format = settings.log_format;
        config.log = filled(settings.log);
        config.front().map_err(Failure::Usage)?;
        config.oidc = settings.oidc.resolve()?;
        config.check_bounds()?;
        Ok(config)
    }

    /// Every setting at its default, in a given directory.
    #[must_use]
    pub fn with_defaults(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            listen: SocketAddr::from(([127, 0, 0, 1], 9000)),
            base_url: None,
            hosts: None,
            trusted_proxies: None,
            org_slug: "default".into(),
            database_url: None,
            // Two writers, the listener, the workers, and a dozen pages at once: far below
            // PostgreSQL's default of 100, so that four processes may share one server.
            database_connections_max: 20,
            postgres: PostgresConfig::default(),
            smtp_url: None,
            mail_from: "Firefinch <firefinch@localhost>".into(),
            allow_private_webhooks: false,
            // 1 GiB is about 100,000 events of ordinary size: minutes to hours of an outage.
            spool_bytes_max: 1 << 30,
            attachment_bytes_max: store::ingest::ATTACHMENT_BYTES_DEFAULT,
            database_bytes_max: None,
            retention_days: 90,
            // A few hundred milliseconds of work at full speed; more waiting only adds latency.
            queue_requests_max: 2000,
            patience: Patience::default(),
            http_connections_max: 25_000,
            http_workers: None,
            log_format: None,
            log: None,
            oidc: None,
        }
    }

    /// For tests: an ephemeral port, and a PostgreSQL that dies with the process.
    #[must_use]
    pub fn for_testing(data_dir: PathBuf, database_url: Option<String>) -> Self {
        let mut config = Self::with_defaults(data_dir);
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.database_url = database_url.map(Redacted::from);
        config.postgres.dies_with_us = true;
        config.postgres.throw_away = true;
        // Many tests share one cluster with its 100 connections.
        config.database_connections_max = 5;
        config.http_workers = Some(2);
        config
    }

    /// The URL of this server as others reach it, when it listens on `addr`; no trailing slash.
    #[must_use]
    pub fn public_url(&self, addr: SocketAddr) -> String {
        match &self.base_url {
            Some(url) => url.clone(),
            // "Every address" is no address that a browser can open.
            None if addr.ip().is_unspecified() => format!("http://localhost:{}", addr.port()),
            None => format!("http://{addr}"),
        }
    }

    /// Under which names, and through which proxies, this server is reached.
    ///
    /// # Errors
    /// When a proxy is neither an address nor a network.
    pub fn front(&self) -> Result<Front, String> {
        let (hosts, proxies) = (self.hosts.as_deref(), self.trusted_proxies.as_deref());
        Front::new(self.base_url.as_deref(), self.listen, hosts, proxies)
            .map_err(|error| format!("trusted_proxies: {error}"))
    }

    /// What the embedded PostgreSQL is made from.
    #[must_use]
    pub fn embedded_postgres(&self) -> postgres::Settings {
        postgres::Settings {
            data_dir: self.data_dir.clone(),
            bin: self.postgres.bin.clone(),
            user: self.postgres.user.clone(),
            dies_with_us: self.postgres.dies_with_us,
            throw_away: self.postgres.throw_away,
        }
    }

    /// Where the spool lives.
    #[must_use]
    pub fn spool_dir(&self) -> PathBuf {
        self.data_dir.join("spool")
    }

    fn check_bounds(&self) -> Result<(), Failure> {
        let checks = [
            (self.retention_days >= 1, "retention_days must be at least 1"),
            (
                (4..=1000).contains(&self.database_connections_max),
                "database_connections_max must be from 4 (writers, listener, pages) to 1000",
            ),
            (
                self.database_url.is_some() || self.database_connections_max <= 80,
                "database_connections_max must be at most 80 for the embedded PostgreSQL, which allows 100",
            ),
            (self.queue_requests_max >= 1, "queue_requests_max must be at least 1"),
            (self.http_connections_max >= 1, "http_connections_max must be at least 1"),
            (self.http_workers.is_none_or(|n| (1..=1024).contains(&n)), "http_workers must be from 1 to 1024"),
        ];
        match checks.iter().find(|(holds, _)| !holds) {
            Some((_, text)) => Err(Failure::Usage((*text).into())),
            None => Ok(()),
        }
    }
}

/// Compose files and unit files pass on variables that nobody set as empty ones.
fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn not_empty(path: Option<PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

fn check_base_url(text: &str) -> Result<String, Failure> {
    let wrong =
        |why: &str| Failure::Usage(format!("base_url {text:?} {why}; write it like https://errors.example.org"));
    let url = url::Url::parse(text).map_err(|error| wrong(&format!("is not a URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("needs http or https and a host"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not have a user, query or fragment"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn check_slug(slug: String) -> Result<String, Failure> {
    let clean = slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if clean && slug.len() <= 50 {
        Ok(slug)
    } else {
        Err(Failure::Usage(format!("org_slug {slug:?}: use at most 50 lower-case letters, digits, - and _")))
    }
}

fn default_data_dir() -> Result<PathBuf, Failure> {
    if postgres::we_are_root() {
        // Not below /root: PostgreSQL gives root up and could not enter it.
        return Ok(PathBuf::from("/var/lib/firefinch"));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|share| share.join("firefinch"))
        .ok_or_else(|| Failure::Usage("neither --data-dir nor HOME is set: say where data may be kept".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(toml: &str) -> Result<Config, Failure> {
        Config::resolve(Settings::from_toml(toml).unwrap())
    }

    #[test]
    fn unknown_keys_are_refused_with_their_line() {
        let error = Settings::from_toml("listen = \"127.0.0.1:1\"\nretention_day = 3\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(error.contains("unknown field `retention_day`"), "{error}");
    }

    #[test]
    fn secrets_do_not_show() {
        let config =
            resolve("data_dir = \"/x\"\nsmtp_url = \"smtp://u:hunter2@h\"\ndatabase_url = \"postgres://hunter2@h\"");
        let shown = format!("{:?}", config.unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn the_first_source_wins_and_empty_is_unset() {
        let flags = Settings { retention_days: Some(7), ..Settings::default() };
        let file =
            Settings::from_toml("data_dir = \"/x\"\nretention_days = 8\norg_slug = \"acme\"\nsmtp_url = \"\"").unwrap();
        let config = Config::resolve(flags.or(file)).unwrap();
        assert_eq!((config.retention_days, config.org_slug.as_str()), (7, "acme"));
        assert_eq!(config.smtp_url, None);
        assert_eq!(config.listen.to_string(), "127.0.0.1:9000");
    }

    #[test]
    fn nonsense_is_refused() {
        for toml in [
            "base_url = \"errors.example.org\"",
            "base_url = \"ftp://x\"",
            "base_url = \"http://x/?a\"",
            "org_slug = \"A B\"",
            "retention_days = 0",
            "database_connections_max = 1",
        ] {
            assert!(matches!(resolve(toml), Err(Failure::Usage(_))), "{toml}");
        }
    }

    #[test]
    fn the_public_url_can_be_opened() {
        let config = Config::with_defaults("/x".into());
        assert_eq!(config.public_url(SocketAddr::from(([0, 0, 0, 0], 9000))), "http://localhost:9000");
        let config = resolve("data_dir = \"/x\"\nbase_url = \"https://e.example.org/finch/\"").unwrap();
        assert_eq!(config.public_url(SocketAddr::from(([127, 0, 0, 1], 1))), "https://e.example.org/finch");
    }
}
