//! The composition root: the only place that names concrete parts.

use std::sync::Arc;

use anyhow::bail;

use crate::outbox::Outbox;
use crate::settings::{DatabaseKind, Settings};

/// Connects to the database with the outbox table. Its schema may be any: see [`prepare_outbox`].
#[expect(
    clippy::unused_async,
    reason = "connecting is; the databases come with the merge"
)]
pub async fn connect_outbox(settings: &Settings) -> anyhow::Result<Arc<dyn Outbox>> {
    match settings.database.url.kind() {
        Some(DatabaseKind::Sqlite | DatabaseKind::Postgres) => {
            // MERGE: SqliteOutbox::connect and PostgresOutbox::connect, each with
            // settings.database.url.expose() and settings.database.max_connections.
            bail!(
                "{} cannot be opened: no database is built in",
                settings.database.url
            )
        }
        None => bail!(
            "{} is not the address of a known database",
            settings.database.url
        ),
    }
}

/// Brings the schema up to date, or makes sure that it is (`database.auto_migrate`).
pub async fn prepare_outbox(outbox: &dyn Outbox, settings: &Settings) -> anyhow::Result<()> {
    if settings.database.auto_migrate {
        outbox.migrate().await?;
    } else {
        outbox.check_schema().await?;
    }
    Ok(())
}
