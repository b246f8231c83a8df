//! The meaning of SQLite's errors for the courier. Its messages name tables, columns and rules,
//! never values. An app's trigger may quote one, so numbers are masked.

use sqlx::Error;
use sqlx::error::{DatabaseError, ErrorKind};

use super::file::is_full;
use crate::mask::mask_within;
use crate::outbox::error::{breaks, other_schema};
use crate::outbox::{OutboxError, schema};

/// Translates an error, whatever the call was.
pub(super) fn translate(error: Error) -> OutboxError {
    match error {
        Error::Database(error) => translate_code(&*error),
        Error::PoolTimedOut => OutboxError::Unavailable("another writer keeps it busy".into()),
        Error::Io(error) if is_full(&error) => OutboxError::Full(error.to_string()),
        Error::Io(error) => OutboxError::Unavailable(error.to_string()),
        Error::PoolClosed | Error::WorkerCrashed | Error::BeginFailed => {
            OutboxError::Unavailable(error.to_string())
        }
        Error::Migrate(error) => schema::migration_failed(*error, translate),
        other => OutboxError::Failed(other.to_string()),
    }
}

fn translate_code(error: &dyn DatabaseError) -> OutboxError {
    let message = mask_within(error.message());
    if error.kind() != ErrorKind::Other {
        return refusal(message);
    }
    let code: i32 = error
        .code()
        .and_then(|code| code.parse().ok())
        .unwrap_or_default();
    // The low byte is the kind of error, the rest its detail.
    match code & 0xff {
        // READONLY: the rights of the file, or its file system.
        8 => OutboxError::ReadOnly(message),
        // FULL
        13 => OutboxError::Full(message),
        // BUSY, LOCKED, NOMEM, IOERR, CANTOPEN, PROTOCOL: another program, the memory, the disk; all
        // of them pass.
        5 | 6 | 7 | 10 | 14 | 15 => OutboxError::Unavailable(message),
        // CONSTRAINT, MISMATCH
        19 | 20 => refusal(message),
        // ERROR, the code for every fault of a statement.
        1 if message.starts_with("no such table") => OutboxError::Schema(schema::UNMIGRATED.into()),
        1 if message.starts_with("no such") => other_schema(&message),
        _ => OutboxError::Failed(message),
    }
}

fn refusal(message: String) -> OutboxError {
    match message.strip_prefix("CHECK constraint failed: ") {
        Some(rule) => breaks(rule),
        None => OutboxError::Refused(message),
    }
}
