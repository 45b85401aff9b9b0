//! Source lines cut to a width, so that the failing expression shows.

use super::frame::Frame;

/// A tab in source becomes this many spaces.
const TAB: usize = 4;

/// What shows that a line goes on.
const CUT: &str = "… ";

/// Characters kept after the failing expression when its line is cut on the left.
const TAIL_CHARS: usize = 6;

/// A line of source, ready to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number.
    pub number: u32,
    /// The line that failed.
    pub failing: bool,
    /// Text before the failing expression, or the whole line.
    pub text: String,
    /// The failing expression; empty where it is not known.
    pub mark: String,
    /// Text after it.
    pub rest: String,
}

/// The lines of a frame's source, at most `each_side` before and after the failing one, each at most `width` characters
/// wide, without the indentation that they share.
#[must_use]
pub fn snippet(frame: &Frame, each_side: usize, width: usize) -> Vec<Line> {
    let (Some(context), Some(number)) = (&frame.context, frame.line) else { return Vec::new() };
    let skip = frame.before.len().saturating_sub(each_side);
    let before = &frame.before[skip..];
    let first = number.saturating_sub(u32::try_from(before.len()).unwrap_or(0)).max(1);
    let lines: Vec<Vec<char>> = before
        .iter()
        .chain(std::iter::once(context))
        .chain(frame.after.iter().take(each_side))
        .map(|line| clean(line))
        .collect();
    let indent = lines.iter().filter(|line| !line.is_empty()).map(|line| leading_spaces(line)).min().unwrap_or(0);
    let mark = frame.column.and_then(|column| expression(context, column));
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let line = line.get(indent..).unwrap_or(&[]);
            let failing = index == before.len();
            let mark = mark.filter(|_| failing).map(|(start, end)| {
                // Tabs before the mark grew, the shared indentation went.
                let moved = |at: usize| column_of(context, at).saturating_sub(indent).min(line.len());
                (moved(start), moved(end))
            });
            let number = first.saturating_add(u32::try_from(index).unwrap_or(0));
            cut(number, failing, line, mark, width)
        })
        .collect()
}

/// Spaces for tabs, nothing for other control characters.
fn clean(line: &str) -> Vec<char> {
    let mut out = Vec::new();
    for char in line.trim_end().chars() {
        match char {
            '\t' => out.extend([' '; TAB]),
            char if char.is_control() => out.push(' '),
            char => out.push(char),
        }
    }
    out
}

/// Where character `at` of `line` stands after `clean`.
fn column_of(line: &str, at: usize) -> usize {
    line.chars().take(at).map(|char| if char == '\t' { TAB } else { 1 }).sum()
}

fn leading_spaces(line: &[char]) -> usize {
    line.iter().take_while(|char| **char == ' ').count()
}

/// The name or path of names around a column, as character positions. `None` where the column says
/// nothing: SDKs that shorten a line write `{snip}` and keep the column of the whole one.
fn expression(line: &str, column: u32) -> Option<(usize, usize)> {
    if line.contains("{snip}") {
        return None;
    }
    let chars: Vec<char> = line.chars().collect();
    let at = usize::try_from(column).ok()?.checked_sub(1)?;
    let is_part = |char: &char| char.is_alphanumeric() || matches!(char, '_' | '$' | '.' | '#' | '@');
    if !chars.get(at).is_some_and(is_part) {
        return None;
    }
    let start = at - chars[..at].iter().rev().take_while(|char| is_part(char)).count();
    let end = at + chars[at..].iter().take_while(|char| is_part(char)).count();
    Some((start, end))
}

