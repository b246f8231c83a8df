//! How MySQL and MariaDB are spoken to.

use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySqlArguments, MySqlQueryResult};

use super::cluster::Cluster;
use super::error::{self, translate};
use super::lists;
use super::statements::{STATEMENTS, erasing, intervening, operating};
use crate::outbox::OutboxError;
use crate::outbox::schema::Schema;
use crate::outbox::servers::Servers;
use crate::outbox::sql::language::Language;
use crate::outbox::sql::statements::{Erasing, Intervening, Operating, Statements};
use crate::outbox::sql::value::{List, Value};

/// MySQL or MariaDB servers.
#[derive(Clone, Debug)]
pub struct MySql {
    pub(super) servers: Servers<sqlx::MySql>,
    /// The server's `max_allowed_packet`.
    pub(super) packet: usize,
    /// Whether it is a node of a cluster.
    pub(super) cluster: Cluster,
}

/// The migrations.
pub(super) static SCHEMA: Schema = Schema {
    migrator: sqlx::migrate!("migrations/mysql"),
    earlier: &[(
        2,
        "1e83931261caede5c291977aebae00d6e751826a289424827b49cddf857e45c6a92b5af9b09d39368e98566e3b2f9969",
    )],
};

impl Language for MySql {
    type Db = sqlx::MySql;
    const STATEMENTS: &'static Statements = &STATEMENTS;
    const OPERATING: &'static Operating = &operating::OPERATING;
    const INTERVENING: &'static Intervening = &intervening::INTERVENING;
    const ERASING: &'static Erasing = &erasing::ERASING;
    const SCHEMA: &'static Schema = &SCHEMA;
    const SESSIONS_IN: &'static str = "information_schema.innodb_trx";

    fn bind(parameters: &mut MySqlArguments, value: &Value<'_>) -> Result<(), BoxDynError> {
        match value {
            Value::Integer(number) => parameters.add(number),
            Value::Number(number) => parameters.add(number),
            Value::Text(text) => parameters.add(text),
            Value::Id(id) => parameters.add(id.to_string()),
            Value::List(list) => parameters.add(list.json()),
            Value::Json(list) => parameters.add(list),
        }
    }

    fn parts(list: List<'_>) -> Vec<Value<'_>> {
        let lists = lists::lists(list.records());
        lists.map(|(list, _)| Value::Json(list)).collect()
    }

    fn rows_affected(done: &MySqlQueryResult) -> u64 {
        done.rows_affected()
    }

    fn translate(error: sqlx::Error) -> OutboxError {
        error::refused_login(&error).map_or_else(|| translate(error), OutboxError::Lost)
    }

    fn is_denied(error: &sqlx::Error) -> bool {
        error::is_denied(error)
    }
}
