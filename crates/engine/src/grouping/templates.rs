//! Free text whose words vary: which template of a project a new message is an instance of.
//!
//! The cleaner masks what looks like a value. This module learns, message by message, where words
//! that look like nothing special vary as well: `session opened for user root` and `… user ann`. A
//! message whose key nobody owns is held against the templates of its project; where it fits one,
//! it joins the issue of the message that the template was made from, its *founder*, and its own key
//! becomes an alias. So a message that was seen once never comes here again.
//!
//! A template is only held against messages of the same platform and logger and with the same number
//! of tokens. Two of them are one when whatever stands between words is the same, and every word
//! that differs stands where values stand or looks like a name (`words` decides), and enough words
//! are the same. Texts about identifiers of a program (`x is not defined`) take no part, nor do
//! those whose program sent the template along. `Learner` is all this in memory; the store keeps the
//! same rows in a table.
//!
//! Nothing here depends on anything but the order of the messages.

mod words;

use std::collections::HashMap;

use serde::Serialize;

use super::record::{Hashing, Recorder as _};
use super::subject::{self, Subject};
use super::{fingerprint, images::Images, rules::Rules};
use crate::event::Event;

/// Templates kept per project: those not met for the longest time go first.
pub const TEMPLATES_MAX: usize = 2_000;
/// Templates that a message is held against, those met last.
pub const CANDIDATES_MAX: usize = 128;
/// Tokens of a message that are compared.
const TOKENS_MAX: usize = 64;
/// Where words were seen to vary.
const LEARNED: &str = "**";
/// Messages that differ in one and the same place before any word may stand there.
const SIBLINGS_MIN: usize = 3;
/// Keys of which the learner in memory remembers where they went.
const REMEMBERED_MAX: usize = 50_000;

/// A message that nothing but its words can group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeText {
    /// The event's own key, made of exactly this template.
    pub key: [u8; 16],
    /// Only templates of the same bucket are compared: platform, logger and number of tokens.
    pub bucket: [u8; 16],
    /// The masked message, one space between tokens.
    pub template: String,
}

/// A template and the message that it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The key of that message: whoever owns it owns what fits the template.
    pub founder: [u8; 16],
    /// Tokens with one space between them; `**` where words vary.
    pub template: String,
}

/// What a message turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// An instance of a known template.
    Join(Join),
    /// Something new: it founds a template.
    Found,
}

/// The template that a message fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Which of the candidates.
    pub candidate: usize,
    /// The candidate's template with every place that varies.
    pub template: String,
    /// The words that differ, and why they may.
    pub varies: Vec<Varies>,
}

impl Join {
    /// The reason, for the alias that the message's own key becomes.
    #[must_use]
    pub fn explain(&self, founder: [u8; 16]) -> serde_json::Value {
        serde_json::json!({
            "why": "fits a template that was learned from earlier messages",
            "founder": hex::encode(founder),
            "template": self.template,
            "varies": self.varies,
        })
    }
}

/// One place in which a message differs from its template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Varies {
    /// The template's word; `**` where words are known to vary.
    pub known: String,
    /// The message's word.
    pub new: String,
    /// Why that is no difference.
    pub why: &'static str,
}

/// The text of an event that is only a message, unless its program said what varies in it.
#[must_use]
pub fn free_text(event: &Event<'_>, rules: &Rules) -> Option<FreeText> {
    let templated = event.message.as_ref().is_some_and(|message| message.template.trimmed().is_some());
    if templated && event.message.as_ref().is_some_and(|message| message.formatted.trimmed().is_some()) {
        return None;
    }
    let fingerprint = fingerprint::of(event, rules);
    if !matches!(fingerprint.plan, fingerprint::Plan::Default) {
        return None;
    }
    let images = Images::of(event);
    let Subject::Message(masked) = Subject::of(event, &images, rules) else { return None };
    let mut own = Hashing::default();
    super::recipe::write(event, rules, fingerprint.plan, &mut own);
    let key = own.keys.first()?.hash;
    let tokens = words::tokens(&masked);
    if !words::is_learnable(&masked, &tokens) {
        return None;
    }
    let mut bucket = Hashing::default();
    bucket.begin("v1:bucket", false);
    bucket.part("platform", event.platform.or_empty());
    bucket.part("logger", &subject::logger(event));
    bucket.part("tokens", &tokens.len().to_string());
    bucket.end();
    Some(FreeText { key, bucket: bucket.keys.first()?.hash, template: tokens.join(" ") })
}

