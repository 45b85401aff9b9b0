//! Names of compiled code: demangled, without signature, type arguments, counters and hashes.
//!
//! Owns the spelling in which two compilers, two manglings and two builds name one function alike. The
//! enclosing function of closures, lambdas and blocks stands for them.

use std::borrow::Cow;

use super::super::{cow, has_any, name, starts_with_any};
use crate::event::Frame;

pub(in super::super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let raw = name(frame);
    if matches!(raw, "<unknown>" | "<redacted>" | "??" | "?" | "(unknown)") {
        return Cow::Borrowed("");
    }
    if let Some(method) = objective_c(raw) {
        return Cow::Borrowed(method);
    }
    let demangled = demangle(raw);
    let name = demangled.as_deref().unwrap_or(raw);
    let name = without_address(name);
    let name = without_prefixes(name);
    let stripped = without_arguments(name);
    let stripped = without_suffixes(&stripped);
    let stripped = in_one_spelling(stripped);
    match (&demangled, stripped) {
        (None, Cow::Borrowed(stripped)) => cow(raw, stripped),
        (_, stripped) => Cow::Owned(stripped.into_owned()),
    }
}

/// A name with its class or namespace.
pub(super) fn is_qualified(raw: &str) -> bool {
    has_any(raw, &["::", "["]) || starts_with_any(raw, MANGLED) || (raw.contains('.') && !has_any(raw, CLONES))
}

const MANGLED: &[&str] = &["_Z", "__Z", "_R", "__R", "?", "$s", "_$s"];

/// What compilers add to copies of a function.
const CLONES: &[&str] = &[
    ".part.",
    ".isra.",
    ".constprop.",
    ".cold",
    ".llvm.",
    ".lto_priv.",
    ".resolver",
    ".__uniq.",
    "[clone",
    "@",
    "_block_invoke",
];

/// `-[Cart load:]` is its own name; a block in it is called `__12-[Cart load:]_block_invoke_2`.
fn objective_c(raw: &str) -> Option<&str> {
    let plain = starts_with_any(raw, &["-[", "+["]);
    if plain || raw.starts_with("__") {
        let start = raw.find("-[").or_else(|| raw.find("+["))?;
        let end = raw.rfind(']')?;
        return raw.get(start..=end);
    }
    None
}

fn demangle(raw: &str) -> Option<String> {
    if !starts_with_any(raw, MANGLED) {
        return None;
    }
    // Compilers' suffixes stand behind the mangled part.
    if let Ok(rust) = rustc_demangle::try_demangle(raw) {
        return Some(format!("{rust:#}"));
    }
    let name = symbolic_common::Name::from(raw);
    symbolic_demangle::Demangle::demangle(&name, symbolic_demangle::DemangleOptions::name_only())
}

/// `draw+0x1a`, `draw + 26`: where in the function it was.
fn without_address(name: &str) -> &str {
    match name.rsplit_once('+') {
        Some((function, offset))
            if !function.is_empty() && !function.ends_with("operator") && is_offset(offset.trim()) =>
        {
            function.trim_end()
        }
        _ => name,
    }
}

fn is_offset(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()) && digits.as_bytes()[0].is_ascii_digit()
        || (digits.len() < text.len() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What Swift and C++ put in front of a name, and what stands in front of the function that a closure
/// stands in.
fn without_prefixes(name: &str) -> &str {
    const PREFIXES: &[&str] = &[
        "specialized ",
        "generic specialization of ",
        "merged ",
        "partial apply for ",
        "partial apply forwarder for ",
        "@objc ",
        "@nonobjc ",
        "static ",
        "class ",
        "dispatch thunk of ",
        "reabstraction thunk helper for ",
        "thunk for ",
        "non-virtual thunk to ",
        "virtual thunk to ",
        "covariant return thunk to ",
    ];
    let mut name = name;
    if let Some(rest) = name.strip_prefix("protocol witness for ") {
        name = rest.split(" in conformance ").next().unwrap_or(rest);
    }
    // `(extension in Shop):Shop.Cart.load()`
    if let Some((_, rest)) = name.strip_prefix("(extension in ").and_then(|rest| rest.split_once("):")) {
        name = rest;
    }
    // `closure #1 in Cart.load()`, `(1) suspend resume partial function for Cart.load()`
    let name = name.rsplit_once(" in ").map_or(name, |(_, outer)| outer);
    let mut name = name.rsplit_once(" for ").map_or(name, |(_, outer)| outer);
    while let Some(shorter) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        name = shorter;
    }
    // `Cart.items.getter : [Item]`
    name.split(" : ").next().unwrap_or(name)
}

/// Drops what stands in angle brackets and parentheses, keeping `<A as B>::f` as `A::f`.
fn without_arguments(name: &str) -> Cow<'_, str> {
    if !name.contains(['<', '(', ' ']) {
        return Cow::Borrowed(name);
    }
    if !has_any(name, &["anonymous namespace", "operator"]) {
        return Cow::Owned(without_brackets(name));
    }
    // Parentheses and spaces that belong to names.
    let name = name.replace("(anonymous namespace)", "{anonymous}").replace("`anonymous namespace'", "{anonymous}");
    let name = name.replace("operator()", "{call}");
    let name = name.replace("operator ", "operator\u{1}");
    let name = without_brackets(&name);
    Cow::Owned(name.replace("{call}", "operator()").replace('\u{1}', " "))
}

