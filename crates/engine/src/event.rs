//! The event as SDKs send it, read leniently and without copying where the bytes allow it.
//!
//! Owns the typed form of what grouping, titles and columns need; everything else of the payload is
//! skipped here and shown from the stored bytes (`payload`). A wrongly typed attribute never fails
//! the event, it reads as absent (protocol, section 5, "tolerance rule"); only text that is not
//! JSON does. It must not know where the bytes came from. To add an attribute, add a field to its
//! struct and a line to its `lenient_object!` list.

pub(crate) mod lenient;
mod timestamp;

use std::borrow::Cow;

pub use lenient::Text;
pub use timestamp::Timestamp;

use crate::ids::EventId;
use crate::limits;
use lenient::{BoundedList, Pairs, lenient_object};

/// One event, borrowed from the JSON text it was read from.
#[derive(Debug, Default, Clone)]
pub struct Event<'a> {
    /// As sent; the envelope header's id wins over it.
    pub event_id: Option<EventId>,
    /// When it happened, by the client's clock.
    pub timestamp: Option<Timestamp>,
    /// `python`, `javascript`, `native` and so on; not validated.
    pub platform: Text<'a>,
    /// As sent: a name, an alias or a number as text. See `normalize::Level::parse`.
    pub level: Text<'a>,
    /// `type`: ignored by servers except for `transaction` and `feedback`.
    pub kind: Text<'a>,
    /// Name of the logger.
    pub logger: Text<'a>,
    /// Name of the web request or task.
    pub transaction: Text<'a>,
    /// Deprecated on the wire: the client's own idea of the culprit.
    pub culprit: Text<'a>,
    /// Host name of the machine.
    pub server_name: Text<'a>,
    /// Release as sent, not validated.
    pub release: Text<'a>,
    /// Distribution (build) of the release.
    pub dist: Text<'a>,
    /// Environment as sent, not validated.
    pub environment: Text<'a>,
    /// Tags in the order sent, values as text.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Client fingerprint; empty means the default grouping.
    pub fingerprint: Vec<Cow<'a, str>>,
    /// Legacy fingerprint: a hash made by the client.
    pub checksum: Text<'a>,
    /// `logentry` or `message`.
    pub message: Option<Message<'a>>,
    /// Oldest cause first; the last one is what was caught last (protocol, section 5.2).
    pub exceptions: Vec<Exception<'a>>,
    /// Threads with their stacks.
    pub threads: Vec<Thread<'a>>,
    /// Deprecated top-level stack trace, still sent for messages by PHP.
    pub stacktrace: Option<Stacktrace<'a>>,
    /// Server-side template in which the error happened.
    pub template: Option<Template<'a>>,
    /// The person affected.
    pub user: Option<User<'a>>,
    /// The web request being served.
    pub request: Option<Request<'a>>,
    /// The parts of `contexts` that columns need.
    pub contexts: Contexts<'a>,
    /// The SDK that sent it.
    pub sdk: Sdk<'a>,
    /// A Content-Security-Policy report.
    pub csp: Option<Csp<'a>>,
    /// `debug_meta.images`: what was loaded where, for frames without names.
    pub images: Vec<Image<'a>>,
}

/// `logentry`, or the top-level `message` in any of its forms.
#[derive(Debug, Default, Clone)]
pub struct Message<'a> {
    /// The template with its placeholders (`user %s not found`).
    pub template: Text<'a>,
    /// The finished text.
    pub formatted: Text<'a>,
    /// Values for the placeholders, as text, when they were a list.
    pub params: Vec<Cow<'a, str>>,
}

/// One exception of a chain or group.
#[derive(Debug, Default, Clone)]
pub struct Exception<'a> {
    /// Class name.
    pub ty: Text<'a>,
    /// Its message.
    pub value: Text<'a>,
    /// Package of the class.
    pub module: Text<'a>,
    /// Where it was raised.
    pub stacktrace: Option<Stacktrace<'a>>,
    /// Joins it with an entry of `threads`.
    pub thread_id: Text<'a>,
    /// How it was captured.
    pub mechanism: Option<Mechanism<'a>>,
}

