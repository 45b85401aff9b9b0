//! Every bound of the engine, in one place, each with its reason.
//!
//! Sections are those of `docs/PROTOCOL.md`. Lengths of text are in characters unless the name says
//! bytes.

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

/// One attached file: a log of a day, a screenshot of a large display. It has to pass the queue, the spool and one
/// statement of PostgreSQL in memory.
pub const ATTACHMENT_BYTES_MAX: usize = 10 * 1024 * 1024;
/// All files of one event, as much as one request can bring.
pub const EVENT_ATTACHMENTS_BYTES_MAX: i64 = 20 * 1024 * 1024;
/// Files of one event, as many as the official server takes (protocol, section 2.4).
pub const EVENT_ATTACHMENTS_MAX: usize = 30;
/// What a file counts for besides its bytes: its row and its places in the indexes, so that empty files are not free.
pub const ATTACHMENT_ROW_BYTES: i64 = 1024;
/// Name of a file: what file systems take.
pub const ATTACHMENT_NAME_CHARS_MAX: usize = 255;
/// What an SDK calls a file (`event.view_hierarchy`).
pub const ATTACHMENT_KIND_CHARS_MAX: usize = 64;
/// A media type; the longest registered one has 84.
pub const CONTENT_TYPE_CHARS_MAX: usize = 100;

/// What somebody says about an error (protocol, section 7).
pub const FEEDBACK_CHARS_MAX: usize = 4096;
/// Where they were.
pub const FEEDBACK_URL_CHARS_MAX: usize = 2000;
/// The form in which somebody says it: all of its fields at their longest, four bytes a character, each of them percent-encoded.
pub const FEEDBACK_FORM_BYTES_MAX: usize = 64 * 1024;
/// One text of the dialog with that form, which a page may choose: a heading or a sentence.
pub const DIALOG_TEXT_CHARS_MAX: usize = 500;
/// Feedback of one project and day: more is no people writing. The key that posts it is public.
pub const FEEDBACK_PER_DAY_MAX: i64 = 5_000;

/// Frames kept per stack trace; the newest (last) stay (protocol, section 5.3).
pub const FRAMES_MAX: usize = 250;

/// Exceptions kept per event; the outermost (last) stay. Python chains in the wild reach about 50.
pub const EXCEPTIONS_MAX: usize = 50;

/// Threads kept per event. JVM dumps carry hundreds; grouping and display need the crashed one.
pub const THREADS_MAX: usize = 256;

/// Loaded images kept per event. An iOS application lists about 500.
pub const IMAGES_MAX: usize = 1024;

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

/// Request bodies whose ratio is below this many bytes out per byte in are never suspect: real
/// deep Python stacks reach 72.
pub const INFLATE_RATIO_MAX: usize = 200;
/// Below this size out, no ratio is suspect.
pub const INFLATE_RATIO_FLOOR_BYTES: usize = 4 * 1024 * 1024;
/// Window of a zstd stream, as a power of two: the format's own advice is 8 MiB (2²³).
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// User id and user name (protocol, section 5.7).
pub const USER_FIELD_CHARS_MAX: usize = 128;
/// Mail address of a user: the longest that mail allows. The official server cuts at 75, which
/// makes two long addresses one person.
pub const EMAIL_CHARS_MAX: usize = 254;
/// Build of a release (protocol, section 5).
pub const DIST_CHARS_MAX: usize = 64;
/// Name of a logger (protocol, section 5).
pub const LOGGER_CHARS_MAX: usize = 64;

/// Depth to which a stored event is shown. Databags are cut far above this; the bound keeps the
/// reader of hostile payloads off the end of the stack.
pub const VIEW_DEPTH_MAX: usize = 24;
/// Values (of any kind) shown of one event: about four times the largest event of the corpus.
pub const VIEW_VALUES_MAX: usize = 200_000;
/// Breadcrumbs shown; SDKs keep up to 100.
pub const BREADCRUMBS_MAX: usize = 200;
/// Locals of one frame in JSON bytes (protocol, section 5.3). Twice what other servers keep: locals
/// are what people look for.
pub const VARS_BYTES_MAX: usize = 4096;
/// Depth of locals and breadcrumb data.
pub const VARS_DEPTH_MAX: usize = 5;
/// Data of one breadcrumb in JSON bytes (protocol, section 5.5).
pub const BREADCRUMB_DATA_BYTES_MAX: usize = 2048;
/// One context in JSON bytes (protocol, section 5.6).
pub const CONTEXT_BYTES_MAX: usize = 16 * 1024;
/// All of `extra` in JSON bytes (protocol, section 5).
pub const EXTRA_BYTES_MAX: usize = 256 * 1024;
/// One value of `extra` in JSON bytes (protocol, section 5).
pub const EXTRA_VALUE_BYTES_MAX: usize = 16 * 1024;
/// Depth of `extra`, contexts and request data.
pub const EXTRA_DEPTH_MAX: usize = 7;
/// Body of the web request in JSON bytes; SDKs send at most 10 kB of it.
pub const REQUEST_DATA_BYTES_MAX: usize = 32 * 1024;
/// Everything else at the top of an event (modules, debug images) in JSON bytes.
pub const OTHER_BYTES_MAX: usize = 64 * 1024;
/// One source line next to a frame; minified bundles have lines of megabytes.
pub const SOURCE_LINE_CHARS_MAX: usize = 256;
/// Source lines kept on each side of a frame's own line.
pub const SOURCE_LINES_MAX: usize = 20;

/// Bytes of one text of rules: thousands of lines. The database has the same bound.
pub const RULES_BYTES_MAX: usize = 256 * 1024;
/// Rules of one text. The largest that people publish have about 300.
pub const RULES_MAX: usize = 1000;
/// Length of one line of rules.
pub const RULE_LINE_CHARS_MAX: usize = 4096;
/// Matchers of one rule.
pub const RULE_MATCHERS_MAX: usize = 32;
/// Actions of one rule.
pub const RULE_ACTIONS_MAX: usize = 16;

/// Commits kept per release; older ones are left out. A release of more is the first one of a project,
/// and its tail explains no new issue.
pub const RELEASE_COMMITS_MAX: usize = 1000;
/// Changed files kept per commit. A commit of more moves or formats everything, and points at nothing.
pub const COMMIT_FILES_MAX: usize = 200;
/// Changed files kept per release, counted from its newest commit.
pub const RELEASE_FILES_MAX: usize = 20_000;
/// Message of a commit; longer ones hold generated lists.
pub const COMMIT_MESSAGE_CHARS_MAX: usize = 8192;
/// Path of a changed file: twice what the longest trees in the wild need.
pub const COMMIT_PATH_CHARS_MAX: usize = 512;
/// Name of a repository (`owner/name`), or the URL of one.
pub const REPOSITORY_CHARS_MAX: usize = 200;
/// Hash of a commit: SHA-256 in hexadecimal digits.
pub const COMMIT_ID_CHARS_MAX: usize = 64;
/// Issues that one commit message may name: more are a list pasted into it.
pub const FIXES_MAX: usize = 50;
/// URL of a release or a deploy.
pub const LINK_CHARS_MAX: usize = 2000;