/// Finds the template among `candidates` that a message fits best; of equals the first.
#[must_use]
pub fn place<'c>(text: &FreeText, candidates: impl IntoIterator<Item = &'c Template>) -> Placed {
    let new: Vec<&str> = text.template.split(' ').collect();
    let mut best: Option<(usize, Join)> = None;
    // Places in which candidates differ from the message by one plain word, and the first of them.
    let mut siblings: Vec<(usize, usize, usize)> = Vec::new();
    let mut known = Vec::with_capacity(new.len());
    for (candidate, template) in candidates.into_iter().enumerate() {
        known.clear();
        known.extend(template.template.split(' '));
        if known.len() != new.len() {
            continue;
        }
        match words::compare(&known, &new) {
            words::Verdict::Same { cost, varies } => {
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, join(candidate, &known, &new, &varies)));
                }
            }
            words::Verdict::OneWord(at) => match siblings.iter_mut().find(|(place, ..)| *place == at) {
                Some((_, _, count)) => *count += 1,
                None => siblings.push((at, candidate, 1)),
            },
            words::Verdict::Other => {}
        }
    }
    if let Some((_, join)) = best {
        return Placed::Join(join);
    }
    let sibling = siblings.iter().find(|(_, _, count)| *count >= SIBLINGS_MIN);
    let Some(&(at, candidate, _)) = sibling else { return Placed::Found };
    // The candidates are walked again by the caller's index only: the words are those of the message.
    let mut template = new.clone();
    template[at] = LEARNED;
    let varies = vec![Varies { known: LEARNED.to_owned(), new: new[at].to_owned(), why: words::SIBLINGS }];
    Placed::Join(Join { candidate, template: template.join(" "), varies })
}

