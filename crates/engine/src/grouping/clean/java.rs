//! Java and its relatives: proxies and reflection disappear, lambdas, coroutines and closures keep the
//! method that they stand in.

use std::borrow::Cow;

use super::{APP, LIBRARY, MACHINERY, RUNTIME, Ruling, SDK, file, has_any, module, name, starts_with_any};
use crate::event::Frame;

/// Classes made at run time. Whether they stand in a stack depends on configuration and warm-up.
const GENERATED: &[&str] = &[
    "$$EnhancerBy",
    "$$FastClassBy",
    "$$SpringCGLIB$$",
    "$HibernateProxy$",
    "$MockitoMock$",
    "$$Lambda",
    "$$ExternalSyntheticLambda",
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

/// Reflection and coroutines: how a call was made, not which.
const MACHINERY_PACKAGES: &[&str] = &[
    "java.lang.reflect.",
    "java.lang.invoke.",
    "jdk.internal.reflect.",
    "jdk.proxy",
    "sun.reflect.",
    "kotlin.coroutines.",
    "kotlinx.coroutines.",
    "kotlin.reflect.",
    "groovy.lang.MetaMethod",
    "groovy.lang.MetaClassImpl",
    "org.codehaus.groovy.runtime.",
    "org.codehaus.groovy.reflection.",
    "com.android.internal.os.",
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
    "akka.",
    "butterknife.",
    "cats.",
    "ch.qos.logback.",
    "cn.hutool.",
    "co.elastic.",
    "coil.",
    "com.airbnb.",
    "com.alibaba.",
    "com.amazonaws.",
    "com.auth0.",
    "com.bumptech.glide.",
    "com.datastax.",
    "com.facebook.",
    "com.fasterxml.",
    "com.github.benmanes.",
    "com.github.resilience4j.",
    "com.google.",
    "com.ibm.",
    "com.jayway.",
    "com.microsoft.",
    "com.mongodb.",
    "com.mysql.",
    "com.netflix.",
    "com.oracle.",
    "com.rabbitmq.",
    "com.rometools.",
    "com.slack.",
    "com.squareup.",
    "com.stripe.",
    "com.twilio.",
    "com.vaadin.",
    "com.zaxxer.",
    "compojure.",
    "dagger.",
    "doobie.",
    "feign.",
    "freemarker.",
    "fs2.",
    "graphql.",
    "io.cucumber.",
    "io.dropwizard.",
    "io.fabric8.",
    "io.github.resilience4j.",
    "io.grpc.",
    "io.jsonwebtoken.",
    "io.kotest.",
    "io.ktor.",
    "io.lettuce.",
    "io.micrometer.",
    "io.micronaut.",
    "io.mockk.",
    "io.netty.",
    "io.opentelemetry.",
    "io.quarkus.",
    "io.r2dbc.",
    "io.reactivex.",
    "io.realm.",
    "io.restassured.",
    "io.smallrye.",
    "io.swagger.",
    "io.temporal.",
    "io.undertow.",
    "io.vertx.",
    "jakarta.",
    "jnr.",
    "junit.",
    "liquibase.",
    "munit.",
    "net.bytebuddy.",
    "net.sf.",
    "okhttp3.",
    "okio.",
    "oracle.",
    "org.apache.",
    "org.aspectj.",
    "org.assertj.",
    "org.bouncycastle.",
    "org.codehaus.",
    "org.dom4j.",
    "org.easymock.",
    "org.eclipse.",
    "org.elasticsearch.",
    "org.flywaydb.",
    "org.glassfish.",
    "org.gradle.",
    "org.h2.",
    "org.hamcrest.",
    "org.hibernate.",
    "org.http4s.",
    "org.jboss.",
    "org.jdbi.",
    "org.jetbrains.",
    "org.jmock.",
    "org.joda.",
    "org.jooq.",
    "org.json.",
    "org.junit.",
    "org.keycloak.",
    "org.koin.",
    "org.mockito.",
    "org.mongodb.",
    "org.mybatis.",
    "org.opentest4j.",
    "org.postgresql.",
    "org.quartz.",
    "org.reactivestreams.",
    "org.redisson.",
    "org.scalacheck.",
    "org.scalatest.",
    "org.slf4j.",
    "org.specs2.",
    "org.spockframework.",
    "org.springframework.",
    "org.testng.",
    "org.thymeleaf.",
    "org.w3c.",
    "org.xml.",
    "org.xnio.",
    "org.yaml.",
    "play.",
    "reactor.",
    "redis.clients.",
    "retrofit2.",
    "ring.",
    "rx.",
    "scalaz.",
    "shapeless.",
    "slick.",
    "software.amazon.",
    "sttp.",
    "timber.",
    "weblogic.",
    "zio.",
];

/// Frameworks of tests: an assertion fails in them, and never because of them.
const TESTING_PACKAGES: &[&str] = &[
    "io.kotest.",
    "junit.",
    "kotlin.test.",
    "org.assertj.",
    "org.hamcrest.",
    "org.junit.",
    "org.mockito.",
    "org.opentest4j.",
    "org.scalatest.",
    "org.spockframework.",
    "org.testng.",
];

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let (module, function) = (frame.module.or_empty(), frame.function.or_empty());
    let proxy = module.rsplit('.').next().is_some_and(|class| {
        class.strip_prefix("$Proxy").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
    });
    if proxy
        || has_any(module, GENERATED)
        || starts_with_any(function, &["access$", "$r8$", "-$$Nest$"])
        || starts_with_any(module, MACHINERY_PACKAGES)
    {
        return Some(MACHINERY);
    }
    if module.starts_with("io.sentry.") {
        return Some(SDK);
    }
    if starts_with_any(module, TESTING_PACKAGES) {
        return Some(LIBRARY);
    }
    starts_with_any(module, RUNTIME_PACKAGES).then_some(RUNTIME)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    if starts_with_any(frame.module.or_empty(), LIBRARY_PACKAGES) { LIBRARY } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let method = module(frame).and_then(|module| enclosing(module).1);
    Cow::Borrowed(method.unwrap_or_else(|| method_name(name(frame))))
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    module(frame).map_or_else(|| file(frame), |module| Cow::Borrowed(enclosing(module).0))
}

