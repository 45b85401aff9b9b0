//! Elixir and Erlang: one name for a function and the anonymous functions in it.

use std::borrow::Cow;

use super::{APP, LIBRARY, MACHINERY, RUNTIME, Ruling, SDK, file, lies_in, module, name, path, starts_with_any};
use crate::event::Frame;

/// Processes and behaviours below everything.
const OTP: &[&str] = &[
    "proc_lib",
    ":proc_lib",
    "gen_server",
    ":gen_server",
    "gen_statem",
    ":gen_statem",
    "GenServer",
    "Task.Supervised",
];

const RUNTIME_MODULES: &[&str] = &[
    "Access",
    "Agent",
    "Enum",
    "Enumerable",
    "File",
    "IO",
    "Integer",
    "Kernel",
    "Keyword",
    "List",
    "Map",
    "Process",
    "Registry",
    "Stream",
    "String",
    "Supervisor",
    "Task",
    "lists",
    "maps",
    ":lists",
    ":maps",
    ":erlang",
    "erlang",
];

const LIBRARY_MODULES: &[&str] = &[
    ":cowboy",
    ":hackney",
    "Absinthe",
    "Ash",
    "Bandit",
    "Broadway",
    "Commanded",
    "Cowboy",
    "DBConnection",
    "Ecto",
    "ExAws",
    "ExUnit",
    "Exq",
    "Finch",
    "Gettext",
    "Guardian",
    "HTTPoison",
    "Jason",
    "LiveView",
    "Mint",
    "Nebulex",
    "Oban",
    "Phoenix",
    "Plug",
    "Postgrex",
    "Quantum",
    "Redix",
    "Req",
    "Swoosh",
    "Tesla",
    "Timex",
    "Tortoise",
    "Xandra",
    "cowboy",
    "hackney",
    "ranch",
];

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let module = elixir_module(frame);
    if module == "Sentry" || module.starts_with("Sentry.") {
        return Some(SDK);
    }
    if is_one_of(module, OTP) {
        return Some(MACHINERY);
    }
    if is_one_of(module, RUNTIME_MODULES) {
        return Some(RUNTIME);
    }
    lies_in(path(frame), &["/deps/"]).then_some(LIBRARY)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    if is_one_of(elixir_module(frame), LIBRARY_MODULES) || path(frame).ends_with(".erl") { LIBRARY } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    // `anonymous fn/2 in Shop.Cart.total/1`
    let name = name.rsplit_once(" in ").map_or(name, |(_, outer)| outer);
    // `-total/1-fun-0-`, `-total/1-lc$^0/1-0-`, with the module in front or not.
    let name = match name.find("-fun-").or_else(|| name.find("-lc$")) {
        Some(end) => &name[name[..end].find('-').map_or(0, |start| start + 1)..end],
        None => name,
    };
    let (path, arity) = name.rsplit_once('/').unwrap_or((name, ""));
    let short = path.rsplit('.').next().unwrap_or(path);
    Cow::Borrowed(if arity.is_empty() { short } else { &name[path.len() - short.len()..] })
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    match elixir_module(frame) {
        "" => file(frame),
        module => Cow::Borrowed(module),
    }
}

fn elixir_module<'e>(frame: &'e Frame<'_>) -> &'e str {
    let module = module(frame).unwrap_or_default();
    module.strip_prefix("Elixir.").unwrap_or(module)
}

/// One of the modules, or a module in it.
fn is_one_of(module: &str, names: &[&str]) -> bool {
    names.iter().any(|name| module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
        || starts_with_any(module, &["Elixir.Mix."])
}
