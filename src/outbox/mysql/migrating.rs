//! Bringing the schema up to date.
//!
//! DDL commits as it goes. So each step may be the last one before the server dies, and the next
//! migration does it again.

use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
use sqlx::{MySqlConnection, Result};

use super::cluster::Cluster;
use super::error::translate;
use super::language::{MySql, SCHEMA};
use super::sessions;
use super::statements::migrating as statements;
use crate::outbox::schema;
use crate::outbox::sql::ask::ask;
use crate::outbox::sql::migrating::{self, may_not};
use crate::outbox::sql::statements::Statement;
use crate::outbox::{OutboxError, network};
use crate::telemetry::event::MigrationQueues;

/// Applies the missing migrations and returns how many there were.
pub(super) async fn migrate(
    options: &MySqlConnectOptions,
    cluster: &Cluster,
) -> Result<usize, OutboxError> {
    let mut session = open(options, cluster).await?;
    prepare_history(&mut session).await?;
    let applied =
        migrating::migrate_beside_others::<MySql>(&mut session, statements::LIMIT_WAITS).await?;
    network::part(session).await;
    Ok(applied)
}

/// Opens a session that has the lock of migrations. Others that begin at the same moment wait for this
/// one; the lock ends with the connection.
pub(super) async fn open(
    options: &MySqlConnectOptions,
    cluster: &Cluster,
) -> Result<MySqlConnection, OutboxError> {
    let mut session = sessions::open(options, cluster).await?;
    run(&mut session, sessions::PATIENT).await?;
    let mut told = false;
    while !try_to_lock(&mut session).await? {
        MigrationQueues.emit_once(&mut told);
    }
    Ok(session)
}

async fn try_to_lock(session: &mut MySqlConnection) -> Result<bool, OutboxError> {
    let tried = ask::<MySql>(Statement::new(statements::LOCK)).number(session);
    network::meeting(async { Ok(tried.await.map_err(translate)? == 1) }).await
}

/// Makes the table of the history, and takes over our entries of the shared one. They are deleted
/// there only when all of them are copied. A death between the two leaves them in both, and the
/// rest is done the next time.
async fn prepare_history(session: &mut MySqlConnection) -> Result<(), OutboxError> {
    let shared = migrating::shared::<MySql>(session).await?;
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
                .map_err(may_not::<MySql>(schema::may_not_move))?;
        }
    }
    Ok(())
}

pub(super) async fn shared_history(session: &mut MySqlConnection) -> Result<Vec<MySqlRow>> {
    sqlx::query(statements::SHARED).fetch_all(session).await
}

pub(super) async fn run(
    session: &mut MySqlConnection,
    statement: &'static str,
) -> Result<(), OutboxError> {
    sqlx::raw_sql(statement)
        .execute(session)
        .await
        .map_err(translate)?;
    Ok(())
}
