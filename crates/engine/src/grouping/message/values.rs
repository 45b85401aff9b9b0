//! Values that are longer than a word: addresses, links, telephone numbers, encoded data.
//!
//! Every function is given the text from where a word begins and says how long the value is that it
//! begins with. Each looks at a bounded number of bytes, so that calling them at every word costs
//! linear time.

/// Bytes looked at in search of the `://` of a link or the `@` of an address.
const LOOK_BYTES_MAX: usize = 64;
/// Bytes of encoded data looked at in search of its padding.
const ENCODED_BYTES_MAX: usize = 512;

/// The length of `ann+x@example.com`.
pub(super) fn email(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let local =
        bytes.iter().take(LOOK_BYTES_MAX).take_while(|b| b.is_ascii_alphanumeric() || b"._%+-'".contains(b)).count();
    if local == 0 || bytes.get(local) != Some(&b'@') {
        return None;
    }
    let domain = &bytes[local + 1..];
    let length = domain.iter().take(255).take_while(|b| b.is_ascii_alphanumeric() || b".-".contains(b)).count();
    let domain = text[local + 1..local + 1 + length].trim_end_matches(['.', '-']);
    let top = domain.rsplit_once('.')?.1;
    // `left-pad@1.3.0` is a package.
    (top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic())).then_some(local + 1 + domain.len())
}

/// The length of the scheme of a link: `https`, `jdbc:postgresql`, `data`, `urn`.
pub(super) fn scheme(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let plain = |from: usize| {
        bytes[from..]
            .iter()
            .take(LOOK_BYTES_MAX)
            .take_while(|b| b.is_ascii_alphanumeric() || b"+.-".contains(b))
            .count()
    };
    let first = plain(0);
    if first < 2 || bytes.get(first) != Some(&b':') || !bytes[0].is_ascii_alphabetic() {
        return None;
    }
    let rest = &text[first + 1..];
    if rest.starts_with("//") || (&text[..first] == "urn" && rest.starts_with(|c: char| c.is_ascii_alphabetic())) {
        return Some(first);
    }
    if &text[..first] == "arn" && rest.starts_with("aws") {
        return Some(first);
    }
    let encoded =
        &text[..first] == "data" && ["image/", "text/", "application/"].iter().any(|kind| rest.starts_with(kind));
    if encoded {
        return Some(first);
    }
    let second = plain(first + 1);
    (second > 1 && text[first + 1 + second..].starts_with("://")).then_some(first + 1 + second)
}

/// The length of an IPv6 address, with its zone, or of a hardware address.
pub(super) fn colons(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let run = bytes.iter().take(64).take_while(|b| b.is_ascii_hexdigit() || b":.".contains(b)).count();
    let address = text[..run].trim_end_matches(['.']).trim_end_matches(|c| c == ':' && !text[..run].ends_with("::"));
    if bytes.get(address.len()).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        return None;
    }
    let colons = address.bytes().filter(|&b| b == b':').count();
    let groups = || address.split(':');
    let digits = address.bytes().any(|b| b.is_ascii_digit());
    let hardware = colons >= 5 && groups().all(|group| group.len() == 2);
    let short = groups().all(|group| group.len() <= 4 || (group.contains('.') && group.len() <= 15));
    let ip = digits && short && ((address.contains("::") && !address.contains(":::")) || colons == 7);
    if !(hardware || ip) {
        return None;
    }
    let zone = &bytes[address.len()..];
    let zone = if zone.first() == Some(&b'%') {
        1 + zone[1..].iter().take(16).take_while(|b| b.is_ascii_alphanumeric()).count()
    } else {
        0
    };
    Some(address.len() + zone)
}

/// The length of a telephone number that begins with `+` or an area code in parentheses.
pub(super) fn phone(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let run = bytes.iter().take(32).take_while(|b| b.is_ascii_digit() || b" +-()./".contains(b)).count();
    let number = text[..run].trim_end_matches(|c: char| !c.is_ascii_digit());
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let area = bytes.get(4) == Some(&b')') && bytes.get(1..4).is_some_and(|area| area.iter().all(u8::is_ascii_digit));
    let international = bytes[0] == b'+' && bytes.get(1).is_some_and(u8::is_ascii_digit) && digits >= 8;
    ((international || (bytes[0] == b'(' && area && digits >= 10)) && digits <= 15).then_some(number.len())
}

