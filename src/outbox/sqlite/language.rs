//! How SQLite is spoken to.

use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteQueryResult};
use sqlx::{Arguments, SqlitePool};

use super::error::translate;
use super::file::DatabaseFile;
use super::statements::{STATEMENTS, erasing, intervening, operating};
use super::traces::Remembered;
use crate::outbox::OutboxError;
use crate::outbox::schema::Schema;
use crate::outbox::sql::language::Language;
use crate::outbox::sql::statements::{Erasing, Intervening, Operating, Statements};
use crate::outbox::sql::value::Value;

/// An SQLite file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    pub(super) readers: SqlitePool,
    pub(super) file: DatabaseFile,
    /// The greatest id of a contact.
    pub(super) newest: Remembered,
    pub(super) writer: SqlitePool,
    pub(super) options: SqliteConnectOptions,
}

/// The migrations.
pub(super) static SCHEMA: Schema = Schema {
    migrator: sqlx::migrate!("migrations/sqlite"),
    earlier: &[],
};

impl Language for Sqlite {
    type Db = sqlx::Sqlite;
    const STATEMENTS: &'static Statements = &STATEMENTS;
    const OPERATING: &'static Operating = &operating::OPERATING;
    const INTERVENING: &'static Intervening = &intervening::INTERVENING;
    const ERASING: &'static Erasing = &erasing::ERASING;
    const SCHEMA: &'static Schema = &SCHEMA;
    const SESSIONS_IN: &'static str = "";

    fn bind(parameters: &mut SqliteArguments, value: &Value<'_>) -> Result<(), BoxDynError> {
        match value {
            Value::Integer(number) => parameters.add(*number),
            Value::Number(number) => parameters.add(*number),
            Value::Text(text) => parameters.add(text.map(str::to_owned)),
            Value::Id(id) => parameters.add(id.to_string()),
            Value::List(list) => parameters.add(list.json()),
            Value::Json(list) => parameters.add(list.clone()),
        }
    }

    fn rows_affected(done: &SqliteQueryResult) -> u64 {
        done.rows_affected()
    }

    fn translate(error: sqlx::Error) -> OutboxError {
        translate(error)
    }

    /// A file knows no rights of users.
    fn is_denied(_error: &sqlx::Error) -> bool {
        false
    }
}
