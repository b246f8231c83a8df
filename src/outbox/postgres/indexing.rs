//! The index of results, which is made only on demand.

use sqlx::postgres::PgConnectOptions;
use sqlx::{PgConnection, Row};

use super::error::translate;
use super::sessions::open;
use super::statements::migrating as statements;
use super::statements::operating::OPERATING;
use crate::outbox::operations::{ResultsIndex, results_index};
use crate::outbox::{OutboxError, network, schema};

/// Makes the index while apps and couriers go on; returns whether it was missing.
///
/// No lock of ours keeps two such commands apart: the build would wait for the session that waits
/// for that lock.
pub(super) async fn make_results_index(options: &PgConnectOptions) -> Result<bool, OutboxError> {
    let patient = options
        .clone()
        .options([("statement_timeout", "0"), ("lock_timeout", "0")]);
    let mut session = open(&patient).await?;
    let mut state = state(&mut session).await?;
    if state == ResultsIndex::Unfinished {
        // Another command may be building it just now.
        run(&mut session, statements::AWAIT_INDEXING).await?;
        state = self::state(&mut session).await?;
    }
    if state == ResultsIndex::Unfinished {
        run(&mut session, statements::DROP_RESULTS_INDEX).await?;
    }
    let made = state != ResultsIndex::There;
    if made {
        run(&mut session, statements::MAKE_RESULTS_INDEX).await?;
        if self::state(&mut session).await? != ResultsIndex::There {
            return Err(schema::name_is_taken());
        }
    }
    network::part(session).await;
    Ok(made)
}

async fn state(session: &mut PgConnection) -> Result<ResultsIndex, OutboxError> {
    let found = sqlx::query(OPERATING.results_index)
        .fetch_optional(session)
        .await
        .map_err(translate)?;
    let word: Option<String> = found.and_then(|row| row.get("state"));
    Ok(results_index(word.as_deref()))
}

async fn run(session: &mut PgConnection, statement: &'static str) -> Result<(), OutboxError> {
    sqlx::raw_sql(statement)
        .execute(session)
        .await
        .map_err(translate)?;
    Ok(())
}
