//! What became of each item: every item that comes in ends in exactly one outcome.
//!
//! Owns the closed lists of item types, categories, outcomes and reasons; their texts are what the
//! database and the metrics hold. To recognise one more item type, add a line to `ItemKind::parse`.

/// What an envelope item is, as far as this server tells items apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// An error or message event: stored.
    Event,
    /// A browser report: stored as an event.
    Security,
    /// One visit of a release: counted.
    Session,
    /// Counts of visits.
    Sessions,
    /// A file of an event: stored.
    Attachment,
    /// What somebody says about an error, as an event of its own: stored.
    Feedback,
    /// The same as a report about one event: stored.
    UserReport,
    /// Recognised, answered as the protocol asks, and not stored by this version.
    Counted(Category),
    /// A type that this version does not know: skipped, as the protocol demands.
    Unknown,
}

impl ItemKind {
    /// Reads the `type` of an item header (protocol, section 3.1).
    #[must_use]
    pub fn parse(ty: &str) -> Self {
        Self::Counted(match ty {
            "event" => return Self::Event,
            "security" | "raw_security" => return Self::Security,
            "session" => return Self::Session,
            "sessions" => return Self::Sessions,
            "attachment" => return Self::Attachment,
            "feedback" => return Self::Feedback,
            "user_report" => return Self::UserReport,
            "transaction" => Category::Transaction,
            "check_in" => Category::Monitor,
            "client_report" => Category::Internal,
            "span" | "otel_span" | "otel_traces_data" => Category::Span,
            "log" | "otel_log" => Category::Log,
            "trace_metric" | "statsd" | "metric_buckets" | "metric_meta" => Category::Metric,
            "profile" | "profile_chunk" | "profile_chunk_ui" => Category::Profile,
            "replay_event" | "replay_recording" | "replay_video" => Category::Replay,
            "nel" => Category::Security,
            "form_data" | "unreal_report" => Category::Error,
            _ => return Self::Unknown,
        })
    }

    /// The category it is counted under.
    #[must_use]
    pub const fn category(self) -> Category {
        match self {
            Self::Event => Category::Error,
            Self::Security => Category::Security,
            Self::Session | Self::Sessions => Category::Session,
            Self::Attachment => Category::Attachment,
            Self::Feedback | Self::UserReport => Category::Feedback,
            Self::Counted(category) => category,
            Self::Unknown => Category::Default,
        }
    }
}

macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $($(#[$arm_doc:meta])* $arm:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$arm_doc])* $arm,)*
        }

        impl $name {
            /// Every value, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$arm,)*];

            /// The text stored in the database and shown in metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$arm => $text,)*
                }
            }

            /// Reads the text back.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$arm),)*
                    _ => None,
                }
            }
        }
    };
}

texts! {
    /// Rate-limit categories (protocol, sections 3.1 and 4).
    Category {
        /// An item of an unknown type, or a request whose items could not be told apart.
        Default = "default",
        /// Error and message events.
        Error = "error",
        /// Browser reports.
        Security = "security",
        /// Transactions.
        Transaction = "transaction",
        /// Files.
        Attachment = "attachment",
        /// Release health.
        Session = "session",
        /// User feedback, both generations.
        Feedback = "feedback",
        /// Check-ins of scheduled jobs.
        Monitor = "monitor",
        /// The client's own report about what it dropped.
        Internal = "internal",
        /// Single spans.
        Span = "span",
        /// Structured logs.
        Log = "log_item",
        /// Metrics of every generation.
        Metric = "metric_bucket",
        /// Profiles.
        Profile = "profile",
        /// Session replays.
        Replay = "replay",
    }
}

texts! {
    /// What became of an item.
    Outcome {
        /// Stored.
        Accepted = "accepted",
        /// Refused by a rule that a person configured.
        Filtered = "filtered",
        /// Refused because there were too many.
        RateLimited = "rate_limited",
        /// Could not be read.
        Invalid = "invalid",
        /// Read, and not stored.
        Dropped = "dropped",
    }
}

texts! {
    /// Why an item was not stored.
    Reason {
        /// It was stored.
        None = "",
        /// An event with this id is known already; written by the store.
        Duplicate = "duplicate",
        /// The issue that it would have joined was discarded for good; written by the store.
        Discarded = "discarded",
        /// This version recognises the type and does not store it.
        NotSupported = "not_supported",
        /// This version does not know the type.
        UnknownType = "unknown_item_type",
        /// A second event in one envelope, where the protocol allows one.
        SecondEvent = "second_event",
        /// The request's body could not be inflated.
        Encoding = "bad_encoding",
        /// The envelope's framing is wrong.
        Envelope = "bad_envelope",
        /// The payload is not the JSON that it should be.
        Json = "bad_json",
        /// It names no release that a name can be, and is about one.
        NoRelease = "no_release",
        /// It happened longer ago than can be counted.
        TooOld = "too_old",
        /// More items, or more in an item, than is taken at once.
        TooMany = "too_many",
        /// A file that names no event, or whose event was not taken.
        NoEvent = "no_event",
        /// More than a project may keep of its kind in a day.
        Quota = "quota",
        /// The request has no body.
        Empty = "empty",
        /// Over a size limit.
        TooLarge = "too_large",
        /// The body did not arrive in time or was cut off.
        Incomplete = "incomplete",
        /// Key and project do not belong together, or the key is disabled.
        BadKey = "bad_key",
        /// A web page posts that the project does not allow.
        Origin = "origin",
        /// More than its client key may bring.
        KeyLimit = "key_limit",
        /// More than its project may bring in a minute.
        ProjectRate = "project_rate",
        /// More than its project may bring in a day.
        ProjectQuota = "project_quota",
        /// More than all projects may bring in a minute.
        InstanceRate = "instance_rate",
        /// More than all projects may bring in a day.
        InstanceQuota = "instance_quota",
        /// Stored and counted; its payload is not kept, as far more than usual came in.
        Sampled = "sampled",
        /// Its message is one that is not wanted.
        FilteredMessage = "message",
        /// Its release is one that is not wanted.
        FilteredRelease = "release",
        /// A known crawler met it.
        FilteredCrawler = "crawler",
        /// A browser that is no longer made met it.
        FilteredBrowser = "legacy_browser",
        /// It happened on the machine of a developer.
        FilteredLocalhost = "localhost",
        /// It came from an address that is not wanted.
        FilteredAddress = "address",
        /// Counted; what it carries is not kept, as the disk of the database is nearly full.
        DiskFull = "disk_full",
        /// The queue to the database is full.
        Overload = "overload",
        /// The database is away and the spool is full.
        SpoolFull = "spool_full",
        /// The database refused this one event.
        Refused = "refused_by_database",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_item_type_is_recognised() {
        let types = "event transaction session sessions attachment feedback user_report check_in client_report span \
                     otel_span otel_traces_data log otel_log trace_metric statsd metric_buckets metric_meta profile \
                     profile_chunk profile_chunk_ui replay_event replay_recording replay_video nel raw_security security \
                     form_data unreal_report";
        for ty in types.split_whitespace() {
            assert_ne!(ItemKind::parse(ty), ItemKind::Unknown, "{ty}");
        }
        assert_eq!(ItemKind::parse("hologram").category(), Category::Default);
    }

    #[test]
    fn texts_are_read_back() {
        for category in Category::ALL {
            assert_eq!(Category::parse(category.as_str()), Some(*category));
        }
        assert_eq!(Outcome::parse("accepted"), Some(Outcome::Accepted));
        assert_eq!(Reason::parse("nonsense"), None);
    }
}
