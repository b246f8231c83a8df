//! How a kind of database is spoken to.

use std::fmt::Debug;

use sqlx::Database;
use sqlx::error::BoxDynError;

use super::driver::Driver;
use super::statements::{Erasing, Intervening, Operating, Statements};
use super::value::{List, Value};
use crate::outbox::OutboxError;
use crate::outbox::rows::Columns;
use crate::outbox::schema::Schema;

/// One connection to the database of a dialect.
pub(in crate::outbox) type Session<D> = <<D as Language>::Db as Database>::Connection;
/// One of the rows that it returns.
pub(in crate::outbox) type Row<D> = <<D as Language>::Db as Database>::Row;
/// The parameters of a statement, as its driver takes them.
pub(in crate::outbox) type Parameters<D> = <<D as Language>::Db as Database>::Arguments;

/// How a kind of database is spoken to.
pub(in crate::outbox) trait Language:
    Clone + Debug + Send + Sync + 'static
{
    /// The driver.
    type Db: Driver<Row: Columns>;
    /// What is asked in the same way on every database.
    const STATEMENTS: &'static Statements;
    const OPERATING: &'static Operating;
    const INTERVENING: &'static Intervening;
    const ERASING: &'static Erasing;
    const SCHEMA: &'static Schema;
    /// Where it shows the sessions of others; empty: it knows no locks of rows.
    const SESSIONS_IN: &'static str;

    fn bind(parameters: &mut Parameters<Self>, value: &Value<'_>) -> Result<(), BoxDynError>;
    /// A list as values, one for each time that its statement has to run.
    fn parts(list: List<'_>) -> Vec<Value<'_>> {
        vec![Value::List(list)]
    }
    fn rows_affected(done: &<Self::Db as Database>::QueryResult) -> u64;
    fn translate(error: sqlx::Error) -> OutboxError;
    /// Whether the user lacks a right.
    fn is_denied(error: &sqlx::Error) -> bool;
}
