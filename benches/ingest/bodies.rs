//! The requests: recorded error events with fresh ids, addressed to the server's projects, as bytes
//! ready for the socket.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;

/// What kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// The recorded error events in their natural mix.
    Mix,
    /// One exception, again and again.
    Storm,
    /// A thousand different exceptions.
    Distinct,
}

impl Scenario {
    pub(crate) const ALL: [Self; 3] = [Self::Mix, Self::Storm, Self::Distinct];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.to_string() == name)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mix => "mix",
            Self::Storm => "storm",
            Self::Distinct => "distinct",
        })
    }
}

/// Where the requests go: project id and key for each recorded project.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) projects: HashMap<i64, (i64, String)>,
}

/// `count` requests with ids that differ between calls with different `series`.
pub(crate) fn requests(scenario: Scenario, target: &Target, count: usize, series: u64) -> Vec<Vec<u8>> {
    let corpus = corpus::load();
    let errors: Vec<_> = corpus.requests.into_iter().filter(|request| request.row.is_error).collect();
    let one = errors.iter().position(|request| request.row.platform == "python").unwrap();
    (0..count)
        .map(|i| {
            let id = format!("{:08x}{:08x}{:016x}", series, scenario as u32, mix(i as u64));
            match scenario {
                Scenario::Mix => bytes(&addressed(&errors[i % errors.len()], target).with_event_id(&id), target),
                Scenario::Storm => bytes(&addressed(&errors[one], target).with_event_id(&id), target),
                Scenario::Distinct => distinct(&errors[one], target, &id, i % 1000),
            }
        })
        .collect()
}

fn addressed(request: &corpus::Request, target: &Target) -> corpus::Request {
    let (project_id, key) = &target.projects[&request.row.project];
    request.retarget(*project_id, key)
}

/// An exception of its own class in a function of its own.
fn distinct(template: &corpus::Request, target: &Target, id: &str, number: usize) -> Vec<u8> {
    let (project_id, key) = &target.projects[&template.row.project];
    envelope(target.address, (*project_id, key), id, &exception(number, id, "shop@1.0.0"))
}

/// The exception that has this number, as JSON.
pub(crate) fn exception(number: usize, id: &str, release: &str) -> String {
    let frames: Vec<String> = (0..30)
        .map(|depth| {
            format!(
                r#"{{"function":"step_{number}_{depth}","module":"shop.module_{depth}","filename":"shop/module_{depth}.py","lineno":{},"in_app":true,"context_line":"    return call(order, {depth})"}}"#,
                depth + 10
            )
        })
        .collect();
    format!(
        r#"{{"event_id":"{id}","platform":"python","level":"error","release":"{release}","environment":"production","user":{{"id":"{}"}},"exception":{{"values":[{{"type":"Error{}Error","value":"order failed","stacktrace":{{"frames":[{}]}}}}]}}}}"#,
        number % 97,
        word(number),
        frames.join(",")
    )
}

/// A request with one event, uncompressed.
pub(crate) fn envelope(address: SocketAddr, (project_id, key): (i64, &str), id: &str, event: &str) -> Vec<u8> {
    let body = format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\",\"length\":{}}}\n{event}\n", event.len());
    let head = format!(
        "POST /api/{project_id}/envelope/ HTTP/1.1\r\nhost: {address}\r\nx-sentry-auth: Sentry sentry_version=7,sentry_key={key}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// Letters only, so that no cleaner takes the number for a counter.
pub(crate) fn word(mut number: usize) -> String {
    let mut word = String::new();
    loop {
        word.push(char::from(b'A' + u8::try_from(number % 26).unwrap()));
        number /= 26;
        if number == 0 {
            return word;
        }
    }
}

/// The request line, headers and body. Chunked bodies go with a length: the load generator is no
/// measure of how a client frames.
fn bytes(request: &corpus::Request, target: &Target) -> Vec<u8> {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let mut head = format!("{} {}{query} HTTP/1.1\r\nhost: {}\r\n", request.method, request.path, target.address);
    for (name, value) in &request.headers {
        let name = name.to_ascii_lowercase();
        if !matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection" | "keep-alive") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", request.body.len()));
    [head.as_bytes(), &request.body].concat()
}

/// Spreads consecutive numbers over all 64 bits (SplitMix64), as random event ids are.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
