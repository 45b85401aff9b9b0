//! The hostile requests, by what they attack.

use crate::ingest::packing::{base64, brotli, gzip, zlib, zstd};
use crate::ingest::raw::Step;
use crate::support::Project;

use super::{Case, IDLE, TOTAL};

pub fn all(shop: &Project, other: &Project, dsn: &str) -> Vec<Case> {
    let mut cases = authentication(shop, other, dsn);
    cases.extend(framing(shop));
    cases.extend(json(shop));
    cases.extend(attributes(shop));
    cases.extend(packing(shop));
    cases.extend(legacy(shop));
    cases.extend(transport(shop));
    cases.extend(slow(shop));
    cases
}

fn authentication(shop: &Project, other: &Project, dsn: &str) -> Vec<Case> {
    let (id, key) = (shop.id, &shop.public_key);
    let path = format!("/api/{id}/envelope/");
    let auth = |value: &str| vec![("X-Sentry-Auth".to_owned(), value.to_owned())];
    let with = |name, path: &str, headers: &[(String, String)], body: &str| {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Case::post(name, path, &headers, body)
    };
    vec![
        with("no auth", &path, &[], "{}"),
        with("empty auth header", &path, &auth(""), "{}"),
        with("auth without key", &path, &auth("Sentry sentry_version=7"), "{}"),
        with("auth of control bytes", &path, &auth("Sentry \u{80}\u{ff}"), "{}"),
        with("short key", &path, &auth("Sentry sentry_key=abc"), "{}"),
        with("key of the wrong letters", &path, &auth(&format!("Sentry sentry_key={}", "z".repeat(32))), "{}"),
        with("sql in the key", &path, &auth("Sentry sentry_key='; drop table events; --"), "{}"),
        with("very long key", &path, &auth(&format!("Sentry sentry_key={}", "a".repeat(5000))), "{}"),
        with("future protocol", &path, &auth(&format!("Sentry sentry_key={key}, sentry_version=8")), "{}"),
        with("unknown key", &path, &auth(&format!("Sentry sentry_key={}", "0".repeat(32))), "{}"),
        with("key of another project", &path, &auth(&format!("Sentry sentry_key={}", other.public_key)), "{}"),
        with(
            "header against query",
            &format!("{path}?sentry_key={}", other.public_key),
            &auth(&format!("Sentry sentry_key={key}")),
            "{}",
        ),
        with("two keys in the query", &format!("{path}?sentry_key={key}&sentry_key={}", other.public_key), &[], "{}"),
        with(
            "two auth headers",
            &path,
            &[auth(&format!("Sentry sentry_key={key}")), auth(&format!("Sentry sentry_key={}", other.public_key))]
                .concat(),
            "{}",
        ),
        with("bad basic", &path, &[("Authorization".into(), "Basic %%%".into())], "{}"),
        with(
            "request against envelope",
            &format!("{path}?sentry_key={key}"),
            &[],
            &format!("{{\"dsn\":\"{}\"}}", dsn.replace(key, &other.public_key)),
        ),
        with(
            "envelope of another project",
            &format!("{path}?sentry_key={key}"),
            &[],
            &format!("{{\"dsn\":\"{}\"}}", dsn.replace(&format!("/{id}"), &format!("/{}", other.id))),
        ),
        with("envelope without a real dsn", "/tunnel", &[], "{\"dsn\":\"javascript:alert(1)\"}"),
        with("tunnel without a dsn", "/tunnel", &[], "{}"),
        with("no project number", &format!("/api/shop/envelope/?sentry_key={key}"), &[], "{}"),
        with("negative project", &format!("/api/-1/envelope/?sentry_key={key}"), &[], "{}"),
        with("enormous project", &format!("/api/{}/envelope/?sentry_key={key}", "9".repeat(40)), &[], "{}"),
        with("project with a null byte", &format!("/api/%00/envelope/?sentry_key={key}"), &[], "{}"),
    ]
}

