//! Turns a row of the file into a contact to insert, or into the problems of its columns.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::problem::{Problem, shown};
use super::record::{Given, Record, column};
use super::rounded::{fault, is_rounded, is_whole_no_more, rounded_within};
use crate::contact::{Contact, Lane, OutboxRow, RequestDefaults, Violation};
use crate::outbox::NewContact;

/// The rules for every row of the file.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The configured request options.
    pub(super) defaults: RequestDefaults,
    /// For rows without a `user_id`.
    pub(super) user_id: Option<String>,
    /// For rows without a `task_id`.
    pub(super) task_id: Option<String>,
}

/// Reads a record's values and checks every rule that the courier would check.
pub(super) fn contact(record: Record, rules: &Rules) -> Result<(Lane, NewContact), Vec<Problem>> {
    let mut fields = Fields {
        line: record.line,
        values: record.values,
        problems: Vec::new(),
    };
    let contact = NewContact {
        user_id: fields.lane_part("user_id", rules.user_id.as_deref()),
        task_id: fields.lane_part("task_id", rules.task_id.as_deref()),
        phone: fields.text("phone").unwrap_or_default().trim().to_owned(),
        name: fields.text("name"),
        email: fields.text("email"),
        company: fields.text("company"),
        sex: fields.sex(),
        sort: fields.whole("sort"),
        source_id: fields.whole("source_id"),
        industry_id: fields.whole("industry_id"),
        grade_id: fields.whole("grade_id"),
        components: fields.list("components"),
        custom_vars: fields.list("custom_vars"),
        extra: fields.text("extra"),
        sub_user_id: fields.text("sub_user_id"),
        control_select_robot: fields.text("control_select_robot"),
        ignore_crm: fields.switch("ignore_crm"),
        skip_error: fields.switch("skip_error"),
        number_add_suffix: fields.switch("number_add_suffix"),
        encryption: fields.switch("encryption"),
        phone_mask: fields.text("phone_mask"),
        idempotency_key: fields.text("idempotency_key"),
        not_before: fields.instant("not_before"),
    };
    let Fields {
        line, mut problems, ..
    } = fields;
    // A rule is worth checking only on values that could be read.
    if problems.is_empty() {
        let kept = Lane::new(&contact.user_id, &contact.task_id).and_then(|lane| {
            Contact::check(row(&contact), &rules.defaults)?;
            Ok(lane)
        });
        match kept {
            Ok(lane) => return Ok((lane, contact)),
            Err(violation) => problems.push(broken(line, &violation)),
        }
    }
    Err(problems)
}

/// Makes a problem out of a violation, which begins with the name of its column.
fn broken(line: u64, violation: &Violation) -> Problem {
    let (first, rest) = violation.0.split_once(' ').unwrap_or_default();
    match column(first) {
        Some(column) => Problem {
            line,
            column: Some(column),
            message: rest.to_owned(),
        },
        None => Problem::of_line(line, &violation.0),
    }
}

/// Makes the row that the table would have.
fn row(contact: &NewContact) -> OutboxRow {
    let contact = contact.clone();
    OutboxRow {
        id: 0,
        bytes: u64::try_from(contact.bytes()).unwrap_or(u64::MAX),
        phone: contact.phone,
        name: contact.name,
        email: contact.email,
        company: contact.company,
        sex: contact.sex,
        sort: contact.sort.unwrap_or_default(),
        source_id: contact.source_id,
        industry_id: contact.industry_id,
        grade_id: contact.grade_id,
        components: contact.components,
        custom_vars: contact.custom_vars,
        extra: contact.extra,
        sub_user_id: contact.sub_user_id,
        control_select_robot: contact.control_select_robot,
        ignore_crm: contact.ignore_crm,
        skip_error: contact.skip_error,
        number_add_suffix: contact.number_add_suffix,
        encryption: contact.encryption,
        phone_mask: contact.phone_mask,
        due_for: std::time::Duration::ZERO,
        in_doubt: false,
    }
}

/// Columns whose values stand on one line in a CSV file. A stray quote that a later one closes
/// takes the lines in between into its value.
const ONE_LINE: [&str; 8] = [
    "user_id",
    "task_id",
    "phone",
    "name",
    "email",
    "company",
    "sub_user_id",
    "idempotency_key",
];