/// How an exception was captured and how it hangs in its tree.
#[derive(Debug, Default, Clone)]
pub struct Mechanism<'a> {
    /// Name of the integration.
    pub ty: Text<'a>,
    /// False when nothing caught it.
    pub handled: Option<bool>,
    /// True when type and value mean nothing.
    pub synthetic: Option<bool>,
    /// How it hangs on its parent (`__cause__`, `errors[0]`).
    pub source: Text<'a>,
    /// True for an exception that only carries others.
    pub is_exception_group: Option<bool>,
    /// Id in the tree; the root is 0.
    pub exception_id: Option<i64>,
    /// Id of the parent.
    pub parent_id: Option<i64>,
}

/// Frames, oldest call first; the last frame is where it was raised.
#[derive(Debug, Default, Clone)]
pub struct Stacktrace<'a> {
    /// At most `limits::FRAMES_MAX`, the newest kept.
    pub frames: Vec<Frame<'a>>,
}

/// One call of a stack, without its locals and neighbouring source lines.
#[derive(Debug, Default, Clone)]
pub struct Frame<'a> {
    /// Path relative to the application.
    pub filename: Text<'a>,
    /// Full path or URL.
    pub abs_path: Text<'a>,
    /// Function name as the SDK shows it.
    pub function: Text<'a>,
    /// Function name before the SDK shortened it.
    pub raw_function: Text<'a>,
    /// Module or class.
    pub module: Text<'a>,
    /// Library or image.
    pub package: Text<'a>,
    /// Platform, where it differs from the event's.
    pub platform: Text<'a>,
    /// The source line.
    pub context_line: Text<'a>,
    /// Address of the call, `0x…`.
    pub instruction_addr: Text<'a>,
    /// Line, from 1; anything else reads as absent.
    pub lineno: Option<u32>,
    /// Column, from 1.
    pub colno: Option<u32>,
    /// Whether the frame belongs to the application; absent when the SDK did not say.
    pub in_app: Option<bool>,
}

/// One thread.
#[derive(Debug, Default, Clone)]
pub struct Thread<'a> {
    /// Number or text.
    pub id: Text<'a>,
    /// Its name.
    pub name: Text<'a>,
    /// It made the process crash.
    pub crashed: Option<bool>,
    /// It reported the event.
    pub current: Option<bool>,
    /// Its stack.
    pub stacktrace: Option<Stacktrace<'a>>,
}

/// A template error (Django, Jinja).
#[derive(Debug, Default, Clone)]
pub struct Template<'a> {
    /// Path of the template.
    pub filename: Text<'a>,
    /// The failing line.
    pub context_line: Text<'a>,
}

/// The person affected.
#[derive(Debug, Default, Clone)]
pub struct User<'a> {
    /// Id in the application.
    pub id: Text<'a>,
    /// Login name.
    pub username: Text<'a>,
    /// Mail address.
    pub email: Text<'a>,
    /// Address, or `{{auto}}`.
    pub ip_address: Text<'a>,
}

/// The web request being served.
#[derive(Debug, Default, Clone)]
pub struct Request<'a> {
    /// Full URL.
    pub url: Text<'a>,
    /// HTTP method.
    pub method: Text<'a>,
    /// The parts of the server's environment that columns need.
    pub env: RequestEnv<'a>,
}

/// `request.env`.
#[derive(Debug, Default, Clone)]
pub struct RequestEnv<'a> {
    /// Address of the peer as the application saw it.
    pub remote_addr: Text<'a>,
}

/// The parts of `contexts` that columns need.
#[derive(Debug, Default, Clone)]
pub struct Contexts<'a> {
    /// Distributed tracing.
    pub trace: Option<Trace<'a>>,
    /// Language runtime.
    pub runtime: Option<Product<'a>>,
    /// Operating system.
    pub os: Option<Product<'a>>,
    /// Browser.
    pub browser: Option<Product<'a>>,
    /// Device.
    pub device: Option<Product<'a>>,
}

