//! Words: which ones vary from event to event or from build to build.
//!
//! Owns the judgement on a single token of a message, a path or a name. No context, no state.

/// Words with digits in them that are not ids.
const WORDS_WITH_DIGITS: &[&str] = &[
    "a11y",
    "aarch64",
    "aes128",
    "aes256",
    "amd64",
    "argon2",
    "arm64",
    "armv7",
    "armv7l",
    "armv8",
    "av1",
    "b2b",
    "base32",
    "base64",
    "bf16",
    "big5",
    "blake2b",
    "blake3",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp437",
    "crc32",
    "e2e",
    "ec2",
    "ed25519",
    "ed448",
    "es256",
    "es5",
    "es6",
    "f16",
    "f32",
    "f64",
    "float16",
    "float32",
    "float64",
    "gb18030",
    "gb2312",
    "h2",
    "h264",
    "h265",
    "hs256",
    "http1",
    "http2",
    "http3",
    "i128",
    "i16",
    "i18n",
    "i2c",
    "i32",
    "i386",
    "i64",
    "i686",
    "i8",
    "int128",
    "int16",
    "int32",
    "int64",
    "int8",
    "ipv4",
    "ipv6",
    "iso-8859-1",
    "iso-8859-15",
    "junit4",
    "junit5",
    "k3s",
    "k8s",
    "koi8-r",
    "koi8-u",
    "l10n",
    "latin-1",
    "latin1",
    "log4j",
    "log4j2",
    "md4",
    "md5",
    "mp3",
    "mp4",
    "mpeg4",
    "neo4j",
    "oauth1",
    "oauth2",
    "oauth2.0",
    "p224",
    "p256",
    "p2p",
    "p384",
    "p521",
    "ppc64le",
    "prime256v1",
    "riscv64",
    "rs256",
    "s3",
    "s390x",
    "secp256k1",
    "secp256r1",
    "secp384r1",
    "secp521r1",
    "sha1",
    "sha224",
    "sha256",
    "sha3",
    "sha384",
    "sha512",
    "slf4j",
    "ssh2",
    "sslv3",
    "tls1.0",
    "tls1.1",
    "tls1.2",
    "tls1.3",
    "tlsv1",
    "tlsv1.0",
    "tlsv1.1",
    "tlsv1.2",
    "tlsv1.3",
    "u128",
    "u16",
    "u32",
    "u64",
    "u8",
    "uint128",
    "uint16",
    "uint32",
    "uint64",
    "uint8",
    "utf-16",
    "utf-16be",
    "utf-16le",
    "utf-32",
    "utf-8",
    "utf16",
    "utf32",
    "utf8",
    "utf8mb3",
    "utf8mb4",
    "vec2",
    "vec3",
    "vec4",
    "vp8",
    "vp9",
    "wasm32",
    "wasm64",
    "web3",
    "win32",
    "win64",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "x25519",
    "x448",
    "x509",
    "x64",
    "x86",
    "x86-64",
    "x86_64",
];

/// Words behind which a short number is a code, not a count, without what joins their parts.
const CODE_WORDS: &[&str] = &[
    "alert",
    "closecode",
    "code",
    "errcode",
    "errno",
    "error",
    "errorcode",
    "exit",
    "exitcode",
    "exitstatus",
    "exitvalue",
    "faultcode",
    "grpccode",
    "grpcstatus",
    "hresult",
    "http",
    "httpcode",
    "httpstatus",
    "lasterror",
    "nativeerror",
    "ntstatus",
    "osstatus",
    "rc",
    "rcode",
    "reasoncode",
    "responsecode",
    "responsestatus",
    "resultcode",
    "retcode",
    "returncode",
    "signal",
    "sqlcode",
    "sqlstate",
    "status",
    "statuscode",
    "vendorcode",
    "win32error",
    "winerror",
];

/// Words behind which only the status of a protocol is a code.
const STATUS_WORDS: &[&str] = &["answered", "got", "received", "reply", "response", "returned", "said", "smtp"];

/// Letters that compilers and databases put in front of their numbers.
const CODE_PREFIXES: &[&str] = &[
    "AADSTS", "AMQ", "ARJUNA", "CS", "DPI-", "DPY-", "ERR", "HHH", "ISPN", "JBAS", "LNK", "MC", "MSB", "NETSDK", "NG0",
    "NU", "ORA-", "PGRST", "PLS-", "SP2-", "TNS-", "TS", "WFLYCTL", "WFLYEJB", "WFLYJCA", "WFLYSRV",
];

/// Parts of names of ciphers and curves: numbers beside them are part of the name.
const ALGORITHMS: &[&str] =
    &["aes", "aria", "camellia", "chacha20", "ecdsa", "ed25519", "hmac", "poly1305", "sha", "sha2", "sha3", "x25519"];

/// Sizes of keys and digests.
const KEY_BITS: &[&str] = &["128", "192", "224", "256", "384", "512"];

