//! One wording for what three browsers call one error.
//!
//! Owns the phrases in which V8, SpiderMonkey and JavaScriptCore report the same mistake. Only
//! phrases that an engine makes are translated; what a program throws is nobody's to reword.

use std::borrow::Cow;

/// The common wording of an engine's message; the message itself when it is not one of theirs.
pub(super) fn canonical(value: &str) -> Cow<'_, str> {
    if value.contains('\u{1b}') {
        return Cow::Owned(canonical(&without_colours(value)).into_owned());
    }
    // What a handler of last resort puts in front.
    let value = value.strip_prefix("Uncaught (in promise) ").unwrap_or(value);
    let value = value.strip_prefix("Uncaught ").unwrap_or(value);
    property(value)
        .or_else(|| variable(value))
        .or_else(|| react(value))
        .or_else(|| json(value).map(Cow::Borrowed))
        .or_else(|| fixed(value).map(Cow::Borrowed))
        .unwrap_or(Cow::Borrowed(value))
}

/// Messages that the runtime of .NET words itself, in the language of its system.
pub(super) fn in_english<'v>(ty: &str, value: &'v str) -> Cow<'v, str> {
    const RUNTIME: &[(&str, &str)] = &[
        ("NullReferenceException", "Object reference not set to an instance of an object."),
        ("IndexOutOfRangeException", "Index was outside the bounds of the array."),
        ("ArgumentOutOfRangeException", "Specified argument was out of the range of valid values."),
        ("ArgumentNullException", "Value cannot be null."),
        ("DivideByZeroException", "Attempted to divide by zero."),
        ("InvalidCastException", "Specified cast is not valid."),
        ("KeyNotFoundException", "The given key was not present in the dictionary."),
        ("FormatException", "Input string was not in a correct format."),
        ("OverflowException", "Arithmetic operation resulted in an overflow."),
        ("OutOfMemoryException", "Insufficient memory to continue the execution of the program."),
        ("TimeoutException", "The operation has timed out."),
        ("TaskCanceledException", "A task was canceled."),
        ("OperationCanceledException", "The operation was canceled."),
    ];
    let class = ty.rsplit('.').next().unwrap_or(ty);
    match RUNTIME.iter().find(|(name, _)| *name == class) {
        Some((_, wording)) if is_foreign(value) => Cow::Borrowed(wording),
        _ => Cow::Borrowed(value),
    }
}

/// What of a message stands in every language: the code of a system's error, the name of what a database
/// complains about. `None` for exceptions that programs word themselves.
pub(super) fn in_any_language(ty: &str, value: &str, template: &str) -> Option<String> {
    /// What the DOM throws: WebKit has one sentence for each, the others say more.
    const DOM: &[&str] = &[
        "AbortError",
        "DataCloneError",
        "EncodingError",
        "HierarchyRequestError",
        "IndexSizeError",
        "InvalidAccessError",
        "InvalidCharacterError",
        "InvalidModificationError",
        "InvalidNodeTypeError",
        "InvalidStateError",
        "NoModificationAllowedError",
        "NotAllowedError",
        "NotFoundError",
        "NotReadableError",
        "NotSupportedError",
        "QuotaExceededError",
        "SecurityError",
        "WrongDocumentError",
    ];
    const COCOA: &[&str] = &["DecodingError", "EncodingError", "CocoaError", "NSCocoaErrorDomain", "NSURLErrorDomain"];
    /// Databases name the constraint, table or column, in quotes of the language.
    const DATABASES: &[&str] = &[
        "PSQLException",
        "PostgresException",
        "PSQLError",
        "IntegrityError",
        "UniqueViolation",
        "ForeignKeyViolation",
        "NotNullViolation",
        "CheckViolation",
        "UndefinedTable",
        "UndefinedColumn",
        "DataError",
        "ConstraintViolationException",
        "DataIntegrityViolationException",
        "UniqueConstraintViolationException",
        "PDOException",
        "PG::UniqueViolation",
        "StatementInvalid",
        "RecordNotUnique",
        "DbUpdateException",
        "SqlException",
        "SQLException",
        "PgError",
        "DatabaseError",
    ];
    let class = ty.rsplit(['.', ':', '\\']).next().unwrap_or(ty);
    if (DOM.contains(&ty) && is_of_the_dom(value)) || COCOA.contains(&class) {
        return Some(super::recipe::codes(template));
    }
    if DATABASES.contains(&class) {
        return named(value).map(str::to_owned);
    }
    // `[Errno 2] No such file or directory`, `[WinError 5] Access is denied`
    let (number, _) = value.strip_prefix('[')?.split_once(']')?;
    let (kind, code) = number.split_once(' ')?;
    (matches!(kind, "Errno" | "WinError") && code.bytes().all(|b| b.is_ascii_digit())).then(|| number.to_owned())
}