fn framing(shop: &Project) -> Vec<Case> {
    let case = |name, body: &str| Case::envelope(name, shop, body);
    vec![
        case("empty body", ""),
        case("white space", " \n \n"),
        case("no JSON", "hello"),
        case("list as header", "[]"),
        case("header cut off", "{\"event_id\":"),
        Case::envelope("header of bad UTF-8", shop, b"{\"a\":\"\xff\"}"),
        case("item without type", "{}\n{}\nx"),
        case("item header cut off", "{}\n{\"type\":\"event\",\"len"),
        case("length beyond the end", "{}\n{\"type\":\"event\",\"length\":100}\n{}"),
        case("length of -1", "{}\n{\"type\":\"event\",\"length\":-1}\n{}"),
        case("length of 2^64", "{}\n{\"type\":\"event\",\"length\":18446744073709551616}\n{}"),
        case("length as text", "{}\n{\"type\":\"event\",\"length\":\"many\"}\n{}"),
        case("length too short", "{}\n{\"type\":\"event\",\"length\":1}\n{}"),
        case("too many items", &format!("{{}}{}", "\n{\"type\":\"session\"}\n{}".repeat(1001))),
        case("deep header", &format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000))),
        case("header of the wrong types", "{\"event_id\":[],\"dsn\":7,\"sent_at\":{},\"sdk\":\"x\"}"),
    ]
}

fn json(shop: &Project) -> Vec<Case> {
    let case = |name, event: &str| Case::event(name, shop, event);
    let deep = |open: &str, close: &str| format!("{{\"extra\":{}1{}}}", open.repeat(100_000), close.repeat(100_000));
    vec![
        case("event is a list", "[]"),
        case("event is null", "null"),
        case("event is a number", "1e309"),
        case("event cut off", "{\"message\":\"x"),
        case("event with text behind", "{} {}"),
        case("trailing comma", "{\"a\":1,}"),
        case("single quotes", "{'a':1}"),
        case("deep lists", &deep("[", "]")),
        case("deep objects", &deep("{\"a\":", "}")),
        case("deep and unclosed", &format!("{{\"extra\":{}", "[".repeat(100_000))),
        case("NaN and infinity", "{\"extra\":{\"a\":NaN,\"b\":-Infinity},\"timestamp\":NaN}"),
        case("enormous number", "{\"timestamp\":1e999,\"extra\":{\"n\":-1e9999}}"),
        case("number of a million digits", &format!("{{\"extra\":{{\"n\":{}}}}}", "9".repeat(900_000))),
        case("escaped null", "{\"message\":\"a\\u0000b\",\"tags\":{\"\\u0000\":\"\\u0000\"},\"release\":\"\\u0000\"}"),
        Case::event("raw null", shop, b"{\"message\":\"a\0b\"}"),
        Case::event("bad UTF-8", shop, b"{\"message\":\"\xff\xfe\xc3(\",\"release\":\"\xed\xa0\x80\"}"),
        case("lone surrogates", "{\"message\":\"\\ud800 \\udc00\",\"user\":{\"id\":\"\\udfff\"}}"),
        case("bad escapes", "{\"message\":\"\\x41 \\' \\u12\"}"),
        case("control characters", "{\"message\":\"\u{1}\u{1f}\t\"}"),
        case("byte order mark", "\u{feff}{\"message\":\"x\"}"),
        case("a million keys of one name", &format!("{{{}\"a\":1}}", "\"a\":1,".repeat(150_000))),
        case("event just over the limit", &format!("{{\"message\":\"{}\"}}", "x".repeat(1024 * 1024))),
    ]
}

