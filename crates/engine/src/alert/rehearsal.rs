//! A rehearsal: which messages would have been sent, had certain deliveries been wanted at certain times.
//!
//! The same decisions as those that `compose` writes to the database (`channel::step`), with a clock that jumps from one
//! moment at which something happens to the next. It begins with nobody in a storm and nothing sent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use time::OffsetDateTime;

use super::channel::{self, Burst, Form, Hour, Waiting};
use super::wishes::Ruling;
use crate::ids::{DestinationId, ProjectId};

/// Whose channel: a recipient of a destination, for one project.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Where.
    pub destination: DestinationId,
    /// The address of a mail; empty for other destinations.
    pub recipient: String,
    /// Whose signals.
    pub project: Option<ProjectId>,
}

impl Key {
    /// Channels are made, and so decided, in this order; those of no project come last, as PostgreSQL sorts.
    fn order(&self) -> (DestinationId, &str, i64) {
        (self.destination, &self.recipient, self.project.map_or(i64::MAX, ProjectId::get))
    }
}

/// A delivery that is wanted.
#[derive(Debug, Clone)]
pub struct Part {
    /// When its signal was written.
    pub at: OffsetDateTime,
    /// Whose.
    pub key: Key,
    /// Whose hour it counts against.
    pub person: String,
    /// Many of them may be one message.
    pub paced: bool,
    /// What becomes of it.
    pub ruling: Ruling,
}

/// A message that would have been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: OffsetDateTime,
    /// What it is.
    pub form: Form,
    /// To whom.
    pub key: Key,
    /// The deliveries that it carries, as places in the list of parts. Of one that carries none: those of the burst that it
    /// ends, or those that have to wait.
    pub parts: Vec<usize>,
}

#[derive(Debug, Default)]
struct Channel {
    burst: Option<Burst>,
    due: Option<OffsetDateTime>,
    waiting: Vec<usize>,
    newest: Option<OffsetDateTime>,
    /// What the messages of the burst carried.
    told: Vec<usize>,
}

/// What there is at some moment.
#[derive(Default)]
struct Stage {
    ids: HashMap<Key, usize>,
    keys: Vec<(Key, String)>,
    channels: Vec<Channel>,
    /// Channels by when they are due.
    due: BTreeSet<(OffsetDateTime, usize)>,
    /// Parts by when they are ready.
    held: BinaryHeap<Reverse<(OffsetDateTime, usize)>>,
    hours: HashMap<String, Hour>,
    sent: Vec<Sent>,
}

/// Plays parts, which are in order of time, up to `until`.
#[must_use]
pub fn rehearse(parts: &[Part], until: OffsetDateTime) -> Vec<Sent> {
    let mut stage = Stage::default();
    let mut next = 0;
    loop {
        let moments = [
            parts.get(next).map(|part| part.at),
            stage.due.first().map(|(at, _)| *at),
            stage.held.peek().map(|Reverse((at, _))| *at),
        ];
        let Some(now) = moments.into_iter().flatten().min().filter(|now| *now <= until) else { return stage.sent };
        let arrived = parts[next..].iter().take_while(|part| part.at <= now).count();
        stage.fan_out(parts, next..next + arrived, now);
        next += arrived;
        stage.release(parts, now);
        stage.compose(now);
    }
}

impl Stage {
    fn fan_out(&mut self, parts: &[Part], range: std::ops::Range<usize>, now: OffsetDateTime) {
        let in_channels = range.clone().filter(|index| parts[*index].ruling.has_channel(parts[*index].paced));
        let keys: BTreeMap<_, _> = in_channels.map(|index| (parts[index].key.order(), &parts[index])).collect();
        for part in keys.values() {
            if !self.ids.contains_key(&part.key) {
                self.ids.insert(part.key.clone(), self.channels.len());
                self.keys.push((part.key.clone(), part.person.clone()));
                self.channels.push(Channel::default());
            }
        }
        for index in range {
            let part = &parts[index];
            match &part.ruling {
                Ruling::Suppress { .. } => {}
                Ruling::Hold { until, .. } => self.held.push(Reverse((*until, index))),
                Ruling::Tell if part.paced => self.wait(&part.key, index, now),
                Ruling::Tell => {
                    self.sent.push(Sent { at: now, form: Form::One, key: part.key.clone(), parts: vec![index] });
                }
            }
        }
    }

