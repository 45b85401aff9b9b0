//! IP addresses without the part that names one household.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Without the last octet, or all after the first 48 bits: what a provider gives to one customer.
pub(super) fn shortened(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(v6) if v6.is_loopback() => v6.into(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => shortened(v4.into()),
            None => {
                let [a, b, c, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
            }
        },
    }
}

/// What may be an address: the parser decides.
static LIKELY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f.]{0,15}){2,9}").ok());

/// Shortens all addresses in a text.
pub(super) fn shorten_all(text: &str) -> Cow<'_, str> {
    let Some(likely) = &*LIKELY else { return Cow::Borrowed(text) };
    let hidden = likely.replace_all(text, |found: &Captures<'_>| {
        let whole = found.get_match();
        let is_inner = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let before = whole.start().checked_sub(1).and_then(|at| text.as_bytes().get(at));
        match whole.as_str().parse::<IpAddr>() {
            Ok(address)
                if !address.is_unspecified() && !is_inner(before) && !is_inner(text.as_bytes().get(whole.end())) =>
            {
                shortened(address).to_string()
            }
            _ => whole.as_str().to_owned(),
        }
    });
    if hidden == text { Cow::Borrowed(text) } else { hidden }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_end() {
        for (text, expected) in [
            ("from 203.0.113.9:8080", "from 203.0.113.0:8080"),
            ("2001:db8:1:2::3", "2001:db8:1::"),
            ("[2001:db8:1:2:3:4:5:6]", "[2001:db8:1::]"),
            ("::ffff:203.0.113.9", "203.0.113.0"),
            ("at 12:30:45", "at 12:30:45"),
            ("std::fmt::write", "std::fmt::write"),
            ("::1 and 127.0.0.1", "::1 and 127.0.0.0"),
            ("999.1.1.1", "999.1.1.1"),
        ] {
            assert_eq!(shorten_all(text), expected);
        }
    }
}
