//! What the form of a rule says, as it was typed, and the rule that it means.

use std::fmt::Write as _;

use engine::alert::Kind;
use engine::alert::frequency::{Frequency, Of};
use engine::alert::rule::{Conditions, NEW_ISSUES, Rule};
use engine::ids::{DestinationId, ProjectId};
use store::notifications::AlertRule;

use crate::web::session::Fields;

/// Levels as events have them, the worst first.
pub(super) const LEVELS: [&str; 5] = ["fatal", "error", "warning", "info", "debug"];

/// A rule as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) name: String,
    /// Slug; empty for all.
    pub(super) project: String,
    pub(super) kinds: Vec<Kind>,
    /// One in a line, as all that are several.
    pub(super) environments: String,
    pub(super) no_environment: bool,
    pub(super) levels: Vec<String>,
    pub(super) releases: String,
    pub(super) latest: bool,
    pub(super) tags: String,
    pub(super) owners: String,
    pub(super) new_issues: String,
    pub(super) count: String,
    pub(super) of: String,
    pub(super) minutes: String,
    pub(super) to: Vec<String>,
}

impl Typed {
    /// A rule that nobody has typed anything of.
    pub(super) fn new() -> Self {
        Self { kinds: Kind::USUAL.to_vec(), new_issues: NEW_ISSUES.to_string(), ..Self::default() }
            .often(Frequency::default())
    }

    pub(super) fn of(stored: &AlertRule) -> Self {
        let Conditions { environments, levels, releases, latest, tags, new_issues, .. } = &stored.rule.conditions;
        let named = environments.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>();
        let mut lines = String::new();
        for (key, value) in tags {
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{key}={value}");
        }
        Self {
            name: if stored.name == stored.sentence() { String::new() } else { stored.name.clone() },
            project: stored.project.clone().unwrap_or_default(),
            kinds: stored.rule.kinds.clone(),
            no_environment: named.len() < environments.len(),
            environments: named.join("\n"),
            levels: levels.clone(),
            releases: releases.join("\n"),
            latest: *latest,
            tags: lines.trim_end().to_owned(),
            owners: stored.rule.conditions.owners.join("\n"),
            new_issues: new_issues.unwrap_or(NEW_ISSUES).to_string(),
            to: stored.destinations.iter().map(|(id, _)| id.to_string()).collect(),
            ..Self::default()
        }
        .often(stored.rule.conditions.frequency())
    }

    fn often(self, frequency: Frequency) -> Self {
        Self {
            count: frequency.count.to_string(),
            of: frequency.of.as_str().to_owned(),
            minutes: frequency.minutes.to_string(),
            ..self
        }
    }

    pub(super) fn read(fields: &Fields) -> Self {
        let text = |name: &str| fields.get(name).trim().replace("\r\n", "\n");
        let all = |name: &str| fields.all(name).map(str::to_owned).collect::<Vec<_>>();
        let kinds = all("kind");
        Self {
            name: text("name"),
            project: text("project"),
            kinds: Kind::ALL.into_iter().filter(|kind| kinds.iter().any(|own| own == kind.as_str())).collect(),
            environments: text("environments"),
            no_environment: !fields.get("no_environment").is_empty(),
            levels: all("level"),
            releases: text("releases"),
            latest: !fields.get("latest").is_empty(),
            tags: text("tags"),
            owners: text("owners"),
            new_issues: text("new_issues"),
            count: text("count"),
            of: text("of"),
            minutes: text("minutes"),
            to: all("to"),
        }
    }

