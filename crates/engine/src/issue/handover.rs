//! Who has an issue: what is written when that changes.
//!
//! It is no state: whoever has an issue keeps it while it is resolved and comes back. So it stands beside `step`, and is
//! undone by itself. Only people have issues so far; a team would be another kind of holder.

use crate::ids::UserId;

/// Kind of the activity when somebody gets an issue.
pub const ASSIGNED: &str = "assigned";

/// Kind of the activity when nobody has it any more.
pub const UNASSIGNED: &str = "unassigned";

/// Somebody who has an issue, or gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub id: UserId,
    /// What people call them.
    pub name: String,
}

/// A change of who has an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// What it is called in the activity.
    pub kind: &'static str,
    /// One sentence for people, to stand behind the name of who did it.
    pub reason: String,
}

/// What is written when an issue goes from one holder to another; `None` when it stays where it is. `by` is who does it.
#[must_use]
pub fn hand(from: Option<&Holder>, to: Option<&Holder>, by: Option<UserId>) -> Option<Handover> {
    let is_by = |holder: &Holder| by == Some(holder.id);
    let reason = match (from, to) {
        (None, None) => return None,
        (Some(from), Some(to)) if from.id == to.id => return None,
        (None, Some(to)) if is_by(to) => "Took it.".to_owned(),
        (Some(from), Some(to)) if is_by(to) => format!("Took it from {}.", from.name),
        (None, Some(to)) => format!("Assigned to {}.", to.name),
        (Some(from), Some(to)) if is_by(from) => format!("Handed over to {}.", to.name),
        (Some(from), Some(to)) => format!("Assigned to {} instead of {}.", to.name, from.name),
        (Some(from), None) if is_by(from) => "Gave it back: nobody has it.".to_owned(),
        (Some(from), None) => format!("Taken from {}: nobody has it.", from.name),
    };
    Some(Handover { kind: kind(to), reason })
}

/// What is written when somebody says that a change, whose sentence was `wrong`, ought not to have been.
#[must_use]
pub fn take_back(from: Option<&Holder>, to: Option<&Holder>, wrong: &str) -> Option<Handover> {
    if from.map(|holder| holder.id) == to.map(|holder| holder.id) {
        return None;
    }
    let wrong = wrong.trim_end_matches('.');
    let again = to.map_or_else(|| "nobody has it".to_owned(), |to| format!("{} has it", to.name));
    let reason = format!("Marked as wrong: \u{201c}{wrong}\u{201d}. As before, {again}.");
    Some(Handover { kind: kind(to), reason })
}

/// What is written when the person who has an issue is removed.
#[must_use]
pub fn gone(from: &Holder) -> Handover {
    Handover { kind: UNASSIGNED, reason: format!("{} was removed from Firefinch: nobody has it.", from.name) }
}

fn kind(to: Option<&Holder>) -> &'static str {
    if to.is_some() { ASSIGNED } else { UNASSIGNED }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(id: i64, name: &str) -> Holder {
        Holder { id: UserId(id), name: name.to_owned() }
    }

    #[test]
    fn each_change_is_a_sentence() {
        let (ana, ben) = (holder(1, "Ana"), holder(2, "Ben"));
        let said =
            |from, to, by: Option<i64>| hand(from, to, by.map(UserId)).map(|change| (change.kind, change.reason));
        let cases = [
            (None, Some(&ana), Some(1), ASSIGNED, "Took it."),
            (Some(&ben), Some(&ana), Some(1), ASSIGNED, "Took it from Ben."),
            (None, Some(&ben), Some(1), ASSIGNED, "Assigned to Ben."),
            (None, Some(&ben), None, ASSIGNED, "Assigned to Ben."),
            (Some(&ana), Some(&ben), Some(1), ASSIGNED, "Handed over to Ben."),
            (Some(&ana), Some(&ben), None, ASSIGNED, "Assigned to Ben instead of Ana."),
            (Some(&ana), None, Some(1), UNASSIGNED, "Gave it back: nobody has it."),
            (Some(&ana), None, Some(2), UNASSIGNED, "Taken from Ana: nobody has it."),
        ];
        for (from, to, by, kind, reason) in cases {
            assert_eq!(said(from, to, by), Some((kind, reason.to_owned())));
        }
        assert_eq!(said(None, None, Some(1)), None);
        assert_eq!(said(Some(&ana), Some(&holder(1, "Ana Maria")), None), None, "a new name is no other person");
        assert_eq!(gone(&ben).reason, "Ben was removed from Firefinch: nobody has it.");
    }

    #[test]
    fn what_was_wrong_is_taken_back_by_a_sentence() {
        let (ana, ben) = (holder(1, "Ana"), holder(2, "Ben"));
        let back = take_back(Some(&ben), Some(&ana), "Handed over to Ben.").unwrap();
        assert_eq!(
            (back.kind, back.reason.as_str()),
            (ASSIGNED, "Marked as wrong: “Handed over to Ben”. As before, Ana has it.")
        );
        let back = take_back(Some(&ben), None, "Assigned to Ben.").unwrap();
        assert_eq!(
            (back.kind, back.reason.as_str()),
            (UNASSIGNED, "Marked as wrong: “Assigned to Ben”. As before, nobody has it.")
        );
        assert_eq!(take_back(Some(&ben), Some(&ben), "x"), None);
    }
}
