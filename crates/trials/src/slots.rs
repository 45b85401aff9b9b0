//! Slots of messages and names: `{id}`, `{uuid}`, `{n}`, and what stands in them.
//!
//! Owns the kinds. What a slot holds depends on a seed, the place in the text, and nothing else.

use crate::random::Random;

const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CROCKFORD: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The text with every known slot filled. Braces around anything else stay: code is full of them.
#[must_use]
pub(crate) fn fill(text: &str, seed: u64) -> String {
    let mut random = Random::of(seed, "slots");
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, at) = rest.split_at(open);
        filled.push_str(before);
        let close = at.find('}').unwrap_or(0);
        match at.get(1..close).and_then(|kind| value(kind, &mut random)) {
            Some(value) => {
                filled.push_str(&value);
                rest = &at[close + 1..];
            }
            None => {
                filled.push('{');
                rest = &at[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// True if the text has a slot that a seed changes.
#[must_use]
pub(crate) fn varies(text: &str) -> bool {
    fill(text, 1) != fill(text, 2) || fill(text, 1) != fill(text, 3)
}

/// What stands in a slot; none if there is no such kind.
fn value(kind: &str, random: &mut Random) -> Option<String> {
    Some(match kind {
        "id" => (1000 + random.below(9_000_000)).to_string(),
        "int" | "n" => (1 + random.below(97)).to_string(),
        "float" => format!("{}.{}", random.below(90), 1 + random.below(98)),
        "dur" => {
            let unit = random.pick(&["ms", "s", "ms", "s"])?;
            format!("{}{unit}", 1 + random.below(900))
        }
        "size" => {
            let unit = random.pick(&[" bytes", "KB", " MiB", "kB"])?;
            format!("{}{unit}", 1 + random.below(5000))
        }
        "port" => (30_000 + random.below(30_000)).to_string(),
        "uuid" => uuid(random),
        "hex" => random.hex(40),
        "x8" => format!("{}{}", random.hex(7), random.below(10)),
        "x16" => format!("{}{}", random.hex(15), random.below(10)),
        "addr" => format!("0x{:012x}", 0x7f00_0000_0000_u64 + (random.number() % 0xff_ffff_ffff)),
        "ulid" => format!("01H{}", random.text(CROCKFORD, 23)),
        "token" => format!("{}7{}", random.text(BASE62, 9), random.text(BASE62, 12)),
        "jwt" => format!("eyJhbGciOiJIUzI1NiJ9.{}.{}", random.text(BASE64, 60), random.text(BASE64, 43)),
        "letters" => random.text("abcdefghijklmnopqrstuvwxyz", 2),
        "host" => host(random)?,
        "ip" => format!("10.{}.{}.{}", random.below(256), random.below(256), 1 + random.below(254)),
        "email" => {
            let domain = random.pick(&["example.com", "mail.example.org", "example.net"])?;
            format!("{}{}@{domain}", random.pick(&NAMES)?, random.below(100))
        }
        "url" => format!("https://{}/v1/items/{}?page={}", host(random)?, random.below(90_000), random.below(50)),
        "path" => format!("/var/tmp/{}/upload-{}.csv", random.hex(8), random.below(90_000)),
        "winpath" => format!("C:\\Users\\{}\\AppData\\file{}.tmp", random.pick(&NAMES)?, random.below(900)),
        "time" => format!(
            "2026-0{}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            1 + random.below(9),
            1 + random.below(28),
            random.below(24),
            random.below(60),
            random.below(60),
            random.below(1000)
        ),
        "date" => format!("2026-0{}-{:02}", 1 + random.below(9), 1 + random.below(28)),
        "list" => {
            let items: Vec<String> = (0..2 + random.below(6)).map(|_| random.below(9000).to_string()).collect();
            format!("[{}]", items.join(", "))
        }
        "json" => json(random),
        "sku" => format!("sku-{}", random.below(100_000)),
        "mac" => (0..6).map(|_| random.hex(2)).collect::<Vec<_>>().join(":"),
        "big" => format!("{},{:03},{:03}", 1 + random.below(9), random.below(1000), random.below(1000)),
        "user" => random.pick(&NAMES)?.to_string(),
        _ => return None,
    })
}

const NAMES: [&str; 8] = ["anna", "bert", "chloe", "dmitri", "esra", "fabio", "grete", "hiro"];

fn host(random: &mut Random) -> Option<String> {
    let service = random.pick(&["db", "api", "cache", "worker", "edge"])?;
    Some(format!("{service}-{}.eu-{}.internal.example.com", random.below(40), 1 + random.below(3)))
}

fn uuid(random: &mut Random) -> String {
    let hex = random.hex(32);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn json(random: &mut Random) -> String {
    let fields: Vec<String> = (0..1 + random.below(4))
        .map(|at| format!("\"{}\": {}", ["id", "count", "total", "page"][at], random.below(90_000)))
        .collect();
    format!("{{{}}}", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_and_code_stays() {
        let filled = fill("item {id} of {uuid}: { return {x}; }", 7);
        assert!(filled.ends_with(": { return {x}; }"), "{filled}");
        assert!(!filled.contains("{id}") && !filled.contains("{uuid}"));
        assert_eq!(filled, fill("item {id} of {uuid}: { return {x}; }", 7));
        assert!(varies("{id}") && !varies("{nothing}"));
    }
}
