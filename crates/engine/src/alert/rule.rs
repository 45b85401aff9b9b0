//! Rules: which signals go where. Pure matching on what was known when the signal was written, so that a preview over
//! stored signals says what really would have been sent.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::Duration;

use super::Kind;
use super::text::duration;

pub use super::frequency::{Frequency, Of};
use crate::access::Email;
use crate::ids::ProjectId;

/// Events that were so late on arrival tell of the past: an SDK's offline cache, a queue that was replayed. They count, but
/// wake nobody.
pub const LATE: Duration = Duration::HOUR;

/// New issues that a release may bring before anybody hears of them, where a rule does not say how many.
pub const NEW_ISSUES: i64 = 10;

/// Environments, releases or tags that one rule names: each is looked at for each signal.
pub const VALUES_MAX: usize = 50;

/// Characters of one of them: what an event may carry.
pub const VALUE_CHARS_MAX: usize = 200;

/// Environments that mean production, and `` for none given: what a new instance tells of.
pub const PRODUCTION: [&str; 5] = ["production", "prod", "live", "main", ""];

/// What stands in the place of an owner for issues that nobody has and nobody owns.
pub const NOBODY: &str = "nobody";

/// What has to hold of a signal besides its kind. What is empty holds of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// One of these; `` is a signal without one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// One of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    /// One of these, where `*` stands for anything: `shop@2.*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<String>,
    /// Only the newest release of the project, in the order of the project.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub latest: bool,
    /// All of these: key and value, in which `*` stands for anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
    /// Of the new issues of a release: more than so many, told once when there are; `NEW_ISSUES` where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_issues: Option<i64>,
    /// Of frequent issues: from how often on; `Frequency::default` where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// The issue is with one of these people, or owned by one: addresses, or `NOBODY` for an issue that has no such person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
}

impl Conditions {
    fn new_issues(&self) -> i64 {
        self.new_issues.unwrap_or(NEW_ISSUES)
    }

    /// What of them is more than a rule may say; bad values of an earlier version stay as they are.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let pairs = self.tags.iter().flat_map(|(key, value)| [key, value]);
        let all = [&self.environments, &self.levels, &self.releases, &self.owners];
        if let Some(odd) = self.owners.iter().find(|owner| *owner != NOBODY && owner.parse::<Email>().is_err()) {
            return Some(format!("{odd:.100} is nobody: an owner is an e-mail address, or {NOBODY}."));
        }
        if all.iter().any(|list| list.len() > VALUES_MAX) || self.tags.len() > VALUES_MAX {
            return Some(format!("A rule names at most {VALUES_MAX} of each."));
        }
        let mut texts = all.into_iter().flatten().chain(pairs);
        let long = texts.any(|text| text.chars().count() > VALUE_CHARS_MAX);
        long.then(|| format!("A name in a rule has at most {VALUE_CHARS_MAX} characters."))
    }

    /// From how often on an issue is frequent.
    #[must_use]
    pub fn frequency(&self) -> Frequency {
        self.frequency.unwrap_or_default()
    }
}

/// What rules look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What happened; `None` for a kind of a newer version.
    pub kind: Option<Kind>,
    /// Whose; `None` for the whole instance.
    pub project: Option<ProjectId>,
    /// Where.
    pub environment: String,
    /// `error`, …; empty for what has none.
    pub level: String,
    /// Release; empty when unknown.
    pub release: String,
    /// That was the newest one then.
    pub latest: bool,
    /// Tags of the event.
    pub tags: Vec<(String, String)>,
    /// How old the event was on arrival.
    pub late: Duration,
    /// New issues of a release: how many were told of before, and how many there are.
    pub grew: Option<(i64, i64)>,
    /// Frequent issues: what was asked for.
    pub frequency: Option<Frequency>,
    /// Who had the issue and whom the ownership rules name for it, when it was told: addresses, who has it first.
    pub owners: Vec<String>,
}

impl Seen {
    /// Reads the facts of a signal. What is missing is empty.
    #[must_use]
    pub fn read(kind: &str, project: Option<ProjectId>, facts: &Value) -> Self {
        let text = |name: &str| facts[name].as_str().unwrap_or_default().to_owned();
        let pair = |tag: &Value| Some((tag.get(0)?.as_str()?.to_owned(), tag.get(1)?.as_str()?.to_owned()));
        Self {
            kind: Kind::parse(kind),
            project,
            environment: text("environment"),
            level: text("level"),
            release: text("release"),
            latest: facts["latest"] == true,
            tags: facts["tags"].as_array().into_iter().flatten().filter_map(pair).collect(),
            late: Duration::seconds(facts["late_s"].as_i64().unwrap_or(0)),
            grew: facts["grew"][0].as_i64().zip(facts["grew"][1].as_i64()),
            frequency: Frequency::deserialize(&facts["frequency"]).ok(),
            owners: facts["owners"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
        }
    }

    /// Why nobody is to be woken by it, whatever the rules say.
    #[must_use]
    pub fn suppressed(&self) -> Option<String> {
        (self.late > LATE).then(|| format!("its event was {} old when it arrived", duration(self.late)))
    }
}

/// Which signals a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `None` for all projects.
    pub project: Option<ProjectId>,
    /// Kinds of signals.
    pub kinds: Vec<Kind>,
    /// What else has to hold.
    pub conditions: Conditions,
}

