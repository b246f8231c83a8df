//! The parts of a migration that all databases share.

use std::time::Duration;

use sqlx::Error;
use sqlx::migrate::Migrate;
use tokio::time::{Instant, sleep};

use super::ask::ask;
use super::dialect::Dialect;
use super::driver::Driver;
use super::language::Session;
use super::statements::APPLIED;
use crate::outbox::OutboxError;
use crate::outbox::error::SqlError;
use crate::outbox::rows::{Columns, needed};
use crate::outbox::schema::{self, Applied};
use crate::telemetry::event::MigrationWaits;

/// Between two tries at least: what waits behind a try goes on meanwhile.
const REST: Duration = Duration::from_secs(5);

/// Checks that the schema is this program's. The shared history is read only where there is no
/// other.
pub(super) async fn check<D: Dialect>(dialect: &D) -> Result<(), SqlError> {
    let mut session = dialect.reading().await?;
    let applied = applied::<D>(&mut session).await;
    match applied.map_err(may_not::<D>(schema::may_not_read)) {
        Ok(applied) => Ok(D::SCHEMA.check(&applied)?),
        Err(OutboxError::Schema(_)) => {
            let shared = shared::<D>(&mut session).await?;
            Err(D::SCHEMA.check_first(&shared).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Applies the missing migrations and returns how many there were.
pub(in crate::outbox) async fn migrate<D>(session: &mut Session<D>) -> Result<usize, OutboxError>
where
    D: Dialect,
    Session<D>: Migrate,
{
    let before = applied::<D>(session).await.map_err(D::translate)?;
    run::<D>(session, &before).await?;
    let after = applied::<D>(session).await.map_err(D::translate)?;
    Ok(after.len().saturating_sub(before.len()))
}

/// The same where others use the tables meanwhile. `limit_waits` comes before each try, and has it wait for a
/// lock for a moment only: while a change of a table waits behind a long transaction, all that come later wait
/// behind the change. It is tried until it gets through.
pub(in crate::outbox) async fn migrate_beside_others<D>(
    session: &mut Session<D>,
    limit_waits: &'static str,
) -> Result<usize, OutboxError>
where
    D: Dialect,
    Session<D>: Migrate,
{
    let before = applied::<D>(session).await.map_err(D::translate)?;
    let mut rest = Duration::ZERO;
    loop {
        // The driver undoes what is left of the last try first. That must not wait until the rest is over.
        D::Db::run(session, limit_waits)
            .await
            .map_err(D::translate)?;
        // A try may have copied the table.
        sleep(rest).await;
        let began = Instant::now();
        match run::<D>(session, &before).await {
            Err(OutboxError::Locked(error)) => {
                if rest.is_zero() {
                    MigrationWaits { error: &error }.emit();
                }
                rest = began.elapsed().max(REST);
            }
            done => break done?,
        }
    }
    let after = applied::<D>(session).await.map_err(D::translate)?;
    Ok(after.len().saturating_sub(before.len()))
}

async fn run<D>(session: &mut Session<D>, applied: &[Applied]) -> Result<(), OutboxError>
where
    D: Dialect,
    Session<D>: Migrate,
{
    let migrator = D::SCHEMA.migrator(applied);
    let done = migrator.run_direct(None, session, false).await;
    done.map_err(|error| schema::migration_failed(error, D::translate))
}

async fn applied<D: Dialect>(session: &mut Session<D>) -> sqlx::Result<Vec<Applied>> {
    migrations(&ask::<D>(APPLIED).fetch_all(session).await?)
}

/// The history that is shared with apps. If it is missing or we may not read it, it has nothing of
/// ours.
pub(in crate::outbox) async fn shared<D: Dialect>(
    session: &mut Session<D>,
) -> Result<Vec<Applied>, OutboxError> {
    match D::shared_history(session).await {
        Ok(rows) => migrations(&rows).map_err(D::translate),
        Err(error) if D::is_denied(&error) => Ok(Vec::new()),
        Err(error) => match D::translate(error) {
            OutboxError::Schema(_) => Ok(Vec::new()),
            error => Err(error),
        },
    }
}

fn migrations(rows: &[impl Columns]) -> sqlx::Result<Vec<Applied>> {
    let migration = |row| {
        let version = needed("version", Columns::integer(row, "version"))?;
        Ok((
            version,
            needed("checksum", Columns::bytes(row, "checksum"))?,
        ))
    };
    rows.iter().map(migration).collect()
}

/// Translates an error; a missing right is reported in these words.
pub(in crate::outbox) fn may_not<D: Dialect>(
    words: fn(&str) -> OutboxError,
) -> impl Fn(Error) -> OutboxError {
    move |error| match error.as_database_error() {
        Some(said) if D::is_denied(&error) => words(said.message()),
        _ => D::translate(error),
    }
}