fn without_brackets(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let (mut angle, mut paren, mut self_type) = (0usize, 0usize, None);
    let mut previous = ' ';
    let last_call = name.rfind(")::");
    for (at, c) in name.char_indices() {
        match c {
            // `operator<`, `operator->` and friends are names, not brackets.
            '<' | '>' if out.ends_with("operator") || out.ends_with("operator<") || previous == '-' => out.push(c),
            '<' => {
                if at == 0 || (at == 1 && out == "_") {
                    out.clear();
                    self_type = Some(out.len());
                }
                angle += 1;
            }
            '>' => {
                angle = angle.saturating_sub(1);
                if angle == 0 {
                    self_type = None;
                }
            }
            '(' if angle == 0 => {
                if paren == 0 && !out.is_empty() && !out.ends_with(' ') {
                    // The argument list of the outermost name: what follows is `const` and the like,
                    // or a lambda inside.
                    if last_call.is_none_or(|last| last < at) {
                        break;
                    }
                }
                paren += 1;
            }
            ')' if angle == 0 => paren = paren.saturating_sub(1),
            _ if paren > 0 => {}
            _ if angle == 0 => out.push(c),
            // Inside the leading `<Type as Trait>` the type is kept.
            ' ' if angle == 1 && self_type.is_some() && name[at..].starts_with(" as ") => self_type = None,
            _ if angle == 1 && self_type.is_some() => out.push(c),
            _ => {}
        }
        previous = c;
    }
    // A return type stands in front of the last space.
    let out = out.trim();
    out.rsplit(' ').find(|part| !matches!(*part, "const" | "&" | "&&")).unwrap_or(out).to_owned()
}

/// Closures in closures that are peeled off one name.
const SUFFIXES_MAX: usize = 16;

/// Closures, blocks, compilers' clones and Rust's hashes.
fn without_suffixes(name: &str) -> &str {
    let end = CLONES.iter().filter_map(|marker| name.find(marker).filter(|at| *at > 0)).min().unwrap_or(name.len());
    let block = name[end..].starts_with("_block_invoke");
    let mut name = name[..end].trim_end();
    if block {
        name = name.trim_start_matches('_');
    }
    for _ in 0..SUFFIXES_MAX {
        let shorter = name
            .strip_suffix("::{{closure}}")
            .or_else(|| name.strip_suffix("{{vtable.shim}}"))
            .or_else(|| name.strip_suffix("::{vtable.shim}"))
            .or_else(|| name.strip_suffix("::operator()"))
            .or_else(|| name.strip_suffix("::"))
            .unwrap_or(name);
        let shorter = counted(shorter, "::{closure#")
            .or_else(|| counted(shorter, "::{closure_env#"))
            .or_else(|| counted(shorter, "::{shim:"))
            .or_else(|| counted(shorter, "::$_"))
            .or_else(|| counted(shorter, "::{lambda"))
            .or_else(|| counted(shorter, "::'lambda"))
            .or_else(|| counted(shorter, "::<lambda"))
            .or_else(|| rust_hash(shorter))
            .unwrap_or(shorter);
        if shorter.len() == name.len() {
            break;
        }
        name = shorter;
    }
    name
}

/// `name` without a last `::part` that starts with `marker`.
fn counted<'n>(name: &'n str, marker: &str) -> Option<&'n str> {
    let at = name.rfind("::")?;
    name[at..].starts_with(marker).then_some(&name[..at])
}

fn rust_hash(name: &str) -> Option<&str> {
    let (head, tail) = name.rsplit_once("::h")?;
    (tail.len() == 16 && tail.bytes().all(|b| b.is_ascii_hexdigit())).then_some(head)
}

/// Parts that compilers and libraries spell in several ways, or put in the middle.
fn in_one_spelling(name: &str) -> Cow<'_, str> {
    const SPELLINGS: &[(&str, &str)] = &[
        ("{anonymous}", "(anonymous namespace)"),
        ("_GLOBAL__N_1", "(anonymous namespace)"),
        ("::{{closure}}", ""),
        ("std::__1::", "std::"),
        ("std::__cxx11::", "std::"),
        ("std::__ndk1::", "std::"),
        ("[abi:cxx11]", ""),
        ("::::", "::"),
    ];
    let mut name = Cow::Borrowed(name);
    for (spelling, common) in SPELLINGS {
        if name.contains(spelling) {
            name = Cow::Owned(name.replace(spelling, common));
        }
    }
    // Disambiguators of crates and closures: `app[1a2b3c4d5e6f7a8b]`, `::{closure#2}::inner`.
    for (open, close) in [("::{closure#", '}'), ("[", ']')] {
        if name.contains(open) {
            name = Cow::Owned(without_parts(&name, open, close));
        }
    }
    name
}

/// Drops every `::{closure#2}`, and what stands in brackets if it is a hash.
fn without_parts(name: &str, open: &str, close: char) -> String {
    let mut kept = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, part)) = rest.split_once(open) {
        let Some((inside, behind)) = part.split_once(close) else { break };
        kept.push_str(before);
        let is_hash = inside.len() >= 12 && inside.bytes().all(|b| b.is_ascii_hexdigit());
        if close == ']' && !is_hash {
            kept.extend([open, inside]);
            kept.push(close);
        }
        rest = behind;
    }
    kept.push_str(rest);
    kept
}
