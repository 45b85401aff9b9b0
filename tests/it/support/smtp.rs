//! A mail server: speaks enough SMTP to take mails, and refuses what it is told to refuse.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::until;

/// The authority that signed the server's certificate.
pub const CA_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    None,
    StartTls,
    Wrapped,
}

/// How a server behaves; the default takes every mail.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    pub encryption: Option<Encryption>,
    /// Asks for this user and password.
    pub password: Option<(&'static str, &'static str)>,
    /// Answers to `RCPT TO` of these addresses.
    pub recipients: HashMap<&'static str, &'static str>,
    /// Answer to `RCPT TO` of every other address.
    pub everybody: Option<&'static str>,
    /// Answers to the end of the data, one after the other; then `250`.
    pub after_data: Vec<&'static str>,
    /// Where it falls silent: the connection stays open, and nothing comes any more.
    pub silent: Option<Silence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It accepts the connection and says nothing.
    BeforeGreeting,
    /// It does not answer `RCPT TO`.
    BeforeRecipient,
    /// It has taken the mail and does not say so.
    AfterTaking,
}

/// A mail as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub encrypted: bool,
    pub user: Option<String>,
    pub data: String,
}

/// A server on a port of loopback. Stops when dropped.
pub struct MailServer {
    pub port: u16,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    mails: Mutex<Vec<Received>>,
    connections: Mutex<u32>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl MailServer {
    pub async fn start(behaviour: Behaviour) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(Shared::default()), behaviour)
    }

    fn listen(listener: TcpListener, shared: Arc<Shared>, behaviour: Behaviour) -> Self {
        let port = listener.local_addr().unwrap().port();
        *shared.behaviour.lock().unwrap() = behaviour;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Self { port, shared, accepting }
    }

    /// Stops: closes the port and every connection.
    pub async fn stop(&mut self) {
        self.accepting.abort();
        let address = ("127.0.0.1", self.port);
        until("the mail server to be gone", async || TcpStream::connect(address).await.err()).await;
    }

    /// Comes back on the same port, with what it received before.
    pub async fn restart(&mut self) {
        let address = ("127.0.0.1", self.port);
        let listener = until("the port of the mail server", async || TcpListener::bind(address).await.ok()).await;
        let behaviour = self.shared.behaviour.lock().unwrap().clone();
        *self = Self::listen(listener, Arc::clone(&self.shared), behaviour);
    }

    /// Behaves otherwise from the next conversation on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub fn mails(&self) -> Vec<Received> {
        self.shared.mails.lock().unwrap().clone()
    }

    pub fn connections(&self) -> u32 {
        *self.shared.connections.lock().unwrap()
    }

    /// Waits until there are `count` mails.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        until(&format!("{count} mails"), async || Some(self.mails()).filter(|mails| mails.len() >= count)).await
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped, and with it every conversation, when this task is aborted.
    let mut conversations = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        *shared.connections.lock().unwrap() += 1;
        let shared = Arc::clone(&shared);
        conversations.spawn(async move {
            // A client may hang up at any time.
            let _ = converse(stream, &shared).await;
        });
    }
}

async fn converse(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let behaviour = shared.behaviour.lock().unwrap().clone();
    let encryption = behaviour.encryption.unwrap_or(Encryption::None);
    let mut session = Session { shared, behaviour, encrypted: false, user: None };
    if encryption == Encryption::Wrapped {
        session.encrypted = true;
        return session.talk(acceptor().accept(stream).await?, true).await.map(|_| ());
    }
    let mut stream = stream;
    if session.talk(&mut stream, true).await? {
        session.encrypted = true;
        session.talk(acceptor().accept(stream).await?, false).await?;
    }
    Ok(())
}

struct Session<'a> {
    shared: &'a Shared,
    behaviour: Behaviour,
    encrypted: bool,
    user: Option<String>,
}

