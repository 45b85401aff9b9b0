//! Go: no closure counters, no type arguments, no module versions.

use std::borrow::Cow;

use super::{
    APP, HANDLER, LIBRARY, MACHINERY, RAISE, RUNTIME, Ruling, SDK, cow, lies_in, module, name, path, starts_with_any,
};
use crate::event::Frame;
use crate::grouping::paths;

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let (path, module) = (path(frame), frame.module.or_empty());
    if module.starts_with("github.com/getsentry/") || path.contains("/getsentry/") {
        return Some(SDK);
    }
    if module == "runtime" && matches!(frame.function.or_empty(), "gopanic" | "sigpanic") {
        return Some(RAISE);
    }
    // A deferred call runs on top of the frames that panicked.
    if frame.context_line.get().is_some_and(|line| line.contains("Recover(") || line.contains("recover()")) {
        return Some(HANDLER);
    }
    if module == "runtime" && matches!(frame.function.or_empty(), "main" | "goexit") {
        return Some(MACHINERY);
    }
    if module == "runtime" || lies_in(path, &["/usr/local/go/src/", "/usr/lib/go", "/usr/share/go", "/libexec/src/"]) {
        return Some(RUNTIME);
    }
    lies_in(path, &["/pkg/mod/", "/vendor/"]).then_some(LIBRARY)
}

/// Modules that many programs stand on, for frames without a path.
const MODULES: &[&str] = &[
    "cloud.google.com/",
    "entgo.io/",
    "github.com/Azure/",
    "github.com/IBM/",
    "github.com/Shopify/sarama",
    "github.com/aws/",
    "github.com/confluentinc/",
    "github.com/elastic/",
    "github.com/gin-gonic/",
    "github.com/go-chi/",
    "github.com/go-kit/",
    "github.com/go-playground/",
    "github.com/go-redis/",
    "github.com/go-sql-driver/",
    "github.com/gofiber/",
    "github.com/google/",
    "github.com/gorilla/",
    "github.com/grpc-ecosystem/",
    "github.com/hashicorp/",
    "github.com/jackc/",
    "github.com/jmoiron/",
    "github.com/julienschmidt/",
    "github.com/labstack/",
    "github.com/lib/pq",
    "github.com/nats-io/",
    "github.com/onsi/",
    "github.com/pkg/errors",
    "github.com/prometheus/",
    "github.com/rabbitmq/",
    "github.com/redis/",
    "github.com/rs/",
    "github.com/segmentio/",
    "github.com/sirupsen/",
    "github.com/spf13/",
    "github.com/stretchr/",
    "github.com/urfave/",
    "github.com/valyala/",
    "go.etcd.io/",
    "go.mongodb.org/",
    "go.opentelemetry.io/",
    "go.uber.org/",
    "golang.org/x/",
    "google.golang.org/",
    "gopkg.in/",
    "gorm.io/",
    "k8s.io/",
    "sigs.k8s.io/",
];

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    let module = frame.module.or_empty();
    if starts_with_any(module, MODULES) {
        return LIBRARY;
    }
    // Packages of the standard library have no dot in their first element; without a path `main` is
    // the only certain one of ours.
    let standard = !module.is_empty() && !module.split('/').next().is_some_and(|first| first.contains('.'));
    if standard && module != "main" && path(frame).is_empty() { RUNTIME } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    let mut cleaned = String::with_capacity(name.len());
    let mut depth = 0usize;
    for c in name.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '(' | ')' | '*' => {}
            _ if depth == 0 => cleaned.push(c),
            _ => {}
        }
    }
    let mut short = cleaned.strip_suffix("-fm").unwrap_or(&cleaned);
    if let Some((outer, counter)) = short.rsplit_once("-range")
        && counter.bytes().all(|b| b.is_ascii_digit())
    {
        short = outer;
    }
    while let Some((outer, inner)) = short.rsplit_once('.') {
        let prefixes = ["func", "gowrap", "deferwrap"];
        let counter = prefixes.iter().find_map(|prefix| inner.strip_prefix(prefix)).unwrap_or(inner);
        // `Load.func2-range1`: the body of a loop over a function.
        let counter = counter.split("-range").next().unwrap_or(counter);
        if !counter.bytes().all(|b| b.is_ascii_digit()) {
            break;
        }
        short = outer;
    }
    cow(name, short)
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    match module(frame) {
        Some("main") | None => {
            let file = paths::short(path(frame));
            if file.is_empty() { Cow::Borrowed("main") } else { file }
        }
        Some(module) if module.contains('@') => Cow::Owned(
            module.split('/').map(|part| part.split('@').next().unwrap_or(part)).collect::<Vec<_>>().join("/"),
        ),
        // A package is a folder with many files: two files of it may define one method name.
        Some(module) => match paths::base(path(frame)) {
            file if file.is_empty() => Cow::Borrowed(module),
            file => Cow::Owned(format!("{module}/{file}")),
        },
    }
}
