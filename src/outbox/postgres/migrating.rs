//! Bringing the schema up to date.

use sqlx::migrate::Migrate;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Error, PgConnection, PgPool};

use super::error::{is_denied, translate};
use super::statements::migrating as statements;
use crate::outbox::schema::{self, Applied, HISTORY, Schema};
use crate::outbox::{OutboxError, server};

static SCHEMA: Schema = Schema {
    migrator: sqlx::migrate!("migrations/postgres"),
    earlier: &[],
};

/// The schema that tables are made in, as SQL writes it, and whether it has a history of ours and a
/// table of contacts. All are null where there is no such schema.
type Tables = (Option<String>, Option<bool>, Option<bool>);

/// Whether the schema is this program's. The shared history is read only where there is no other.
pub(super) async fn check(pool: &PgPool) -> Result<(), OutboxError> {
    let applied: Result<Vec<Applied>, Error> =
        sqlx::query_as(statements::APPLIED).fetch_all(pool).await;
    match applied.map_err(may_not(schema::may_not_read)) {
        Ok(applied) => SCHEMA.check(&applied),
        Err(OutboxError::Schema(_)) => {
            let mut session = pool.acquire().await.map_err(translate)?;
            let (name, ..) = tables(&mut session).await?;
            let shared = shared(&mut session, name.as_deref()).await?;
            Err(SCHEMA.check_first(&shared))
        }
        Err(error) => Err(error),
    }
}

/// Applies what is missing; how many migrations.
pub(super) async fn migrate(options: &PgConnectOptions) -> Result<usize, OutboxError> {
    // Building an index on a large table may take its time, and other couriers that start at
    // the same moment wait for this one.
    let patient = options
        .clone()
        .options([("statement_timeout", "0"), ("lock_timeout", "0")]);
    let mut session: PgConnection = server::connect(&patient, translate).await?;
    let failed = |error| schema::migration_failed(error, translate);
    // Apps that migrate by the same library wait, too. The lock ends with the connection.
    session.lock().await.map_err(failed)?;
    take_over(&mut session).await?;
    session
        .ensure_migrations_table(HISTORY)
        .await
        .map_err(failed)?;
    let before = applied(&mut session).await?;
    SCHEMA
        .migrator(&before)
        .run_direct(None, &mut session, false)
        .await
        .map_err(failed)?;
    let after = applied(&mut session).await?;
    server::part(session).await;
    Ok(after.len().saturating_sub(before.len()))
}

/// Takes over what is ours in the history that is shared, all or nothing.
async fn take_over(session: &mut PgConnection) -> Result<(), OutboxError> {
    let (name, history, outbox) = tables(session).await?;
    let shared = shared(session, name.as_deref()).await?;
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
        .map_err(may_not(schema::may_not_move))?;
    tx.ensure_migrations_table(HISTORY)
        .await
        .map_err(|error| schema::migration_failed(error, translate))?;
    for statement in [statements::copy(&schema), statements::leave(&schema)] {
        for (version, checksum) in &own {
            sqlx::query(AssertSqlSafe(statement.as_str()))
                .bind(version)
                .bind(checksum)
                .execute(&mut *tx)
                .await
                .map_err(may_not(schema::may_not_move))?;
        }
    }
    drop_if_empty(&mut tx, &schema).await?;
    tx.commit().await.map_err(translate)
}

/// Translates an error; a right that is lacking is told in these words.
fn may_not(words: fn(&str) -> OutboxError) -> impl Fn(Error) -> OutboxError {
    move |error| match error.as_database_error() {
        Some(said) if is_denied(&error) => words(said.message()),
        _ => translate(error),
    }
}

/// An empty history that belongs to our user would be in the way of an app that comes later with a
/// user of its own: it would find the table and not be allowed to write to it. Where it is not ours to
/// drop, or something depends on it, it stays.
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

async fn tables(session: &mut PgConnection) -> Result<Tables, OutboxError> {
    sqlx::query_as(statements::TABLES)
        .fetch_one(session)
        .await
        .map_err(translate)
}

async fn applied(session: &mut PgConnection) -> Result<Vec<Applied>, OutboxError> {
    sqlx::query_as(statements::APPLIED)
        .fetch_all(session)
        .await
        .map_err(translate)
}

/// The history that is shared with apps. One that we may not read has nothing of ours.
async fn shared(
    session: &mut PgConnection,
    schema: Option<&str>,
) -> Result<Vec<Applied>, OutboxError> {
    let Some(schema) = schema else {
        return Ok(Vec::new());
    };
    let shared = sqlx::query_as(AssertSqlSafe(statements::shared(schema)))
        .fetch_all(session)
        .await;
    match shared {
        Err(error) if is_denied(&error) => Ok(Vec::new()),
        shared => match shared.map_err(translate) {
            Err(OutboxError::Schema(_)) => Ok(Vec::new()),
            shared => shared,
        },
    }
}
