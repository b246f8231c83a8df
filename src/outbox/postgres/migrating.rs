//! Bringing the schema up to date.

use sqlx::migrate::{Migrate, MigrateError};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Result};

use super::error::translate;
use super::language::{Postgres, SCHEMA};
use super::sessions::open;
use super::statements::migrating as statements;
use crate::outbox::schema::{self, HISTORY};
use crate::outbox::sql::migrating::{self, may_not};
use crate::outbox::{OutboxError, network};
use crate::telemetry::event::MigrationQueues;

/// The schema in which tables are made, as SQL writes it, and whether it has a history of ours and
/// a table of contacts. All are null if there is no such schema. Then the schema of the history
/// that statements would use.
type Tables = (Option<String>, Option<bool>, Option<bool>, Option<String>);

/// Applies the missing migrations and returns how many there were.
pub(super) async fn migrate(options: &PgConnectOptions) -> Result<usize, OutboxError> {
    // Building an index on a large table may take its time.
    let patient = options
        .clone()
        .options([("statement_timeout", "0"), ("lock_timeout", "10s")]);
    let mut session = open(&patient).await?;
    let mut told = false;
    while !try_to_lock(&mut session).await? {
        MigrationQueues.emit_once(&mut told);
    }
    take_over(&mut session).await?;
    session
        .ensure_migrations_table(HISTORY)
        .await
        .map_err(failed)?;
    let applied =
        migrating::migrate_beside_others::<Postgres>(&mut session, statements::LIMIT_WAITS).await?;
    network::part(session).await;
    Ok(applied)
}

/// Tries to have the lock of migrations. Others that begin at the same moment wait for this one, and so
/// do apps that migrate by the same library; the lock ends with the connection.
async fn try_to_lock(session: &mut PgConnection) -> Result<bool, OutboxError> {
    let tried = network::meeting(async { session.lock().await.map_err(failed) });
    match tried.await {
        Err(OutboxError::Locked(_)) => Ok(false),
        tried => tried.map(|()| true),
    }
}

fn failed(error: MigrateError) -> OutboxError {
    schema::migration_failed(error, translate)
}

/// Takes over our entries of the shared history, all or nothing.
async fn take_over(session: &mut PgConnection) -> Result<(), OutboxError> {
    let (name, history, outbox, used) = tables(session).await.map_err(translate)?;
    if let (Some(name), Some(used)) = (&name, used)
        && *name != used
    {
        return Err(schema::other_place(&used, name));
    }
    let shared = migrating::shared::<Postgres>(session).await?;
    let own = SCHEMA.own(&shared);
    let Some(schema) = name.filter(|_| !own.is_empty()) else {
        if outbox == Some(true) && history != Some(true) {
            return Err(schema::unknown_tables());
        }
        return Ok(());
    };
    let mut tx = session.begin().await.map_err(translate)?;
    sqlx::raw_sql(AssertSqlSafe(statements::lock_shared(&schema)))
        .execute(&mut *tx)
        .await
        .map_err(may_not::<Postgres>(schema::may_not_move))?;
    tx.ensure_migrations_table(HISTORY).await.map_err(failed)?;
    for statement in [statements::copy(&schema), statements::leave(&schema)] {
        for (version, checksum) in &own {
            sqlx::query(AssertSqlSafe(statement.as_str()))
                .bind(version)
                .bind(checksum)
                .execute(&mut *tx)
                .await
                .map_err(may_not::<Postgres>(schema::may_not_move))?;
        }
    }
    drop_if_empty(&mut tx, &schema).await?;
    tx.commit().await.map_err(translate)
}

/// Drops an empty history. If it belonged to our user, it would be in the way of an app that comes
/// later with its own user: the app would find the table and not be allowed to write to it. The
/// table stays if it is not ours to drop, or if something depends on it.
async fn drop_if_empty(session: &mut PgConnection, schema: &str) -> Result<(), OutboxError> {
    let empty: bool = sqlx::query_scalar(AssertSqlSafe(statements::is_empty(schema)))
        .fetch_one(&mut *session)
        .await
        .map_err(translate)?;
    if !empty {
        return Ok(());
    }
    let mut savepoint = session.begin().await.map_err(translate)?;
    let dropped = sqlx::raw_sql(AssertSqlSafe(statements::drop_shared(schema)))
        .execute(&mut *savepoint)
        .await;
    match dropped.map_err(translate) {
        Err(error) if error.is_transient() => Err(error),
        Err(_) => savepoint.rollback().await.map_err(translate),
        Ok(_) => savepoint.commit().await.map_err(translate),
    }
}

async fn tables(session: &mut PgConnection) -> Result<Tables> {
    sqlx::query_as(statements::TABLES).fetch_one(session).await
}

pub(super) async fn shared_history(session: &mut PgConnection) -> Result<Vec<PgRow>> {
    let (Some(schema), ..) = tables(session).await? else {
        return Ok(Vec::new());
    };
    let shared = AssertSqlSafe(statements::shared(&schema));
    sqlx::query(shared).fetch_all(session).await
}
