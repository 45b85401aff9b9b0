//! Release health: what `session` and `sessions` items say about the visits of a release.
//!
//! Owns their reading (protocol, section 7), lenient in everything but the release, without which there
//! is nothing to count for. A `session` item is one state of one visit; a `sessions` item is counts that
//! a client has added up. Both become a `Report`, which is what the spool keeps. Which rows that makes is
//! `store::release_health`'s business.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::event::{Text, Timestamp};
use crate::normalize::{self, Arrival, Notes, fields};
use crate::outcome::Reason;
use crate::{json, limits};

/// What one item says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Validated release.
    pub release: String,
    /// Validated environment.
    pub environment: Option<String>,
    /// One visit, or counts of many.
    pub entries: Vec<Entry>,
}

/// A visit, or visits that began in the same minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When they began, by our clock; at most `AGE_MAX` ago.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// Who it was, as the client tells people apart.
    pub user: Option<String>,
    /// What it says.
    pub said: Said,
}

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// One visit is in this state now.
    Visit {
        /// Its id; updates of one visit have the same.
        id: Uuid,
        /// Whether this is the first that is heard of it.
        begins: bool,
        /// How it went so far.
        state: State,
    },
    /// So many visits ended so.
    Counts(Counts),
}

/// How a visit went, the worst last: an update may only make it worse, so that the order in which updates
/// arrive does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// Nothing happened.
    Healthy,
    /// An error was reported, and it went on.
    Errored,
    /// It ended as it should not: it hung, or the machine went off.
    Abnormal,
    /// An error that nothing caught, which did not end it.
    Unhandled,
    /// An error ended it.
    Crashed,
}

/// Visits by how they went; each is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Without any error.
    pub healthy: u32,
    /// With an error, and none of the following.
    pub errored: u32,
    /// Abnormal.
    pub abnormal: u32,
    /// With an error that nothing caught.
    pub unhandled: u32,
    /// Crashed.
    pub crashed: u32,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.healthy, self.errored, self.abnormal, self.unhandled, self.crashed].into_iter().map(u64::from).sum()
    }
}

/// Items of either kind that one envelope may hold (protocol, section 2.4).
pub const ITEMS_MAX: usize = 100;

/// How long ago a visit may have begun; updates of it are told apart for as long.
pub const AGE_MAX: Duration = Duration::days(5);

/// Bytes of one item. A list of aggregates that fills a minute per user is far below.
const BYTES_MAX: usize = 256 * 1024;

/// Aggregates of one item: clients send one per minute, servers that tell users apart some hundred.
const AGGREGATES_MAX: usize = 1000;

/// Visits of one kind in one aggregate: more than any process serves in the minute that it stands for.
const COUNT_MAX: u64 = 1_000_000;

/// Reads a `session` item.
///
/// # Errors
/// Why it says nothing that can be counted.
pub fn session(payload: &[u8], arrival: &Arrival) -> Result<Report, Reason> {
    let item = parse(payload)?;
    let state = state(&item);
    let said = match text(&item["sid"]).and_then(|sid| Uuid::try_parse(&sid).ok()).filter(|id| !id.is_nil()) {
        Some(id) => Said::Visit { id, begins: flag(&item["init"]), state },
        // Nothing tells updates of it apart, so only its beginning is counted.
        None if flag(&item["init"]) => Said::Counts(Counts::one(state)),
        None => return Err(Reason::Json),
    };
    let entry = Entry { started: started(&item["started"], arrival)?, user: user(&item), said };
    report(&item, vec![entry])
}

/// Reads a `sessions` item.
///
/// # Errors
/// Why it says nothing that can be counted.
pub fn aggregates(payload: &[u8], arrival: &Arrival) -> Result<Report, Reason> {
    let item = parse(payload)?;
    let found = item["aggregates"].as_array().map(Vec::as_slice).unwrap_or_default();
    if found.len() > AGGREGATES_MAX {
        return Err(Reason::TooMany);
    }
    let mut entries = Vec::with_capacity(found.len());
    let mut fault = Reason::Json;
    for aggregate in found.iter().filter(|aggregate| aggregate.is_object()) {
        match started(&aggregate["started"], arrival) {
            Ok(started) => {
                let said = Said::Counts(Counts::read(aggregate));
                entries.push(Entry { started, user: user(aggregate), said });
            }
            Err(reason) => fault = reason,
        }
    }
    if entries.is_empty() { Err(fault) } else { report(&item, entries) }
}

