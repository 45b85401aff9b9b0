//! Every bound of the engine, in one place, each with its reason.
//!
//! Sources are sections of the protocol notes (`docs/PROTOCOL.md`). Lengths of text are in
//! characters unless the name says bytes.

/// A request body after decompression. SDKs send single events far below this; attachments make
/// envelopes large, and one process must hold `connections x this` in the worst case.
pub const BODY_BYTES_MAX: usize = 40 * 1024 * 1024;

/// A request body as it arrives on the wire.
pub const WIRE_BYTES_MAX: usize = 20 * 1024 * 1024;

/// One event item, as the official relay accepts it (protocol, section 2.4).
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Items of one envelope. Real SDKs batch tens of sessions; a bound keeps one request from
/// making an unbounded number of outcomes.
pub const ENVELOPE_ITEMS_MAX: usize = 1000;

/// Frames kept per stack trace; the newest (last) stay (protocol, section 5.3).
pub const FRAMES_MAX: usize = 250;

/// Exceptions kept per event; the outermost (last) stay. Python chains in the wild reach about 50.
pub const EXCEPTIONS_MAX: usize = 50;

/// Threads kept per event. JVM dumps carry hundreds; grouping and display need the crashed one.
pub const THREADS_MAX: usize = 256;

/// Tags kept per event; the official server's columns allow 200-character values.
pub const TAGS_MAX: usize = 100;
/// Length of a tag's key.
pub const TAG_KEY_CHARS_MAX: usize = 200;
/// Length of a tag's value.
pub const TAG_VALUE_CHARS_MAX: usize = 200;

/// Parts of a client fingerprint.
pub const FINGERPRINT_PARTS_MAX: usize = 50;

/// A message, or the value of an exception (protocol, sections 5.1 and 5.2).
pub const MESSAGE_CHARS_MAX: usize = 8192;
/// Type, module, function, file name and similar short texts.
pub const NAME_CHARS_MAX: usize = 256;
/// Release name (protocol, section 5).
pub const RELEASE_CHARS_MAX: usize = 200;
/// Environment name (protocol, section 5).
pub const ENVIRONMENT_CHARS_MAX: usize = 64;
/// Transaction and culprit.
pub const TRANSACTION_CHARS_MAX: usize = 200;
/// Title shown in lists and mails.
pub const TITLE_CHARS_MAX: usize = 256;

/// How far in the future a client's clock may be before the event is moved to its arrival
/// (protocol, section 5.10).
pub const FUTURE_SECONDS_MAX: i64 = 60;
/// How old an event may be before it is moved to its arrival (protocol, section 5.10).
pub const PAST_SECONDS_MAX: i64 = 30 * 24 * 3600;

/// Length of a search text. Longer ones are pasted by mistake.
pub const QUERY_CHARS_MAX: usize = 1000;
/// Terms of a search; each becomes a condition of one SQL statement.
pub const QUERY_TERMS_MAX: usize = 20;
/// Stars in one value of a search: matching cost grows with each.
pub const QUERY_WILDCARDS_MAX: usize = 5;