/// A context that names a thing and its version.
#[derive(Debug, Default, Clone)]
pub struct Product<'a> {
    /// For instance `CPython`.
    pub name: Text<'a>,
    /// For instance `3.11.2`.
    pub version: Text<'a>,
    /// Model of a device.
    pub model: Text<'a>,
}

/// `contexts.trace`.
#[derive(Debug, Default, Clone)]
pub struct Trace<'a> {
    /// 32 hexadecimal digits.
    pub trace_id: Text<'a>,
}

/// The SDK that sent the event.
#[derive(Debug, Default, Clone)]
pub struct Sdk<'a> {
    /// For instance `sentry.python`.
    pub name: Text<'a>,
    /// Its version.
    pub version: Text<'a>,
    /// What it asks of the server.
    pub settings: SdkSettings<'a>,
}

/// `sdk.settings`.
#[derive(Debug, Default, Clone)]
pub struct SdkSettings<'a> {
    /// `auto`, `never` or `legacy`: whether the server may take the sender's address for the user's.
    pub infer_ip: Text<'a>,
}

/// A Content-Security-Policy report, in the old (dashed) or the event (underscored) spelling.
#[derive(Debug, Default, Clone)]
pub struct Csp<'a> {
    /// Directive that was violated, with fallback applied.
    pub effective_directive: Text<'a>,
    /// Directive as written.
    pub violated_directive: Text<'a>,
    /// What was refused.
    pub blocked_uri: Text<'a>,
    /// The page.
    pub document_uri: Text<'a>,
    /// The script that asked for it.
    pub source_file: Text<'a>,
}

/// `debug_meta`.
#[derive(Debug, Default, Clone)]
struct DebugMeta<'a> {
    images: Vec<Image<'a>>,
}

/// One loaded executable or library.
#[derive(Debug, Default, Clone)]
pub struct Image<'a> {
    /// Its path.
    pub code_file: Text<'a>,
    /// Where it starts, `0x…`.
    pub image_addr: Text<'a>,
    /// How many bytes it spans.
    pub image_size: Option<i64>,
}

impl<'a> Event<'a> {
    /// Reads one event from JSON text.
    ///
    /// # Errors
    /// Only when the text is not a JSON object; the message names line and column.
    pub fn from_json(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

lenient_object!(required Event {
    "event_id" => |e, v: Text<'de>| e.event_id = v.get().and_then(EventId::parse),
    "timestamp" => |e, v: Option<Timestamp>| e.timestamp = v,
    "platform" => |e, v: Text<'de>| e.platform = v,
    "level" => |e, v: Text<'de>| e.level = v,
    "type" => |e, v: Text<'de>| e.kind = v,
    "logger" => |e, v: Text<'de>| e.logger = v,
    "transaction" => |e, v: Text<'de>| e.transaction = v,
    "culprit" => |e, v: Text<'de>| e.culprit = v,
    "server_name" => |e, v: Text<'de>| e.server_name = v,
    "release" => |e, v: Text<'de>| e.release = v,
    "dist" => |e, v: Text<'de>| e.dist = v,
    "environment" => |e, v: Text<'de>| e.environment = v,
    "tags" => |e, v: Pairs<'de>| e.tags = v.0,
    "fingerprint" => |e, v: BoundedList<Text<'de>, { limits::FINGERPRINT_PARTS_MAX }>| {
        e.fingerprint = v.0.into_iter().filter_map(Text::into_inner).collect();
    },
    "checksum" => |e, v: Text<'de>| e.checksum = v,
    // `logentry` wins over `message` when both are sent (protocol, section 5.1).
    "logentry" | "sentry.interfaces.Message" => |e, v: Option<Message<'de>>| {
        if v.is_some() { e.message = v; }
    },
    "message" => |e, v: Option<Message<'de>>| {
        if e.message.is_none() { e.message = v; }
    },
    "exception" | "sentry.interfaces.Exception" => |e, v: BoundedList<Exception<'de>, { limits::EXCEPTIONS_MAX }>| {
        e.exceptions = v.0.into();
    },
    "threads" => |e, v: BoundedList<Thread<'de>, { limits::THREADS_MAX }>| e.threads = v.0.into(),
    "stacktrace" | "sentry.interfaces.Stacktrace" => |e, v: Option<Stacktrace<'de>>| e.stacktrace = v,
    "template" | "sentry.interfaces.Template" => |e, v: Option<Template<'de>>| e.template = v,
    "user" | "sentry.interfaces.User" => |e, v: Option<User<'de>>| e.user = v,
    "request" | "sentry.interfaces.Http" => |e, v: Option<Request<'de>>| e.request = v,
    "contexts" | "sentry.interfaces.Contexts" => |e, v: Contexts<'de>| e.contexts = v,
    "sdk" => |e, v: Sdk<'de>| e.sdk = v,
    "csp" => |e, v: Option<Csp<'de>>| e.csp = v,
    "debug_meta" => |e, v: Option<DebugMeta<'de>>| e.images = v.unwrap_or_default().images,
});

