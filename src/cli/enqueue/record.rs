//! One row of the file, before its values are read.

use super::problem::Problem;

/// The columns of `contact_outbox` that apps write.
pub(super) const COLUMNS: [&str; 23] = [
    "user_id",
    "task_id",
    "phone",
    "name",
    "email",
    "company",
    "sex",
    "sort",
    "source_id",
    "industry_id",
    "grade_id",
    "components",
    "custom_vars",
    "extra",
    "sub_user_id",
    "control_select_robot",
    "ignore_crm",
    "skip_error",
    "number_add_suffix",
    "encryption",
    "phone_mask",
    "idempotency_key",
    "not_before",
];

/// Returns the column of that name, with the lifetime of the program.
pub(super) fn column(name: &str) -> Option<&'static str> {
    COLUMNS.into_iter().find(|column| *column == name)
}

/// The message about a name that is no column.
pub(super) fn unknown_column(name: &str) -> String {
    let shown = super::problem::shown(name);
    if let Some(separator) = name.chars().find(|c| [';', '\t'].contains(c)) {
        return format!(
            "unknown column {shown}; write commas between the columns, not {separator:?}"
        );
    }
    if name.contains(['\0', char::REPLACEMENT_CHARACTER]) {
        return format!("unknown column {shown}; is the file UTF-8 text?");
    }
    match crate::nearest::nearest(name, COLUMNS) {
        Some(meant) => format!("unknown column {shown}; did you mean {meant}?"),
        None => format!(
            "unknown column {shown}; the columns are {}",
            COLUMNS.join(", ")
        ),
    }
}

/// A value as the file has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    /// A field of CSV.
    Text(String),
    /// A text, number, boolean or null in a JSON object.
    Json(serde_json::Value),
    /// A list or an object in a JSON object, as it is written there: its numbers keep each digit.
    Nested(String),
}

/// A row whose columns are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    /// The line on which it begins.
    pub(super) line: u64,
    /// The row's values; each column at most once.
    pub(super) values: Vec<(&'static str, Given)>,
}

/// The result of a reader for each row; the outer error, in [`Rows`], is one of reading the file.
pub(super) type Row = Result<Record, Problem>;

/// The rows of a file, one at a time.
pub(super) type Rows<'a> = Box<dyn Iterator<Item = anyhow::Result<Row>> + 'a>;
