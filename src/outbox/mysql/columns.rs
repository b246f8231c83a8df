//! The columns of a row, as the program reads them.

use sqlx::Row;
use sqlx::mysql::MySqlRow;

use crate::outbox::rows::{Column, Columns};

/// A column is read as the type that is asked for. The declared types are ours, and the driver would
/// refuse an integer of another width.
impl Columns for MySqlRow {
    fn text<'a>(&self, column: impl Into<Column<'a>>) -> Option<String> {
        let bytes: Option<Vec<u8>> = self.try_get_unchecked(column.into()).ok().flatten();
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn integer<'a>(&self, column: impl Into<Column<'a>>) -> Option<i64> {
        self.try_get_unchecked(column.into()).ok().flatten()
    }

    fn flag<'a>(&self, column: impl Into<Column<'a>>) -> Option<bool> {
        self.integer(column).map(|value| value != 0)
    }

    fn bytes(&self, column: &str) -> Option<Vec<u8>> {
        self.try_get_unchecked(column).ok().flatten()
    }

    fn seconds<'a>(&self, column: impl Into<Column<'a>>) -> Option<f64> {
        self.try_get_unchecked(column.into()).ok().flatten()
    }
}
