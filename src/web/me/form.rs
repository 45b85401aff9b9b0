//! What the form of the quiet hours says, read as a person may have left it.

use engine::alert::Kind;
use engine::alert::quiet::{Quiet, WINDOWS_MAX, Window, clock_words, parse_clock};

use super::super::session::Fields;

/// A window as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) days: u8,
    pub(super) from: String,
    pub(super) to: String,
}

impl Row {
    /// A row to be filled in: every day, and no time yet, which says that there is no such window.
    const EMPTY: Self = Self { days: 0x7f, from: String::new(), to: String::new() };

    /// Rows as the form shows them: with their numbers, and one to be filled in where there is room.
    pub(super) fn shown(mut rows: Vec<Self>) -> Vec<(usize, Self)> {
        if rows.len() < WINDOWS_MAX {
            rows.push(Self::EMPTY);
        }
        rows.into_iter().enumerate().collect()
    }

    pub(super) fn of(window: &Window) -> Self {
        Self { days: window.days, from: clock_words(window.from), to: clock_words(window.to) }
    }

    pub(super) const fn has(&self, day: &usize) -> bool {
        self.days & (1 << *day) != 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.from.is_empty() && self.to.is_empty()
    }

    fn window(&self) -> Result<Window, String> {
        let time =
            |text: &str| parse_clock(text).ok_or_else(|| format!("{text:.20} is no time of day: write it like 22:00."));
        Ok(Window { days: self.days, from: time(&self.from)?, to: time(&self.to)? })
    }
}

/// The rows of the form that say something.
pub(super) fn read_rows(fields: &Fields) -> Vec<Row> {
    let rows = (0..WINDOWS_MAX).map(|row| {
        let name = format!("day-{row}");
        let days = fields.all(&name).filter_map(|day| day.parse::<u8>().ok()).filter(|day| *day < 7);
        Row {
            days: days.fold(0, |days, day| days | 1 << day),
            from: fields.get(&format!("from-{row}")).trim().to_owned(),
            to: fields.get(&format!("to-{row}")).trim().to_owned(),
        }
    });
    rows.filter(|row| !row.is_empty()).collect()
}

/// The quiet hours, or what is wrong with them. `without` leaves out a row.
pub(super) fn read_quiet(fields: &Fields, without: Option<usize>) -> Result<Quiet, String> {
    let mut rows = read_rows(fields);
    if let Some(row) = without.filter(|row| *row < rows.len()) {
        rows.remove(row);
    }
    let windows = rows.iter().map(Row::window).collect::<Result<Vec<_>, _>>()?;
    Quiet::new(fields.get("zone").trim(), windows).map_err(|problem| sentence(&problem.to_string()))
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

/// The kinds that are ticked under a name.
pub(super) fn chosen_kinds(fields: &Fields, name: &str) -> Vec<Kind> {
    let ticked: Vec<&str> = fields.all(name).collect();
    Kind::ALL.into_iter().filter(|kind| ticked.contains(&kind.as_str())).collect()
}
