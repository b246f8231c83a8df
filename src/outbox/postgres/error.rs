//! What PostgreSQL's errors mean to the courier.
//!
//! Only an error's one-line message is passed on, never its detail: "Failing row contains (…)" would
//! carry a customer's number.

use sqlx::Error;
use sqlx::error::DatabaseError;

use crate::outbox::{OutboxError, schema};

/// Translates an error, whatever was being done.
pub(super) fn translate(error: Error) -> OutboxError {
    match error {
        Error::Database(error) => translate_sqlstate(&*error),
        Error::PoolTimedOut => OutboxError::Unavailable("no connection to be had in time".into()),
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::BeginFailed => OutboxError::Unavailable(error.to_string()),
        Error::Migrate(error) => schema::migration_failed(*error, translate),
        other => OutboxError::Failed(other.to_string()),
    }
}

fn translate_sqlstate(error: &dyn DatabaseError) -> OutboxError {
    let message = error.message().to_owned();
    let code = error.code().unwrap_or_default();
    match &*code {
        // undefined_table, undefined_column, invalid_schema_name
        "42P01" => OutboxError::Schema(schema::UNMIGRATED.into()),
        "42703" | "3F000" => OutboxError::Schema(format!(
            "the database's schema is not this program's ({message}): run `contact-courier migrate`"
        )),
        // lock_not_available, query_canceled, read_only_sql_transaction (after a failover),
        // idle_in_transaction_session_timeout
        "55P03" | "57014" | "25006" | "25P03" => OutboxError::Unavailable(message),
        code => match code.get(..2) {
            // Connections, serialization and deadlocks, resources, shutdowns, the disk.
            Some("08" | "40" | "53" | "57" | "58") => OutboxError::Unavailable(message),
            // A rule of the table, or a value that its column cannot hold.
            Some("23") => OutboxError::Refused(refusal(error)),
            Some("22") => OutboxError::Refused(message),
            _ => OutboxError::Failed(message),
        },
    }
}

/// Constraints are named as the rule that they keep.
fn refusal(error: &dyn DatabaseError) -> String {
    error.constraint().map_or_else(
        || error.message().to_owned(),
        |rule| format!("it breaks the rule {rule}"),
    )
}
