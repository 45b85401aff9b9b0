//! What stands in front of this server: under which names it is reached, through which proxies, and whether over TLS.
//!
//! A request says itself for whom it is and where it comes from. Both decide something (the audit log, who is locked out, which address an
//! event is said to come from), so neither is believed from everybody.

use std::net::{IpAddr, SocketAddr};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, web};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses of one `X-Forwarded-For` that are looked at, from its end: more proxies stand in no row.
const HOPS_MAX: usize = 20;

/// A year, as browsers' lists of such hosts ask for (RFC 6797).
const TLS_FOR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    proxies: Vec<IpNet>,
    /// `None`: every name.
    names: Option<Vec<String>>,
    is_tls: bool,
}

impl Front {
    /// Of a server that is reached at `base_url` (`None` where nobody said), that listens on an address, with more names
    /// (`*` is any) and with proxies as networks or addresses, both separated by commas.
    ///
    /// # Errors
    /// When a proxy is neither address nor network.
    pub fn new(
        base_url: Option<&str>,
        listen: SocketAddr,
        more_names: Option<&str>,
        proxies: Option<&str>,
    ) -> Result<Self, String> {
        let mut names: Vec<String> =
            split(more_names.unwrap_or_default()).map(|name| name.to_ascii_lowercase()).collect();
        let own = base_url.and_then(|url| url::Url::parse(url).ok());
        names.extend(own.as_ref().and_then(|url| url.host_str()).map(str::to_ascii_lowercase));
        // Whoever listens to the network without a URL has not said what this server is called there.
        let is_any = names.iter().any(|name| name == "*") || (own.is_none() && !listen.ip().is_loopback());
        let proxies = split(proxies.unwrap_or("127.0.0.0/8,::1"))
            .map(|text| {
                network(text).ok_or_else(|| format!("{text:?} is no address and no network such as 10.0.0.0/8"))
            })
            .collect::<Result<_, _>>()?;
        let is_tls = own.is_some_and(|url| url.scheme() == "https");
        Ok(Self { proxies, names: (!is_any).then_some(names), is_tls })
    }

    /// Whether pages and the API answer under a name, as `Host` has it. Numbers are nobody's name, so that no page of another
    /// site can have them lead here.
    fn answers_to(&self, host: &str) -> bool {
        let Some(names) = &self.names else { return true };
        let name = name_of(host).to_ascii_lowercase();
        let is_number = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        is_number || name == "localhost" || names.contains(&name)
    }

    /// Who sent a request that came from `peer`: the last address of `X-Forwarded-For` that is none of our proxies', as
    /// long as each that wrote one down is.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).filter_map(|line| line.to_str().ok()).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(',')).take(HOPS_MAX);
        let mut client = peer.to_canonical();
        for hop in hops {
            let is_ours = self.proxies.iter().any(|network| network.contains(&client));
            let Some(address) = address(hop.trim()).filter(|_| is_ours) else { break };
            client = address.to_canonical();
        }
        client
    }
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Some proxies write the port, too.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Without the port. An address of version 6 has colons of its own, and brackets where a port follows.
fn name_of(host: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    }
}

/// The address of whoever sent a request, as far as proxies may be believed. `None` for what came over no network.
#[must_use]
pub fn client(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let front = request.app_data::<web::Data<Front>>();
    Some(front.map_or(peer, |front| front.client(peer, request.headers())))
}

/// Wraps pages and API: refuses what is meant for another host, and keeps browsers on TLS.
///
/// # Errors
/// Those of what is wrapped.
pub async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(front) = request.app_data::<web::Data<Front>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let mut hosts = request.headers().get_all(HOST).map(|host| host.to_str().unwrap_or_default());
    let refusal = match (hosts.next(), hosts.next()) {
        (Some(host), None) if front.answers_to(host) => None,
        (Some(_), None) => Some(HttpResponse::MisdirectedRequest().content_type("text/plain; charset=utf-8").body(
            "This server does not answer to that name. If it should, set base_url, or add the name to hosts \
                 (FIREFINCH_HOSTS).\n",
        )),
        _ => Some(HttpResponse::BadRequest().content_type("text/plain; charset=utf-8").body("One Host, please.\n")),
    };
    let mut response = match refusal {
        Some(refusal) => request.into_response(refusal),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    if front.is_tls {
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, TLS_FOR);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1:9000";

    fn front(base_url: Option<&str>, listen: &str, names: Option<&str>, proxies: Option<&str>) -> Front {
        Front::new(base_url, listen.parse().unwrap(), names, proxies).unwrap()
    }

    #[test]
    fn names_that_are_not_ours_are_refused() {
        let ours = front(
            Some("https://Errors.example.org/finch"),
            "0.0.0.0:9000",
            Some("finch.internal, OLD.example.org"),
            None,
        );
        for (host, is_ours) in [
            ("errors.example.org", true),
            ("ERRORS.example.org:443", true),
            ("finch.internal:9000", true),
            ("old.example.org", true),
            ("localhost:9000", true),
            ("127.0.0.1:9000", true),
            ("[::1]:9000", true),
            ("::1", true),
            ("evil.example", false),
            ("errors.example.org.evil.example", false),
            ("evil.example:80@errors.example.org", false),
            ("errors.example.org:x", false),
            ("", false),
        ] {
            assert_eq!(ours.answers_to(host), is_ours, "{host}");
        }
        assert!(!front(None, LOOPBACK, None, None).answers_to("rebound.example"));
        assert!(front(None, "0.0.0.0:9000", None, None).answers_to("myhost:9000"));
        assert!(front(Some("http://a.example"), LOOPBACK, Some("*"), None).answers_to("b.example"));
    }

    #[test]
    fn a_forwarded_address_is_believed_from_proxies_alone() {
        let client = |front: &Front, peer: &str, lines: &[&str]| {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|line| headers.append(FORWARDED_FOR, HeaderValue::from_str(line).unwrap()));
            front.client(peer.parse().unwrap(), &headers).to_string()
        };
        let near = front(None, LOOPBACK, None, None);
        assert_eq!(client(&near, "203.0.113.9", &["198.51.100.7"]), "203.0.113.9", "not a proxy");
        assert_eq!(client(&near, "127.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client(&near, "::ffff:127.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7");
        // What the client wrote itself stands before what our proxy added.
        assert_eq!(client(&near, "127.0.0.1", &["10.0.0.1, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(client(&near, "127.0.0.1", &["10.0.0.1", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(client(&near, "127.0.0.1", &["1.2.3.4, nonsense"]), "127.0.0.1");
        assert_eq!(client(&near, "127.0.0.1", &[]), "127.0.0.1");
        let far = front(None, LOOPBACK, None, Some("10.0.0.0/8, 2001:db8::1"));
        assert_eq!(client(&far, "10.1.2.3", &["198.51.100.7, 2001:db8::1, 10.9.9.9"]), "198.51.100.7");
        assert_eq!(client(&far, "127.0.0.1", &["198.51.100.7"]), "127.0.0.1");
        let rounds = ["127.0.0.1"; 1000].join(",");
        assert_eq!(client(&near, "127.0.0.1", &[&rounds]), "127.0.0.1");
        assert!(
            Front::new(None, LOOPBACK.parse().unwrap(), None, Some("10.0.0.0/33")).unwrap_err().contains("10.0.0.0/33")
        );
    }
}