impl Session<'_> {
    /// Talks until the end; true when the client asked for TLS.
    async fn talk(&mut self, stream: impl AsyncRead + AsyncWrite + Unpin, greet: bool) -> std::io::Result<bool> {
        let mut stream = BufReader::new(stream);
        self.fall_silent(Silence::BeforeGreeting).await;
        if greet {
            stream.write_all(b"220 mail.test ESMTP\r\n").await?;
        }
        let (mut from, mut to) = (String::new(), Vec::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(false);
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let reply = match verb.as_str() {
                "EHLO" => self.greeting(),
                "STARTTLS" => {
                    stream.write_all(b"220 go\r\n").await?;
                    return Ok(true);
                }
                "AUTH" => self.check_password(line),
                "MAIL" if self.behaviour.password.is_some() && self.user.is_none() => "530 5.7.0 log in first".into(),
                "MAIL" => {
                    (from, to) = (address(line), Vec::new());
                    "250 ok".into()
                }
                "RCPT" => {
                    self.fall_silent(Silence::BeforeRecipient).await;
                    let own = self.behaviour.recipients.get(address(line).as_str()).copied();
                    match own.or(self.behaviour.everybody) {
                        Some(reply) => reply.into(),
                        None => {
                            to.push(address(line));
                            "250 ok".into()
                        }
                    }
                }
                "DATA" => {
                    stream.write_all(b"354 go\r\n").await?;
                    let data = read_data(&mut stream).await?;
                    let reply = self.keep(&from, &to, data);
                    self.fall_silent(Silence::AfterTaking).await;
                    reply
                }
                "NOOP" | "RSET" => "250 ok".into(),
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await?;
                    return Ok(false);
                }
                _ => "500 what".into(),
            };
            stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        }
    }

    /// Says nothing any more, if this is where it does that. Ends with the server.
    async fn fall_silent(&self, here: Silence) {
        if self.behaviour.silent == Some(here) {
            std::future::pending::<()>().await;
        }
    }

    fn greeting(&self) -> String {
        let mut lines = vec!["mail.test", "8BITMIME"];
        if self.behaviour.encryption == Some(Encryption::StartTls) && !self.encrypted {
            lines.push("STARTTLS");
        }
        if self.behaviour.password.is_some() {
            lines.push("AUTH PLAIN");
        }
        let last = lines.pop().unwrap();
        lines.iter().map(|line| format!("250-{line}\r\n")).collect::<String>() + &format!("250 {last}")
    }

    fn check_password(&mut self, line: &str) -> String {
        let sent = line.split(' ').nth(2).and_then(|text| BASE64.decode(text).ok()).unwrap_or_default();
        let known = self.behaviour.password.map(|(user, password)| format!("\0{user}\0{password}").into_bytes());
        if known == Some(sent) {
            self.user = self.behaviour.password.map(|(user, _)| user.to_owned());
            return "235 welcome".into();
        }
        "535 5.7.8 wrong password".into()
    }

    fn keep(&self, from: &str, to: &[String], data: String) -> String {
        let mut behaviour = self.shared.behaviour.lock().unwrap();
        if !behaviour.after_data.is_empty() {
            return behaviour.after_data.remove(0).to_owned();
        }
        let received = Received {
            from: from.to_owned(),
            to: to.to_vec(),
            encrypted: self.encrypted,
            user: self.user.clone(),
            data,
        };
        self.shared.mails.lock().unwrap().push(received);
        "250 2.0.0 taken".into()
    }
}

async fn read_data(stream: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

/// What stands between `<` and `>`.
fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}

fn acceptor() -> TlsAcceptor {
    let file = |name: &str| format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

impl Received {
    /// The value of a header, unfolded and decoded; `None` when it is not there.
    pub fn header(&self, name: &str) -> Option<String> {
        let (head, _) = self.data.split_once("\r\n\r\n").unwrap();
        header(head, name).map(|value| decode_words(&value))
    }

    /// Names of all headers, in order.
    pub fn header_names(&self) -> Vec<String> {
        let (head, _) = self.data.split_once("\r\n\r\n").unwrap();
        let lines = head.lines().filter(|line| !line.starts_with([' ', '\t']));
        lines.map(|line| line.split_once(':').map_or(line, |(name, _)| name).to_owned()).collect()
    }

    /// The decoded part of a type, `text/plain` or `text/html`.
    pub fn part(&self, ty: &str) -> String {
        let (head, body) = self.data.split_once("\r\n\r\n").unwrap();
        let content_type = header(head, "Content-Type").unwrap();
        let Some(boundary) = content_type.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next()) else {
            assert!(content_type.starts_with(ty), "the only part is {content_type}");
            return decode(&header(head, "Content-Transfer-Encoding").unwrap_or_default(), body);
        };
        let separator = format!("--{boundary}");
        body.split(&separator)
            .filter_map(|part| part.trim_start().split_once("\r\n\r\n"))
            .find(|(head, _)| header(head, "Content-Type").is_some_and(|value| value.starts_with(ty)))
            .map(|(head, body)| decode(&header(head, "Content-Transfer-Encoding").unwrap_or_default(), body))
            .unwrap_or_else(|| panic!("no part {ty} in {}", self.data))
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded.split("\r\n").find_map(|line| {
        let (own, value) = line.split_once(':')?;
        own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn decode(encoding: &str, body: &str) -> String {
    let bytes = match encoding {
        "base64" => BASE64.decode(body.replace(['\r', '\n'], "")).unwrap(),
        "quoted-printable" => quoted_printable(&body.replace("=\r\n", "")),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'=' && after.len() >= 2 {
            bytes.extend(hex::decode(&after[..2]).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
        }
    }
    bytes
}

/// Encoded words (RFC 2047) in base64, as lettre writes them.
fn decode_words(value: &str) -> String {
    let mut out = String::new();
    let mut after_word = false;
    for word in value.split(' ') {
        let encoded = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
        let joins = after_word && encoded.is_some();
        if !out.is_empty() && !joins {
            out.push(' ');
        }
        match encoded {
            Some(text) => out.push_str(&String::from_utf8(BASE64.decode(text).unwrap()).unwrap()),
            None => out.push_str(word),
        }
        after_word = encoded.is_some();
    }
    out
}
