//! The index of results, which is made only on demand.

use sqlx::mysql::MySqlConnectOptions;

use super::cluster::Cluster;
use super::error::translate;
use super::migrating;
use super::statements::migrating as statements;
use super::statements::operating::OPERATING;
use crate::outbox::{OutboxError, network};

/// Makes the index while apps and couriers go on; returns whether it was missing. Another migration
/// waits meanwhile.
pub(super) async fn make_results_index(
    options: &MySqlConnectOptions,
    cluster: &Cluster,
) -> Result<bool, OutboxError> {
    let mut session = migrating::open(options, cluster).await?;
    let found = sqlx::query(OPERATING.results_index)
        .fetch_optional(&mut session)
        .await
        .map_err(translate)?;
    if found.is_none() {
        migrating::run(&mut session, statements::MAKE_RESULTS_INDEX).await?;
    }
    network::part(session).await;
    Ok(found.is_none())
}
