//! Whether the database's schema is the one of this program, and what to do about it if not.

use std::collections::HashSet;

use sqlx::migrate::{MigrateError, Migrator};

use super::OutboxError;

/// What a person has to do about a schema that is not there.
pub(super) const UNMIGRATED: &str =
    "the database has no outbox tables yet: run `contact-courier migrate`";

/// Compares the versions that the database has with those of this program.
pub(super) fn compare(migrator: &Migrator, applied: &[i64]) -> Result<(), OutboxError> {
    let applied: HashSet<i64> = applied.iter().copied().collect();
    let known: HashSet<i64> = migrator.iter().map(|m| m.version).collect();
    if applied.is_empty() {
        return Err(OutboxError::Schema(UNMIGRATED.into()));
    }
    if let Some(newer) = applied.difference(&known).max() {
        return Err(program_is_older(*newer));
    }
    match known.difference(&applied).count() {
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
        other => OutboxError::Schema(format!("the schema cannot be migrated: {other}")),
    }
}

fn program_is_older(migration: i64) -> OutboxError {
    OutboxError::Schema(format!(
        "this program is older than the database, which has migration {migration}: \
         install the newer contact-courier"
    ))
}