lenient_object!(DebugMeta {
    "images" => |d, v: BoundedList<Image<'de>, { limits::IMAGES_MAX }>| d.images = v.0.into(),
});

lenient_object!(Image {
    "code_file" | "name" => |i, v: Text<'de>| i.code_file = v,
    "image_addr" => |i, v: Text<'de>| i.image_addr = v,
    "image_size" => |i, v: Option<lenient::Whole>| i.image_size = v.map(|whole| whole.0),
});

lenient_object!(Exception {
    "type" => |x, v: Text<'de>| x.ty = v,
    "value" => |x, v: lenient::JsonText<'de>| x.value = v.0,
    "module" => |x, v: Text<'de>| x.module = v,
    "stacktrace" => |x, v: Option<Stacktrace<'de>>| x.stacktrace = v,
    "thread_id" => |x, v: Text<'de>| x.thread_id = v,
    "mechanism" => |x, v: Option<Mechanism<'de>>| x.mechanism = v,
});

lenient_object!(Mechanism {
    "type" => |m, v: Text<'de>| m.ty = v,
    "handled" => |m, v: Option<lenient::Flag>| m.handled = v.map(|flag| flag.0),
    "synthetic" => |m, v: Option<lenient::Flag>| m.synthetic = v.map(|flag| flag.0),
    "source" => |m, v: Text<'de>| m.source = v,
    "is_exception_group" => |m, v: Option<lenient::Flag>| m.is_exception_group = v.map(|flag| flag.0),
    "exception_id" => |m, v: Option<lenient::Whole>| m.exception_id = v.map(|whole| whole.0),
    "parent_id" => |m, v: Option<lenient::Whole>| m.parent_id = v.map(|whole| whole.0),
});

lenient_object!(Stacktrace {
    "frames" => |s, v: BoundedList<Frame<'de>, { limits::FRAMES_MAX }>| s.frames = v.0.into(),
});

lenient_object!(Frame {
    "filename" => |f, v: Text<'de>| f.filename = v,
    "abs_path" => |f, v: Text<'de>| f.abs_path = v,
    "function" => |f, v: Text<'de>| f.function = v,
    "raw_function" => |f, v: Text<'de>| f.raw_function = v,
    "module" => |f, v: Text<'de>| f.module = v,
    "package" => |f, v: Text<'de>| f.package = v,
    "platform" => |f, v: Text<'de>| f.platform = v,
    "context_line" => |f, v: Text<'de>| f.context_line = v,
    "instruction_addr" => |f, v: Text<'de>| f.instruction_addr = v,
    "lineno" => |f, v: Option<lenient::Whole>| f.lineno = v.and_then(lenient::Whole::positive),
    "colno" => |f, v: Option<lenient::Whole>| f.colno = v.and_then(lenient::Whole::positive),
    "in_app" => |f, v: Option<lenient::Flag>| f.in_app = v.map(|flag| flag.0),
});

