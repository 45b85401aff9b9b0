//! Several things at once, as they come: a deploy, another browser, an upgrade, other people.

use super::Difficulty::{Hard, Normal};
use super::Label::Same;
use super::Make::Change;
use super::{Aid, Difficulty, Make, Mutation, platforms, same};
use crate::report::{Platform, Report};

const fn several(id: &'static str, name: &'static str, difficulty: Difficulty, make: Make) -> Mutation {
    Mutation::new(id, name, Same, difficulty, make)
}

pub(super) const LIST: &[Mutation] = &[
    several("C-deploy", "deploy: lines, folder, hashes, counters, release", Normal, Change(deploy)),
    several("C-deploy", "deploy of minified code: names too", Hard, Change(minified_deploy)),
    several("C-browser", "another browser and user", Hard, Change(browser)),
    several("C-upgrade", "framework upgrade", Normal, Change(upgrade)),
    several("C-people", "other users, servers, values", Normal, Change(people)),
    several("C-random", "three changes by chance", Normal, Change(three)),
];

pub(crate) fn deploy(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.build.seed = aid.random.number();
    same::lines(report, aid);
    same::folder(report, aid);
    same::surroundings(report, aid);
    same::values(report, aid)
}

fn minified_deploy(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    report.build.names = aid.random.number();
    deploy(report, aid) && report.platform == Platform::BrowserMinified
}

fn browser(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    platforms::browser(report, aid) && people(report, aid)
}

fn upgrade(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    same::between(report, aid);
    same::renamed_internal(report, aid);
    same::surroundings(report, aid);
    same::lines(report, aid)
}

pub(crate) fn people(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    same::surroundings(report, aid);
    same::memory(report, aid);
    same::route(report, aid);
    same::values(report, aid)
}

fn three(report: &mut Report, aid: &mut Aid<'_>) -> bool {
    let changes = [
        same::lines,
        same::folder,
        same::values,
        same::between,
        same::outer,
        same::other_sdk,
        same::memory,
        platforms::counters,
    ];
    let at = aid.random.below(changes.len());
    let step = 1 + aid.random.below(2);
    let mut changed = 0;
    for change in changes.iter().cycle().skip(at).step_by(step) {
        changed += u32::from(change(report, aid));
        if changed == 3 {
            break;
        }
    }
    true
}