    /// The rule, or what is wrong with it.
    pub(super) fn rule(&self, project: Option<ProjectId>) -> Result<Rule, String> {
        if self.kinds.is_empty() {
            return Err("Choose at least one thing to be told of.".to_owned());
        }
        if self.levels.iter().any(|level| !LEVELS.contains(&level.as_str())) {
            return Err("There is no such level.".to_owned());
        }
        let mut environments = lines(&self.environments);
        environments.extend(self.no_environment.then(String::new));
        let tag = |line: String| match line.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
            _ => Err(format!("{line:.40} is no tag: write it like region=eu-*.")),
        };
        let conditions = Conditions {
            environments,
            levels: self.levels.clone(),
            releases: lines(&self.releases),
            latest: self.latest,
            tags: lines(&self.tags).into_iter().map(tag).collect::<Result<_, _>>()?,
            new_issues: self.new_issues()?,
            frequency: self.frequency()?,
            owners: lines(&self.owners),
        };
        match conditions.problem().or_else(|| name_problem(&self.name)) {
            Some(problem) => Err(problem),
            None => Ok(Rule { project, kinds: self.kinds.clone(), conditions }),
        }
    }

    /// Only what the kinds ask for is kept: a number beside an unticked box means nothing.
    fn new_issues(&self) -> Result<Option<i64>, String> {
        if !self.wants(&Kind::ReleaseIssues) {
            return Ok(None);
        }
        let number = self.new_issues.parse::<i64>().ok().filter(|number| (0..1000).contains(number));
        number.map(Some).ok_or_else(|| "The number of new issues is one from 0 to 999.".to_owned())
    }

    fn frequency(&self) -> Result<Option<Frequency>, String> {
        if !self.wants(&Kind::Frequent) {
            return Ok(None);
        }
        let unread = || format!("{:.20} is no number of {:.20}.", self.count, self.of);
        let of = match self.of.as_str() {
            "events" => Of::Events,
            "users" => Of::Users,
            _ => return Err(unread()),
        };
        let (count, minutes) = self.count.parse().ok().zip(self.minutes.parse().ok()).ok_or_else(unread)?;
        Frequency::new(of, count, minutes).map(Some).map_err(|problem| format!("Choose another number: {problem}."))
    }

    /// Where it goes.
    pub(super) fn destinations(&self) -> Result<Vec<DestinationId>, String> {
        let read: Result<Vec<DestinationId>, _> = self.to.iter().map(|id| id.parse()).collect();
        match read {
            Ok(ids) if !ids.is_empty() => Ok(ids),
            Ok(_) => Err("Choose at least one place where it goes.".to_owned()),
            Err(_) => Err("There is no such destination.".to_owned()),
        }
    }

    pub(super) fn wants(&self, kind: &Kind) -> bool {
        self.kinds.contains(kind)
    }

    pub(super) fn has_level(&self, level: &str) -> bool {
        self.levels.iter().any(|own| own == level)
    }

    pub(super) fn goes_to(&self, id: &DestinationId) -> bool {
        self.to.contains(&id.to_string())
    }

    pub(super) fn is_of(&self, of: &str) -> bool {
        self.of == of
    }

    pub(super) fn is_within(&self, minutes: &u8) -> bool {
        self.minutes == minutes.to_string()
    }
}

/// Characters of a name.
const NAME_CHARS_MAX: usize = 300;

fn name_problem(name: &str) -> Option<String> {
    (name.chars().count() > NAME_CHARS_MAX).then(|| format!("A name has at most {NAME_CHARS_MAX} characters."))
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_a_rule_or_says_what_is_wrong() {
        let typed = Typed {
            kinds: vec![Kind::New, Kind::Frequent],
            environments: " production \n\nstaging".to_owned(),
            no_environment: true,
            tags: "region = eu-*".to_owned(),
            owners: "ana@shop.example\nnobody".to_owned(),
            to: vec!["1".to_owned()],
            ..Typed::new()
        };
        let rule = typed.rule(None).unwrap();
        assert_eq!(rule.conditions.environments, ["production", "staging", ""]);
        assert_eq!(rule.conditions.tags, [("region".to_owned(), "eu-*".to_owned())]);
        assert_eq!((rule.conditions.new_issues, rule.conditions.frequency), (None, Some(Frequency::default())));
        let wrong = |change: fn(&mut Typed)| {
            let mut typed = typed.clone();
            change(&mut typed);
            typed.rule(None).unwrap_err()
        };
        assert!(wrong(|typed| typed.kinds.clear()).starts_with("Choose at least one thing"));
        assert!(wrong(|typed| typed.tags = "eu".to_owned()).contains("eu is no tag"));
        assert_eq!(rule.conditions.owners, ["ana@shop.example", "nobody"]);
        assert!(wrong(|typed| typed.owners = "ana".to_owned()).contains("ana is nobody"));
        assert!(wrong(|typed| typed.count = "many".to_owned()).contains("many is no number of events"));
        assert!(wrong(|typed| typed.minutes = "7".to_owned()).contains("not 7"));
        assert!(wrong(|typed| typed.levels = vec!["loud".to_owned()]).contains("no such level"));
        assert!(wrong(|typed| typed.name = "x".repeat(301)).contains("at most 300"));
        assert!(wrong(|typed| typed.releases = "r\n".repeat(51)).contains("at most 50"));
        assert!(Typed::new().destinations().is_err());
    }
}
