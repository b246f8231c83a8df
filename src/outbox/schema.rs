//! Whether the database's schema is the one of this program, and what to do about it if not.

use std::collections::HashMap;

use sqlx::migrate::{MigrateError, Migrator};

use super::OutboxError;

/// What a person has to do about a schema that is not there.
pub(super) const UNMIGRATED: &str =
    "the database has no outbox tables yet: run `contact-courier migrate`";

/// A migration that the database has: its version and the checksum of its text.
pub(super) type Applied = (i64, Vec<u8>);

/// Compares the migrations that the database has with those of this program.
pub(super) fn compare(migrator: &Migrator, applied: &[Applied]) -> Result<(), OutboxError> {
    if applied.is_empty() {
        return Err(OutboxError::Schema(UNMIGRATED.into()));
    }
    let mut known: HashMap<i64, &[u8]> = migrator
        .iter()
        .map(|migration| (migration.version, &*migration.checksum))
        .collect();
    let mut newer = None;
    for (version, checksum) in applied {
        match known.remove(version) {
            Some(ours) if ours == checksum.as_slice() => {}
            Some(_) => return Err(another_text(*version)),
            None => newer = newer.max(Some(*version)),
        }
    }
    if let Some(newer) = newer {
        return Err(program_is_older(newer));
    }
    match known.len() {
        0 => Ok(()),
        missing => Err(OutboxError::Schema(format!(
            "the database's schema is older than this program ({missing} of its migrations missing): \
             run `contact-courier migrate`"
        ))),
    }
}

/// What a failed migration means; `translate` knows the database's own errors.
pub(super) fn migration_failed(
    error: MigrateError,
    translate: impl Fn(sqlx::Error) -> OutboxError,
) -> OutboxError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => translate(error),
        MigrateError::VersionMissing(newer) => program_is_older(newer),
        MigrateError::VersionMismatch(version) => another_text(version),
        other => OutboxError::Schema(format!("the schema cannot be migrated: {other}")),
    }
}

fn another_text(migration: i64) -> OutboxError {
    OutboxError::Schema(format!(
        "migration {migration} of the database is another one than this program's of that number: \
         use the contact-courier that made the tables, or a database of its own"
    ))
}

fn program_is_older(migration: i64) -> OutboxError {
    OutboxError::Schema(format!(
        "this program is older than the database, which has migration {migration}: \
         install the newer contact-courier"
    ))
}