    fn wait(&mut self, key: &Key, index: usize, now: OffsetDateTime) {
        let Some(id) = self.ids.get(key).copied() else { return };
        let channel = &mut self.channels[id];
        channel.waiting.push(index);
        channel.newest = channel.newest.max(Some(now));
        let due = channel.due.map_or(now, |due| due.min(now));
        self.set_due(id, Some(due));
    }

    fn set_due(&mut self, id: usize, due: Option<OffsetDateTime>) {
        let before = std::mem::replace(&mut self.channels[id].due, due);
        if let Some(before) = before {
            self.due.remove(&(before, id));
        }
        self.due.extend(due.map(|due| (due, id)));
    }

    fn release(&mut self, parts: &[Part], now: OffsetDateTime) {
        while let Some(Reverse((ready, index))) = self.held.peek().copied().filter(|Reverse((ready, _))| *ready <= now)
        {
            self.held.pop();
            self.wait(&parts[index].key, index, ready);
        }
    }

    fn compose(&mut self, now: OffsetDateTime) {
        let due: BTreeSet<usize> = self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        for id in due {
            let (key, person) = self.keys[id].clone();
            let channel = &mut self.channels[id];
            let waiting = channel
                .newest
                .map(|newest| Waiting { count: i64::try_from(channel.waiting.len()).unwrap_or(i64::MAX), newest });
            let step = channel::step(channel.burst, waiting, self.hours.get(&person).copied(), now);
            for form in &step.forms {
                let parts = if form.carries() {
                    channel.newest = None;
                    channel.told.extend(&channel.waiting);
                    std::mem::take(&mut channel.waiting)
                } else if *form == Form::Limit {
                    channel.waiting.clone()
                } else {
                    channel.told.clone()
                };
                self.sent.push(Sent { at: now, form: *form, key: key.clone(), parts });
            }
            channel.burst = step.burst;
            if step.burst.is_none() {
                channel.told.clear();
            }
            self.hours.insert(person, step.hour);
            self.set_due(id, step.due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    const START: OffsetDateTime = datetime!(2026-11-22 21:50 UTC);

    fn part(second: i64, recipient: &str, ruling: Ruling) -> Part {
        let key = Key { destination: DestinationId(1), recipient: recipient.to_owned(), project: Some(ProjectId(2)) };
        Part { at: START + Duration::seconds(second), person: key.recipient.clone(), key, paced: true, ruling }
    }

    fn told(parts: &[Part]) -> Vec<String> {
        let sent = rehearse(parts, START + Duration::days(1));
        let line = |sent: &Sent| {
            let second = (sent.at - START).whole_seconds();
            format!("{second} {} {} {:?}", sent.key.recipient, sent.form.as_str(), sent.parts)
        };
        sent.iter().map(line).collect()
    }

    #[test]
    fn a_burst_a_night_and_a_hook() {
        let night = Ruling::Hold { until: START + Duration::hours(9), reason: String::new() };
        let parts = [
            part(0, "ann", Ruling::Tell),
            part(0, "bob", night.clone()),
            part(1, "ann", Ruling::Tell),
            part(2, "ann", Ruling::Tell),
            part(2, "bob", Ruling::Suppress { reason: String::new() }),
            Part { paced: false, ..part(3, "", Ruling::Tell) },
            part(9, "bob", night),
        ];
        assert_eq!(told(&parts), ["0 ann one [0]", "3  one [5]", "60 ann list [2, 3]", "32400 bob list [1, 6]"]);
        assert_eq!(rehearse(&parts, START + Duration::seconds(59)).len(), 2);
        assert!(rehearse(&[], START).is_empty());
    }

    #[test]
    fn a_storm_ends_with_a_message_about_all_of_it() {
        let parts: Vec<Part> = (0..8).map(|second| part(second, "ann", Ruling::Tell)).collect();
        assert_eq!(
            told(&parts),
            ["0 ann one [0]", "60 ann storm [1, 2, 3, 4, 5, 6, 7]", "607 ann calm [0, 1, 2, 3, 4, 5, 6, 7]"]
        );
    }
}
