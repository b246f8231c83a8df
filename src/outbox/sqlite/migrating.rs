//! Bringing the schema up to date.

use sqlx::migrate::Migrate;
use sqlx::{Connection, Error, SqliteConnection, SqlitePool};

use super::error::translate;
use super::statements::migrating as statements;
use super::transaction::BEGIN;
use crate::outbox::OutboxError;
use crate::outbox::schema::{self, Applied, HISTORY, Schema};

static SCHEMA: Schema = Schema {
    migrator: sqlx::migrate!("migrations/sqlite"),
    earlier: &[],
};

/// Whether the schema is this program's. The shared history is read only where there is no other.
pub(super) async fn check(readers: &SqlitePool) -> Result<(), OutboxError> {
    let applied: Result<Vec<Applied>, Error> =
        sqlx::query_as(statements::APPLIED).fetch_all(readers).await;
    match applied.map_err(translate) {
        Ok(applied) => SCHEMA.check(&applied),
        Err(OutboxError::Schema(_)) => {
            let mut session = readers.acquire().await.map_err(translate)?;
            Err(SCHEMA.check_first(&shared(&mut session).await?))
        }
        Err(error) => Err(error),
    }
}

/// Applies what is missing; how many migrations. All in one transaction, so that two couriers that
/// start at the same moment take turns.
pub(super) async fn migrate(writer: &SqlitePool) -> Result<usize, OutboxError> {
    let mut connection = writer.acquire().await.map_err(translate)?;
    // Nothing is known of it if that fails.
    connection.close_on_drop();
    let mut tx = connection.begin_with(BEGIN).await.map_err(translate)?;
    let failed = |error| schema::migration_failed(error, translate);
    take_over(&mut tx).await?;
    let before = applied(&mut tx).await?;
    SCHEMA
        .migrator(&before)
        .run_direct(None, &mut *tx, false)
        .await
        .map_err(failed)?;
    let after = applied(&mut tx).await?;
    tx.commit().await.map_err(translate)?;
    Ok(after.len().saturating_sub(before.len()))
}

/// Makes the table of the history, and takes over what is ours in the one that is shared. That one
/// stays: an app that comes later finds it as it would make it itself.
async fn take_over(session: &mut SqliteConnection) -> Result<(), OutboxError> {
    let shared = shared(session).await?;
    let own = SCHEMA.own(&shared);
    let (history, outbox): (bool, bool) = sqlx::query_as(statements::TABLES)
        .fetch_one(&mut *session)
        .await
        .map_err(translate)?;
    if outbox && !history && own.is_empty() {
        return Err(schema::unknown_tables());
    }
    session
        .ensure_migrations_table(HISTORY)
        .await
        .map_err(|error| schema::migration_failed(error, translate))?;
    for statement in [statements::COPY, statements::LEAVE] {
        for (version, checksum) in &own {
            sqlx::query(statement)
                .bind(version)
                .bind(checksum)
                .execute(&mut *session)
                .await
                .map_err(translate)?;
        }
    }
    Ok(())
}

async fn applied(session: &mut SqliteConnection) -> Result<Vec<Applied>, OutboxError> {
    sqlx::query_as(statements::APPLIED)
        .fetch_all(session)
        .await
        .map_err(translate)
}

/// The history that is shared with apps.
async fn shared(session: &mut SqliteConnection) -> Result<Vec<Applied>, OutboxError> {
    let shared = sqlx::query_as(statements::SHARED).fetch_all(session).await;
    match shared.map_err(translate) {
        Err(OutboxError::Schema(_)) => Ok(Vec::new()),
        shared => shared,
    }
}
