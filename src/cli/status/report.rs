//! The status: everything that is shown.

use serde::Serialize;

use crate::app::Database;
use crate::outbox::{
    ClosedGate, Conclusion, HeldLane, LaneOutlook, LaneReport, OutboxError, Overview, SHARERS,
};

#[derive(Debug, Serialize)]
pub(super) struct StatusReport {
    /// The place of the database's server; of several, the one that takes writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<String>,
    #[serde(flatten)]
    pub(super) overview: Overview,
    /// The lanes with most pending contacts.
    pub(super) busiest_lanes: Vec<LaneOutlook>,
    /// The longest held first.
    pub(super) paused_lanes: Vec<HeldLane>,
    /// The one thing to know first.
    pub(super) conclusion: Conclusion,
    /// Users for whom nothing is sent, the longest held first.
    pub(super) held_users: Vec<ClosedGate>,
    /// The speed of all couriers together, over the last minute or so.
    pub(super) contacts_per_second: f64,
    /// When the due contacts are gone at this speed; `None`: nobody can tell.
    pub(super) done_in_seconds: Option<f64>,
}

impl StatusReport {
    pub(super) async fn ask(database: &Database, limit: u32) -> Result<Self, OutboxError> {
        let operations = &database.operations;
        let overview = operations.overview().await?;
        let lanes = operations.lanes(limit.max(SHARERS)).await?;
        let paused_lanes = operations.held(limit).await?;
        let server = database.outbox.place();
        let lanes = (lanes, limit);
        Ok(Self::of(server, overview, lanes, paused_lanes))
    }

    /// Makes the report. Only so many lanes are shown.
    pub(super) fn of(
        server: Option<String>,
        overview: Overview,
        (lanes, shown): (Vec<LaneReport>, u32),
        paused_lanes: Vec<HeldLane>,
    ) -> Self {
        Self {
            server,
            conclusion: overview.conclusion(),
            held_users: overview.user_gates(),
            contacts_per_second: overview.contacts_per_second(),
            done_in_seconds: overview.done_in_seconds(),
            busiest_lanes: overview.outlook(lanes, shown),
            paused_lanes: overview.behind_gates(paused_lanes),
            overview,
        }
    }
}
