//! How PostgreSQL is spoken to.

use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgQueryResult};

use super::error::{self, translate};
use super::lists;
use super::statements::{STATEMENTS, erasing, intervening, operating};
use crate::outbox::OutboxError;
use crate::outbox::schema::Schema;
use crate::outbox::servers::Servers;
use crate::outbox::sql::language::Language;
use crate::outbox::sql::statements::{Erasing, Intervening, Operating, Statements};
use crate::outbox::sql::value::Value;

/// PostgreSQL servers.
#[derive(Clone, Debug)]
pub struct Postgres {
    pub(super) servers: Servers<sqlx::Postgres>,
    /// Whether a pooler of transactions was seen when the servers were met.
    pub(super) is_pooled: bool,
}

/// The migrations.
pub(super) static SCHEMA: Schema = Schema {
    migrator: sqlx::migrate!("migrations/postgres"),
    earlier: &[],
};

impl Language for Postgres {
    type Db = sqlx::Postgres;
    const STATEMENTS: &'static Statements = &STATEMENTS;
    const OPERATING: &'static Operating = &operating::OPERATING;
    const INTERVENING: &'static Intervening = &intervening::INTERVENING;
    const ERASING: &'static Erasing = &erasing::ERASING;
    const SCHEMA: &'static Schema = &SCHEMA;
    const SESSIONS_IN: &'static str = "pg_stat_activity";

    fn bind(parameters: &mut PgArguments, value: &Value<'_>) -> Result<(), BoxDynError> {
        match value {
            Value::Integer(number) => parameters.add(number),
            Value::Number(number) => parameters.add(number),
            Value::Text(text) => parameters.add(text),
            Value::Id(id) => parameters.add(id),
            Value::List(list) => lists::bind(parameters, list),
            Value::Json(list) => parameters.add(list),
        }
    }

    fn rows_affected(done: &PgQueryResult) -> u64 {
        done.rows_affected()
    }

    fn translate(error: sqlx::Error) -> OutboxError {
        error::refused_login(&error).map_or_else(|| translate(error), OutboxError::Lost)
    }

    fn is_denied(error: &sqlx::Error) -> bool {
        error::is_denied(error)
    }
}
