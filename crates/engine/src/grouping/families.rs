//! Families of errors: types that say little, functions that only raise, failures of delivery.
//!
//! Owns the word lists with which grouping decides how much a type or a function proves. Adding a
//! name changes keys: see the version in `super::VERSION`.

/// Types that programs throw by hand for unrelated reasons: their message tells them apart.
const GENERIC_TYPES: &[&str] = &[
    "apierror",
    "applicationexception",
    "argumenterror",
    "argumentexception",
    "assertionerror",
    "baseexception",
    "basherror",
    "databaseerror",
    "dbalexception",
    "domexception",
    "error",
    "errorexception",
    "errorstring",
    "evalerror",
    "exception",
    "fatal error",
    "fatalerror",
    "fundamental",
    "httperror",
    "httpexception",
    "illegalargumentexception",
    "illegalstateexception",
    "invalidargumentexception",
    "invalidoperationexception",
    "ioexception",
    "joinerror",
    "logicexception",
    "message",
    "nsexception",
    "operationalerror",
    "oserror",
    "panic",
    "pdoexception",
    "programmingerror",
    "queryexception",
    "requesterror",
    "runtime_error",
    "runtimeerror",
    "runtimeexception",
    "servererror",
    "serviceexception",
    "sqlexception",
    "standarderror",
    "systemexception",
    "throwable",
    "unhandledrejection",
    "unexpectedvalueexception",
    "valueerror",
    "withmessage",
    "withstack",
    "wraperror",
    "wraperrors",
];

/// The message is part of what such an exception is.
pub(super) fn is_generic_type(ty: &str) -> bool {
    let name = ty.rsplit(['.', ':', '\\', '*']).next().unwrap_or(ty);
    name.is_empty() || (name.len() <= 32 && GENERIC_TYPES.iter().any(|generic| generic.eq_ignore_ascii_case(name)))
}

/// One crash as three systems call it; which one is heard of depends on who handles it first.
pub(super) fn signal(ty: &str) -> Option<&'static str> {
    const SIGNALS: &[(&[&str], &str)] = &[
        (
            &[
                "EXC_BAD_ACCESS",
                "SIGSEGV",
                "SIGBUS",
                "EXCEPTION_ACCESS_VIOLATION",
                "EXCEPTION_IN_PAGE_ERROR",
                "Segfault",
            ],
            "memory access",
        ),
        (&["EXC_ARITHMETIC", "SIGFPE", "EXCEPTION_INT_DIVIDE_BY_ZERO", "EXCEPTION_FLT_"], "arithmetic"),
        (
            &["EXC_BAD_INSTRUCTION", "SIGILL", "EXCEPTION_ILLEGAL_INSTRUCTION", "EXCEPTION_PRIV_INSTRUCTION"],
            "illegal instruction",
        ),
        (&["EXC_BREAKPOINT", "SIGTRAP", "EXCEPTION_BREAKPOINT"], "trap"),
        (&["EXCEPTION_STACK_OVERFLOW"], "stack overflow"),
    ];
    let named = |names: &&(&[&str], &'static str)| names.0.iter().any(|name| ty.starts_with(name));
    SIGNALS.iter().find(named).map(|(_, name)| *name)
}

/// A class that a build renamed, to other letters each time.
pub(super) fn is_obfuscated(ty: &str, platform: &str) -> bool {
    let class = ty.rsplit('.').next().unwrap_or(ty);
    ty.starts_with("minified:")
        || (matches!(platform, "dart" | "flutter" | "java" | "javascript")
            && !ty.is_empty()
            && class.len() <= 3
            && class.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$')
            && class.bytes().any(|b| b.is_ascii_lowercase())
            && ty.split('.').all(|part| part.len() <= 3))
}

/// Functions whose whole purpose is to raise, check or log: their caller is where the bug is.
const HELPER_PREFIXES: &[&str] = &[
    "abort",
    "assert",
    "bail",
    "check",
    "crash",
    "die",
    "ensure",
    "error",
    "expect",
    "fail",
    "fatal",
    "guard",
    "handle",
    "invariant",
    "log",
    "must",
    "panic",
    "raise",
    "reject",
    "report",
    "require",
    "throw",
    "unwrap",
    "verify",
];

/// A helper on top of the stack proves little: look at its caller too.
pub(super) fn is_helper(function: &str) -> bool {
    let name = function.rsplit(['.', ':', '>', '#']).next().unwrap_or(function).trim_start_matches('_');
    HELPER_PREFIXES.iter().any(|prefix| {
        let Some((head, tail)) = name.split_at_checked(prefix.len()) else { return false };
        // `logAndThrow`, `log_error`, `log`, but not `login` or `checkout`.
        head.eq_ignore_ascii_case(prefix) && tail.chars().next().is_none_or(|c| !c.is_ascii_lowercase())
    })
}

/// Memory, time or stack ran out, or a lock was never free: where it is noticed is chance, so the way
/// in counts too.
pub(super) fn is_exhaustion(ty: &str, value: &str) -> bool {
    const TYPES: &[&str] = &[
        "outofmemory",
        "memoryerror",
        "stackoverflow",
        "recursionerror",
        "stacktoodeep",
        "systemstackerror",
        "timeout",
        "deadlock",
        "lockwait",
        "appnotresponding",
        "apphang",
        "watchdogtermination",
    ];
    const WORDS: &[&str] =
        &["out of memory", "timed out", "timeout", "deadlock", "maximum call stack", "stack overflow"];
    let says = |text: &str, words: &[&str]| {
        let text = super::message::head(text, EXHAUSTION_BYTES).to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    says(ty, TYPES) || says(value, WORDS)
}

/// How far into a message the word for what ran out may stand.
const EXHAUSTION_BYTES: usize = 160;

/// One user's stale page or broken network, whichever code asked for the chunk.
pub(super) fn is_chunk_load_failure(ty: &str, value: &str) -> bool {
    const WORDINGS: &[&str] = &[
        "Failed to fetch dynamically imported module",
        "Importing a module script failed",
        "error loading dynamically imported module",
        "Unable to preload CSS for",
    ];
    ty == "ChunkLoadError"
        || value.starts_with("ChunkLoadError")
        || ((value.starts_with("Loading chunk") || value.starts_with("Loading CSS chunk")) && value.contains("failed"))
        || WORDINGS.iter().any(|wording| value.starts_with(wording))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_are_told_from_ordinary_functions() {
        for helper in
            ["fail", "assertThat", "log_error", "Guard::check", "throwIfNull", "raise", "_fail", "logAndThrow"]
        {
            assert!(is_helper(helper), "{helper}");
        }
        for other in ["checkout", "login", "failover", "total", "logger", "expectation", ""] {
            assert!(!is_helper(other), "{other}");
        }
    }

    #[test]
    fn generic_types_are_compared_without_their_package() {
        for ty in ["Error", "*errors.errorString", "java.lang.RuntimeException", "panic", "std::runtime_error", ""] {
            assert!(is_generic_type(ty), "{ty}");
        }
        for ty in ["KeyError", "Warehouse\\Stock\\StockException", "NullPointerException"] {
            assert!(!is_generic_type(ty), "{ty}");
        }
    }
}
