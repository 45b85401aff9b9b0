//! Tables of versions and orders, and properties of the sort key.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;

fn key(text: &str) -> Vec<u8> {
    Version::parse(text).unwrap_or_else(|| panic!("{text} is a version")).key().to_vec()
}

#[test]
fn versions_sort_as_their_schemes_say() {
    // Each line from the oldest to the newest; `=` joins what is equal.
    let lines = [
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1 1.1.0 2",
        "1=1.0=1.0.0=v1.0.0=1.0.0+45=1.0.0+exp.sha 1.0.0.1 1.0.1",
        "0.9.9 0.9.10 0.10.0 1.9.0 1.10.0 10.0.0",
        "3.25.47.9 3.25.47.21 3.25.47.22 3.25.48",
        "1.0.dev3 1.0a1=1.0-alpha.1 1.0a2 1.0a10 1.0b1 1.0rc1=1.0-rc.1 1.0=1.0.0 1.0.post1 1.0.post10 1.0.1",
        "1.2.3 1.2.3-4-g1a2b3c4 1.2.3-14-g00ff00a 1.2.4-rc.1 1.2.4",
        "2025.12.31 2026.01.05=2026.1.5 2026.1.5-1 2026.1.5-2 2026.1.5-10 2026.1.10 2026.11.22-rc1 2026.11.22",
        "2026-11-21 2026-11-22=2026.11.22 2026-11-22.1 2026-11-22.2 2026-12-01",
        "20261121 20261122 202611220830 20261122103000",
        "7 45 100 99999999999999999999999999 99999999999999999999999999.1",
        "5.36.2 5.36.10 5.37.0-beta.2 5.37.0-beta.10 5.37.0",
        "1.0.0-0.3.7 1.0.0-1 1.0.0-x.7.z.92 1.0.0-x-y-z.4",
    ];
    for line in lines {
        let groups: Vec<Vec<&str>> = line.split(' ').map(|group| group.split('=').collect()).collect();
        for (at, group) in groups.iter().enumerate() {
            for one in group {
                assert!(group.iter().all(|other| key(one) == key(other)), "{one} equals {group:?}");
                for later in groups[at + 1..].iter().flatten() {
                    assert!(key(one) < key(later), "{one} is before {later}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_version_has_no_key() {
    let hash = "0805334fa1b2c3d4e5f60718293a4b5c6d7e8f90";
    for text in
        [hash, "deadbeef1234", "123456789012", "main", "nightly", "1a2b3c4", "1.x", "1..2", "1.2.3-", "1.2.3+", "", "v"]
    {
        assert_eq!(Version::parse(text), None, "{text}");
    }
    assert!(is_hash(hash) && is_hash("123456789012") && !is_hash("202611221030") && !is_hash("1a2b3c4"));
}

#[test]
fn names_are_split_at_the_package() {
    let split = |name: &'static str| (Name::parse(name).package, Name::parse(name).text);
    assert_eq!(split("shop@2.1.0"), ("shop", "2.1.0"));
    assert_eq!(split("@acme/shop@2.1.0"), ("@acme/shop", "2.1.0"));
    assert_eq!(split("2.1.0"), ("", "2.1.0"));
    assert_eq!(split("@shop"), ("", "@shop"));
    assert_eq!(split("shop@"), ("", "shop@"));
    assert_eq!(split("ä@1"), ("ä", "1"));
    assert!(Name::parse("shop@2.1.0-rc.1").version.unwrap().is_pre_release);
}

#[test]
fn a_project_says_which_order_it_uses_and_why() {
    let semantic: Vec<String> = (0..9).map(|n| format!("shop@1.{n}.0")).collect();
    let mut newest: Vec<&str> = semantic.iter().map(String::as_str).collect();
    newest.push("deadbeef1234");
    let cases: [(&[&str], Order, &str); 9] = [
        (&newest, Order::Version, "By version: 9 of the 10 newest releases are semantic versions of package shop."),
        (&[], Order::Version, "By version, until the first release says otherwise."),
        (&["2.1.0"], Order::Version, "By version: the only release is a semantic version."),
        (&["deadbeef1234"], Order::FirstSeen, "By first seen: the only release is no version."),
        (&["1.0", "2.0", "main"], Order::FirstSeen, "By first seen: only 2 of the 3 releases are versions."),
        (&["1.0", "main"], Order::FirstSeen, "By first seen: only 1 of the 2 releases is a version."),
        (&["2026.11.22", "2026.11.23"], Order::Version, "By version: 2 of the 2 releases are calendar versions."),
        (&["a@1.0", "b@7"], Order::Version, "By version: 2 of the 2 releases are versions of 2 packages."),
        (&["api@3.25.47.22"], Order::Version, "By version: the only release is a version of package api."),
    ];
    for (names, order, reason) in cases {
        assert_eq!(choose_order(names), (order, reason.to_owned()));
    }
}

#[test]
fn releases_are_compared_by_version_within_a_package_else_by_our_clock() {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let (early, late) = (Some(datetime!(2026-11-01 0:00 UTC)), Some(datetime!(2026-11-02 0:00 UTC)));
    let ask = |one, one_seen, other, other_seen, order| {
        let comparison =
            compare(Seen { name: one, first_seen: one_seen }, Seen { name: other, first_seen: other_seen }, order);
        (comparison.ordering, comparison.by)
    };
    let (version, seen) = (Order::Version, Order::FirstSeen);
    assert_eq!(ask("shop@2.0.9", late, "shop@2.1.0", early, version), (Less, version));
    assert_eq!(ask("shop@2.0.9", late, "shop@2.1.0", early, seen), (Greater, seen));
    assert_eq!(ask("shop@2.0.9", late, "api@2.1.0", early, version), (Greater, seen), "another package");
    assert_eq!(ask("shop@2.0.9", early, "deadbeef1234", late, version), (Less, seen), "a hash");
    assert_eq!(ask("shop@1+2", late, "shop@1+1", early, version), (Greater, seen), "builds of one version");
    assert_eq!(ask("main", early, "other", None, version), (Less, seen), "not seen yet");
    assert_eq!(ask("main", None, "main", early, version), (Equal, version));
    assert_eq!(ask("a", early, "b", early, seen), (Less, seen));
    assert!(is_same_line("shop@1", "shop@2") && !is_same_line("shop@1", "api@2") && !is_same_line("1.0", "main"));
}

/// The precedence of semantic versions, written down a second time without keys.
fn precedence(one: &(Vec<u64>, Vec<String>), other: &(Vec<u64>, Vec<String>)) -> Ordering {
    one.0.cmp(&other.0).then_with(|| match (one.1.is_empty(), other.1.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let by_identifier = one.1.iter().zip(&other.1).map(|(a, b)| match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            });
            by_identifier.fold(Ordering::Equal, Ordering::then).then(one.1.len().cmp(&other.1.len()))
        }
    })
}

fn semantic() -> impl Strategy<Value = (Vec<u64>, Vec<String>)> {
    let number = prop_oneof![0..4_u64, 0..2_000_000_u64];
    let identifier = prop_oneof!["(0|[1-9][0-9]{0,3})", "[a-c-]{1,3}[0-9]{0,2}", "rc|beta|alpha"];
    (prop::collection::vec(number, 3), prop::collection::vec(identifier, 0..4))
}

fn written(version: &(Vec<u64>, Vec<String>)) -> String {
    let numbers: Vec<String> = version.0.iter().map(u64::to_string).collect();
    let dash = if version.1.is_empty() { "" } else { "-" };
    format!("{}{dash}{}", numbers.join("."), version.1.join("."))
}

proptest! {
    #[test]
    fn keys_sort_as_semantic_versioning_says(one in semantic(), other in semantic()) {
        // A date has rules of its own for what follows it.
        prop_assume!([&one, &other].iter().all(|version| !(1990..2100).contains(&version.0[0])));
        prop_assert_eq!(key(&written(&one)).cmp(&key(&written(&other))), precedence(&one, &other));
    }

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,40}", other in "[0-9a-z.@+-]{0,40}") {
        let _ = Name::parse(&text);
        let _ = Name::parse(&other);
        let _ = choose_order(&[&text, &other]);
    }
}

#[test]
fn a_version_in_a_path_is_read_back_whole() {
    assert_eq!(page_path("shop", "@acme/a b+é?%"), "/projects/shop/releases/@acme%2Fa%20b%2B%C3%A9%3F%25");
}