/// Names whose value nobody should read.
const SECRETS: &[&str] = &["accesskey", "apikey", "passwd", "password", "pwd", "secret", "token"];

/// What digital clocks add in capitals: `10:11:12 CEST`.
const ZONES: &[&str] = &[
    "AEST", "BST", "CDT", "CEST", "CET", "CST", "EDT", "EEST", "EET", "EST", "IST", "JST", "MDT", "MSK", "MST", "PDT",
    "PST", "WET",
];

const HTTP_METHODS: &[&str] = &["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// What may stand behind a number and belongs to it.
const UNITS: &[&str] = &[
    "am",
    "b",
    "byte",
    "bytes",
    "chf",
    "d",
    "day",
    "days",
    "eur",
    "g",
    "gb",
    "gbp",
    "ghz",
    "gib",
    "gmt",
    "h",
    "hour",
    "hours",
    "hr",
    "hrs",
    "k",
    "kb",
    "khz",
    "kib",
    "m",
    "mb",
    "mhz",
    "mib",
    "millisecond",
    "milliseconds",
    "min",
    "mins",
    "minute",
    "minutes",
    "ms",
    "msec",
    "ns",
    "pm",
    "s",
    "sec",
    "second",
    "seconds",
    "secs",
    "tb",
    "tib",
    "us",
    "usd",
    "utc",
    "week",
    "weeks",
    "year",
    "years",
    "£",
    "µs",
    "μs",
    "€",
];

fn is_one_of(word: &str, list: &[&str]) -> bool {
    word.len() <= 16 && list.iter().any(|candidate| candidate.eq_ignore_ascii_case(word))
}

/// `base64`, `utf-8`, `aes-256-gcm`: digits that do not vary.
pub(super) fn is_word_with_digits(word: &str) -> bool {
    is_one_of(word, WORDS_WITH_DIGITS) || is_algorithm(word)
}

fn is_algorithm(word: &str) -> bool {
    let parts = || word.split(['-', '_']);
    let known =
        |part: &str| is_one_of(part, WORDS_WITH_DIGITS) || is_one_of(part, ALGORITHMS) || KEY_BITS.contains(&part);
    word.len() <= 48
        && word.contains(['-', '_'])
        && parts().all(|part| !has_digits(part) || known(part))
        && parts().any(|part| is_one_of(part, ALGORITHMS))
}

/// `status`, `errno`, `exit_code`, `response.statusCode`: the number behind is a code.
pub(super) fn announces_code(word: &str) -> bool {
    let tail = word.rsplit('.').next().unwrap_or(word);
    is_joined(tail, CODE_WORDS)
}

/// Whether `word` is one of `list`, whatever joins its parts.
fn is_joined(word: &str, list: &[&str]) -> bool {
    let letters = || word.bytes().filter(|b| !b"_-".contains(b)).map(|b| b.to_ascii_lowercase());
    word.len() <= 20 && list.iter().any(|candidate| candidate.bytes().eq(letters()))
}

/// Whether what stands in front of an equals sign names a secret.
pub(super) fn names_secret(before: &str) -> bool {
    let name = before.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    is_joined(name, SECRETS)
}

/// Digits of this or another script.
pub(super) fn has_digits(word: &str) -> bool {
    word.bytes().any(|b| b.is_ascii_digit()) || (!word.is_ascii() && word.chars().any(is_foreign_digit))
}

fn is_foreign_digit(c: char) -> bool {
    matches!(c, '\u{660}'..='\u{669}' | '\u{6f0}'..='\u{6f9}' | '\u{966}'..='\u{96f}' | '\u{ff10}'..='\u{ff19}')
}

/// A letter of a script that does without spaces, so that numbers stand right beside it.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..) && !is_foreign_digit(c)
}

/// `reply`, `response`: a number behind is a code if it looks like a status.
pub(super) fn announces_status(word: &str) -> bool {
    is_one_of(word, STATUS_WORDS)
}

/// `404`, `503`: the status of a failed request.
pub(super) fn is_failed_status(word: &str) -> bool {
    word.len() == 3 && (word.starts_with('4') || word.starts_with('5')) && is_number(word)
}

/// `ORA-00942`, `CS0103`, `E11000`: a number with the letters of those who defined it.
pub(super) fn is_named_code(word: &str) -> bool {
    let behind = |prefix: &str| word.strip_prefix(prefix).is_some_and(|digits| is_number(digits) && digits.len() >= 3);
    word.len() <= 14 && (CODE_PREFIXES.iter().any(|prefix| behind(prefix)) || (word.len() == 6 && behind("E")))
}

/// `0x80070005`, `0xC0000005`: results of Windows, which look like addresses.
pub(super) fn is_hresult(word: &str) -> bool {
    let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) else { return false };
    let result = digits.starts_with("80") || digits.starts_with("C000") || digits.starts_with("c000");
    digits.len() == 8 && result && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `CS0103`, `C4996`, `IL2026`: letters and at least three digits.
