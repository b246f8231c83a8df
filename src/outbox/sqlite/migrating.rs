//! Bringing the schema up to date.

use sqlx::migrate::Migrate;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Result, SqliteConnection, SqlitePool};

use super::error::translate;
use super::language::{SCHEMA, Sqlite};
use super::statements::migrating as statements;
use super::transaction::BEGIN;
use crate::outbox::OutboxError;
use crate::outbox::schema::{self, HISTORY};
use crate::outbox::sql::migrating;

/// Applies the missing migrations and returns how many there were. All run in one transaction, so
/// that two couriers that start at the same moment take turns.
pub(super) async fn migrate(writer: &SqlitePool) -> Result<usize, OutboxError> {
    let mut connection = writer.acquire().await.map_err(translate)?;
    // If this fails, the state of the connection is unknown.
    connection.close_on_drop();
    let mut tx = connection.begin_with(BEGIN).await.map_err(translate)?;
    take_over(&mut tx).await?;
    let applied = migrating::migrate::<Sqlite>(&mut tx).await?;
    tx.commit().await.map_err(translate)?;
    Ok(applied)
}

/// Makes the table of the history, and takes over our entries of the shared one. The shared table
/// stays: an app that comes later finds it as it would make it itself.
async fn take_over(session: &mut SqliteConnection) -> Result<(), OutboxError> {
    let shared = migrating::shared::<Sqlite>(session).await?;
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

pub(super) async fn shared_history(session: &mut SqliteConnection) -> Result<Vec<SqliteRow>> {
    sqlx::query(statements::SHARED).fetch_all(session).await
}
