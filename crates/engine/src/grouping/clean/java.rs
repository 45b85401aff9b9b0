//! Java and its relatives: proxies and reflection disappear, lambdas keep their method.

use std::borrow::Cow;

use super::{APP, LIBRARY, MACHINERY, RUNTIME, Ruling, SDK, file, has_any, module, name, starts_with_any};
use crate::event::Frame;

/// Classes made at run time. Whether they stand in a stack depends on configuration and warm-up.
const GENERATED: &[&str] = &[
    "$$EnhancerBy",
    "$$FastClassBy",
    "$$SpringCGLIB$$",
    "$HibernateProxy$",
    "$$Lambda",
    "ByteBuddy",
    "_$$_javassist",
    "_$$_Weld",
    "GeneratedMethodAccessor",
    "GeneratedConstructorAccessor",
    "GeneratedSerializationConstructorAccessor",
    "LambdaForm$",
    "DirectMethodHandleAccessor",
    "NativeMethodAccessorImpl",
    "DelegatingMethodAccessorImpl",
];

const RUNTIME_PACKAGES: &[&str] = &[
    "java.",
    "javax.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "clojure.",
    "groovy.",
    "android.",
    "androidx.",
    "dalvik.",
    "com.android.",
];

const LIBRARY_PACKAGES: &[&str] = &[
    "org.springframework.",
    "org.apache.",
    "org.hibernate.",
    "org.eclipse.",
    "org.jboss.",
    "org.postgresql.",
    "org.junit.",
    "com.fasterxml.",
    "com.google.",
    "com.mysql.",
    "com.zaxxer.",
    "com.squareup.",
    "okhttp3.",
    "retrofit2.",
    "io.netty.",
    "io.ktor.",
    "io.micronaut.",
    "io.quarkus.",
    "io.vertx.",
    "io.reactivex.",
    "jakarta.",
    "reactor.",
    "akka.",
    "play.",
];

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let module = frame.module.or_empty();
    let proxy = module.rsplit('.').next().is_some_and(|class| {
        class.strip_prefix("$Proxy").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
    });
    if proxy || has_any(module, GENERATED) || frame.function.or_empty().starts_with("access$") {
        return Some(MACHINERY);
    }
    if module.starts_with("io.sentry.") {
        return Some(SDK);
    }
    starts_with_any(module, RUNTIME_PACKAGES).then_some(RUNTIME)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    if starts_with_any(frame.module.or_empty(), LIBRARY_PACKAGES) { LIBRARY } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    // `lambda$ship$3`: the number counts lambdas of the class.
    if let Some(rest) = name.strip_prefix("lambda$") {
        let method = rest.rsplit_once('$').map_or(rest, |(method, _)| method);
        return Cow::Borrowed(if method.is_empty() { "lambda" } else { method });
    }
    // `$anonfun$run$2`, `run$lambda-3`, `run$suspendImpl`.
    let name = name.strip_prefix("$anonfun$").unwrap_or(name);
    let name = name.split('$').find(|part| !part.is_empty()).unwrap_or(name);
    Cow::Borrowed(name)
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let Some(module) = module(frame) else {
        return file(frame);
    };
    // `Outer$1`, `Outer$fn__12`: inner classes without a name are counted.
    let mut class = module;
    while let Some((outer, inner)) = class.rsplit_once('$') {
        let counted =
            inner.starts_with("fn__") || inner.starts_with("anonfun") || inner.bytes().all(|b| b.is_ascii_digit());
        if !counted {
            break;
        }
        class = outer;
    }
    Cow::Borrowed(class)
}
