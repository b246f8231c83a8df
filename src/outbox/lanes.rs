//! Couriers, lanes and their rows, as the outbox hands them out.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{OutboxError, Standing};
use crate::batch::BatchId;
use crate::contact::{Lane, OutboxRow, RequestOptions};

/// One running courier, as other couriers on the same database see it.
#[derive(Clone, Debug)]
pub struct Instance {
    /// New at every start.
    pub id: Uuid,
    /// For people: the host that it runs on.
    pub host: String,
    /// For people: its process id.
    pub pid: u32,
    /// How long after its last heartbeat its leases stay good (`delivery.lease`).
    pub lease: Duration,
    /// Its report about itself, for people.
    pub standing: Standing,
}

/// The right to work a lane, until the instance's heartbeat has been silent for the lease time.
/// Holding the value is the proof. Every write names the lease, and the database checks its token.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    /// The lane that may be worked.
    pub lane: Lane,
    /// The fencing token; it only grows.
    pub token: i64,
    /// How many failures in a row the lane has had; the backoff goes on from there.
    pub failures: u32,
}

/// A lane that was leased, with the batches that an earlier owner left open in it.
#[derive(Debug)]
pub struct LeasedLane {
    /// The proof.
    pub lease: Arc<Lease>,
    /// The lane's open batches, oldest first, now in this lease's name.
    pub open: Vec<OpenBatch>,
    /// The reason of the lane's last hold, if nothing was delivered since.
    pub held_because: Option<String>,
    /// How long the lane has been waiting for a person; zero if it does not.
    pub waiting_for: Duration,
    /// Why open batches could not be taken over. Then `open` is empty, and nothing may be sent.
    pub obstacle: Option<OutboxError>,
}

/// A batch of the journal that has no final answer yet.
#[derive(Debug)]
pub struct OpenBatch {
    /// The batch's id.
    pub id: BatchId,
    /// The batch that it was split off.
    pub parent: Option<BatchId>,
    /// The options of its request, the same at each send.
    pub options: RequestOptions,
    /// Its rows that are still there and still pending, in sending order. If there are none, the
    /// batch only has to be closed.
    pub rows: Vec<OutboxRow>,
    /// How many requests have carried these rows.
    pub attempts: u32,
    /// Whether a send may have reached the platform. A batch that was under way when its owner
    /// stopped counts as one that may have.
    pub maybe_delivered: bool,
    /// How long its sends have been failing for passing reasons; zero if the last one did not fail
    /// so.
    pub failing_for: Duration,
}

/// Which lanes to find.
#[derive(Clone, Debug)]
pub struct LaneQuery {
    /// The courier that asks. Lanes in its own name count as free.
    pub instance: Uuid,
    /// The search begins behind this lane, in the order of (`user_id`, `task_id`); `None`: at the
    /// first.
    pub after: Option<Lane>,
    /// The most lanes to return.
    pub limit: u32,
    /// A lane with fewer due rows than `batch_size` is not ripe before its oldest row is this old.
    pub linger: Duration,
    /// How many rows a full batch has.
    pub batch_size: u32,
    /// A lane without due rows is found, too, if one of its rows will be due within this time.
    pub horizon: Duration,
}

/// A lane that has due rows or open batches, is not paused, and is in no other live courier's
/// hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneFound {
    /// The lane.
    pub lane: Lane,
    /// How long until its oldest row has lingered enough, or its first row is due; zero: the lane
    /// may be worked now.
    pub ripe_in: Duration,
    /// The reason of the lane's last hold, if nothing was delivered since.
    pub held_because: Option<String>,
}

/// The lanes that a step of a search has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanePage {
    /// The lanes, in order.
    pub lanes: Vec<LaneFound>,
    /// Where the search goes on: behind the last entry that was looked at; `None`: there is nothing more.
    /// Its ids may break the rules of the table. Such rows are skipped, and not the lanes behind them.
    pub next: Option<Lane>,
}

/// Where the reading of a lane goes on. The default is the lane's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Rows without `not_before`: those with a greater id come next.
    pub id: i64,
    /// Rows with `not_before`: the last one read, as the database wrote its instant, and its id.
    pub deferred: Option<(String, i64)>,
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            // Begins before the ids that the courier does not take, too: a lane must not wait for
            // them in silence.
            id: i64::MIN,
            deferred: None,
        }
    }
}

/// How much of a lane is read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// The most rows.
    pub rows: u32,
    /// The page ends with the row that brings it to so many bytes of text.
    pub bytes: u64,
}

impl PageLimit {
    /// A limit of so many rows, whatever their length is.
    pub fn rows(rows: u32) -> Self {
        Self {
            rows,
            bytes: u64::MAX,
        }
    }
}

/// Some due, pending rows of a lane.
#[derive(Debug)]
pub struct Page {
    /// In the order of sending: rows that were put off and are due now, then the others by id.
    pub rows: Vec<OutboxRow>,
    /// Where the next page begins.
    pub next: Cursor,
    /// Whether the lane's end was reached: nothing more was due behind this page.
    pub end: bool,
}