pub(super) fn is_lettered_code(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_uppercase()).trim_start_matches('-');
    word.len() <= 8 && digits.len() < word.len() && digits.len() >= 3 && is_number(digits)
}

/// `'23505'`, `'42P01'` behind a word that announces a code.
pub(super) fn is_code_in_quotes(text: &str) -> bool {
    let sqlstate = text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    is_code(text) || (sqlstate && has_digits(text))
}

/// Behind a word that announces one: `-5`, `1001`, `CS0103`, `E0382`, `0x1f`.
pub(super) fn is_code(word: &str) -> bool {
    let word = word.trim_start_matches('-');
    let hex = word.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    (word.len() <= 5 && is_number(word)) || is_lettered_code(word) || (word.len() <= 10 && hex)
}

/// `GET`, `POST`.
pub(super) fn is_http_method(word: &str) -> bool {
    word.len() <= 8 && HTTP_METHODS.contains(&word)
}

/// Eight and more digits of a hash or address, none of them a decimal one by chance: `deadbeef`.
pub(super) fn is_hex(word: &str) -> bool {
    let hex = |group: &str| group.len() >= 4 && group.bytes().all(|b| b.is_ascii_hexdigit());
    word.len() >= 8 && word.split('-').all(hex)
}

/// `ms`, `bytes`: belongs to the number in front.
pub(super) fn is_unit(word: &str) -> bool {
    is_one_of(word, UNITS) || ZONES.contains(&word)
}

/// Digits with what separates them, a sign, an exponent: something that can be counted.
pub(super) fn is_amount(word: &str) -> bool {
    let digits = word.bytes().any(|b| b.is_ascii_digit());
    digits && word.bytes().all(|b| b.is_ascii_digit() || b"-._eE".contains(&b))
}

/// `KB`, `MiB`.
pub(super) fn is_size_unit(word: &str) -> bool {
    is_one_of(word, &["b", "kb", "kib", "mb", "mib", "gb", "gib", "tb", "tib"])
}

/// Digits only.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A quoted text that is an identifier rather than a value: no white space, no digits.
pub(super) fn is_name(text: &str) -> bool {
    let known = is_word_with_digits(text);
    let plain = |b: u8| !b.is_ascii_digit() && !b.is_ascii_whitespace() && !b"/\\@%".contains(&b);
    known || (!text.is_empty() && text.len() <= 128 && text.bytes().all(plain) && !is_random(text))
}

/// A long run of mixed case: base64, base62 and other random text without digits. Names join words
/// of three letters and more, but for acronyms (`NSURLSessionTaskDelegate`).
pub(super) fn is_random(word: &str) -> bool {
    let made_of = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    if word.len() < 20 || !word.bytes().all(made_of) {
        return false;
    }
    let (mut humps, mut short) = (0, 0);
    let mut count = |letters: usize| {
        humps += usize::from(letters > 0);
        short += usize::from(letters == 1 || letters == 2);
    };
    for part in word.split(['_', '-']) {
        let mut rest = part.as_bytes();
        while !rest.is_empty() {
            let capitals = rest.iter().take_while(|b| b.is_ascii_uppercase()).count();
            let small = rest[capitals..].iter().take_while(|b| !b.is_ascii_uppercase()).count();
            // The last capital of several begins the next word, if one follows.
            if capitals > 1 && small > 0 {
                count(capitals - 1);
                count(1 + small);
            } else {
                count(capitals + small);
            }
            rest = &rest[capitals + small..];
        }
    }
    humps >= 5 && short * 5 >= humps * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_text_is_told_from_joined_words() {
        for word in ["FyGmzXQbYpCKtVdWhs_ZA", "aBcDeFgHiJkLmNoPqRsT", "QkRmdkXpLcZnTxNbQVtYhWZd"] {
            assert!(is_random(word), "{word}");
        }
        for word in [
            "NullPointerException",
            "FileNotFoundException",
            "NSURLSessionTaskDelegate",
            "XMLHttpRequestEventTarget",
            "ERR_TOO_MANY_REDIRECTS",
            "getElementsByTagNameNS",
            "certificate_verify_failed",
            "isOnHoldByUserOrAdmin",
            "well-known-configuration-file",
        ] {
            assert!(!is_random(word), "{word}");
        }
    }

    #[test]
    fn codes_are_announced_by_many_names() {
        for word in ["status", "exit_code", "ExitCode", "grpc-status", "response.statusCode", "errno", "HTTP_STATUS"] {
            assert!(announces_code(word), "{word}");
        }
        for word in ["postalCode", "zipcode", "promo_code", "codec", "statuses", ""] {
            assert!(!announces_code(word), "{word}");
        }
        assert!(is_word_with_digits("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256") && is_word_with_digits("aes-256-gcm"));
        assert!(!is_word_with_digits("sha-3f78685") && !is_word_with_digits("aes-17"));
        assert!(names_secret("login user=ann Api_Key") || names_secret("login user=ann apikey"));
    }
}
