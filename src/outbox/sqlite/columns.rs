//! The columns of a row, as the program reads them.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::outbox::rows::{Column, Columns};

/// SQLite columns hold values of any type, and text in any encoding (an old app may bind Latin-1 or
/// GBK bytes). Whatever stands there is converted the way SQLite itself would.
impl Columns for SqliteRow {
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