fn parse(payload: &[u8]) -> Result<Value, Reason> {
    if payload.len() > BYTES_MAX {
        return Err(Reason::TooLarge);
    }
    let parsed = match serde_json::from_slice::<Value>(payload) {
        Ok(value) if !json::has_nul(payload) => Ok(value),
        _ => serde_json::from_str(&json::repair(payload)),
    };
    parsed.ok().filter(Value::is_object).ok_or(Reason::Json)
}

fn report(item: &Value, entries: Vec<Entry>) -> Result<Report, Reason> {
    let attribute = |name: &str| text(&item["attrs"][name]).filter(|text| !text.is_empty());
    let release = attribute("release").filter(|release| fields::release_fault(release).is_none());
    Ok(Report {
        release: release.ok_or(Reason::NoRelease)?,
        environment: attribute("environment").filter(|name| fields::environment_fault(name).is_none()),
        entries,
    })
}

/// When it began: by the rules for events, but refused where its updates are no longer told apart.
fn started(value: &Value, arrival: &Arrival) -> Result<OffsetDateTime, Reason> {
    let said = match value {
        Value::Number(number) => number.as_f64().and_then(Timestamp::from_epoch),
        value => text(value).and_then(|text| Timestamp::parse(&text)),
    };
    let clamped = normalize::clamp(Some(said.ok_or(Reason::Json)?.get()), arrival);
    let is_old = clamped.note == Some(fields::NoteKind::Past) || arrival.received_at - clamped.at > AGE_MAX;
    if is_old { Err(Reason::TooOld) } else { Ok(clamped.at) }
}

fn user(value: &Value) -> Option<String> {
    let did = text(&value["did"])?;
    let did = Text::from(did.as_str());
    fields::trimmed("did", &did, limits::EMAIL_CHARS_MAX, &mut Notes::default()).map(std::borrow::Cow::into_owned)
}

fn state(item: &Value) -> State {
    match text(&item["status"]).as_deref() {
        Some("crashed") => State::Crashed,
        Some("unhandled") => State::Unhandled,
        Some("abnormal") => State::Abnormal,
        Some("ok" | "exited" | "") | None if count(&item["errors"]) == 0 => State::Healthy,
        _ => State::Errored,
    }
}

impl Counts {
    fn one(state: State) -> Self {
        let mut counts = Self::default();
        *match state {
            State::Healthy => &mut counts.healthy,
            State::Errored => &mut counts.errored,
            State::Abnormal => &mut counts.abnormal,
            State::Unhandled => &mut counts.unhandled,
            State::Crashed => &mut counts.crashed,
        } = 1;
        counts
    }