/// `b.c.a.f`: what R8 and ProGuard call things.
pub(super) fn is_obfuscated(frame: &Frame<'_>, function: &str) -> bool {
    function.len() <= 2 && is_obfuscated_class(frame.module.or_empty())
}

/// Every part of the class has at most two letters.
pub(in crate::grouping) fn is_obfuscated_class(class: &str) -> bool {
    !class.is_empty() && class.split(['.', '$']).all(|part| part.len() <= 2)
}

/// A class that stands for a piece of a method, as the class and the method around it:
/// `Cart$load$1` (Kotlin) and `shop.cart$load$fn__12` (Clojure) are `load`, `Cart$1` is `Cart`.
fn enclosing(module: &str) -> (&str, Option<&str>) {
    // What is generated at run time is named after the class that it stands for.
    let made = module.find("$$").filter(|at| !module[at + 2..].starts_with("anonfun"));
    let (mut class, mut method) = (module[..made.unwrap_or(module.len())].trim_end_matches('$'), None);
    while let Some((outer, inner)) = class.rsplit_once('$') {
        if !is_counted(inner) {
            // Classes begin with a capital letter.
            let inner = inner.trim_start_matches('_').split("_closure").next().unwrap_or(inner);
            if !inner.starts_with(|c: char| c.is_ascii_lowercase()) {
                break;
            }
            method = Some(inner);
        }
        class = outer.trim_end_matches('$');
    }
    (class, method)
}

/// `1`, `fn__12`, `lambda-3`, `eval42`: parts without a name of their own.
fn is_counted(part: &str) -> bool {
    let stem = part.trim_end_matches(|c: char| c.is_ascii_digit());
    matches!(stem.trim_end_matches(['-', '_']), "" | "fn" | "anonfun" | "lambda" | "inlined" | "sam" | "eval" | "reify")
}

fn method_name(name: &str) -> &str {
    // `lambda$ship$3`, `$anonfun$run$2`: the number counts lambdas of the class.
    let name = name.strip_prefix("lambda$").or_else(|| name.strip_prefix("$anonfun$")).unwrap_or(name);
    // `run$lambda-3`, `run$suspendImpl`, `run$default`
    let name = name.split('$').find(|part| !part.is_empty()).unwrap_or(name);
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        return "lambda";
    }
    // `price-IoAF18s`: Kotlin mangles methods that take inline classes.
    match name.rsplit_once('-') {
        Some((method, mangled)) if mangled.len() == 7 && !method.is_empty() => method,
        _ => name,
    }
}
