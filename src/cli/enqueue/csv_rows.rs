//! Rows out of CSV with a header.

use std::cell::RefCell;
use std::io::Read;
use std::rc::Rc;

use anyhow::Context;
use csv::ByteRecord;

use super::lines::{Lines, Watched};
use super::problem::Problem;
use super::record::{Given, Record, Row, Rows, column, unknown_column};

/// Reads rows from `input`, which is behind a byte order mark if the file has one. A header that
/// cannot be used yields its problems and no row.
pub(super) fn rows<'a>(input: impl Read + 'a) -> Rows<'a> {
    let (watched, lines) = Watched::new(input);
    let mut csv = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(watched);
    let header = match next(&mut csv, &lines) {
        Ok(Some(found)) => found
            .map_err(|problem| vec![problem])
            .and_then(|(line, header)| columns(line, &header)),
        Ok(None) => Err(vec![Problem::of_line(
            1,
            "the file is empty; it needs a header",
        )]),
        Err(error) => return Box::new(std::iter::once(Err(error))),
    };
    match header {
        Err(problems) => Box::new(problems.into_iter().map(|problem| Ok(Err(problem)))),
        Ok(columns) => Box::new(std::iter::from_fn(move || {
            match next(&mut csv, &lines).transpose()? {
                Ok(found) => {
                    let row = found.and_then(|(line, fields)| record(line, &columns, &fields));
                    Some(Ok(row))
                }
                Err(error) => Some(Err(error)),
            }
        })),
    }
}

/// Reads CSV as `enqueue` does, and returns the line of each row and of each problem, until the
/// file cannot be read further. The fuzz target for CSV calls it.
pub fn csv_lines(input: &[u8]) -> Vec<u64> {
    let rows = rows(input).map_while(Result::ok);
    rows.map(|row| row.map_or_else(|problem| problem.line, |record| record.line))
        .collect()
}

/// Returns the next record with its line, or the fault of its quotes.
fn next<R: Read>(
    csv: &mut csv::Reader<Watched<R>>,
    lines: &Rc<RefCell<Lines>>,
) -> anyhow::Result<Option<Result<(u64, ByteRecord), Problem>>> {
    let mut fields = ByteRecord::new();
    lines.borrow_mut().begin_record(csv.position().byte());
    if !csv
        .read_byte_record(&mut fields)
        .context("cannot read the file")?
    {
        return Ok(None);
    }
    let mut lines = lines.borrow_mut();
    let line = lines.of_record();
    Ok(Some(match lines.quote_fault(csv.position().byte()) {
        Some(problem) => Err(problem),
        None => Ok((line, fields)),
    }))
}

fn columns(line: u64, header: &ByteRecord) -> Result<Vec<&'static str>, Vec<Problem>> {
    let mut columns = Vec::new();
    let mut problems = Vec::new();
    for name in header {
        let name = String::from_utf8_lossy(name);
        match column(name.trim()) {
            None => problems.push(Problem::of_line(line, unknown_column(name.trim()))),
            Some(name) if columns.contains(&name) => {
                let message = format!("the column {name} is there twice");
                problems.push(Problem::of_line(line, message));
            }
            Some(name) => columns.push(name),
        }
    }
    if problems.is_empty() && !columns.contains(&"phone") {
        problems.push(Problem::of_line(line, "the column phone is missing"));
    }
    if problems.is_empty() {
        return Ok(columns);
    }
    Err(problems)
}

