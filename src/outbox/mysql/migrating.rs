//! Bringing the schema up to date.
//!
//! DDL commits as it goes, so each step may be the last one before the server dies, and is done again
//! by the next who migrates.

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{Error, MySqlConnection, MySqlPool};

use super::cluster::Cluster;
use super::error::{is_denied, translate};
use super::session;
use super::statements::migrating as statements;
use crate::outbox::schema::{self, Applied, Schema};
use crate::outbox::{OutboxError, server};

static SCHEMA: Schema = Schema {
    migrator: sqlx::migrate!("migrations/mysql"),
    earlier: &[(
        2,
        "1e83931261caede5c291977aebae00d6e751826a289424827b49cddf857e45c6a92b5af9b09d39368e98566e3b2f9969",
    )],
};

/// Whether the schema is this program's. The shared history is read only where there is no other.
pub(super) async fn check(pool: &MySqlPool) -> Result<(), OutboxError> {
    let applied: Result<Vec<Applied>, Error> =
        sqlx::query_as(statements::APPLIED).fetch_all(pool).await;
    match applied.map_err(may_not(schema::may_not_read)) {
        Ok(applied) => SCHEMA.check(&applied),
        Err(OutboxError::Schema(_)) => {
            let mut session = pool.acquire().await.map_err(translate)?;
            Err(SCHEMA.check_first(&shared(&mut session).await?))
        }
        Err(error) => Err(error),
    }
}

/// Applies what is missing; how many migrations.
pub(super) async fn migrate(
    options: &MySqlConnectOptions,
    cluster: &Cluster,
) -> Result<usize, OutboxError> {
    let mut session = session::open(options, cluster).await?;
    // Other couriers that start at the same moment wait for this one; the lock ends with the
    // connection.
    for statement in [session::PATIENT, statements::LOCK] {
        run(&mut session, statement).await?;
    }
    prepare_history(&mut session).await?;
    let before = applied(&mut session).await?;
    SCHEMA
        .migrator(&before)
        .run_direct(None, &mut session, false)
        .await
        .map_err(|error| schema::migration_failed(error, translate))?;
    let after = applied(&mut session).await?;
    server::part(session).await;
    Ok(after.len().saturating_sub(before.len()))
}

/// Makes the table of the history, and takes over what is ours in the one that is shared. Only when
/// all of it is copied, it is deleted there: a death between the two leaves it in both, and the rest is
/// done the next time.
async fn prepare_history(session: &mut MySqlConnection) -> Result<(), OutboxError> {
    let shared = shared(session).await?;
    let own = SCHEMA.own(&shared);
    let (history, outbox): (bool, bool) = sqlx::query_as(statements::TABLES)
        .fetch_one(&mut *session)
        .await
        .map_err(translate)?;
    if outbox && !history && own.is_empty() {
        return Err(schema::unknown_tables());
    }
    run(session, statements::MAKE_HISTORY).await?;
    run(session, statements::FORGET_UNFINISHED).await?;
    for statement in [statements::COPY, statements::LEAVE] {
        for (version, checksum) in &own {
            sqlx::query(statement)
                .bind(version)
                .bind(checksum)
                .execute(&mut *session)
                .await
                .map_err(may_not(schema::may_not_move))?;
        }
    }
    Ok(())
}

/// Translates an error; a right that is lacking is told in these words.
fn may_not(words: fn(&str) -> OutboxError) -> impl Fn(Error) -> OutboxError {
    move |error| match error.as_database_error() {
        Some(said) if is_denied(&error) => words(said.message()),
        _ => translate(error),
    }
}

async fn applied(session: &mut MySqlConnection) -> Result<Vec<Applied>, OutboxError> {
    sqlx::query_as(statements::APPLIED)
        .fetch_all(session)
        .await
        .map_err(translate)
}

/// The history that is shared with apps. One that we may not read has nothing of ours.
async fn shared(session: &mut MySqlConnection) -> Result<Vec<Applied>, OutboxError> {
    let shared = sqlx::query_as(statements::SHARED).fetch_all(session).await;
    match shared {
        Err(error) if is_denied(&error) => Ok(Vec::new()),
        shared => match shared.map_err(translate) {
            Err(OutboxError::Schema(_)) => Ok(Vec::new()),
            shared => shared,
        },
    }
}

async fn run(session: &mut MySqlConnection, statement: &'static str) -> Result<(), OutboxError> {
    sqlx::raw_sql(statement)
        .execute(session)
        .await
        .map_err(translate)?;
    Ok(())
}
