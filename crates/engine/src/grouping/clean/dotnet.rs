//! .NET: state machines and display classes back to the methods they were made from.

use std::borrow::Cow;

use super::{APP, LIBRARY, Ruling, SDK, cow, file, module, name, starts_with_any};
use crate::event::Frame;

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    frame.module.or_empty().starts_with("Sentry.").then_some(SDK)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    let library =
        starts_with_any(frame.module.or_empty(), &["System.", "Microsoft.", "UnityEngine.", "Npgsql.", "Newtonsoft."]);
    if library { LIBRARY } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    // `async Task<IActionResult> Cart.Add(string sku)`, `decimal Price.Lookup(string sku)+(Row r) => { }`
    let signature = name.split('(').next().unwrap_or(name).trim();
    let method = signature.rsplit(' ').next().unwrap_or(signature);
    let method = method.split('`').next().unwrap_or(method);
    let method = method.rsplit(['.', '+']).next().unwrap_or(method);
    match (method, marked(frame.module.or_empty())) {
        // `Outer+<Invoke>d__13` runs the method `Invoke`.
        ("MoveNext", Some(original)) => Cow::Borrowed(original),
        // `<Lookup>b__1` is a lambda of `Lookup`.
        _ => marked(method).map_or_else(|| cow(name, method), Cow::Borrowed),
    }
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    match module(frame) {
        Some(module) => {
            let module = module.split('`').next().unwrap_or(module);
            match module.split_once("+<") {
                None => Cow::Borrowed(module),
                Some((class, made)) => match made_up(made) {
                    "" => Cow::Borrowed(class),
                    rest => Cow::Owned(format!("{class}{rest}")),
                },
            }
        }
        None => file(frame),
    }
}

/// What is left of `Invoke>d__13` or `>c__DisplayClass3_0` without the compiler's part.
fn made_up(name: &str) -> &str {
    let rest = name.split_once('>').map_or(name, |(_, rest)| rest);
    let kind = rest.split_once("__").map_or("", |(_, kind)| kind);
    kind.trim_start_matches("DisplayClass").trim_start_matches(|c: char| c.is_ascii_digit() || c == '_')
}

/// The name between the angle brackets of a compiler's name.
fn marked(name: &str) -> Option<&str> {
    let (_, rest) = name.rsplit_once('<')?;
    rest.split_once('>').map(|(original, _)| original).filter(|original| !original.is_empty())
}
