//! The version of SQLite, and the settings that its durability rests on.

use sqlx::{Result, SqlitePool};

use super::statements::operating::SERVER;
use crate::outbox::operations::{ServerReport, ServerSetting};
use crate::outbox::rows::Columns;

/// Asks in the session that writes, for each has its own settings.
pub(super) async fn read(writer: &SqlitePool) -> Result<ServerReport> {
    let told = sqlx::query(SERVER).fetch_one(writer).await?;
    let setting =
        |name, wanted: &[&str], risk| ServerSetting::new(name, told.text(name), wanted, risk);
    Ok(ServerReport {
        product: format!("SQLite {}", told.text("version").unwrap_or_default()),
        // It is built in.
        too_old: None,
        durability: vec![
            setting(
                "journal_mode",
                &["wal"],
                "readers would wait for writers; is the file on a network share?",
            ),
            setting(
                "synchronous",
                &["2", "3"],
                "a loss of power may forget the journal, and contacts would be sent twice",
            ),
        ],
        commits_wait: false,
        sql_mode: None,
        cluster: None,
        connections: None,
        security: None,
        clock: told.seconds("clock").unwrap_or_default(),
    })
}