/// The length of base64 text that says so by its padding.
pub(super) fn padded(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let run =
        bytes.iter().take(ENCODED_BYTES_MAX).take_while(|b| b.is_ascii_alphanumeric() || b"+/_-".contains(b)).count();
    let padding = bytes[run..].iter().take(2).take_while(|&&b| b == b'=').count();
    let ends = bytes.get(run + padding).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'=');
    let whole = (run + padding) % 4 == 0 && (run >= 14 || (run >= 6 && padding == 2));
    // Part of a longer text, or not quite what it says: still nothing that a person wrote.
    let mixed = || {
        let has = |kind: fn(&u8) -> bool| bytes[..run].iter().any(kind);
        run >= 24 && has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
    };
    (padding > 0 && ends && (whole || mixed())).then_some(run + padding)
}

/// The length of four and more bytes in hexadecimal: `de ad be ef`.
pub(super) fn hex_dump(text: &str) -> Option<usize> {
    let mut length = 0;
    let groups = text.as_bytes()[..text.len().min(ENCODED_BYTES_MAX)].chunks(3).take_while(|group| {
        let pair = group.len() >= 2 && group[..2].iter().all(u8::is_ascii_hexdigit);
        pair && group.get(2).is_none_or(|b| !b.is_ascii_alphanumeric())
    });
    let mut count = 0;
    for group in groups {
        (count, length) = (count + 1, length + group.len());
        if group.get(2) != Some(&b' ') {
            length -= group.len() - 2;
            break;
        }
    }
    (count >= 4).then(|| text[..length].trim_end().len())
}

