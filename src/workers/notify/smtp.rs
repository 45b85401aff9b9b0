//! The mail server: what its URL says, and what its answers mean.
//!
//! `smtp://[user:password@]host[:port][?tls=required|opportunistic|none][&ca=/path.pem]` or
//! `smtps://…`, which speaks TLS from the first byte. Without `tls`, a URL with a password requires TLS
//! unless the host is this machine, and one without takes it where it is offered.

use std::time::Duration;

use anyhow::{Context, bail};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use url::Url;

use super::attempt::{Attempt, chain};

/// The connection to a mail server, kept open between mails.
pub(super) type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Connecting, and each answer of the server.
const STEP_MAX: Duration = Duration::from_secs(10);

/// Servers drop idle clients after minutes; we let go first.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Connections kept open when idle.
const IDLE_CONNECTIONS_MAX: u32 = 2;

/// Replies that refuse us, not the mail: wrong password, or authentication needed. Somebody will
/// correct the configuration, and what waited then goes out.
const REFUSES_US: [u16; 4] = [530, 534, 535, 538];

/// What a URL of a mail server says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    credentials: Option<(String, String)>,
    ca_file: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    /// TLS from the first byte.
    Wrapped,
    /// STARTTLS, or nothing is sent.
    Required,
    /// STARTTLS where it is offered. Whoever can intercept the connection can also hide the offer, so
    /// the certificate is not checked: an unchecked one is still better than none.
    Opportunistic,
    /// Plain text.
    None,
}

/// Checks a URL of a mail server without connecting.
///
/// # Errors
/// Says what is wrong with it, without its password.
pub fn check_url(url: &str) -> anyhow::Result<()> {
    connect(url).map(|_| ())
}

/// Connects, speaks TLS, signs in where there is a password, and says goodbye.
///
/// # Errors
/// Which of these did not work, in the server's words.
pub async fn probe(url: &str) -> anyhow::Result<()> {
    if connect(url)?.test_connection().await? { Ok(()) } else { bail!("it hangs up") }
}

/// Prepares the connection; it is made with the first mail.
pub(super) fn connect(url: &str) -> anyhow::Result<Transport> {
    let server = parse(url)?;
    let mut transport = Transport::builder_dangerous(&server.host)
        .port(server.port)
        .timeout(Some(STEP_MAX))
        .pool_config(PoolConfig::new().max_size(IDLE_CONNECTIONS_MAX).idle_timeout(IDLE_MAX))
        .tls(tls(&server)?);
    if let Some((user, password)) = server.credentials {
        transport = transport.credentials(Credentials::new(user, password));
    }
    Ok(transport.build())
}

