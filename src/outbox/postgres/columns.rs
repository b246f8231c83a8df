//! The columns of a row, as the program reads them.

use sqlx::postgres::PgRow;
use sqlx::{Result, Row};
use uuid::Uuid;

use crate::outbox::rows::{Column, Columns};

/// Texts, integers and booleans are read as the type that is asked for: the columns are ours, and the
/// driver would refuse an integer of another width.
impl Columns for PgRow {
    fn text<'a>(&self, column: impl Into<Column<'a>>) -> Option<String> {
        self.try_get_unchecked(column.into()).ok().flatten()
    }

    fn integer<'a>(&self, column: impl Into<Column<'a>>) -> Option<i64> {
        self.try_get_unchecked(column.into()).ok().flatten()
    }

    fn flag<'a>(&self, column: impl Into<Column<'a>>) -> Option<bool> {
        self.try_get_unchecked(column.into()).ok().flatten()
    }

    fn bytes(&self, column: &str) -> Option<Vec<u8>> {
        self.try_get(column).ok().flatten()
    }

    fn seconds<'a>(&self, column: impl Into<Column<'a>>) -> Option<f64> {
        self.try_get(column.into()).ok().flatten()
    }

    fn id(&self, column: &str) -> Result<Option<Uuid>> {
        self.try_get(column)
    }

    fn contacts(&self, column: &str) -> Result<Option<Vec<i64>>> {
        self.try_get(column)
    }
}