/// Whether there is a line break inside.
fn is_broken(text: &str) -> bool {
    text.trim().contains(['\n', '\r'])
}

/// The values of a record, taken out one by one; unreadable values are noted.
struct Fields {
    line: u64,
    values: Vec<(&'static str, Given)>,
    problems: Vec<Problem>,
}

impl Fields {
    fn problem(&mut self, column: &'static str, message: impl Into<String>) {
        self.problems.push(Problem {
            line: self.line,
            column: Some(column),
            message: message.into(),
        });
    }

    /// Takes a value, unless it is missing, null or an empty text.
    fn take(&mut self, column: &'static str) -> Option<Given> {
        let at = self.values.iter().position(|(name, _)| *name == column)?;
        let (_, given) = self.values.swap_remove(at);
        match &given {
            Given::Text(text) | Given::Json(Value::String(text)) if text.trim().is_empty() => None,
            // The databases cannot keep a NUL character in a text.
            Given::Text(text) | Given::Json(Value::String(text)) if text.contains('\0') => {
                self.problem(column, "holds a NUL character");
                None
            }
            Given::Text(text) if ONE_LINE.contains(&column) && is_broken(text) => {
                let said = "holds a line break; is a quote missing, or is there one too many?";
                self.problem(column, said);
                None
            }
            Given::Json(Value::Null) => None,
            Given::Text(_) | Given::Json(_) | Given::Nested(_) => Some(given),
        }
    }

    fn rounded(&mut self, column: &'static str, number: &str) {
        self.problem(column, format!("{}: {}", shown(number), fault(number)));
    }

    fn text(&mut self, column: &'static str) -> Option<String> {
        match self.take(column)? {
            Given::Text(text) | Given::Json(Value::String(text)) if is_rounded(column, &text) => {
                self.rounded(column, &text);
                None
            }
            Given::Text(text) | Given::Json(Value::String(text)) => Some(text),
            Given::Json(Value::Number(n)) if n.is_i64() || n.is_u64() => Some(n.to_string()),
            Given::Json(Value::Number(n)) if is_whole_no_more(column, &n) => {
                self.rounded(column, &n.to_string());
                None
            }
            Given::Json(_) | Given::Nested(_) => {
                self.problem(column, "is not a text");
                None
            }
        }
    }

    /// Takes a value that is written as one word, from CSV or JSON alike.
    fn word(&mut self, column: &'static str) -> Option<String> {
        match self.take(column)? {
            Given::Text(text) | Given::Json(Value::String(text)) => Some(text.trim().to_owned()),
            Given::Json(value) => Some(value.to_string()),
            Given::Nested(json) => Some(json),
        }
    }

    fn lane_part(&mut self, column: &'static str, otherwise: Option<&str>) -> String {
        let given = self.text(column).map(|id| id.trim().to_owned());
        let id = given.or_else(|| otherwise.map(str::to_owned));
        if id.is_none() && !self.problems.iter().any(|p| p.column == Some(column)) {
            let flag = column.replace('_', "-");
            self.problem(column, format!("is not given; add the column or --{flag}"));
        }
        id.unwrap_or_default()
    }

    fn sex(&mut self) -> Option<i64> {
        let word = self.word("sex")?;
        let sex = word.parse().ok().filter(|sex| (0..=2).contains(sex));
        if sex.is_none() {
            self.problem("sex", format!("{} is not 0, 1 or 2", shown(&word)));
        }
        sex
    }

    fn whole(&mut self, column: &'static str) -> Option<i64> {
        let word = self.word(column)?;
        // The columns are 32 bits wide.
        let number = word.parse::<i32>().ok().map(i64::from);
        match number {
            Some(_) => {}
            None if is_rounded(column, &word) => self.rounded(column, &word),
            None => {
                let shown = shown(&word);
                self.problem(column, format!("{shown} is not a whole number of 32 bits"));
            }
        }
        number
    }

    fn switch(&mut self, column: &'static str) -> Option<bool> {
        let word = self.word(column)?;
        match word.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => {
                let shown = shown(&word);
                self.problem(
                    column,
                    format!("{shown} is not true or false, 1 or 0, yes or no"),
                );
                None
            }
        }
    }

