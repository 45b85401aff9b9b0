//! .NET: state machines, display classes and local functions back to the methods they were made from.

use std::borrow::Cow;

use super::{APP, LIBRARY, MACHINERY, Ruling, SDK, file, module, name, starts_with_any};
use crate::event::Frame;

/// How an awaited call differs from a plain one.
const ASYNC_MACHINERY: &[&str] = &[
    "System.Runtime.CompilerServices.",
    "System.Runtime.ExceptionServices.",
    "System.Threading.ExecutionContext",
    "System.Threading.Tasks.",
    "System.Threading.ThreadPool",
    "System.Threading.PortableThreadPool",
    "Cysharp.Threading.Tasks.",
];

const LIBRARY_PACKAGES: &[&str] = &[
    "Akka.",
    "Amazon.",
    "AutoMapper.",
    "Autofac.",
    "Avalonia.",
    "AwesomeAssertions.",
    "Azure.",
    "Castle.",
    "Confluent.",
    "CsvHelper.",
    "Dapper.",
    "DevExpress.",
    "Elastic.",
    "Elasticsearch.",
    "FSharp.",
    "Firebase.",
    "FluentAssertions.",
    "FluentValidation.",
    "Flurl.",
    "Google.",
    "Grpc.",
    "Hangfire.",
    "HotChocolate.",
    "IdentityModel.",
    "IdentityServer4.",
    "JetBrains.",
    "MassTransit.",
    "MediatR.",
    "Microsoft.",
    "MongoDB.",
    "Mono.",
    "Moq.",
    "MvvmCross.",
    "MySql.",
    "NHibernate.",
    "NLog.",
    "NSubstitute.",
    "NUnit.",
    "Nest.",
    "Newtonsoft.",
    "Ninject.",
    "Npgsql.",
    "Oracle.",
    "Orleans.",
    "Photon.",
    "Polly.",
    "Prism.",
    "Quartz.",
    "RabbitMQ.",
    "ReactiveUI.",
    "Refit.",
    "RestSharp.",
    "SQLite.",
    "SendGrid.",
    "Serilog.",
    "ServiceStack.",
    "Shouldly.",
    "SimpleInjector.",
    "StackExchange.",
    "Stripe.",
    "Swashbuckle.",
    "Syncfusion.",
    "System.",
    "TMPro.",
    "Telerik.",
    "UniRx.",
    "UnityEditor.",
    "UnityEngine.",
    "Windows.",
    "Wolverine.",
    "Xamarin.",
    "Xunit.",
    "Zenject.",
    "log4net.",
];

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let module = frame.module.or_empty();
    if module.starts_with("Sentry.") {
        return Some(SDK);
    }
    starts_with_any(module, ASYNC_MACHINERY).then_some(MACHINERY)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    if starts_with_any(frame.module.or_empty(), LIBRARY_PACKAGES) { LIBRARY } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    // `async Task<IActionResult> Cart.Add(string sku)`, `decimal Price.Lookup(string sku)+(Row r) => { }`
    let signature = name.split('(').next().unwrap_or(name).trim();
    let method = without_type_arguments(signature);
    let method = method.rsplit(' ').next().unwrap_or(method);
    let method = method.split(['`', '[']).next().unwrap_or(method);
    let method = method.rsplit(['.', '+']).next().unwrap_or(method);
    let method = without_hash(method);
    // `Outer+<Invoke>d__13` runs the method `Invoke`, `Prices+total@42` the function `total`.
    if matches!(method, "MoveNext" | "Invoke" | "GenerateNext") {
        let made_from = frame.module.or_empty().rsplit_once('+').map(|(_, class)| class);
        if let Some(original) = made_from.and_then(|class| marked(class).or_else(|| closure(class))) {
            return Cow::Borrowed(original);
        }
    }
    // `<Lookup>b__1` is a lambda of `Lookup`, `<Lookup>g__Row|3_0` a function in it.
    Cow::Borrowed(marked(method).unwrap_or(method))
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let Some(module) = module(frame) else { return file(frame) };
    let module = module.split(['`', '[']).next().unwrap_or(module);
    match module.split_once("+<") {
        Some((class, made)) => match made_up(made) {
            "" => Cow::Borrowed(class),
            rest => Cow::Owned(format!("{class}{rest}")),
        },
        None => match module.rsplit_once('+') {
            Some((class, inner)) if inner.contains('@') => Cow::Borrowed(class),
            _ => Cow::Borrowed(module),
        },
    }
}

/// `Get` of `Get<T, List<U>>`; `<Get>b__1` as it is.
fn without_type_arguments(name: &str) -> &str {
    if !name.ends_with('>') {
        return name;
    }
    let mut depth = 0usize;
    let open = name.bytes().rposition(|b| {
        depth += usize::from(b == b'>');
        depth -= usize::from(b == b'<');
        depth == 0
    });
    open.filter(|open| *open > 0).map_or(name, |open| &name[..open])
}

/// `Cart_Total_m1A2B3C4D5E6F7A8B` without what the ahead-of-time compiler of Unity adds.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("_m") {
        Some((method, hash)) if hash.len() >= 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => method,
        _ => name,
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

/// `total` of F#'s `total@42-1`.
fn closure(class: &str) -> Option<&str> {
    class.split_once('@').map(|(function, _)| function)
}