/// `Failed to execute 'x' on 'Y': …`, `Y.x: …`, or the one sentence that WebKit has for a type.
fn is_of_the_dom(value: &str) -> bool {
    const WEBKIT: &[&str] = &[
        "The index is not in the allowed range",
        "The object ",
        "The operation ",
        "The quota has been exceeded",
        "The request is not allowed by the user agent",
        "The string ",
    ];
    let method = |head: &str| {
        head.starts_with(|c: char| c.is_ascii_uppercase())
            && head.contains('.')
            && head.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
    };
    value.starts_with("Failed to ")
        || WEBKIT.iter().any(|sentence| value.starts_with(sentence))
        || value.split_once(": ").is_some_and(|(head, _)| method(head))
}

/// The first name in quotes: `"uk_email"`, `»uk_email«`, `« uk_email »`.
fn named(value: &str) -> Option<&str> {
    let text = super::message::head(value, 512);
    let open = text.find(['"', '»', '«', '“', '„', '`'])?;
    let rest = text[open..].trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_');
    let end = rest.find(|c: char| !c.is_alphanumeric() && !"_.-".contains(c)).unwrap_or(rest.len());
    let name = &rest[..end];
    name.bytes().any(|b| b.is_ascii_alphabetic()).then_some(name)
}

/// Letters or small words that English does not have.
fn is_foreign(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "das", "de", "del", "den", "der", "di", "die", "een", "ein", "eine", "el", "est", "het", "ist", "la", "le",
        "les", "nicht", "nie", "niet", "non", "para", "un", "uma", "una", "une", "van", "werd", "wurde", "zijn",
    ];
    let text = super::message::head(text, 256);
    text.chars().any(|c| !c.is_ascii() && c.is_alphabetic())
        || text.split(' ').any(|word| WORDS.iter().any(|foreign| foreign.eq_ignore_ascii_case(word)))
}

/// Without the colours of a terminal, `ESC [ 31 m`.
fn without_colours(value: &str) -> String {
    let mut parts = value.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.strip_prefix('[').and_then(|code| code.split_once(|c: char| c.is_ascii_alphabetic()));
        plain.push_str(code.map_or(part, |(_, text)| text));
    }
    plain
}

/// Reading a property of nothing.
fn property(value: &str) -> Option<Cow<'_, str>> {
    // V8: `Cannot read properties of undefined (reading 'x')`, before 2021 `Cannot read property 'x' of undefined`.
    let rest = value.strip_prefix("Cannot read propert").or_else(|| value.strip_prefix("Cannot set propert"));
    if let Some(rest) = rest {
        let nothing = nothing_in(rest)?;
        return Some(read(nothing, quoted(rest).unwrap_or_default()));
    }
    // SpiderMonkey: `can't access property "x", a.b is undefined`.
    if let Some(rest) = value.strip_prefix("can't access property ") {
        return Some(read(nothing_in(rest)?, quoted(rest)?));
    }
    // JavaScriptCore: `undefined is not an object (evaluating 'a.b.x')`.
    let (nothing, rest) = value.split_once(" is not an object (evaluating ")?;
    let nothing = nothing_in(nothing)?;
    let path = quoted(rest)?.split(['(', '[', ' ', '=']).next()?;
    let (_, name) = path.rsplit_once('.')?;
    Some(read(nothing, name))
}

