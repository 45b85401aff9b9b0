//! What one event says, before an SDK of some platform has put it into JSON.
//!
//! Owns the model that mutations change: what went wrong (the bug), the build that it happened in,
//! the moment it happened at, and the habits of the SDK that told it. A mutation changes one of them;
//! `render` makes the event.

/// A platform as the score tables name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Django, Flask, Celery and scripts.
    Python,
    /// Browsers, frames already mapped back to their sources.
    BrowserMapped,
    /// Browsers, frames as a minifier left them.
    BrowserMinified,
    /// Servers on Node.
    Node,
    /// Java and Kotlin on a JVM or Android.
    Java,
    /// .NET and Unity.
    Csharp,
    /// PHP.
    Php,
    /// Ruby.
    Ruby,
    /// Go.
    Go,
    /// Rust.
    Rust,
    /// C and C++.
    Native,
    /// Swift and Objective-C.
    Cocoa,
    /// Dart and Flutter.
    Dart,
    /// Elixir and Erlang.
    Elixir,
    /// React Native.
    ReactNative,
    /// Log messages and exceptions without a stack.
    Message,
    /// Reports of a browser about a content security policy.
    Csp,
}

impl Platform {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 17] = [
        Self::Python,
        Self::BrowserMapped,
        Self::BrowserMinified,
        Self::Node,
        Self::Java,
        Self::Csharp,
        Self::Php,
        Self::Ruby,
        Self::Go,
        Self::Rust,
        Self::Native,
        Self::Cocoa,
        Self::Dart,
        Self::Elixir,
        Self::ReactNative,
        Self::Message,
        Self::Csp,
    ];

    /// Its name in the tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::BrowserMapped => "browser-mapped",
            Self::BrowserMinified => "browser-minified",
            Self::Node => "node",
            Self::Java => "java",
            Self::Csharp => "csharp",
            Self::Php => "php",
            Self::Ruby => "ruby",
            Self::Go => "go",
            Self::Rust => "rust",
            Self::Native => "native",
            Self::Cocoa => "cocoa",
            Self::Dart => "dart",
            Self::Elixir => "elixir",
            Self::ReactNative => "react-native",
            Self::Message => "message",
            Self::Csp => "csp",
        }
    }

    /// What the event's `platform` attribute says.
    #[must_use]
    pub fn attribute(self) -> &'static str {
        match self {
            Self::BrowserMapped | Self::BrowserMinified | Self::ReactNative | Self::Csp => "javascript",
            Self::Dart => "other",
            Self::Message => "python",
            other => other.name(),
        }
    }
}

/// Whose code a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The user's.
    App,
    /// A library's.
    Library,
    /// The runtime's, the operating system's.
    System,
}

/// One frame. Function and place may hold slots that the build fills (`{n}`, `{x8}`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whose code it is.
    pub role: Role,
    /// Module, class or file, as the platform says it.
    pub place: String,
    /// Function, as the runtime says it.
    pub function: String,
    /// The line of source; empty if there is none.
    pub context: String,
    /// Moves this frame's line only: another statement of one function.
    pub statement: u32,
}

/// One exception of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Thrown {
    /// Type, as the SDK names it.
    pub kind: String,
    /// Its message, with slots for what varies.
    pub value: String,
    /// The same message as other browsers and in other languages: `firefox`, `safari`, `de`, `fr`.
    pub wordings: Vec<(String, String)>,
    /// Outermost call first.
    pub frames: Vec<Frame>,
    /// Children of a group stand beside each other instead of causing each other.
    pub in_group: bool,
}

/// A log message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Text with slots.
    pub template: String,
    /// The logger.
    pub logger: String,
    /// The SDK sends template and parameters, not only the text.
    pub with_params: bool,
}

/// A violation of a content security policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csp {
    /// Directive that was violated.
    pub directive: String,
    /// What was blocked, with slots.
    pub blocked: String,
}

/// How much of a native stack has names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbols {
    /// All frames, demangled.
    Full,
    /// All frames, mangled.
    Mangled,
    /// The callers of the crash lack names.
    Partial,
    /// No frame has a name.
    None,
}

