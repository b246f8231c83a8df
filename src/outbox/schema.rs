//! Whether the database's schema is the one of this program, and the remedy if it is not.

use std::collections::BTreeSet;

use sqlx::migrate::{MigrateError, Migration, Migrator};

use super::OutboxError;

/// The remedy for a missing schema.
pub(super) const UNMIGRATED: &str =
    "the database has no outbox tables yet: run `contact-courier migrate`";

/// The table that tells which of our migrations the database has. The library's own name for it is
/// left to apps that use the library in the same database.
pub(super) const HISTORY: &str = "contact_courier_migrations";

/// A migration that the database has: its version and the checksum of its text.
pub(super) type Applied = (i64, Vec<u8>);

/// The migrations of this program for one kind of database.
pub(super) struct Schema {
    pub(super) migrator: Migrator,
    /// Earlier texts of migrations: their versions and checksums, in hexadecimal. A later migration
    /// removes the differences that they made.
    pub(super) earlier: &'static [(i64, &'static str)],
}

impl Schema {
    /// Compares the migrations that the database has with those of this program.
    pub(super) fn check(&self, applied: &[Applied]) -> Result<(), OutboxError> {
        if applied.is_empty() {
            return Err(OutboxError::Schema(UNMIGRATED.into()));
        }
        let mut missing: BTreeSet<i64> = self.migrator.iter().map(|own| own.version).collect();
        let mut newer = None;
        for migration in applied {
            let version = migration.0;
            match missing.remove(&version) {
                true if self.is_own(migration) => {}
                true => return Err(another_text(version)),
                false => newer = newer.max(Some(version)),
            }
        }
        if let Some(newer) = newer {
            return Err(program_is_older(newer));
        }
        match missing.len() {
            0 => Ok(()),
            missing => Err(OutboxError::Schema(format!(
                "the database's schema is older than this program ({missing} of its migrations \
                 missing): run `contact-courier migrate`"
            ))),
        }
    }

    /// The fault of a database without a history of ours: the history of the first programs may be
    /// there.
    pub(super) fn check_first(&self, shared: &[Applied]) -> OutboxError {
        if self.own(shared).is_empty() {
            return OutboxError::Schema(UNMIGRATED.into());
        }
        OutboxError::Schema(
            "the database's schema is older than this program: run `contact-courier migrate`"
                .into(),
        )
    }

    /// Returns this program's migrations in a history that is shared with others.
    pub(super) fn own<'a>(&self, shared: &'a [Applied]) -> Vec<&'a Applied> {
        let own = shared.iter().filter(|migration| self.is_own(migration));
        own.collect()
    }

    /// Returns the migrator for a database that has these migrations. An earlier text counts as
    /// today's.
    pub(super) fn migrator(&self, applied: &[Applied]) -> Migrator {
        let mut migrations: Vec<Migration> = self.migrator.iter().cloned().collect();
        for migration in &mut migrations {
            let had = applied
                .iter()
                .find(|had| had.0 == migration.version && self.is_own(had));
            if let Some((_, checksum)) = had {
                migration.checksum = checksum.clone().into();
            }
        }
        let mut migrator = Migrator::with_migrations(migrations);
        migrator.dangerous_set_table_name(HISTORY);
        migrator
    }

    /// Whether a migration is this program's, by today's text or an earlier one.
    fn is_own(&self, (version, checksum): &Applied) -> bool {
        let mut today = self.migrator.iter();
        let mut earlier = self.earlier.iter();
        today.any(|own| own.version == *version && *own.checksum == **checksum)
            || earlier.any(|(own, text)| own == version && is_written(checksum, text))
    }
}

/// Whether bytes equal a text in hexadecimal.
fn is_written(bytes: &[u8], hexadecimal: &str) -> bool {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let written = hexadecimal.chars().map(|digit| digit.to_digit(16));
    digits.map(|digit| Some(u32::from(digit))).eq(written)
}

/// The meaning of a failed migration; `translate` knows the database's own errors.
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

/// The fault of an outbox in one schema where tables would be made in another: statements would find an
/// empty outbox there, and no longer the one that has the contacts.
pub(super) fn other_place(outbox: &str, tables: &str) -> OutboxError {
    OutboxError::Schema(format!(
        "the outbox is in schema {outbox}, and new tables would be made in schema {tables}: write \
         `options[search_path]={outbox}` into database.url to use that one, or \
         `options[search_path]={tables}` to make one of its own"
    ))
}

/// Tables of ours without a history: another program, or an unknown version of this one, made them.
pub(super) fn unknown_tables() -> OutboxError {
    OutboxError::Schema(format!(
        "there is a table contact_outbox, but no history in {HISTORY} that tells which \
         contact-courier made it: use the one that did, restore that table too, or take a database of \
         its own"
    ))
}

/// The index of results was to be made, and something else has its name.
pub(super) fn name_is_taken() -> OutboxError {
    OutboxError::Schema(
        "the index contact_outbox_results cannot be made: something else has its name in this schema"
            .into(),
    )
}

/// The history is missing or hidden from this user; a server may not tell these apart.
pub(super) fn may_not_read(said: &str) -> OutboxError {
    OutboxError::Failed(format!(
        "{said}; let the owner of the schema call `contact-courier migrate`, then grant SELECT on \
         {HISTORY}"
    ))
}

/// Migrations of ours stand in a table from which this user may not delete them.
pub(super) fn may_not_move(said: &str) -> OutboxError {
    OutboxError::Failed(format!(
        "{said}; the courier's migrations move from _sqlx_migrations to {HISTORY}: let a user \
         migrate once who may DELETE there"
    ))
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