impl Rule {
    /// Whether it is of the project of a signal.
    #[must_use]
    pub fn serves(&self, seen: &Seen) -> bool {
        self.project.is_none() || self.project == seen.project
    }

    /// Whether it wants a signal.
    #[must_use]
    pub fn wants(&self, seen: &Seen) -> bool {
        let Conditions { environments, levels, releases, latest, tags, owners, .. } = &self.conditions;
        let Some(kind) = seen.kind.filter(|kind| self.serves(seen) && self.kinds.contains(kind)) else { return false };
        // A spike has no level and no tags: what a signal of no event lacks is not asked of it, so that one rule can
        // want the errors of production and the spikes.
        let lacks = |empty: bool| empty && (kind == Kind::Resolved || !kind.is_of_issue());
        let limit = self.conditions.new_issues();
        (kind != Kind::ReleaseIssues || seen.grew.is_some_and(|(before, now)| before <= limit && limit < now))
            && (kind != Kind::Frequent || seen.frequency == Some(self.conditions.frequency()))
            && (!latest || seen.latest || lacks(seen.release.is_empty()))
            && (levels.is_empty() || lacks(seen.level.is_empty()) || levels.contains(&seen.level))
            && (environments.is_empty()
                || lacks(seen.environment.is_empty())
                || environments.contains(&seen.environment))
            && (releases.is_empty()
                || lacks(seen.release.is_empty())
                || releases.iter().any(|pattern| matches(pattern, &seen.release)))
            && (owners.is_empty() || !kind.is_of_issue() || is_with(owners, &seen.owners))
            && (lacks(seen.tags.is_empty())
                || tags
                    .iter()
                    .all(|(key, pattern)| seen.tags.iter().any(|(own, value)| own == key && matches(pattern, value))))
    }

    /// The rule in a sentence: `When an issue is new or regressed in production of Shop, mail to On call.`
    #[must_use]
    pub fn sentence(&self, project: Option<&str>, destinations: &[String]) -> String {
        let first = self.kinds.iter().find(|kind| kind.is_of_issue());
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .map(|kind| match kind {
                Kind::ReleaseIssues => {
                    format!("a release brings more than {} new issues", self.conditions.new_issues())
                }
                Kind::Frequent => format!("{} has {}", issue(Some(kind) == first), self.conditions.frequency()),
                other if other.is_of_issue() => format!("{} {}", issue(Some(kind) == first), phrase(*other)),
                other => phrase(*other).to_owned(),
            })
            .collect();
        let mut parts = vec![format!("When {}", either(&kinds))];
        let Conditions { environments, levels, releases, latest, tags, .. } = &self.conditions;
        if !environments.is_empty() {
            let names: Vec<&str> =
                environments.iter().map(|name| if name.is_empty() { "no environment" } else { name }).collect();
            parts.push(format!("in {}", either(&names)));
        }
        parts.push(format!("of {}", project.unwrap_or("any project")));
        if !levels.is_empty() {
            parts.push(format!("at level {}", either(levels)));
        }
        if !releases.is_empty() {
            parts.push(format!("in release {}", either(releases)));
        }
        if *latest {
            parts.push("in the newest release".to_owned());
        }
        if !self.conditions.owners.is_empty() {
            parts.push(format!("owned by {}", either(&self.conditions.owners)));
        }
        for (key, value) in tags {
            parts.push(format!("with {key} {value}"));
        }
        let to = if destinations.is_empty() { "nobody".to_owned() } else { list(destinations, "and") };
        format!("{}, tell {to}.", parts.join(" "))
    }
}

/// Whether an issue is with one of the wanted people, or with nobody where that is wanted.
fn is_with(wanted: &[String], owners: &[String]) -> bool {
    let is_owner = |wanted: &String| owners.iter().any(|owner| owner.to_lowercase() == wanted.to_lowercase());
    wanted.iter().any(|wanted| if wanted == NOBODY { owners.is_empty() } else { is_owner(wanted) })
}