fn record(line: u64, columns: &[&'static str], fields: &ByteRecord) -> Row {
    if fields.len() != columns.len() {
        let message = format!(
            "{} fields, but the header has {}",
            fields.len(),
            columns.len()
        );
        return Err(Problem::of_line(line, message));
    }
    let mut values = Vec::with_capacity(columns.len());
    for (column, field) in columns.iter().zip(fields) {
        let Ok(text) = std::str::from_utf8(field) else {
            return Err(Problem {
                line,
                column: Some(column),
                message: "is not UTF-8 text; save the file as UTF-8".into(),
            });
        };
        values.push((*column, Given::Text(text.to_owned())));
    }
    Ok(Record { line, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Row> {
        rows(text.as_bytes()).map(Result::unwrap).collect()
    }

    fn lines(text: &str) -> Vec<u64> {
        let line = |row: Row| row.map_or_else(|problem| problem.line, |record| record.line);
        read(text).into_iter().map(line).collect()
    }

    #[test]
    fn a_row_has_the_line_number_that_an_editor_shows() {
        assert_eq!(lines("phone,name\n1,a\n2,b\n"), [2, 3]);
        assert_eq!(lines("phone,name\r\n1,a\r\n2,b\r\n"), [2, 3]);
        assert_eq!(lines("\n\nphone,name\n\n1,a\n\n\n2,b"), [5, 8]);
        assert_eq!(lines("\r\nphone,name\r\n\r\n1,a\r\n2,b"), [4, 5]);
        assert_eq!(lines("phone,name\n1,\"a\n\nb\"\n2,c\n"), [2, 5]);
        assert_eq!(lines("phone,name\r\n1,\"a\r\n\r\nb\"\r\n2,c\r\n"), [2, 5]);
    }

    #[test]
    fn line_numbers_hold_over_many_buffers() {
        let text = "1,\"x\ny\"\r\n".repeat(50_000);
        let lines = lines(&format!("phone,name\r\n{text}"));
        assert!(lines.iter().zip(0..).all(|(line, n)| *line == 2 + 2 * n));
        assert_eq!(lines.len(), 50_000);
    }

    #[test]
    fn a_header_with_unknown_missing_or_double_columns_is_refused_with_each_of_them() {
        let messages = |text| -> Vec<String> {
            read(text)
                .into_iter()
                .map(|row| row.unwrap_err().to_string())
                .collect()
        };
        assert_eq!(
            messages("fone,task_id,task_id\n1,2,3\n"),
            [
                "line 1: unknown column \"fone\"; did you mean phone?",
                "line 1: the column task_id is there twice"
            ]
        );
        assert_eq!(
            messages("name\nx\n"),
            ["line 1: the column phone is missing"]
        );
        for (text, told) in [
            ("phone;name\n", "write commas between the columns, not ';'"),
            (
                "phone\tname\n",
                "write commas between the columns, not '\\t'",
            ),
            ("p\0h\0o\0n\0e\0\n", "is the file UTF-8 text?"),
        ] {
            let said = messages(text);
            assert!(said.len() == 1 && said[0].ends_with(told), "{said:?}");
        }
        assert_eq!(
            messages(""),
            ["line 1: the file is empty; it needs a header"]
        );
    }

    #[test]
    fn a_row_of_another_length_or_encoding_is_a_problem_of_its_own() {
        let rows = read("phone,name\n1\n2,b\n");
        assert_eq!(
            rows[0].as_ref().unwrap_err().to_string(),
            "line 2: 1 fields, but the header has 2"
        );
        assert!(rows[1].is_ok());
        let gbk = b"phone,name\n1,\xd6\xd0\n".as_slice();
        let row = super::rows(gbk).next().unwrap().unwrap();
        assert!(
            row.unwrap_err()
                .to_string()
                .starts_with("line 2, column name: is not UTF-8")
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_or_closes_too_early_is_a_problem_on_its_line() {
        let said = |text: &str| -> Vec<String> {
            let problems = read(text).into_iter().filter_map(Result::err);
            problems.map(|problem| problem.to_string()).collect()
        };
        let never = "a quote opens here and is never closed; close it, or take it out";
        let open = "phone,name\n1,\"Li\n2,Wang\n3,Zhao\n";
        assert_eq!(said(open), [format!("line 2: {never}")]);
        assert_eq!(said("phone,name\n1,\""), [format!("line 2: {never}")]);
        assert_eq!(said("phone,\"name\n1,a\n"), [format!("line 1: {never}")]);
        let behind = "phone,name\r\n1,a\r\n2,\"Li\r\n3,\"Wang\r\n4,b\r\n5,\"c\" \r\n";
        let goes_on = |line, end| {
            format!(
                "line {line}: the value in quotes goes on behind its closing quote on line {end}; \
                 write a quote that belongs to a value twice, in quotes"
            )
        };
        assert_eq!(said(behind), [goes_on(3, 4), goes_on(6, 6)]);
        assert_eq!(lines(behind), [2, 3, 5, 6]);
        let good = "\"phone\",name\n\"1\",\"a \"\"b\"\", c\"\n2,a \"b\" c\n3,\"\"\n4,\"\"\"\"";
        assert_eq!(said(good), [""; 0]);
    }

    #[test]
    fn faults_of_quotes_are_told_of_their_own_rows_over_many_buffers() {
        let text = "1,\"x\"y\n2,\"z\"\n".repeat(20_000);
        let rows = read(&format!("phone,name\n{text}"));
        assert!(rows.iter().step_by(2).all(Result::is_err));
        assert!(rows.iter().skip(1).step_by(2).all(Result::is_ok));
        assert_eq!(rows.len(), 40_000);
    }

    #[test]
    fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
        let endless = "phone\n\""
            .bytes()
            .chain(std::iter::repeat_n(b'1', 8 << 20));
        let endless: Vec<u8> = endless.collect();
        let error = super::rows(endless.as_slice()).next().unwrap().unwrap_err();
        assert!(
            format!("{error:#}").contains("line 2 is longer than 4 MiB"),
            "{error:#}"
        );
    }
}
