//! The parts of a migration that all databases share.

use sqlx::Error;
use sqlx::migrate::Migrate;

use super::ask::ask;
use super::dialect::Dialect;
use super::language::Session;
use super::statements::APPLIED;
use crate::outbox::OutboxError;
use crate::outbox::error::SqlError;
use crate::outbox::rows::{Columns, needed};
use crate::outbox::schema::{self, Applied};

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
    let migrator = D::SCHEMA.migrator(&before);
    let done = migrator.run_direct(None, session, false).await;
    done.map_err(|error| schema::migration_failed(error, D::translate))?;
    let after = applied::<D>(session).await.map_err(D::translate)?;
    Ok(after.len().saturating_sub(before.len()))
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
