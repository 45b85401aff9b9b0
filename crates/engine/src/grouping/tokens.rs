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
    "cp1252",
    "cp437",
    "crc32",
    "e2e",
    "ec2",
    "ed25519",
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
    "p256",
    "p2p",
    "ppc64le",
    "riscv64",
    "rs256",
    "s3",
    "s390x",
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
    "windows-1252",
    "x25519",
    "x509",
    "x64",
    "x86",
    "x86-64",
    "x86_64",
];

/// Words behind which a short number is a code, not a count.
const CODE_WORDS: &[&str] = &[
    "alert",
    "code",
    "errcode",
    "errno",
    "error",
    "exit",
    "hresult",
    "http",
    "rc",
    "signal",
    "sqlstate",
    "status",
    "statuscode",
    "status_code",
    "winerror",
];

/// Words behind which only the status of a protocol is a code.
const STATUS_WORDS: &[&str] = &["answered", "got", "received", "reply", "response", "returned", "said", "smtp"];

/// Letters that compilers and databases put in front of their numbers.
const CODE_PREFIXES: &[&str] =
    &["AADSTS", "CS", "ERR", "LNK", "MC", "MSB", "NETSDK", "NU", "ORA-", "PGRST", "PLS-", "SP2-", "TNS-", "TS"];

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

/// `base64`, `utf-8`: digits that do not vary.
pub(super) fn is_word_with_digits(word: &str) -> bool {
    is_one_of(word, WORDS_WITH_DIGITS)
}

/// `status`, `errno`: the number behind is a code.
pub(super) fn announces_code(word: &str) -> bool {
    is_one_of(word, CODE_WORDS)
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

/// Behind a word that announces one: `-5`, `1001`, `CS0103`, `E0382`, `0x1f`.
pub(super) fn is_code(word: &str) -> bool {
    let word = word.trim_start_matches('-');
    let digits = word.trim_start_matches(|c: char| c.is_ascii_uppercase()).trim_start_matches('-');
    let lettered = digits.len() < word.len() && is_number(digits) && digits.len() >= 3;
    let hex = word.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    (word.len() <= 5 && is_number(word)) || (word.len() <= 8 && lettered) || (word.len() <= 10 && hex)
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
    is_one_of(word, UNITS)
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

/// A long run of mixed case without joints: base64, base62 and other random text without digits.
pub(super) fn is_random(word: &str) -> bool {
    word.len() >= 20 && word.bytes().all(|b| b.is_ascii_alphanumeric()) && case_changes(word) * 4 >= word.len()
}

fn case_changes(word: &str) -> usize {
    word.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_uppercase() != pair[1].is_ascii_uppercase()).count()
}
