//! Rows out of JSON lines.

use std::fmt;
use std::io::{BufRead, Read};

use anyhow::Context;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::problem::Problem;
use super::record::{Given, Record, Row, Rows, column, unknown_column};

/// The longest line that is held in memory.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

/// Reads rows from `input`, which is behind a byte order mark if the file has one.
pub(super) fn rows<'a>(mut input: impl BufRead + 'a) -> Rows<'a> {
    let mut line = 0;
    Box::new(std::iter::from_fn(move || {
        loop {
            line += 1;
            match next_line(&mut input, line).transpose()? {
                Ok(text) if text.trim_ascii().is_empty() => {}
                Ok(text) => return Some(Ok(record(line, &text))),
                Err(error) => return Some(Err(error)),
            }
        }
    }))
}

fn next_line(input: &mut impl BufRead, line: u64) -> anyhow::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    let read = input
        .by_ref()
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut text)
        .context("cannot read the file")?;
    if u64::try_from(read)? == LONGEST_LINE && text.last() != Some(&b'\n') {
        anyhow::bail!("cannot read the file: line {line} is longer than 4 MiB");
    }
    Ok((read > 0).then_some(text))
}

fn record(line: u64, text: &[u8]) -> Row {
    let stumbled = |error: serde_json::Error| {
        // The parser's message may quote a value; the place of the fault is enough.
        let message = format!("is not a JSON object (at character {})", error.column());
        Problem::of_line(line, message)
    };
    let Fields(fields) = serde_json::from_slice(text).map_err(stumbled)?;
    let mut values = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        let column = column(&name).ok_or_else(|| Problem::of_line(line, unknown_column(&name)))?;
        if values.iter().any(|(known, _)| *known == column) {
            return Err(Problem::of_line(
                line,
                format!("the column {column} is there twice"),
            ));
        }
        let given = match value.get().bytes().next() {
            Some(b'[' | b'{') => Given::Nested(value.get().to_owned()),
            _ => Given::Json(serde_json::from_str::<Value>(value.get()).map_err(stumbled)?),
        };
        values.push((column, given));
    }
    Ok(Record { line, values })
}

/// The fields of an object in their order, also those that are there twice.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(Vec::new()))
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(field) = map.next_entry()? {
            self.0.push(field);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_are_passed_over_and_counted() {
        let rows: Vec<Row> = rows(b"\n{\"phone\":\"1\"}\r\n\r\n{\"phone\":2}".as_slice())
            .map(Result::unwrap)
            .collect();
        let lines: Vec<u64> = rows.iter().map(|row| row.as_ref().unwrap().line).collect();
        assert_eq!(lines, [2, 4]);
    }

    #[test]
    fn what_is_no_object_or_has_an_unknown_name_is_a_problem_that_quotes_no_data() {
        let text = b"{\"phone\":13012121211\n[]\n{\"task\":1}\n".as_slice();
        let said: Vec<String> = rows(text)
            .map(|row| row.unwrap().unwrap_err().to_string())
            .collect();
        assert!(
            said[0].starts_with("line 1: is not a JSON object"),
            "{said:?}"
        );
        assert!(!said[0].contains("130"));
        assert!(
            said[1].starts_with("line 2: is not a JSON object"),
            "{said:?}"
        );
        assert!(
            said[2].starts_with("line 3: unknown column \"task\""),
            "{said:?}"
        );
    }

    #[test]
    fn a_column_that_is_there_twice_is_a_problem() {
        let text = b"{\"phone\":\"1\",\"phone\":\"2\"}\n".as_slice();
        let said = rows(text).next().unwrap().unwrap().unwrap_err().to_string();
        assert_eq!(said, "line 1: the column phone is there twice");
    }
}