lenient_object!(Thread {
    "id" => |t, v: Text<'de>| t.id = v,
    "name" => |t, v: Text<'de>| t.name = v,
    "crashed" => |t, v: Option<lenient::Flag>| t.crashed = v.map(|flag| flag.0),
    "current" => |t, v: Option<lenient::Flag>| t.current = v.map(|flag| flag.0),
    "stacktrace" => |t, v: Option<Stacktrace<'de>>| t.stacktrace = v,
});

lenient_object!(Template {
    "filename" => |t, v: Text<'de>| t.filename = v,
    "context_line" => |t, v: Text<'de>| t.context_line = v,
});

lenient_object!(User {
    "id" => |u, v: Text<'de>| u.id = v,
    "username" => |u, v: Text<'de>| u.username = v,
    "email" => |u, v: Text<'de>| u.email = v,
    "ip_address" => |u, v: Text<'de>| u.ip_address = v,
});

lenient_object!(Request {
    "url" => |r, v: Text<'de>| r.url = v,
    "method" => |r, v: Text<'de>| r.method = v,
    "env" => |r, v: RequestEnv<'de>| r.env = v,
});

lenient_object!(RequestEnv {
    "REMOTE_ADDR" => |e, v: Text<'de>| e.remote_addr = v,
});

lenient_object!(Contexts {
    "trace" => |c, v: Option<Trace<'de>>| c.trace = v,
    "runtime" => |c, v: Option<Product<'de>>| c.runtime = v,
    "os" => |c, v: Option<Product<'de>>| c.os = v,
    "browser" => |c, v: Option<Product<'de>>| c.browser = v,
    "device" => |c, v: Option<Product<'de>>| c.device = v,
});

lenient_object!(Product {
    "name" => |p, v: Text<'de>| p.name = v,
    "version" => |p, v: Text<'de>| p.version = v,
    "model" => |p, v: Text<'de>| p.model = v,
});

lenient_object!(Trace {
    "trace_id" => |t, v: Text<'de>| t.trace_id = v,
});

lenient_object!(Sdk {
    "name" => |s, v: Text<'de>| s.name = v,
    "version" => |s, v: Text<'de>| s.version = v,
    "settings" => |s, v: SdkSettings<'de>| s.settings = v,
});

lenient_object!(SdkSettings {
    "infer_ip" => |s, v: Text<'de>| s.infer_ip = v,
});

lenient_object!(Csp {
    "effective_directive" | "effective-directive" | "effectiveDirective" => |c, v: Text<'de>| c.effective_directive = v,
    "violated_directive" | "violated-directive" | "violatedDirective" => |c, v: Text<'de>| c.violated_directive = v,
    "blocked_uri" | "blocked-uri" | "blockedURL" => |c, v: Text<'de>| c.blocked_uri = v,
    "document_uri" | "document-uri" | "documentURL" => |c, v: Text<'de>| c.document_uri = v,
    "source_file" | "source-file" | "sourceFile" => |c, v: Text<'de>| c.source_file = v,
});

lenient_object!(text_or Message {
    "message" => |m, v: Text<'de>| m.template = v,
    "formatted" => |m, v: Text<'de>| m.formatted = v,
    "params" => |m, v: BoundedList<Text<'de>, { limits::TAGS_MAX }>| {
        m.params = v.0.into_iter().filter_map(Text::into_inner).collect();
    },
});

