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

/// Returns a cell that is no formula. A spreadsheet would run a cell that begins with such a sign,
/// and the formula may send the other cells elsewhere. A spreadsheet takes a cell that begins with
/// `'` for text.
fn harmless(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(FORMULA) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
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
    }
}
