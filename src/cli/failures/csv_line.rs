//! One line of CSV that a spreadsheet does not run.

use std::borrow::Cow;
use std::io::Write;

pub(super) fn csv_line(out: &mut dyn Write, cells: &[&str]) -> anyhow::Result<()> {
    let mut line = csv::Writer::from_writer(Vec::new());
    let harmless: Vec<Cow<'_, str>> = cells.iter().map(|cell| harmless(cell)).collect();
    line.write_record(harmless.iter().map(AsRef::as_ref))?;
    Ok(out.write_all(&line.into_inner()?)?)
}

/// The first characters of a formula, also in the full width of Chinese input, and characters that
/// a spreadsheet ignores before it.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n'];

/// Where a spreadsheet may end a cell besides at a comma, by its country's habit.
const ENDS: [char; 2] = [';', '\t'];

/// Returns a cell that is no formula. A spreadsheet would run a cell that begins with such a sign,
/// and the formula may send the other cells elsewhere. A spreadsheet takes a cell that begins with
/// `'` for text.
fn harmless(cell: &str) -> Cow<'_, str> {
    let mut text = String::new();
    let (mut copied, mut is_start) = (0, true);
    for (at, c) in cell.char_indices() {
        if is_start && FORMULA.contains(&c) {
            text.push_str(&cell[copied..at]);
            text.push('\'');
            copied = at;
        }
        is_start = ENDS.contains(&c);
    }
    if text.is_empty() {
        return Cow::Borrowed(cell);
    }
    text.push_str(&cell[copied..]);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula() {
        let mut out = Vec::new();
        let cells = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "1=1", "", "号码"];
        csv_line(&mut out, &cells).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line, "'=1+1,'+1,'-1,'@x,'\tx,\"'\rx\",1=1,,号码\n");
        out = Vec::new();
        csv_line(&mut out, &["＝1+1", "＋1", "－1", "＠x", "\n=1"]).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line, "'＝1+1,'＋1,'－1,'＠x,\"'\n=1\"\n");
        out = Vec::new();
        csv_line(&mut out, &["x;=1", "x;y;@z", "x\t=1", "x;1=1"]).unwrap();
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line, "x;'=1,x;y;'@z,x\t'=1,x;1=1\n");
    }
}
