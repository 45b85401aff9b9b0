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

/// The program stopped itself, and the signal does not say why.
pub(super) fn is_abort(ty: &str) -> bool {
    const ABORTS: &[&str] = &["SIGABRT", "EXC_CRASH", "EXCEPTION_FATAL_APP_EXIT", "Abort"];
    ABORTS.iter().any(|name| ty.starts_with(name))
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

/// What a function on top of a stack does for its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Helper {
    /// It raises, whatever was wrong: its name says nothing, and the next release may call it otherwise.
    Raises,
    /// It looks at something and then raises: what it looks at is part of the bug.
    Checks,
}

/// Words that begin the names of functions which only raise.
const RAISING_WORDS: &[&str] = &[
    "abort",
    "bail",
    "bug",
    "crash",
    "die",
    "err",
    "error",
    "exit",
    "fail",
    "fatal",
    "halt",
    "must",
    "oops",
    "panic",
    "quit",
    "raise",
    "refuse",
    "reject",
    "terminate",
    "throw",
    "unreachable",
    "unwrap",
];

/// Words that begin the names of functions which check or log first.
const CHECKING_WORDS: &[&str] = &[
    "assert",
    "assume",
    "check",
    "enforce",
    "ensure",
    "expect",
    "guard",
    "handle",
    "invariant",
    "log",
    "precondition",
    "report",
    "require",
    "verify",
    "warn",
];

/// Words that end the names of functions which raise, behind one that logs or makes: `logAndThrow`,
/// `checkErr`, `newError`.
const ENDINGS: &[&str] = &["abort", "die", "err", "error", "exception", "fail", "panic", "raise", "throw"];
const MAKING_WORDS: &[&str] = &["build", "create", "make", "new", "or"];

/// Names that say it in two words.
const TWO_WORDS: &[&str] = &["giveup", "bugon", "blowup"];

/// A helper on top of the stack proves little: its caller is where the bug is.
pub(super) fn helper(function: &str) -> Option<Helper> {
    let name = function.split('(').next().unwrap_or(function).trim_end_matches(']');
    let name = name.rsplit(['.', ':', '>', '#', ' ', '\\', '/', '$']).find(|part| !part.is_empty()).unwrap_or(name);
    let name = super::message::head(name, HELPER_BYTES_MAX);
    let mut words = words(name);
    let first = words.next()?;
    let last = words.last().unwrap_or_default();
    let is = |word: &str, list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(word));
    let joined = || name.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase());
    let raises = is(first, RAISING_WORDS)
        || (is(last, ENDINGS) && (is(first, CHECKING_WORDS) || is(first, MAKING_WORDS)))
        || TWO_WORDS.iter().any(|known| joined().eq(known.bytes()));
    match raises {
        true => Some(Helper::Raises),
        false => is(first, CHECKING_WORDS).then_some(Helper::Checks),
    }
}

/// No helper has a longer name.
const HELPER_BYTES_MAX: usize = 64;

/// `checksum` of `frame_checksum` and of `frameChecksum`; `frame` of both. Nothing of a single word.
pub(super) fn with_a_word_less(name: &str) -> [Option<String>; 2] {
    let (first, last) = (words(name).next().unwrap_or_default(), words(name).last().unwrap_or_default());
    if first.len() >= name.len() {
        return [None, None];
    }
    let behind = name.find(first).map(|at| name[at + first.len()..].trim_start_matches('_'));
    let before = name.rfind(last).map(|at| name[..at].trim_end_matches('_'));
    // The first word of a camel was small when nothing stood before it.
    let small = behind.map(|rest| {
        let mut chars = rest.chars();
        let spelled = name.contains('_') || first.starts_with(|c: char| c.is_ascii_uppercase());
        let start = chars.next().filter(|_| !spelled).map(|c| c.to_ascii_lowercase().to_string() + chars.as_str());
        start.unwrap_or_else(|| rest.to_owned())
    });
    [small, before.map(str::to_owned)]
}

/// `logAndThrow`, `log_and_throw` and `HTTPError` as words.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).flat_map(|part| {
        let mut rest = part;
        std::iter::from_fn(move || {
            let bytes = rest.as_bytes();
            let starts = |at: usize| {
                bytes[at].is_ascii_uppercase()
                    && (!bytes[at - 1].is_ascii_uppercase() || bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase))
            };
            let end = (1..bytes.len()).find(|at| starts(*at)).unwrap_or(bytes.len());
            let (word, behind) = rest.split_at(end);
            rest = behind;
            (!word.is_empty()).then_some(word)
        })
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
        let of = |names: &[&str], expected: Option<Helper>| {
            names.iter().for_each(|name| assert_eq!(helper(name), expected, "{name}"));
        };
        of(
            &["fail", "throwIfNull", "raise", "_fail", "logAndThrow", "give_up", "checkError", "orThrow", "new_error"],
            Some(Helper::Raises),
        );
        of(&["Assert.fail", "raiseLogged", "shop::must", "HTTP::fail!", "-[Guard failWith:]"], Some(Helper::Raises));
        of(&["assertThat", "log_error_code", "Guard::check", "requireUser", "handleClick"], Some(Helper::Checks));
        of(
            &[
                "checkout",
                "login",
                "failover",
                "total",
                "logger",
                "expectation",
                "parse_error",
                "loadOr",
                "handler",
                "",
            ],
            None,
        );
    }

    #[test]
    fn names_lose_a_word_at_either_end() {
        for (name, behind, before) in [
            ("frame_checksum", "checksum", "frame"),
            ("frameChecksum", "checksum", "frame"),
            ("FrameChecksum", "Checksum", "Frame"),
            ("readAllLines", "allLines", "readAll"),
        ] {
            let expected = [Some(behind.to_owned()), Some(before.to_owned())];
            assert_eq!(with_a_word_less(name), expected, "{name}");
        }
        for name in ["", "_x", "größe_x", "größeX", "ßaX"] {
            let _ = with_a_word_less(name);
        }
        assert_eq!(with_a_word_less("checksum"), [None, None]);
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
