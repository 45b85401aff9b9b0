//! Keeps webhooks away from addresses that only we can reach.
//!
//! A person who may enter a URL must not be able to make this server talk to its own loopback, to
//! the network behind it, or to the metadata service of a cloud. So names are resolved here, forbidden
//! addresses are removed, and the connection goes to exactly the addresses that were looked at: a name
//! that changes its answer a moment later gains nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// How a refusal starts; the attempt is then not repeated.
pub(super) const REFUSED: &str = "refused:";

/// Characters of a URL. Real ones are far below, and browsers stop near here.
const URL_CHARS_MAX: usize = 2048;

/// Reads the URL of a webhook. Names are resolved when it is used, addresses are judged here.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn check_url(text: &str, allow_private: bool) -> Result<Url, String> {
    if text.len() > URL_CHARS_MAX {
        return Err(format!("the URL is longer than {URL_CHARS_MAX} characters"));
    }
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{} is not http or https", url.scheme()));
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Err("the URL has no host".to_owned()),
    };
    match address {
        Some(address) if !allow_private && !is_public(address) => Err(refusal(&[address])),
        _ => Ok(url),
    }
}

/// Resolves names and removes forbidden addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver {
    pub(super) allow_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            // The port is the URL's; this one is replaced.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|address| allow_private || is_public(address.ip())).collect();
            if allowed.is_empty() && !found.is_empty() {
                let addresses: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
                return Err(io::Error::other(refusal(&addresses)).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn refusal(addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().take(4).map(ToString::to_string).collect();
    format!("{REFUSED} {} is not a public address; allow_private_webhooks lets webhooks go there", addresses.join(", "))
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
    let [a, b, ..] = address.segments();
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

    #[test]
    fn urls_are_judged_however_their_address_is_written() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://[::1]:9000/",
            "http://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert!(check_url(text, false).unwrap_err().starts_with(REFUSED), "{text}");
            assert!(check_url(text, true).is_ok(), "{text}");
        }
        for text in [
            "",
            "ftp://example.org/",
            "file:///etc/passwd",
            "example.org/hook",
            "http://",
            "http:///x y",
            &format!("http://x/{}", "y".repeat(3000)),
        ] {
            assert!(check_url(text, true).is_err(), "{text}");
        }
        assert!(check_url("https://hooks.example.org/a?b=c", false).is_ok());
    }
}