fn attributes(shop: &Project) -> Vec<Case> {
    let case = |name, event: &str| Case::event(name, shop, event);
    let frames = "{\"function\":\"f\",\"vars\":{\"x\":1}},".repeat(20_000);
    vec![
        case(
            "everything of the wrong type",
            "{\"event_id\":[],\"timestamp\":{},\"platform\":1,\"level\":{},\
            \"release\":[],\"environment\":{},\"tags\":7,\"user\":[],\"request\":1,\"exception\":\"x\",\"threads\":1,\
            \"contexts\":[],\"fingerprint\":{},\"message\":[1],\"breadcrumbs\":\"x\",\"extra\":1,\"sdk\":[],\"modules\":1}",
        ),
        case("times before and after time", "{\"timestamp\":\"0000-00-00T99:99:99Z\"}"),
        case("year 292277026596", "{\"timestamp\":9223372036854775807}"),
        case(
            "line numbers",
            "{\"stacktrace\":{\"frames\":[{\"lineno\":-1},{\"lineno\":99999999999999999999},{\"colno\":1.5}]}}",
        ),
        case("a hundred thousand frames", &format!("{{\"stacktrace\":{{\"frames\":[{frames}{{}}]}}}}")),
        case(
            "markup everywhere",
            "{\"release\":\"<script>\",\"tags\":{\"<img src=x>\":\"'; drop table events\"},\
            \"message\":\"</script><script>alert(1)</script>\",\"platform\":\"<b>\"}",
        ),
        case("templates", "{\"message\":\"%s%s%n ${jndi:ldap://x} {{7*7}}\"}"),
        case(
            "release with slash and lines",
            "{\"release\":\"../../etc\\n\\r\\t\",\"environment\":\"none\",\"dist\":\"../\"}",
        ),
        case("right-to-left and joined marks", "{\"message\":\"\\u202e\\u0301\\ufeff\\ud83d\\ude00\"}"),
    ]
}

fn packing(shop: &Project) -> Vec<Case> {
    let zeros = vec![b'0'; 12 * 1024 * 1024];
    let envelope = b"{}\n{\"type\":\"event\"}\n{\"message\":\"packed\"}";
    let half = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    let lying = |size: u32| {
        let mut bytes = gzip(envelope);
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&size.to_le_bytes());
        bytes
    };
    vec![
        Case::packed("unknown encoding", shop, "lzma", envelope.to_vec()),
        Case::packed("stacked encodings", shop, "gzip, gzip", gzip(&gzip(envelope))),
        Case::packed("gzip that is none", shop, "gzip", envelope.to_vec()),
        Case::packed("empty gzip body", shop, "gzip", Vec::new()),
        Case::packed("gzip of nothing", shop, "gzip", gzip(b"")),
        Case::packed("gzip cut off", shop, "gzip", half(gzip(envelope))),
        Case::packed("deflate cut off", shop, "deflate", half(zlib(envelope))),
        Case::packed("br cut off", shop, "br", half(brotli(envelope))),
        Case::packed("zstd cut off", shop, "zstd", half(zstd(envelope))),
        Case::packed("gzip bomb", shop, "gzip", gzip(&zeros)),
        Case::packed("gzip bomb without a header", shop, "", gzip(&zeros)),
        Case::packed("deflate bomb", shop, "deflate", zlib(&zeros)),
        Case::packed("br bomb", shop, "br", brotli(&zeros)),
        Case::packed("zstd bomb", shop, "zstd", zstd(&zeros)),
        Case::packed("gzip that claims 4 GB", shop, "gzip", lying(u32::MAX)),
        Case::packed("gzip that claims nothing", shop, "gzip", lying(0)),
        Case::packed("zstd with a window of 2 GB", shop, "zstd", b"\x28\xb5\x2f\xfd\x00\xa8\x00\x00\x00".to_vec()),
        Case::packed("gzip in gzip", shop, "gzip", gzip(&gzip(envelope))),
    ]
}