fn cut(number: u32, failing: bool, line: &[char], mark: Option<(usize, usize)>, width: usize) -> Line {
    let (start, end) = mark.unwrap_or((line.len(), line.len()));
    // Cut on the left only when the expression would not show otherwise.
    let shown_to = if mark.is_some() { (end + TAIL_CHARS).min(line.len()) } else { 0 };
    let cut_chars = CUT.chars().count();
    let skip = if shown_to > width { (shown_to + cut_chars - width).min(start) } else { 0 };
    let room = if skip > 0 { width - cut_chars } else { width };
    let stop = if line.len() - skip > room { skip + room.saturating_sub(1) } else { line.len() };
    let part =
        |from: usize, to: usize| line.get(from.min(stop)..to.min(stop)).unwrap_or(&[]).iter().collect::<String>();
    let mut shown = Line {
        number,
        failing,
        text: if skip > 0 { format!("{CUT}{}", part(skip, start).trim_start()) } else { part(skip, start) },
        mark: part(start, end),
        rest: part(end, line.len()),
    };
    if stop < line.len() {
        let last = if shown.mark.is_empty() { &mut shown.text } else { &mut shown.rest };
        last.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(before: &[&str], context: &str, after: &[&str], line: u32, column: Option<u32>) -> Frame {
        let owned = |lines: &[&str]| lines.iter().map(ToString::to_string).collect();
        Frame {
            line: Some(line),
            column,
            before: owned(before),
            context: Some(context.to_owned()),
            after: owned(after),
            ..Frame::default()
        }
    }

    /// Lines as `number|text[mark]rest`, the failing one with `>`.
    fn show(frame: &Frame, each_side: usize, width: usize) -> Vec<String> {
        let lines = snippet(frame, each_side, width);
        let show = |line: &Line| {
            let sign = if line.failing { ">" } else { " " };
            let mark = if line.mark.is_empty() { String::new() } else { format!("[{}]", line.mark) };
            format!("{sign}{}|{}{mark}{}", line.number, line.text, line.rest)
        };
        for line in &lines {
            let width_of = line.text.chars().count() + line.mark.chars().count() + line.rest.chars().count();
            assert!(width_of <= width || !line.mark.is_empty(), "{line:?}");
        }
        lines.iter().map(show).collect()
    }

    #[test]
    fn shared_indentation_goes_and_the_rest_stays() {
        let frame = frame(&["far", "    if x:", ""], "\tdo(a.b.c)", &["    end", "  y", "z"], 10, Some(7));
        assert_eq!(show(&frame, 2, 40), [" 8|  if x:", " 9|", ">10|  do([a.b.c])", " 11|  end", " 12|y"]);
        assert_eq!(show(&frame, 0, 40), [">10|do([a.b.c])"]);
    }

    #[test]
    fn the_failing_line_is_cut_on_its_left_until_the_expression_shows() {
        let context = "const order = await api.post('/v2/orders', { quote: quote.id, method: method.id });";
        let frame = frame(&[context], context, &[], 88, Some(78));
        assert_eq!(
            show(&frame, 1, 40),
            [" 87|const order = await api.post('/v2/order…", ">88|… quote: quote.id, method: [method.id] });"]
        );
        assert_eq!(show(&frame, 1, 200)[1], format!(">88|{}", context.replace("method.id", "[method.id]")));
    }

    #[test]
    fn nonsense_columns_mark_nothing() {
        for column in [None, Some(0), Some(2), Some(9), Some(u32::MAX)] {
            assert_eq!(show(&frame(&[], "a (b)", &[], 1, column), 1, 20), [">1|a (b)"], "{column:?}");
        }
        assert_eq!(show(&frame(&[], "{snip} abc", &[], 1, Some(9)), 1, 20), [">1|{snip} abc"]);
    }

    #[test]
    fn minified_code_stays_bounded() {
        let context = format!("{}boom.here{}", "x=1;".repeat(20_000), ";y".repeat(20_000));
        let lines = show(&frame(&[], &context, &[], 1, Some(80_003)), 2, 60);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("[boom.here]") && lines[0].ends_with('…'), "{}", lines[0]);
        assert!(lines[0].chars().count() < 70);
        let name = "n".repeat(50_000);
        assert!(snippet(&frame(&[], &name, &[], 1, Some(2)), 2, 60)[0].mark.chars().count() <= 60);
    }

    #[test]
    fn without_source_there_is_no_snippet() {
        assert!(snippet(&Frame::default(), 2, 60).is_empty());
        assert_eq!(show(&frame(&["a", "b"], "", &[], 1, Some(1)), 2, 20).len(), 3);
        assert_eq!(show(&frame(&[], "x", &["y"], u32::MAX, None), 2, 20).len(), 2);
    }
}