fn read<'v>(nothing: &str, name: &str) -> Cow<'v, str> {
    Cow::Owned(format!("read '{name}' of {nothing}"))
}

fn nothing_in(text: &str) -> Option<&'static str> {
    // The last word: a property may be called `null` too.
    let at = |word: &str| text.rfind(word);
    match (at("undefined"), at("null")) {
        (Some(undefined), Some(null)) if null > undefined => Some("null"),
        (Some(_), _) => Some("undefined"),
        (None, Some(_)) => Some("null"),
        (None, None) => None,
    }
}

/// A variable or a function that is not there.
fn variable(value: &str) -> Option<Cow<'_, str>> {
    // JavaScriptCore: `Can't find variable: x`; the others: `x is not defined`.
    if let Some(name) = value.strip_prefix("Can't find variable: ") {
        return Some(Cow::Owned(format!("{name} is not defined")));
    }
    // JavaScriptCore goes on: `a.b is not a function. (In 'a.b()', 'a.b' is undefined)`.
    let (head, _) = value.split_once(" is not a function. (In ")?;
    Some(Cow::Owned(format!("{head} is not a function")))
}

/// Text that is no JSON.
fn json(value: &str) -> Option<&'static str> {
    const NO_JSON: &str = "unexpected token in JSON";
    const ENDED: &str = "unexpected end of JSON";
    if value.starts_with("Unexpected end of JSON input")
        || value.starts_with("JSON.parse: unexpected end of data")
        || value.starts_with("JSON Parse error: Unexpected EOF")
    {
        return Some(ENDED);
    }
    let v8 = value.starts_with("Unexpected token")
        && (value.contains(" in JSON at ") || value.contains("is not valid JSON"));
    let others = value.starts_with("JSON.parse: unexpected character") || value.starts_with("JSON Parse error: Un");
    (v8 || others).then_some(NO_JSON)
}

/// React says its most frequent errors with a number in production, with words elsewhere.
fn react(value: &str) -> Option<Cow<'_, str>> {
    const ERRORS: &[(&str, &str)] = &[
        ("31", "Objects are not valid as a React child"),
        ("130", "Element type is invalid: expected a string"),
        ("152", "Nothing was returned from render"),
        ("185", "Maximum update depth exceeded"),
        ("300", "Rendered fewer hooks than expected"),
        ("301", "Too many re-renders"),
        ("310", "Rendered more hooks than during the previous render"),
        ("321", "Invalid hook call"),
        ("418", "Hydration failed because"),
        ("419", "The server could not finish this Suspense boundary"),
        ("421", "This Suspense boundary received an update before it finished hydrating"),
        ("422", "There was an error while hydrating this Suspense boundary"),
        ("423", "There was an error while hydrating"),
        ("425", "Text content does not match server-rendered HTML"),
    ];
    let number = match value.strip_prefix("Minified React error #") {
        Some(rest) => rest.split(|c: char| !c.is_ascii_digit()).next()?,
        None => ERRORS.iter().find(|(_, wording)| value.starts_with(wording))?.0,
    };
    Some(Cow::Owned(format!("React error #{number}")))
}