    fn list(&mut self, column: &'static str) -> Option<String> {
        let list = match self.take(column)? {
            Given::Text(json) | Given::Json(Value::String(json)) | Given::Nested(json) => json,
            Given::Json(value) => value.to_string(),
        };
        if let Some(number) = rounded_within(&list) {
            self.rounded(column, &number);
        }
        Some(list)
    }

    fn instant(&mut self, column: &'static str) -> Option<String> {
        let word = self.word(column)?;
        let instant = word
            .parse::<Timestamp>()
            .ok()
            .map(|instant| TimeZone::UTC.to_datetime(instant))
            .filter(|instant| instant.year() >= 1);
        if instant.is_none() {
            let shown = shown_instant(&word);
            let message = format!("{shown} is not a time such as 2025-01-31T09:00:00+08:00");
            self.problem(column, message);
        }
        Some(instant?.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
    }
}

/// Shows an instant. It has as many digits as a phone number, so only a text written like a time is
/// shown.
fn shown_instant(word: &str) -> String {
    let like_a_time =
        word.len() <= 40 && word.get(4..5) == Some("-") && word.get(7..8) == Some("-");
    if like_a_time {
        format!("{word:?}")
    } else {
        shown(word)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rounded::{FRACTION, ROUNDED};
    use super::*;
    use serde_json::json;

    fn rules() -> Rules {
        Rules {
            defaults: RequestDefaults::default(),
            user_id: Some("u".into()),
            task_id: Some("t".into()),
        }
    }

    fn csv(values: &[(&'static str, &str)]) -> Record {
        let text = |(name, text): &(&'static str, &str)| (*name, Given::Text((*text).into()));
        Record {
            line: 37,
            values: values.iter().map(text).collect(),
        }
    }

    fn json(value: Value) -> Record {
        let Value::Object(object) = value else {
            panic!("an object")
        };
        let member = |(name, value): (String, Value)| (column(&name).unwrap(), Given::Json(value));
        Record {
            line: 37,
            values: object.into_iter().map(member).collect(),
        }
    }

    fn said(record: Record) -> Vec<String> {
        let problems = contact(record, &rules()).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_column_has_its_own_complaint() {
        let phone = ("phone", "13012121211");
        for (column, value, complaint) in [
            ("sex", "x", "\"x\" is not 0, 1 or 2"),
            ("sex", "3", "\"3\" is not 0, 1 or 2"),
            ("sort", "1.5", "\"1.5\" is not a whole number of 32 bits"),
            (
                "grade_id",
                "99999999999",
                "\"999***9999\" is not a whole number of 32 bits",
            ),
            (
                "encryption",
                "maybe",
                "\"maybe\" is not true or false, 1 or 0, yes or no",
            ),
            (
                "not_before",
                "tomorrow",
                "\"tomorrow\" is not a time such as 2025-01-31T09:00:00+08:00",
            ),
            (
                "not_before",
                "2025-01-31 09:00:00",
                "\"2025-01-31 09:00:00\" is not a time such as 2025-01-31T09:00:00+08:00",
            ),
            (
                "not_before",
                "13012121211",
                "\"130***1211\" is not a time such as 2025-01-31T09:00:00+08:00",
            ),
            (
                "components",
                "[1]",
                "must be a JSON array of {id, value}; it is not at character 2",
            ),
            (
                "user_id",
                "a/b",
                "must be 1 to 64 letters, digits, '_' or '-'",
            ),
            ("name", "a\0b", "holds a NUL character"),
            (
                "company",
                "a\r\nb",
                "holds a line break; is a quote missing, or is there one too many?",
            ),
        ] {
            let said = said(csv(&[phone, (column, value)]));
            assert_eq!(said, [format!("line 37, column {column}: {complaint}")]);
        }
    }

    #[test]
    fn a_number_that_a_spreadsheet_has_rounded_is_refused_from_csv_and_json() {
        let refused = |record, column, number: &str| {
            let fault = if number.ends_with(".0") {
                FRACTION
            } else {
                ROUNDED
            };
            let complaint = format!("line 37, column {column}: \"{number}\": {fault}");
            assert_eq!(said(record), [complaint]);
        };
        let vars = r#"[{"name": "order", "text": "2.0260131E+13"}]"#;
        for (column, value, shown) in [
            ("phone", "1.30121E+10", "1.3***E+10"),
            ("phone", "13012121211.0", "130***11.0"),
            ("user_id", "1.1E+5", ""),
            ("user_id", "1.1E+15", "1.1E+15"),
            ("task_id", "1.1E+15", "1.1E+15"),
            ("sub_user_id", "1.1E+15", "1.1E+15"),
            ("idempotency_key", "2.0260131E+13", "2.0***E+13"),
            ("source_id", "1.2E+06", "1.2E+06"),
            ("custom_vars", vars, "2.0***E+13"),
        ] {
            let given = [("phone", "13012121211"), (column, value)];
            let given = if column == "phone" {
                &given[1..]
            } else {
                &given
            };
            if shown.is_empty() {
                let said = said(csv(given));
                assert!(!said[0].contains(ROUNDED), "{said:?}");
                continue;
            }
            refused(csv(given), column, shown);
            let object = given
                .iter()
                .map(|(name, text)| ((*name).to_owned(), json!(text)));
            refused(json(Value::Object(object.collect())), column, shown);
        }
        refused(json(json!({"phone": 1.301_21e10})), "phone", "130***00.0");
        let id = json!({"phone": "1", "user_id": 17.0});
        refused(json(id), "user_id", "17.0");
        assert_eq!(
            said(json(json!({"phone": "1", "user_id": 1.5}))),
            ["line 37, column user_id: is not a text"]
        );
    }

    #[test]
    fn a_row_tells_all_of_its_columns_that_cannot_be_read() {
        let said = said(csv(&[("phone", "1"), ("sex", "x"), ("sort", "y")]));
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn rules_about_the_whole_row_name_their_column() {
        assert_eq!(
            said(csv(&[("phone", " ")])),
            ["line 37, column phone: must not be empty"]
        );
        let record = csv(&[("phone", "1"), ("extra", "x"), ("ignore_crm", "yes")]);
        assert!(said(record)[0].starts_with("line 37, column extra: needs ignore_crm=false"));
    }

    #[test]
    fn a_row_without_a_lane_says_which_flag_would_give_it() {
        let nobody = Rules {
            user_id: None,
            ..rules()
        };
        let problems = contact(csv(&[("phone", "1")]), &nobody).unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "line 37, column user_id: is not given; add the column or --user-id"
        );
    }

    #[test]
    fn the_row_goes_before_the_flag_and_an_empty_field_is_not_given() {
        let (lane, contact) = contact(
            csv(&[
                ("phone", " 13012121211 "),
                ("task_id", "mine"),
                ("user_id", ""),
                ("name", ""),
            ]),
            &rules(),
        )
        .unwrap();
        assert_eq!(lane.to_string(), "u/mine");
        assert_eq!(contact.phone, "13012121211");
        assert_eq!(contact.name, None);
    }

    #[test]
    fn a_time_is_kept_in_utc_as_the_table_has_it() {
        let record = csv(&[
            ("phone", "1"),
            ("not_before", "2025-01-31T09:00:00.5+08:00"),
        ]);
        let (_, contact) = contact(record, &rules()).unwrap();
        assert_eq!(contact.not_before.unwrap(), "2025-01-31 01:00:00.500000");
    }

    #[test]
    fn json_may_hold_real_values_or_texts() {
        let (_, real) = contact(
            json(json!({
                "phone": 13_012_121_211_i64, "sex": 1, "encryption": true, "name": null,
                "custom_vars": [{"name": "a", "text": "b"}],
            })),
            &rules(),
        )
        .unwrap();
        let (_, texts) = contact(
            json(json!({
                "phone": "13012121211", "sex": "1", "encryption": "yes",
                "custom_vars": "[{\"name\":\"a\",\"text\":\"b\"}]",
            })),
            &rules(),
        )
        .unwrap();
        assert_eq!(real, texts);
        let wrong = json(json!({"phone": ["1"], "name": {"a": 1}}));
        assert_eq!(said(wrong).len(), 2);
    }
}