fn tls(server: &Server) -> anyhow::Result<Tls> {
    if server.encryption == Encryption::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(server.host.clone());
    if server.encryption == Encryption::Opportunistic {
        parameters = parameters.dangerous_accept_invalid_certs(true).dangerous_accept_invalid_hostnames(true);
    }
    if let Some(path) = &server.ca_file {
        let pem = std::fs::read(path).with_context(|| format!("smtp_url: cannot read ca={path}"))?;
        let certificate = Certificate::from_pem(&pem).with_context(|| format!("smtp_url: ca={path} is not PEM"))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let parameters = parameters.build().context("smtp_url: cannot set up TLS")?;
    Ok(match server.encryption {
        Encryption::Wrapped => Tls::Wrapper(parameters),
        Encryption::Required => Tls::Required(parameters),
        Encryption::Opportunistic => Tls::Opportunistic(parameters),
        Encryption::None => Tls::None,
    })
}

fn parse(text: &str) -> anyhow::Result<Server> {
    let url = Url::parse(text).context("smtp_url is not a URL; write it like smtp://user:password@mail.example.org")?;
    let host = match url.host_str() {
        Some(host) if !host.is_empty() => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        _ => bail!("smtp_url names no host"),
    };
    let is_local = matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
    let has_password = !url.username().is_empty();
    let mut encryption = match url.scheme() {
        "smtps" => Encryption::Wrapped,
        "smtp+starttls" => Encryption::Required,
        "smtp" if has_password && !is_local => Encryption::Required,
        "smtp" => Encryption::Opportunistic,
        scheme => bail!("smtp_url begins with {scheme}://; it must be smtp:// or smtps://"),
    };
    let mut ca_file = None;
    for (name, value) in url.query_pairs() {
        match (name.as_ref(), value.as_ref(), url.scheme()) {
            ("tls", "required", "smtp") => encryption = Encryption::Required,
            ("tls", "opportunistic", "smtp") => encryption = Encryption::Opportunistic,
            ("tls", "none", "smtp") => encryption = Encryption::None,
            ("tls", "required", _) => {}
            ("tls", other, scheme) => {
                bail!(
                    "smtp_url: tls={other} does not go with {scheme}://; smtp:// takes required, opportunistic or none"
                )
            }
            ("ca", path, _) => ca_file = Some(path.to_owned()),
            (other, _, _) => bail!("smtp_url: there is no parameter {other:?}; there are tls and ca"),
        }
    }
    let usual_port = match encryption {
        Encryption::Wrapped => 465,
        _ if has_password => 587,
        _ => 25,
    };
    let credentials = match (has_password, url.password()) {
        (false, _) => None,
        (true, Some(password)) => Some((decoded(url.username())?, decoded(password)?)),
        (true, None) => bail!("smtp_url names a user without a password"),
    };
    Ok(Server { host, port: url.port().unwrap_or(usual_port), encryption, credentials, ca_file })
}

/// Undoes the percent encoding of user and password.
fn decoded(text: &str) -> anyhow::Result<String> {
    let plus_kept = text.replace('+', "%2B");
    let pair = format!("x={plus_kept}");
    match url::form_urlencoded::parse(pair.as_bytes()).next() {
        Some((_, value)) => Ok(value.into_owned()),
        None => bail!("smtp_url: user or password cannot be read"),
    }
}

/// Replies of a server that takes no mail at all now: it goes away, or cannot look up passwords. Any other 4xx may be about
/// one mailbox (full, or made to wait by greylisting), of which the other recipients must not suffer.
const TAKES_NOTHING: [u16; 2] = [421, 454];

/// What a failure means. The server's 5xx is final for this mail, unless it is us that it refuses;
/// everything else, from a refused connection to a broken handshake, may be over in a minute.
pub(super) fn judge(error: &Error) -> Attempt {
    let text = chain(error);
    match error.status().map(u16::from) {
        Some(code) if error.is_permanent() && !REFUSES_US.contains(&code) => Attempt::dead(text),
        Some(code) if error.is_transient() && !TAKES_NOTHING.contains(&code) => Attempt::not_now(text),
        _ => Attempt::later(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (String, u16, Encryption, Option<(String, String)>) {
        let server = parse(url).unwrap();
        (server.host, server.port, server.encryption, server.credentials)
    }

    #[test]
    fn urls_say_where_and_how() {
        let user = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        let cases = [
            ("smtp://mail", "mail", 25, Encryption::Opportunistic, None),
            ("smtp://mail:2525?tls=none", "mail", 2525, Encryption::None, None),
            ("smtp://u:p@mail", "mail", 587, Encryption::Required, user("u", "p")),
            ("smtp://u:p@mail?tls=opportunistic", "mail", 587, Encryption::Opportunistic, user("u", "p")),
            ("smtp://u:p@localhost:1025", "localhost", 1025, Encryption::Opportunistic, user("u", "p")),
            ("smtps://u%40x.example:p%2F%3a+1@mail/", "mail", 465, Encryption::Wrapped, user("u@x.example", "p/:+1")),
            ("smtp+starttls://mail", "mail", 25, Encryption::Required, None),
            ("smtp://[::1]:25", "::1", 25, Encryption::Opportunistic, None),
        ];
        for (url, host, port, encryption, credentials) in cases {
            assert_eq!(read(url), (host.to_owned(), port, encryption, credentials), "{url}");
        }
    }

    #[test]
    fn wrong_urls_are_refused_without_their_password() {
        for url in [
            "",
            "mail.example.org",
            "http://u:hunter2@mail",
            "smtp://",
            "smtp://u@mail",
            "smtp://u:hunter2@mail?tls=yes",
            "smtps://u:hunter2@mail?tls=none",
            "smtp://u:hunter2@mail?tsl=none",
            "smtp://u:hunter2@mail?ca=/does/not/exist",
        ] {
            let error = format!("{:#}", check_url(url).unwrap_err());
            assert!(error.contains("smtp_url") && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
