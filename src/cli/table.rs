//! Tables on the terminal.

use comfy_table::{CellAlignment, Table, presets};

/// A table with these headers, without borders: columns are easy to cut out of it.
pub(super) fn table(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headers.iter().map(|header| (*header).to_owned()));
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table
}

/// Sets some columns flush right: those of numbers.
pub(super) fn numbers(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The table in lines without blanks at their ends.
pub(super) fn lines(table: &Table) -> String {
    table
        .lines()
        .fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// A text in one line of at most so many characters.
pub(super) fn short(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
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
}
