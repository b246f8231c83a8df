//! The outbox: the one door to the database, behind a trait with one implementation per database.
//!
//! Neighbours: the courier asks for lanes, rows and leases and hands over what to write; nothing
//! else in the program knows SQL, and nothing in here knows HTTP. `docs/delivery.md` tells the
//! protocol.
//!
//! What every implementation guarantees (the contract suite in `tests/outbox/` proves it on each):
//!
//! - **Fencing.** A lane's token only grows. A write in the name of an older token changes nothing
//!   and answers [`Recorded::Fenced`].
//! - **Durability.** When [`Outbox::record`] answers, its writes survive the loss of power.
//! - **Repeatable.** A write whose commit was lost may be handed in again; it takes effect once.
//! - **One write per contact.** Only settling touches a row of `contact_outbox`.
//! - **One clock.** Every instant is taken from the database; durations cross this border, instants
//!   never do.

mod conflict;
mod error;
mod fitness;
mod health;
mod intake;
mod limited;
mod mysql;
mod operations;
#[doc(hidden)]
pub mod plan;
mod postgres;
mod rows;
mod schema;
mod server;
mod servers;
mod sqlite;
mod trial;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

pub use self::error::OutboxError;
pub use self::health::WriteHealth;
pub use self::intake::{Inserted, Insertion, NewContact};
pub use self::limited::{Limited, LimitedOperations};
pub use self::mysql::MySqlOutbox;
pub use self::operations::{
    AskedFor, BatchReport, ContactReport, FailedContact, FailureCount, FailureCursor,
    FailureFilter, FailurePage, InstanceReport, LaneCounts, LaneReport, LaneStanding, LaneState,
    Moment, Operations, OutcomeCount, Overview, Owner, PausedLane, PendingCounts, PruneStep,
    Pruning, Requeued, ServerReport, ServerSetting, Story, Trial,
};
pub use self::postgres::PostgresOutbox;
pub use self::servers::Access;
pub use self::sqlite::SqliteOutbox;
pub use self::write::{Change, Close, Hold, JournalEntry, Postpone, Recorded, Write};
pub use crate::settlement::{FailKind, Final, RowOutcome};

use crate::batch::BatchId;
use crate::contact::{ContactId, Lane, OutboxRow, RequestOptions};

/// One running courier, as other couriers on the same database see it.
#[derive(Clone, Debug)]
pub struct Instance {
    /// New at every start.
    pub id: Uuid,
    /// For people: where it runs.
    pub host: String,
    /// For people: its process id.
    pub pid: u32,
    /// How long after its last heartbeat its leases stay good (`delivery.lease`).
    pub lease: Duration,
}

/// The right to work a lane, until the instance's heartbeat has been silent for the lease time.
/// Holding the value is the proof; every write names it, and the database checks its token.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    /// The lane that may be worked.
    pub lane: Lane,
    /// The fencing token; it only grows.
    pub token: i64,
    /// How many failures in a row the lane has had; the backoff goes on from there.
    pub failures: u32,
}

/// A lane that was leased, with what an earlier owner left open in it.
#[derive(Debug)]
pub struct LeasedLane {
    /// The proof.
    pub lease: Arc<Lease>,
    /// The lane's open batches, oldest first, now in this lease's name.
    pub open: Vec<OpenBatch>,
    /// The reason of the lane's last hold, if nothing was delivered since.
    pub held_because: Option<String>,
    /// Why open batches could not be taken over; then `open` is empty, and nothing may be sent.
    pub obstacle: Option<OutboxError>,
}

/// A batch of the journal that has no final answer yet.
#[derive(Debug)]
pub struct OpenBatch {
    /// The batch's id.
    pub id: BatchId,
    /// The batch that it was split off.
    pub parent: Option<BatchId>,
    /// As it was sent, and has to be sent again.
    pub options: RequestOptions,
    /// Its rows that are still there and still pending, in sending order. Empty: nothing is left to
    /// send and the batch only wants closing.
    pub rows: Vec<OutboxRow>,
    /// How many requests have carried these rows.
    pub attempts: u32,
    /// Whether a send may have reached the platform. A batch that was under way when its owner
    /// stopped counts as one.
    pub maybe_delivered: bool,
    /// How long its sends have been failing for passing reasons; zero if the last one did not.
    pub failing_for: Duration,
}

/// Which lanes the scout wants to know of.
#[derive(Clone, Debug)]
pub struct LaneQuery {
    /// Lanes that this instance already works are told by the caller; a lane in this instance's
    /// name that is not among them counts as free.
    pub instance: Uuid,
    /// Begin behind this lane, in the order of (`user_id`, `task_id`); `None`: at the beginning.
    pub after: Option<Lane>,
    /// At most so many lanes.
    pub limit: u32,
    /// A lane with fewer due rows than `batch_size` is not ripe before its oldest is this old.
    pub linger: Duration,
    /// What a full batch is.
    pub batch_size: u32,
}

/// A lane that has due rows or open batches, is not paused and is not in another live courier's
/// hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneFound {
    /// The lane.
    pub lane: Lane,
    /// Zero: may be worked now. Else: how long until its oldest row has lingered enough.
    pub ripe_in: Duration,
}