fn join(candidate: usize, known: &[&str], new: &[&str], varies: &[(usize, &'static str)]) -> Join {
    let mut template = known.to_vec();
    let places = varies.iter().map(|&(at, why)| {
        template[at] = LEARNED;
        Varies { known: known[at].to_owned(), new: new[at].to_owned(), why }
    });
    let varies = places.collect();
    Join { candidate, template: template.join(" "), varies }
}

/// The templates of one project, in memory.
#[derive(Debug, Default)]
pub struct Learner {
    buckets: HashMap<[u8; 16], Vec<(u64, Template)>>,
    count: usize,
    clock: u64,
    /// Where keys went that were seen before, so that a message that repeats costs one look-up.
    remembered: HashMap<[u8; 16], Option<[u8; 16]>>,
}

impl Learner {
    /// The founder that a message joins: its key is to be tried after the message's own.
    pub fn learn(&mut self, text: &FreeText) -> Option<[u8; 16]> {
        self.learn_and_say(text).1
    }

    /// The same, with the reason where the message was new.
    pub fn learn_and_say(&mut self, text: &FreeText) -> (Option<Join>, Option<[u8; 16]>) {
        if let Some(founder) = self.remembered.get(&text.key) {
            return (None, *founder);
        }
        self.clock += 1;
        let bucket = self.buckets.entry(text.bucket).or_default();
        // Those met last are tried first.
        bucket.sort_unstable_by_key(|(met, _)| std::cmp::Reverse(*met));
        let placed = place(text, bucket.iter().take(CANDIDATES_MAX).map(|(_, template)| template));
        let (join, founder) = match placed {
            Placed::Join(join) => {
                let (met, template) = &mut bucket[join.candidate];
                *met = self.clock;
                template.template.clone_from(&join.template);
                let founder = template.founder;
                (Some(join), Some(founder))
            }
            Placed::Found => {
                bucket.push((self.clock, Template { founder: text.key, template: text.template.clone() }));
                self.count += 1;
                (None, None)
            }
        };
        if self.count > TEMPLATES_MAX {
            self.forget();
        }
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.clear();
        }
        self.remembered.insert(text.key, founder);
        (join, founder)
    }

    /// Templates that are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Drops the eighth of the templates that was not met for the longest time: one pass per many
    /// new templates, not one per each.
    fn forget(&mut self) {
        let mut met: Vec<u64> = self.buckets.values().flatten().map(|(met, _)| *met).collect();
        met.sort_unstable();
        let oldest_kept = met.get(self.count - TEMPLATES_MAX + TEMPLATES_MAX / 8).copied().unwrap_or_default();
        self.buckets.retain(|_, bucket| {
            bucket.retain(|(met, _)| *met >= oldest_kept);
            !bucket.is_empty()
        });
        self.count = self.buckets.values().map(Vec::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &str) -> Option<FreeText> {
        let json = serde_json::json!({ "message": message }).to_string();
        free_text(&Event::from_json(&json).unwrap(), Rules::builtin())
    }

    /// The issue of each message, counted from zero.
    fn issues(messages: &[&str]) -> Vec<usize> {
        let mut learner = Learner::default();
        let mut owners: HashMap<[u8; 16], usize> = HashMap::new();
        messages
            .iter()
            .map(|message| {
                let Some(text) = text(message) else { return usize::MAX };
                let founder = learner.learn(&text);
                let next = owners.values().max().map_or(0, |last| last + 1);
                let issue = [Some(text.key), founder].into_iter().flatten().find_map(|key| owners.get(&key).copied());
                let issue = issue.unwrap_or(next);
                owners.insert(text.key, issue);
                issue
            })
            .collect()
    }

    #[test]
    fn words_vary_where_values_stand() {
        for messages in [
            &["session opened for user root", "session opened for user ann", "session opened for user cyrus"][..],
            &["check failed: rhost=a.b user=root", "check failed: rhost=c.d user=guest"],
            &["job sync_users failed twice", "job sync_orders failed twice"],
            &["event with type: JOB_START came", "event with type: JOB_END came"],
            &[
                "app.jobs.sync: told to start this job now, although it may only start in 5 seconds from now",
                "app.mail.digest.send: told to start this job now, although it may only start in 7 seconds from now",
            ],
            &["mapred.tip.id is deprecated. Instead, use a.b.id", "mapred.job is deprecated. Instead, use c.d"],
            &[
                "Failed password for root from 10.0.0.1 port 5 ssh2",
                "Failed password for ann from 10.0.0.1 port 7 ssh2",
            ],
        ] {
            assert_eq!(issues(messages), vec![0; messages.len()], "{messages:?}");
        }
    }

    #[test]
    fn words_that_say_what_happened_do_not() {
        for messages in [
            &["VM Started (Lifecycle Event)", "VM Paused (Lifecycle Event)"][..],
            &["task 1 changed from NEW to RUNNING again", "task 2 changed from RUNNING to FAILED again"],
            &["queue.min set to 5", "queue.max set to 7"],
            &["queue is full", "queue is empty"],
            &["got action: app.intent.SCREEN_ON", "got action: app.intent.SCREEN_OFF"],
            &["app.jobs.sync: lost its lease", "app.mail.digest: lost its lease"],
            &["Payment 1 for order 2 failed", "Payment 1 for order 2 refunded"],
            &["order is paid, not open", "order is void, not open"],
            &["Request failed with status code 404", "Request failed with status code 500"],
            &["open of the file failed: ENOENT", "open of the file failed: EACCES"],
            &["request ended, reason=timeout", "request ended, reason=refused"],
            &["could not do it: FooException was thrown", "could not do it: BarException was thrown"],
            &["jk_init() Found child 5", "jk_exit() Found child 5"],
        ] {
            assert_eq!(issues(messages), (0..messages.len()).collect::<Vec<_>>(), "{messages:?}");
        }
        assert_eq!(text("foo.bar is not a function"), None);
    }

    #[test]
    fn a_place_in_which_many_words_stood_takes_any() {
        let messages =
            ["alice", "bob", "carol", "dora", "emil"].map(|who| format!("Customer lost {who} while paying there"));
        let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
        assert_eq!(issues(&messages), [0, 1, 2, 2, 2]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut learner = Learner::default();
        let letters = |n: usize| (0..4).map(|at| char::from(b'g' + ((n >> (at * 4)) % 16) as u8)).collect::<String>();
        for n in 0..3 * TEMPLATES_MAX {
            let text = text(&format!("{} {} {}", letters(n), letters(n * 7 + 1), letters(n * 13 + 5))).unwrap();
            learner.learn(&text);
            assert!(learner.len() <= TEMPLATES_MAX);
        }
        assert!(learner.len() > TEMPLATES_MAX / 2);
    }
}