fn legacy(shop: &Project) -> Vec<Case> {
    let path = format!("/api/{}/store/?sentry_key={}", shop.id, shop.public_key);
    let case = |name, body: Vec<u8>| Case::post(name, &path, &[], body);
    let report = |name, body: &str| {
        let path = format!("/api/{}/security/?sentry_key={}", shop.id, shop.public_key);
        Case::post(name, &path, &[("Content-Type", "application/csp-report")], body)
    };
    vec![
        case("store of markup", b"<xml/>".to_vec()),
        case("store of base64 of text", base64(b"hello")),
        case("store of base64 of half a stream", base64(&zlib(b"{\"message\":\"x\"}")[..8])),
        case("store bomb", base64(&zlib(&vec![b' '; 12 * 1024 * 1024]))),
        case("store of an empty list", b"[]".to_vec()),
        case("store of an envelope", b"{}\n{\"type\":\"event\"}\n{}".to_vec()),
        report("report of no kind", "{\"a\":1}"),
        report("report of no JSON", "csp"),
        report("deep report", &format!("{{\"csp-report\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000))),
    ]
}

fn transport(shop: &Project) -> Vec<Case> {
    let path = format!("/api/{}/envelope/?sentry_key={}", shop.id, shop.public_key);
    let raw = |name, text: String| Case::raw(name, text);
    let head = |extra: &str| format!("POST {path} HTTP/1.1\r\nHost: h\r\n{extra}\r\n");
    vec![
        raw("no HTTP", "\0\u{1}\u{2}\u{3}\r\n\r\n".to_owned()),
        raw("another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()),
        raw("unknown HTTP version", "POST / HTTP/9.9\r\nHost: h\r\n\r\n".to_owned()),
        raw("negative length", head("Content-Length: -5\r\n")),
        raw("length of letters", head("Content-Length: five\r\n")),
        raw("two lengths", head("Content-Length: 2\r\nContent-Length: 3\r\n") + "{}"),
        raw("length and chunks", head("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n") + "2\r\n{}\r\n0\r\n\r\n"),
        raw("chunks twice", head("Transfer-Encoding: chunked, chunked\r\n") + "2\r\n{}\r\n0\r\n\r\n"),
        raw("chunked spelt otherwise", head("Transfer-Encoding: xchunked\r\n") + "2\r\n{}\r\n0\r\n\r\n"),
        raw("bad chunk size", head("Transfer-Encoding: chunked\r\n") + "zz\r\n{}\r\n0\r\n\r\n"),
        raw("enormous chunk size", head("Transfer-Encoding: chunked\r\n") + "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        raw("announced 21 MB", head(&format!("Content-Length: {}\r\n", 21 * 1024 * 1024))),
        raw("announced 2^63", head("Content-Length: 9223372036854775808\r\n")),
        raw("a line break in a header", head("X-Sentry-Auth: a\r\n b\r\nContent-Length: 2\r\n") + "{}"),
        raw("a space before the colon", head("Content-Length : 2\r\n") + "{}"),
        raw("two hundred headers", head(&"X-A: b\r\n".repeat(200))),
        raw("a header of 200 kB", head(&format!("X-A: {}\r\n", "b".repeat(200_000)))),
        raw("a path of 200 kB", format!("POST /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(200_000))),
        raw("DELETE", format!("DELETE {path} HTTP/1.1\r\nHost: h\r\n\r\n")),
        Case::steps("21 MB in chunks", {
            let mut steps = vec![Step::Send(head("Transfer-Encoding: chunked\r\n").into_bytes())];
            let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
            steps.extend((0..21).map(|_| Step::Send(chunk.clone())));
            steps
        }),
    ]
}

fn slow(shop: &Project) -> Vec<Case> {
    let path = format!("/api/{}/envelope/?sentry_key={}", shop.id, shop.public_key);
    let head = |length: usize| {
        Step::Send(format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n").into_bytes())
    };
    let byte = || Step::Send(b" ".to_vec());
    vec![
        Case::steps("a body that never comes", vec![head(10), Step::Wait(IDLE * 10)]),
        Case::steps("a body that stops", vec![head(10), byte(), Step::Wait(IDLE * 10)]),
        Case::steps("a body by drops", {
            let mut steps = vec![head(1000)];
            steps.extend((0..100).flat_map(|_| [byte(), Step::Wait(TOTAL / 12)]));
            steps
        }),
        Case::steps("a body cut off", vec![head(10), byte(), Step::Close]),
    ]
}