/// Messages without names in them.
fn fixed(value: &str) -> Option<&'static str> {
    const PHRASES: &[(&str, &str)] = &[
        ("Failed to fetch", "Failed to fetch"),
        ("NetworkError when attempting to fetch resource", "Failed to fetch"),
        ("Load failed", "Failed to fetch"),
        ("Maximum call stack size exceeded", "Maximum call stack size exceeded"),
        ("too much recursion", "Maximum call stack size exceeded"),
        ("ResizeObserver loop", "ResizeObserver loop"),
        ("Invalid array length", "Invalid array length"),
        ("Array size is not a small enough positive integer", "Invalid array length"),
        ("invalid array length", "Invalid array length"),
        ("Assignment to constant variable", "Assignment to constant variable"),
        ("Attempted to assign to readonly property", "Assignment to constant variable"),
        ("Importing a module script failed", "Importing a module script failed"),
        ("The operation was aborted", "The operation was aborted"),
        ("signal is aborted without reason", "The operation was aborted"),
        ("Fetch is aborted", "The operation was aborted"),
        ("The user aborted a request", "The operation was aborted"),
    ];
    // Some versions add a full stop; a host or an address behind says more and stays.
    let bare = value.trim_end_matches('.');
    let found = PHRASES
        .iter()
        .find(|(phrase, _)| bare == *phrase || (*phrase == "ResizeObserver loop" && value.starts_with(phrase)));
    found.map(|(_, wording)| *wording)
}

fn quoted(text: &str) -> Option<&str> {
    let at = text.find(['\'', '"'])?;
    let rest = &text[at + 1..];
    rest.find(['\'', '"']).map(|end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_engines_say_one_thing() {
        for (wordings, expected) in [
            (
                &[
                    "Cannot read properties of undefined (reading 'items')",
                    "Cannot read property 'items' of undefined",
                    "can't access property \"items\", e.cart is undefined",
                    "undefined is not an object (evaluating 'e.cart.items')",
                ][..],
                "read 'items' of undefined",
            ),
            (
                &["Cannot read properties of null (reading 'x')", "null is not an object (evaluating 'a.x')"][..],
                "read 'x' of null",
            ),
            (&["x is not defined", "Can't find variable: x"][..], "x is not defined"),
            (
                &["a.b is not a function", "a.b is not a function. (In 'a.b()', 'a.b' is undefined)"][..],
                "a.b is not a function",
            ),
            (
                &["Failed to fetch", "NetworkError when attempting to fetch resource.", "Load failed"][..],
                "Failed to fetch",
            ),
            (
                &[
                    "Minified React error #418; visit https://react.dev/errors/418 for the full message.",
                    "Hydration failed because the initial UI does not match what was rendered on the server.",
                ][..],
                "React error #418",
            ),
            (
                &[
                    "Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
                    "Unexpected token < in JSON at position 0",
                    "JSON.parse: unexpected character at line 1 column 1 of the JSON data",
                    "JSON Parse error: Unrecognized token '<'",
                ][..],
                "unexpected token in JSON",
            ),
            (&["Uncaught Error: cart is empty", "\u{1b}[31mError: cart is empty\u{1b}[0m"][..], "Error: cart is empty"),
            (&["Failed to fetch (api.example.com)"][..], "Failed to fetch (api.example.com)"),
            (&["cart is empty"][..], "cart is empty"),
        ] {
            for wording in wordings {
                assert_eq!(canonical(wording), expected, "{wording}");
            }
        }
    }

    #[test]
    fn what_a_system_words_is_left_out() {
        let check = |ty: &str, value: &str, expected: Option<&str>| {
            assert_eq!(in_any_language(ty, value, value).as_deref(), expected, "{ty}: {value}");
        };
        check("NotFoundError", "The object can not be found here.", Some(""));
        check("NotFoundError", "Node.removeChild: The node to be removed is not a child of this node", Some(""));
        check("NotFoundError", "no such customer", None);
        check("FileNotFoundError", "[Errno 2] Datei oder Verzeichnis nicht gefunden: 'a'", Some("Errno 2"));
        check("psycopg2.errors.UniqueViolation", "doppelter Schlüsselwert verletzt »uk_email«", Some("uk_email"));
        check("PSQLException", "ERROR: duplicate key value violates \"uk_email\"", Some("uk_email"));
        check("PSQLException", "This connection has been closed.", None);
        check("ValueError", "[a] b", None);
    }
}