impl<'a> Message<'a> {
    fn from_text(text: Cow<'a, str>) -> Self {
        Self { formatted: Text::new(text), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_well_typed_and_skips_what_is_not() {
        let event = Event::from_json(
            r#"{"event_id":"9EC79C33EC9942AB8353589FCB2E04DC","level":40,"platform":["x"],"release":1.5,
                "tags":[["a","b"],["c",true],[null,"d"],"e"],"exception":{"type":"E","value":{"k":[1]},
                "stacktrace":{"frames":[{"function":"f","lineno":"12","in_app":null},null,7,{"lineno":-1}]}},
                "level":"warning","unknown":{"deep":[[[[]]]]}}"#,
        )
        .unwrap();
        assert_eq!(event.event_id.unwrap().to_string(), "9ec79c33ec9942ab8353589fcb2e04dc");
        assert_eq!(event.level.get(), Some("warning"));
        assert_eq!(event.platform.get(), None);
        assert_eq!(event.release.get(), Some("1.5"));
        assert_eq!(event.tags, [("a".into(), "b".into()), ("c".into(), "True".into())]);
        let exception = &event.exceptions[0];
        assert_eq!(exception.value.get(), Some(r#"{"k":[1]}"#));
        let frames = &exception.stacktrace.as_ref().unwrap().frames;
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[0].lineno, frames[0].in_app, frames[1].lineno), (Some(12), None, None));
    }

    #[test]
    fn a_list_is_found_wherever_it_stands_in_its_object() {
        for exception in [
            r#"{"values":[{"type":"E"}]}"#,
            r#"{"values":[{"type":"E"}],"mechanism":{"handled":false}}"#,
            r#"{"mechanism":{"handled":false},"values":[{"type":"E"}]}"#,
            r#"{"type":"F","\u0076alues":[{"type":"E"}],"value":"x"}"#,
            r#"{"\u0074ype":"E"}"#,
            r#"[{"type":"E"}]"#,
        ] {
            let json = format!(r#"{{"exception":{exception}}}"#);
            let event = Event::from_json(&json).unwrap();
            let types: Vec<&str> = event.exceptions.iter().map(|x| x.ty.or_empty()).collect();
            assert_eq!(types, ["E"], "{exception}");
        }
        let empty = Event::from_json(r#"{"exception":{"mechanism":{},"values":[]}}"#).unwrap();
        assert!(empty.exceptions.is_empty());
    }

    #[test]
    fn keeps_the_newest_frames_of_a_very_deep_stack() {
        let frames: Vec<String> = (0..1000).map(|i| format!(r#"{{"function":"f{i}"}}"#)).collect();
        let json = format!(r#"{{"stacktrace":{{"frames":[{}]}}}}"#, frames.join(","));
        let event = Event::from_json(&json).unwrap();
        let frames = event.stacktrace.unwrap().frames;
        assert_eq!(frames.len(), limits::FRAMES_MAX);
        assert_eq!(frames.last().unwrap().function.get(), Some("f999"));
    }

    #[test]
    fn message_is_read_in_each_of_its_forms() {
        let text = |json: &str| {
            let event = Event::from_json(json).unwrap();
            let message = event.message.unwrap_or_default();
            (message.template.get().map(str::to_owned), message.formatted.get().map(str::to_owned))
        };
        assert_eq!(text(r#"{"message":"a"}"#), (None, Some("a".into())));
        assert_eq!(
            text(r#"{"message":{"message":"a %s","formatted":"a b"}}"#),
            (Some("a %s".into()), Some("a b".into()))
        );
        assert_eq!(text(r#"{"message":"x","logentry":{"message":"t"}}"#), (Some("t".into()), None));
        assert_eq!(text(r#"{"logentry":{"message":"t"},"message":"x"}"#), (Some("t".into()), None));
        assert_eq!(text(r#"{"message":false}"#), (None, None));
        assert_eq!(text(r#"{"message":null}"#), (None, None));
    }

    #[test]
    fn only_a_json_object_is_an_event() {
        for text in ["", "[]", "1", "\"x\"", "null", "{", "{\"a\":}", "{} x"] {
            assert!(Event::from_json(text).is_err(), "{text}");
        }
    }
}