/// The first of several issues in a sentence is one, the others are the same.
const fn issue(is_first: bool) -> &'static str {
    if is_first { "an issue" } else { "one" }
}

/// What happened, after "when", or after the issue.
const fn phrase(kind: Kind) -> &'static str {
    match kind {
        Kind::New => "is new",
        Kind::Regressed => "comes back",
        Kind::Escalating => "escalates",
        Kind::Resolved => "is resolved",
        Kind::Frequent => "is frequent",
        Kind::Milestone => "reaches the next power of ten in events",
        Kind::SpikeStarted => "a spike begins",
        Kind::SpikeEnded => "a spike ends",
        Kind::ReleaseIssues => "a release brings many new issues",
        Kind::Deploy => "the verdict on a deploy changes",
        Kind::WatchEnded => "the watch of a deploy ends",
        Kind::CheckinMissed => "a check-in is missed",
        Kind::Trouble => "Firefinch has trouble",
    }
}

fn either(names: &[impl AsRef<str>]) -> String {
    list(names, "or")
}

/// `a`, `a or b`, `a, b or c`.
fn list(names: &[impl AsRef<str>], word: &str) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for anything. Takes time in proportion to both lengths multiplied,
/// and both are bounded by what an event may carry.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(kinds: &[Kind], conditions: Value) -> Rule {
        let conditions = serde_json::from_value(conditions).unwrap();
        Rule { project: Some(ProjectId(2)), kinds: kinds.to_vec(), conditions }
    }

    fn seen(facts: &Value) -> Seen {
        Seen::read("new", Some(ProjectId(2)), facts)
    }

    #[test]
    fn a_rule_wants_what_all_its_conditions_hold_of() {
        let facts = json!({"environment": "production", "level": "error", "release": "shop@2.34.0", "tags": [["region", "eu-1"], ["a", "b"]]});
        let cases = [
            (json!({}), true),
            (json!({"environments": ["staging", "production"]}), true),
            (json!({"environments": ["staging", ""]}), false),
            (json!({"levels": ["fatal"]}), false),
            (json!({"levels": ["fatal", "error"]}), true),
            (json!({"releases": ["shop@2.*"]}), true),
            (json!({"releases": ["shop@2", "shop@3.*"]}), false),
            (json!({"tags": [["region", "eu-*"], ["a", "b"]]}), true),
            (json!({"tags": [["region", "eu-*"], ["a", "c"]]}), false),
            (json!({"tags": [["zone", "*"]]}), false),
        ];
        for (conditions, wanted) in cases {
            assert_eq!(rule(&Kind::USUAL, conditions.clone()).wants(&seen(&facts)), wanted, "{conditions}");
        }
        let any = rule(&[Kind::Regressed], json!({}));
        assert!(!any.wants(&seen(&facts)), "another kind");
        assert!(!rule(&Kind::USUAL, json!({})).wants(&Seen { project: Some(ProjectId(3)), ..seen(&facts) }));
        assert!(
            !rule(&Kind::USUAL, json!({})).wants(&Seen { kind: None, ..seen(&facts) }),
            "a kind of a newer version"
        );
        assert!(rule(&Kind::USUAL, json!({"environments": PRODUCTION})).wants(&seen(&json!({}))), "none given");
        let deploy = Seen::read("deploy", Some(ProjectId(2)), &json!({"environment": "production"}));
        let strict = json!({"levels": ["fatal"], "releases": ["shop@2.*"], "tags": [["a", "b"]]});
        assert!(rule(&[Kind::Deploy], strict.clone()).wants(&deploy), "a deploy has no level, and no tags");
        assert!(!rule(&Kind::USUAL, strict).wants(&seen(&json!({}))), "an event has them");
        let staging = json!({"environments": ["staging"]});
        assert!(!rule(&[Kind::Deploy], staging.clone()).wants(&deploy), "it has an environment");
        let spike = Seen::read("spike_started", Some(ProjectId(2)), &json!({}));
        assert!(rule(&[Kind::SpikeStarted], staging).wants(&spike), "a spike has none");
    }

    #[test]
    fn new_issues_of_a_release_are_told_once_when_they_are_too_many() {
        let told = |limit: Value, grew: Value| {
            let seen = Seen::read("release_issues", Some(ProjectId(2)), &json!({"grew": grew}));
            rule(&[Kind::ReleaseIssues], json!({"new_issues": limit})).wants(&seen)
        };
        for (limit, grew, wanted) in [
            (json!(null), json!([9, 10]), false),
            (json!(null), json!([10, 11]), true),
            (json!(null), json!([11, 12]), false),
            (json!(0), json!([0, 1]), true),
            (json!(2), json!([0, 40]), true),
            (json!(40), json!([0, 40]), false),
            (json!(2), json!("many"), false),
        ] {
            assert_eq!(told(limit.clone(), grew.clone()), wanted, "more than {limit}: {grew}");
        }
        assert_eq!(
            rule(&[Kind::ReleaseIssues], json!({"new_issues": 3})).sentence(None, &[]),
            "When a release brings more than 3 new issues of any project, tell nobody."
        );
    }

    #[test]
    fn frequent_issues_are_told_to_who_asked_for_that_frequency() {
        let asked = json!({"of": "users", "count": 20, "minutes": 60});
        let told = |frequency: Value, signal: Value| {
            let seen = Seen::read("frequent", Some(ProjectId(2)), &json!({"frequency": signal}));
            rule(&[Kind::Frequent], json!({"frequency": frequency})).wants(&seen)
        };
        assert!(told(asked.clone(), asked.clone()));
        assert!(!told(json!(null), asked.clone()) && !told(asked.clone(), json!(null)));
        assert!(!told(asked.clone(), json!({"of": "events", "count": 20, "minutes": 60})));
        let usual = serde_json::to_value(Frequency::default()).unwrap();
        assert!(told(json!(null), usual));
        assert_eq!(
            rule(&[Kind::Frequent, Kind::Milestone], json!({"frequency": asked})).sentence(Some("Shop"), &[]),
            "When an issue has 20 users in 60 minutes or one reaches the next power of ten in events of Shop, tell nobody."
        );
    }

    #[test]
    fn only_the_newest_release_is_one_that_was_the_newest_then() {
        let newest = rule(&Kind::USUAL, json!({"latest": true}));
        let facts = |latest: Value| seen(&json!({"release": "shop@2.0.0", "latest": latest}));
        assert!(newest.wants(&facts(json!(true))));
        assert!(!newest.wants(&facts(json!(false))) && !newest.wants(&facts(json!(null))));
        assert!(!newest.wants(&seen(&json!({}))), "an event without a release is of none");
        assert!(newest.sentence(None, &[]).contains(" of any project in the newest release,"));
    }

    #[test]
    fn an_issue_is_with_its_owners_or_with_nobody() {
        let facts = json!({"owners": ["ben@shop.example", "ana@shop.example"]});
        for (owners, of_both, of_nobody) in [
            (json!(["Ana@shop.example"]), true, false),
            (json!(["cleo@shop.example", "ben@shop.example"]), true, false),
            (json!(["cleo@shop.example"]), false, false),
            (json!(["nobody"]), false, true),
            (json!(["cleo@shop.example", "nobody"]), false, true),
        ] {
            let rule = rule(&[Kind::New, Kind::Deploy], json!({"owners": owners}));
            assert_eq!((rule.wants(&seen(&facts)), rule.wants(&seen(&json!({})))), (of_both, of_nobody), "{owners}");
            assert!(rule.wants(&Seen::read("deploy", Some(ProjectId(2)), &json!({}))), "a deploy is no issue");
            assert_eq!(rule.conditions.problem(), None);
        }
        let odd = rule(&Kind::USUAL, json!({"owners": ["ana"]}));
        assert_eq!(odd.conditions.problem().unwrap(), "ana is nobody: an owner is an e-mail address, or nobody.");
        assert_eq!(
            rule(&[Kind::New], json!({"owners": ["ana@shop.example", "nobody"]})).sentence(Some("Shop"), &[]),
            "When an issue is new of Shop owned by ana@shop.example or nobody, tell nobody."
        );
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("a*b*c", "a-b-c", true),
            ("ab*ba", "aba", false),
            ("é*", "éa", true),
            ("**", "x", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_came_late_wakes_nobody() {
        assert_eq!(seen(&json!({"late_s": 3600})).suppressed(), None);
        let late = seen(&json!({"late_s": 7300})).suppressed();
        assert_eq!(late.as_deref(), Some("its event was 2 h old when it arrived"));
        assert_eq!(seen(&json!({"late_s": "x"})).suppressed(), None);
    }

    #[test]
    fn a_rule_is_a_sentence() {
        let conditions = json!({"environments": ["production", ""], "levels": ["error", "fatal"], "releases": ["shop@*"], "tags": [["region", "eu"]]});
        assert_eq!(
            rule(&Kind::USUAL, conditions).sentence(Some("Shop"), &["On call".to_owned(), "#ops".to_owned()]),
            "When an issue is new, one comes back or one escalates in production or no environment of Shop at level error or \
             fatal in release shop@* with region eu, tell On call and #ops."
        );
        assert_eq!(
            rule(&[Kind::Deploy], json!({})).sentence(None, &[]),
            "When the verdict on a deploy changes of any project, tell nobody."
        );
    }
}
