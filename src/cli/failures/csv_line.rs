//! One line of CSV.

use std::io::Write;

pub(super) fn csv_line(out: &mut dyn Write, cells: &[&str]) -> anyhow::Result<()> {
    let mut line = csv::Writer::from_writer(Vec::new());
    line.write_record(cells)?;
    Ok(out.write_all(&line.into_inner()?)?)
}
