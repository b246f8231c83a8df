//! Tables on the terminal.

use std::io::{IsTerminal, stdout};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width, presets};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::visible::{one_line, spelt_out};

/// A table whose rows are one line each and only show themselves, whatever the texts in it hold.
pub(super) struct Table(comfy_table::Table);

impl Table {
    pub(super) fn add_row<Cell: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells = cells.into_iter();
        self.0
            .add_row(cells.map(|cell| spelt_out(cell.as_ref()).into_owned()));
    }
}

/// A table with these headers, without borders: columns are easy to cut out of it.
pub(super) fn table(headers: &[&str]) -> Table {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headers.iter().map(|header| spelt_out(header).into_owned()));
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    Table(table)
}

/// Aligns columns of numbers to the right.
pub(super) fn numbers(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.0.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The table in lines without blanks at their ends.
pub(super) fn lines(table: &Table) -> String {
    table
        .0
        .lines()
        .fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// The same on a screen of this width: longer rows are cut, so that no row takes two lines.
pub(super) fn lines_within(table: &mut Table, width: Option<u16>) -> String {
    if let Some(width) = width {
        table.0.set_content_arrangement(ContentArrangement::Dynamic);
        table.0.set_width(width);
        for row in table.0.row_iter_mut() {
            row.max_height(1);
        }
    }
    lines(table)
}

/// Keeps the first column whole on a screen of this width, as far as the others leave room: they are
/// cut before it.
pub(super) fn keep_first(table: &mut Table, width: Option<u16>) {
    /// The least that a column takes, with its padding.
    const LEAST: u16 = 3;
    let (Some(width), table) = (width, &mut table.0) else {
        return;
    };
    let longest = table.column_max_content_widths().first().copied();
    let others = u16::try_from(table.column_count().saturating_sub(1)).unwrap_or(u16::MAX);
    let room = width.saturating_sub(others.saturating_mul(LEAST));
    if let (Some(longest), Some(first)) = (longest, table.column_mut(0)) {
        let whole = longest.saturating_add(first.padding_width());
        first.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(
            whole.min(room),
        )));
    }
}

/// Returns the width of the terminal; `None`: standard output is none.
pub(super) fn terminal_width() -> Option<u16> {
    const USUAL: u16 = 80;
    let is_terminal = stdout().is_terminal();
    // Terminals that do not know how wide they are say 0, such as those of `script` and of some containers.
    let known = comfy_table::Table::new().width().filter(|width| *width > 0);
    is_terminal.then(|| known.unwrap_or(USUAL))
}

/// Cuts the lines of a text that are wider than a screen of this width.
pub(super) fn cut(text: &str, width: Option<u16>) -> String {
    let Some(width) = width.map(usize::from) else {
        return text.to_owned();
    };
    let line = |line: &str| {
        if line.width() <= width {
            return line.to_owned() + "\n";
        }
        let (mut cut, mut left) = (String::new(), width.saturating_sub(1));
        for c in line.chars() {
            let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else {
                break;
            };
            left = rest;
            cut.push(c);
        }
        format!("{}…\n", cut.trim_end())
    };
    text.lines().map(line).collect()
}

/// Breaks a line of ours between words into lines that fit on a screen of this width.
pub(super) fn wrapped(text: &str, width: Option<u16>) -> String {
    let width = width.map_or(usize::MAX, usize::from);
    let (mut lines, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let more = word.width();
        if used > 0 && used + 1 + more > width {
            lines.push('\n');
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += more;
    }
    lines + "\n"
}

/// Returns a text in one line of at most so many characters.
pub(super) fn short(text: &str, most: usize) -> String {
    let line = one_line(text);
    if line.chars().count() <= most {
        return line;
    }
    let cut: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_plain_lines() {
        let mut table = table(&["lane", "pending"]);
        table.add_row(["u/t", "3"]);
        table.add_row(["u/long", "12"]);
        numbers(&mut table, &[1]);
        assert_eq!(
            lines(&table),
            "lane    pending\nu/t           3\nu/long       12\n"
        );
    }

    #[test]
    fn a_long_text_is_cut_and_a_text_of_lines_is_one() {
        assert_eq!(short("a\n b", 10), "a b");
        assert_eq!(short("号码格式不正确", 5), "号码格式…");
    }

    #[test]
    fn lines_are_cut_by_the_columns_that_they_take() {
        let text = "号码格式不正确\nshort\n";
        assert_eq!(cut(text, Some(8)), "号码格…\nshort\n");
        assert_eq!(cut(text, None), text);
        let text = "Nothing waits here";
        assert_eq!(wrapped(text, Some(13)), "Nothing waits\nhere\n");
        assert_eq!(wrapped(text, None), "Nothing waits here\n");
    }

    #[test]
    fn the_first_column_stays_whole_where_others_are_cut() {
        let headers = [
            "lane", "reason", "since", "next try", "failures", "pending", "message",
        ];
        let shown = |lane: &str, width| {
            let mut table = table(&headers);
            let message = "任务正在拨打中,请先暂停任务";
            table.add_row([
                lane,
                "task_running",
                "2h 0m",
                "in 5h 30m",
                "3",
                "3",
                message,
            ]);
            keep_first(&mut table, width);
            lines_within(&mut table, width)
        };
        for lane in ["u/t", "customer-10086/task-2026-11-27-a", &"x".repeat(60)] {
            for width in [None, Some(80), Some(200)] {
                let text = shown(lane, width);
                assert!(text.contains(&format!("\n{lane} ")), "{text}");
                let widest = text.lines().map(UnicodeWidthStr::width).max();
                let most = width.map_or(usize::MAX, usize::from);
                assert!(widest.is_some_and(|widest| widest <= most), "{text}");
            }
        }
        // A lane that leaves no room is cut, too.
        let text = shown(&"x".repeat(129), Some(80));
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    }

    #[test]
    fn on_a_narrow_screen_each_row_is_one_line_that_fits() {
        let mut table = table(&["lane", "message"]);
        table.add_row(["u/t", &"something went wrong ".repeat(10)]);
        table.add_row([
            "u/t",
            "任务正在拨打中,请先暂停任务,任务正在拨打中,请先暂停任务",
        ]);
        let text = lines_within(&mut table, Some(40));
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 40),
            "{text}"
        );
    }

    #[test]
    fn what_is_spelt_out_shifts_no_column() {
        let mut table = table(&["key", "contacts"]);
        table.add_row(["a\u{1b}[31m", "1"]);
        table.add_row(["b", "2"]);
        let shown = lines(&table);
        let columns = ["contacts", "1", "2"].iter().enumerate();
        let places: Vec<_> = columns
            .map(|(nth, what)| shown.lines().nth(nth).unwrap().rfind(what))
            .collect();
        assert!(shown.contains("a\\u001b[31m"), "{shown}");
        assert_eq!(shown.lines().count(), 3, "{shown}");
        assert_eq!(places[0], places[1]);
        assert_eq!(places[1], places[2]);
    }
}
