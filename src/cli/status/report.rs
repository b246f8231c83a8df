//! The status as it is asked for: everything that is shown.

use serde::Serialize;

use crate::app::Database;
use crate::outbox::{LaneReport, OutboxError, Overview, PausedLane};

#[derive(Debug, Serialize)]
pub(super) struct StatusReport {
    /// Where the database's server is; of several, the one that takes writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<String>,
    #[serde(flatten)]
    pub(super) overview: Overview,
    /// With most pending contacts.
    pub(super) busiest_lanes: Vec<LaneReport>,
    /// The longest held first.
    pub(super) paused_lanes: Vec<PausedLane>,
}

impl StatusReport {
    pub(super) async fn ask(database: &Database, limit: u32) -> Result<Self, OutboxError> {
        let operations = &database.operations;
        Ok(Self {
            server: database.outbox.place(),
            overview: operations.overview().await?,
            busiest_lanes: operations.lanes(limit).await?,
            paused_lanes: operations.paused(limit).await?,
        })
    }
}