/// Where reading of a lane goes on. The default is the lane's start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Rows without `not_before`: those with a greater id come next.
    pub id: i64,
    /// Rows with `not_before`: the last one read, as the database wrote its instant, and its id.
    pub deferred: Option<(String, i64)>,
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

/// A slice of a rate that all couriers on the database share.
#[derive(Clone, Copy, Debug)]
pub struct RateClaim<'a> {
    /// Tells rates apart.
    pub name: &'a str,
    /// How much time the slice covers: its requests times the period between them.
    pub span: Duration,
    /// How far back a slice may begin when nobody has claimed one for a while.
    pub burst: Duration,
    /// How long from now it begins at the earliest: what begins before this call is answered is lost.
    pub lead: Duration,
}

impl RateClaim<'_> {
    /// How far back the slice may begin at most, in microseconds; below zero: so far ahead at least.
    pub(crate) fn earliest(&self) -> i64 {
        rows::to_micros(self.burst) - rows::to_micros(self.lead)
    }
}

/// What is left in the outbox, for `run --once` and for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Pending rows that are due, in lanes that nothing holds back.
    pub due: u64,
    /// Pending rows that are due, in lanes that other live couriers work.
    pub elsewhere: u64,
    /// Pending rows that are due, in lanes on hold; and the reason of the hold that keeps most.
    pub held: u64,
    /// The words of one such hold.
    pub held_because: Option<String>,
    /// Pending rows with a `not_before` that has not come yet.
    pub deferred: u64,
}

/// The database with the outbox table, as the courier needs it.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Where the server is that is used now; `None`: the database is a file.
    fn place(&self) -> Option<String> {
        None
    }

    /// Takes note that a call which began then has failed or was given up: if the connection or the
    /// server is to blame, the next call uses another one. Returns the error in words that say where
    /// it was.
    fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        let _ = began;
        error
    }

    /// Applies the migrations that are missing; answers how many those were.
    async fn migrate(&self) -> Result<usize, OutboxError>;

    /// Fails with what to do about it if the courier could not do its work on this database, as this
    /// user; its tables may be missing.
    async fn check_fitness(&self) -> Result<(), OutboxError>;

    /// Fails with what to do about it if the schema is not the one of this program.
    async fn check_schema(&self) -> Result<(), OutboxError>;

    /// Tells other couriers that this instance lives: registers it, or renews its heartbeat. Rows
    /// of instances that have been silent for a day are cleared away.
    async fn beat(&self, instance: &Instance) -> Result<(), OutboxError>;

    /// Takes the instance off the list: all of its lanes are free at once.
    async fn retire(&self, instance: Uuid) -> Result<(), OutboxError>;

    /// Lanes that may be worked, in the order of (`user_id`, `task_id`) behind `after`; its cost
    /// grows with lanes, not with rows.
    async fn find_lanes(&self, query: &LaneQuery) -> Result<Vec<LaneFound>, OutboxError>;

    /// Leases a lane and adopts its open batches in one transaction. `None`: somebody else has it,
    /// or it is on hold.
    async fn lease(&self, lane: &Lane, instance: Uuid) -> Result<Option<LeasedLane>, OutboxError>;

    /// Ends the holds of all lanes that wait for this reason: what it was about may have changed (a
    /// courier that starts may have a new token). Answers how many those were.
    async fn lift_holds(&self, reason: &str) -> Result<u64, OutboxError>;

    /// Gives the lane back, if it is still this lease's.
    async fn release(&self, lease: &Lease) -> Result<(), OutboxError>;

    /// Reads up to `limit` due, pending rows of a lane behind the cursor.
    async fn read_page(
        &self,
        lane: &Lane,
        cursor: &Cursor,
        limit: u32,
    ) -> Result<Page, OutboxError>;

    /// How many calls of [`record`](Self::record), for different lanes, may be under way at once to
    /// good effect.
    fn writers(&self) -> usize;

    /// Writes all of it in one transaction and answers for each write in the same order. An error
    /// means that none is known to be written; the same writes may be handed in again.
    async fn record(&self, writes: &[Write]) -> Result<Vec<Recorded>, OutboxError>;

    /// Tries, in the name of a lease, whether contacts could be settled and batches be opened and
    /// closed, and undoes it. Fails as [`record`](Self::record) would.
    async fn try_settling(
        &self,
        lease: &Arc<Lease>,
        contacts: &[ContactId],
        batches: &[BatchId],
    ) -> Result<Recorded, OutboxError>;

    /// Those of the contacts whose rows other sessions keep locked. Does not wait for them.
    async fn locked(&self, contacts: &[ContactId]) -> Result<Vec<ContactId>, OutboxError>;

    /// Claims the next slice of a shared rate: the slices of one name never overlap, whoever claims
    /// them. Answers in how many microseconds from the beginning of this call it begins; below zero
    /// if it has begun already. Need not survive the loss of power.
    async fn claim_rate(&self, claim: &RateClaim<'_>) -> Result<i64, OutboxError>;

    /// Counts what is left.
    async fn backlog(&self, instance: Uuid) -> Result<Backlog, OutboxError>;

    /// Begins to insert contacts: all or none of them.
    async fn begin_insert(&self) -> Result<Box<dyn Insertion>, OutboxError>;
}