    fn read(aggregate: &Value) -> Self {
        Self {
            healthy: count(&aggregate["exited"]),
            errored: count(&aggregate["errored"]),
            abnormal: count(&aggregate["abnormal"]),
            unhandled: count(&aggregate["unhandled"]),
            crashed: count(&aggregate["crashed"]),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| matches!(text(value).as_deref(), Some("true" | "True" | "1")))
}

fn count(value: &Value) -> u32 {
    let whole = value.as_u64().or_else(|| text(value)?.parse().ok()).unwrap_or_default();
    u32::try_from(whole.min(COUNT_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
    const ARRIVAL: Arrival = Arrival { received_at: NOW, sent_at: None, client_ip: None };
    const SID: Uuid = Uuid::from_u128(7);

    fn visit(more: &str) -> Result<Said, Reason> {
        let json = format!(
            r#"{{"sid":"{SID}","started":"2026-11-22T11:59:00.123Z","attrs":{{"release":"shop@1","environment":"prod"}}{more}}}"#
        );
        session(json.as_bytes(), &ARRIVAL).map(|report| report.entries[0].said)
    }

    #[test]
    fn the_state_of_a_visit() {
        for (more, begins, state) in [
            (r#","init":true,"status":"exited","errors":0"#, true, State::Healthy),
            (r#","init":true,"status":"ok""#, true, State::Healthy),
            ("", false, State::Healthy),
            (r#","errors":1"#, false, State::Errored),
            (r#","status":"exited","errors":"2""#, false, State::Errored),
            (r#","status":"errored","init":"true""#, true, State::Errored),
            (r#","status":"degraded""#, false, State::Errored),
            (r#","status":"abnormal","abnormal_mechanism":"anr_foreground""#, false, State::Abnormal),
            (r#","status":"unhandled","errors":1"#, false, State::Unhandled),
            (r#","status":"crashed","errors":-1"#, false, State::Crashed),
        ] {
            assert_eq!(visit(more), Ok(Said::Visit { id: SID, begins, state }), "{more}");
        }
    }

    #[test]
    fn what_is_said_about_a_visit_beside_its_state() {
        let json = format!(
            r#"{{"sid":"{}","did":17,"init":true,"started":"2026-11-22T11:59:00Z",
                "attrs":{{"release":" shop@1 ","environment":"no/slash"}}}}"#,
            SID.simple()
        );
        let report = session(json.as_bytes(), &ARRIVAL).unwrap();
        assert_eq!((report.release.as_str(), report.environment), ("shop@1", None));
        assert_eq!(report.entries[0].user.as_deref(), Some("17"));
        assert_eq!(report.entries[0].started, datetime!(2026-11-22 11:59 UTC));
    }

    #[test]
    fn counts_of_many() {
        let json = br#"{"aggregates":[
                {"started":"2026-11-22T11:59:00Z","exited":5,"errored":2,"crashed":1},
                {"started":"2026-11-22T11:58:00Z","did":"a","unhandled":"3","abnormal":-4,"exited":18446744073709551615},
                {"started":"2026-11-01T11:58:00Z","exited":1}, 7],
            "attrs":{"release":"shop@1"}}"#;
        let report = aggregates(json, &ARRIVAL).unwrap();
        let counts: Vec<(Option<&str>, u64)> = report
            .entries
            .iter()
            .map(|entry| match entry.said {
                Said::Counts(counts) => (entry.user.as_deref(), counts.total()),
                Said::Visit { .. } => (None, 0),
            })
            .collect();
        assert_eq!(counts, [(None, 8), (Some("a"), 1_000_003)]);
    }

    #[test]
    fn what_cannot_be_counted_says_why() {
        let cases: [(&str, Reason); 8] = [
            ("[]", Reason::Json),
            ("{", Reason::Json),
            (r#"{"attrs":{"release":"a"}}"#, Reason::Json),
            (r#"{"init":true,"attrs":{"release":"a"}}"#, Reason::Json),
            (r#"{"init":true,"started":"2026-11-22T11:59:00Z"}"#, Reason::NoRelease),
            (r#"{"init":true,"started":"2026-11-22T11:59:00Z","attrs":{"release":"a/b"}}"#, Reason::NoRelease),
            (r#"{"init":true,"started":"2026-11-17T11:59:00Z","attrs":{"release":"a"}}"#, Reason::TooOld),
            (r#"{"init":true,"started":"2020-11-17T11:59:00Z","attrs":{"release":"a"}}"#, Reason::TooOld),
        ];
        for (json, reason) in cases {
            assert_eq!(session(json.as_bytes(), &ARRIVAL), Err(reason), "{json}");
        }
        assert_eq!(session(&vec![b' '; BYTES_MAX + 1], &ARRIVAL), Err(Reason::TooLarge));
        let many = format!(r#"{{"aggregates":[{}1]}}"#, "1,".repeat(AGGREGATES_MAX));
        assert_eq!(aggregates(many.as_bytes(), &ARRIVAL), Err(Reason::TooMany));
        assert_eq!(aggregates(br#"{"aggregates":[],"attrs":{"release":"a"}}"#, &ARRIVAL), Err(Reason::Json));
    }

    #[test]
    fn a_clock_in_the_future_is_not_believed() {
        let json = r#"{"init":true,"started":"2026-11-23T11:59:00Z","attrs":{"release":"a"}}"#;
        assert_eq!(session(json.as_bytes(), &ARRIVAL).unwrap().entries[0].started, NOW);
    }
}