/// The build that the event happened in: the same for all events of one deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Chooses hashes and counters.
    pub seed: u64,
    /// Chooses the names that a minifier gives.
    pub names: u64,
    /// Moves all lines.
    pub lines: u32,
    /// Moves all columns.
    pub columns: u32,
    /// Which of the platform's usual folders it runs from.
    pub root: usize,
    /// Which minor version the runtime and the libraries have.
    pub libraries: usize,
    /// Sources were at hand.
    pub sources: bool,
    /// Sources are indented otherwise.
    pub indented: bool,
    /// What is known of native frames.
    pub symbols: Symbols,
    /// Release, as the SDK sends it.
    pub release: String,
}

/// When and for whom it happened: another one for every event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Fills the slots of messages.
    pub values: u64,
    /// Chooses user, server, tags, breadcrumbs, ids and times.
    pub surroundings: u64,
    /// Chooses local variables, addresses and registers.
    pub memory: u64,
    /// `chrome`, `firefox` or `safari`; for browsers.
    pub browser: &'static str,
    /// Language of the messages; empty is English.
    pub language: &'static str,
    /// Transaction or route.
    pub route: u64,
    /// How the message was cut or decorated.
    pub finish: Finish,
}

/// What happens to a message on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Nothing.
    Plain,
    /// A newline behind it.
    Newline,
    /// Coloured by the logger.
    Coloured,
    /// Other quotes around quoted words.
    Quotes,
    /// A prefix with process id and time.
    Prefixed,
}

/// What an SDK version does its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Habits {
    /// `in_app` is left out.
    pub no_in_app: bool,
    /// `exception` is a list.
    pub plain_list: bool,
    /// Absent attributes are sent as null.
    pub nulls: bool,
    /// Another version of the SDK.
    pub other_version: bool,
    /// Attributes nobody knows, everywhere.
    pub unknown_fields: bool,
    /// Members of objects in another order.
    pub reversed_members: bool,
    /// Libraries lie inside the project.
    pub vendored: bool,
    /// Files and lines of frames are not known.
    pub no_lines: bool,
    /// Paths are those of Windows.
    pub windows: bool,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where it came from.
    pub platform: Platform,
    /// The base it was made from.
    pub name: String,
    /// Root cause last; empty for messages. The first is what the program ended with.
    pub thrown: Vec<Thrown>,
    /// A message.
    pub message: Option<Message>,
    /// A report about a policy.
    pub csp: Option<Csp>,
    /// Custom fingerprint.
    pub fingerprint: Vec<String>,
    /// Sends this as the event's platform.
    pub attribute: Option<&'static str>,
    /// See [`Build`].
    pub build: Build,
    /// See [`Moment`].
    pub moment: Moment,
    /// See [`Habits`].
    pub habits: Habits,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            seed: 1,
            names: 1,
            lines: 0,
            columns: 0,
            root: 0,
            libraries: 0,
            sources: true,
            indented: false,
            symbols: Symbols::Full,
            release: "shop@1.4.0".to_owned(),
        }
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self { values: 1, surroundings: 1, memory: 1, browser: "chrome", language: "", route: 1, finish: Finish::Plain }
    }
}

impl Report {
    /// A report with nothing in it yet.
    #[must_use]
    pub fn empty(platform: Platform, name: &str) -> Self {
        Self {
            platform,
            name: name.to_owned(),
            thrown: Vec::new(),
            message: None,
            csp: None,
            fingerprint: Vec::new(),
            attribute: None,
            build: Build::default(),
            moment: Moment::default(),
            habits: Habits::default(),
        }
    }

    /// The frames of what the program ended with.
    pub fn frames_mut(&mut self) -> Option<&mut Vec<Frame>> {
        self.thrown.first_mut().map(|thrown| &mut thrown.frames).filter(|frames| !frames.is_empty())
    }

    /// The frames of what the program ended with; empty without a stack.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        self.thrown.first().map_or(&[], |thrown| &thrown.frames)
    }

    /// Index of the user's frame nearest to the crash.
    #[must_use]
    pub fn crash(&self) -> Option<usize> {
        self.frames().iter().rposition(|frame| frame.role == Role::App)
    }
}

impl Frame {
    /// A frame of the user's code.
    #[must_use]
    pub fn app(place: &str, function: &str, context: &str) -> Self {
        Self {
            role: Role::App,
            place: place.to_owned(),
            function: function.to_owned(),
            context: context.to_owned(),
            statement: 0,
        }
    }
}