/// The length of `\xde\xad`.
pub(super) fn escaped_bytes(text: &str) -> Option<usize> {
    let escaped =
        |group: &&[u8]| matches!(group, [b'\\', b'x', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    let count = text.as_bytes()[..text.len().min(ENCODED_BYTES_MAX)].chunks(4).take_while(escaped).count();
    (count > 0).then_some(count * 4)
}

/// The length of `'234'567.89` behind the digits that it goes on from.
pub(super) fn grouped_digits(text: &str) -> usize {
    let digits = |from: usize| text.as_bytes()[from..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let mut length = 0;
    while let Some(mark) = ["'", "’"].iter().find(|mark| text[length..].starts_with(**mark))
        && digits(length + mark.len()) == 3
    {
        length += mark.len() + 3;
    }
    if length > 0 && text[length..].starts_with(['.', ',']) && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    length
}

/// The length of `/s` behind what is counted, `/tcp` behind a port.
pub(super) fn rate(text: &str) -> usize {
    const RATES: &[&str] = &["/day", "/h", "/hour", "/min", "/minute", "/s", "/sec", "/second", "/tcp", "/udp"];
    let length = text.bytes().skip(1).take(8).take_while(u8::is_ascii_alphabetic).count() + 1;
    let ends = text.as_bytes().get(length).is_none_or(|b| !b.is_ascii_alphanumeric() && !b"/_-".contains(b));
    if ends && text.get(..length).is_some_and(|rate| RATES.contains(&rate)) { length } else { 0 }
}

/// `ann/inbox` behind a tilde.
pub(super) fn is_home(text: &str) -> bool {
    let name = text.bytes().take(32).take_while(|b| b.is_ascii_alphanumeric() || b"_-".contains(b)).count();
    name > 0 && text.as_bytes()[name..].first() == Some(&b'/') && text.as_bytes()[0].is_ascii_alphabetic()
}

/// ` 5.1.1` behind the reply of a mail server.
pub(super) fn is_enhanced_status(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes, [b' ' | b'-', b'4' | b'5', b'.', a, b'.', b, ..] if a.is_ascii_digit() && b.is_ascii_digit())
}

/// The length of `registry.example.com/shop/web:1.4.2`, also with a digest.
pub(super) fn image_of_container(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let host =
        bytes.iter().take(LOOK_BYTES_MAX).take_while(|b| b.is_ascii_alphanumeric() || b"._-".contains(b)).count();
    let port = bytes[host..].iter().take(6).take_while(|b| b.is_ascii_digit() || **b == b':').count();
    if bytes.get(host + port) != Some(&b'/') {
        return None;
    }
    let run = bytes.iter().take(256).take_while(|b| b.is_ascii_alphanumeric() || b"._-/:@+".contains(b)).count();
    let image = text[..run].trim_end_matches(['.', ':', '-']);
    let (name, tag) = image.split_once("@sha256:").or_else(|| image.rsplit_once(':'))?;
    let plain =
        name.contains('/') && !name.contains("//") && !name.bytes().any(|b| b.is_ascii_uppercase() || b == b'@');
    let tagged = !tag.contains('/') && (tag == "latest" || tag.bytes().any(|b| b.is_ascii_digit()));
    (plain && tagged).then_some(image.len())
}

/// The length of `src/app/main.rs`: a path without a root that names a file.
pub(super) fn relative_path(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let run = bytes.iter().take(256).take_while(|b| b.is_ascii_alphanumeric() || b"._-/\\@+".contains(b)).count();
    let path = &text[..run];
    const HIVES: &[&str] =
        &["HKCR", "HKCU", "HKEY_CLASSES_ROOT", "HKEY_CURRENT_USER", "HKEY_LOCAL_MACHINE", "HKEY_USERS", "HKLM"];
    if path.split_once('\\').is_some_and(|(hive, _)| HIVES.contains(&hive)) {
        return Some(run);
    }
    let file = path.rsplit_once(['/', '\\'])?.1;
    let suffix = file.rsplit_once('.')?.1;
    FILE_SUFFIXES.contains(&suffix).then(|| {
        let lines = bytes[run..].iter().take(16).take_while(|b| b.is_ascii_digit() || **b == b':').count();
        run + text[run..run + lines].trim_end_matches(':').len()
    })
}

const FILE_SUFFIXES: &[&str] = &[
    "c", "cc", "cfg", "conf", "cpp", "cs", "css", "csv", "dart", "dll", "ex", "exe", "exs", "go", "gz", "h", "hpp",
    "html", "ini", "jar", "java", "jpg", "js", "json", "jsx", "kt", "lock", "log", "mjs", "parquet", "pdf", "php",
    "png", "py", "rb", "rs", "sh", "so", "sql", "svg", "swift", "tar", "toml", "ts", "tsx", "txt", "vue", "xml",
    "yaml", "yml", "zip",
];

/// Top-level domains behind any name, and those that need two more labels because their words are
/// names of properties as well.
const TOPS: &[&str] = &["com", "edu", "gov", "net", "org"];
const TOPS_OF_THREE: &[&str] = &[
    "ai",
    "app",
    "au",
    "be",
    "biz",
    "br",
    "ca",
    "ch",
    "cloud",
    "cn",
    "co",
    "cz",
    "de",
    "dev",
    "es",
    "eu",
    "fr",
    "hk",
    "info",
    "internal",
    "io",
    "jp",
    "kr",
    "lan",
    "local",
    "localdomain",
    "nl",
    "pl",
    "ru",
    "se",
    "svc",
    "tw",
    "uk",
    "us",
];

/// `api.example.com`, but not `com.example.Api`, `foo.bar` or `socket.io`.
pub(super) fn is_host(word: &str) -> bool {
    if word == "localhost" {
        return true;
    }
    let Some((_, top)) = word.rsplit_once('.') else { return false };
    let labels = || word.split('.');
    let plain = labels().all(|label| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    });
    let package = labels().next().is_none_or(|first| {
        matches!(first, "com" | "org" | "net" | "io" | "java" | "javax" | "this" | "self" | "window" | "de" | "edu")
    });
    let count = labels().count();
    plain && !package && (TOPS.contains(&top) || (count >= 3 && TOPS_OF_THREE.contains(&top)))
}

/// `"GET /x HTTP/1.1"`: the method.
pub(super) fn request_method(content: &str) -> Option<&str> {
    let (method, rest) = content.split_once(' ')?;
    (super::super::tokens::is_http_method(method) && rest.starts_with(['/', 'h', '*'])).then_some(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_from_names() {
        assert_eq!(email("bob.smith+tag@mail.example.co.uk bounced"), Some(32));
        assert_eq!(email("left-pad@1.3.0"), None);
        assert_eq!(scheme("postgresql+psycopg2://u"), Some(19));
        assert_eq!(scheme("jdbc:postgresql://u"), Some(15));
        assert_eq!(scheme("std::vector"), None);
        for address in ["fe80::1", "::1", "::ffff:10.0.0.1", "2001:db8::", "aa:bb:cc:dd:ee:ff", "fe80::dead:beef%eth0"]
        {
            assert_eq!(colons(address), Some(address.len()), "{address}");
        }
        for name in ["Foo::bar", "add::face", "::bar", "::", "10:11", "10:11:12", "a:b"] {
            assert_eq!(colons(name), None, "{name}");
        }
        assert!(is_host("api.example.com") && is_host("db-1.internal.shop.example.net"));
        for name in ["com.example.api", "foo.bar", "socket.io", "java.io", "System.Net", "this.net", "a..com"] {
            assert!(!is_host(name), "{name}");
        }
    }
}
