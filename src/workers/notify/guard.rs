//! Keeps messages away from addresses that only we can reach.
//!
//! A person who may enter a URL must not be able to make this server talk to its own loopback, to
//! the network behind it, or to the metadata service of a cloud. So names are resolved here, every address
//! is looked at, and the connection goes to exactly those addresses: a name that changes its answer a
//! moment later gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// Characters of a URL. Real ones are far below, and browsers stop near here.
const URL_CHARS_MAX: usize = 2048;

/// Addresses that a refusal names.
const NAMED_MAX: usize = 4;

/// Ports of services that are not HTTP and that a request could be smuggled to: the 'bad ports' that
/// browsers refuse by the Fetch standard, and Redis and memcached, which run whatever line they understand.
const BAD_PORTS: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
];

/// Why an address is not talked to, in a sentence that says what to do. Final: trying again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refused: {0}")]
pub(super) struct Refusal(String);

impl Refusal {
    fn of_addresses(addresses: &[IpAddr]) -> Self {
        let addresses: Vec<String> = addresses.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        Self(format!("{} is not a public address; allow_private_webhooks lets messages go there", addresses.join(", ")))
    }

    /// The refusal among the causes of an error.
    pub(super) fn in_chain<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
    }
}

/// Reads a URL that messages are sent to. Names are resolved when it is used, addresses are judged here,
/// however they are written: the parser knows `127.1`, `0x7f.1` and `2130706433` for what they are.
///
/// # Errors
/// A sentence that says what is wrong with it and what to do.
pub fn check_url(text: &str, allow_private: bool) -> Result<Url, String> {
    if text.len() > URL_CHARS_MAX {
        return Err(format!("the URL is longer than {URL_CHARS_MAX} characters"));
    }
    // The parser drops or turns these; what a person sees must be what is connected to.
    if text.chars().any(|char| char.is_control() || char.is_whitespace() || char == '\\') {
        return Err(
            "the URL holds a space, a line break or a backslash; percent-encode it, or copy the URL again".to_owned()
        );
    }
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}; it begins with https:// and a host"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{}:// is not http:// or https://", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds a user name or password, which would be shown wherever the URL is; leave them out"
            .to_owned());
    }
    if let Some(port) = url.port().filter(|port| BAD_PORTS.contains(port)) {
        return Err(format!("port {port} belongs to a service that is not HTTP; use 443, 80 or another port"));
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Err("the URL has no host; it begins with https:// and a host".to_owned()),
    };
    match address {
        Some(address) if !allow_private && !is_public(address) => Err(Refusal::of_addresses(&[address]).to_string()),
        _ => Ok(url),
    }
}

/// Asks the machine's own resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is the URL's; this one is replaced.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Resolves names and refuses those that lead to a forbidden address, even if only one of several is: an
/// honest name has no use for such a mixture. The client connects to exactly the addresses returned.
pub(super) struct Guarded {
    pub(super) names: Arc<dyn Resolve>,
    pub(super) allow_private: bool,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let resolving = self.names.resolve(name);
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = resolving.await?.collect();
            let forbidden: Vec<IpAddr> =
                found.iter().map(SocketAddr::ip).filter(|address| !allow_private && !is_public(*address)).collect();
            match forbidden.as_slice() {
                [] => Ok(Box::new(found.into_iter()) as Addrs),
                forbidden => Err(Refusal::of_addresses(forbidden).into()),
            }
        })
    }
}

/// Whether anybody on the internet could reach the address as well as we can. The ranges are those
/// of the IANA registries of special-purpose addresses.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224.., _, _)
    );
    !special
}

/// Global unicast is 2000::/3; what is carved out of it either is not routed or hides an IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    // NAT64 (RFC 6052): how a machine without IPv4 reaches an IPv4 address, which is the one to judge.
    if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let ([g0, g1], [h0, h1]) = (g.to_be_bytes(), h.to_be_bytes());
        return is_public_v4(Ipv4Addr::new(g0, g1, h0, h1));
    }
    let special = match a {
        0x2001 => b < 0x0200 || b == 0x0db8,
        0x2002 => true,
        0x3fff => b < 0x1000,
        _ => false,
    };
    (a & 0xe000) == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "93.184.216.34",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::808:808",
            "::ffff:0:8.8.8.8",
            "fec0::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }
}
