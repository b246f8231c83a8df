//! The door of the courier to the database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

use super::span::to_micros;
use super::{
    ActionReport, Backlog, Cursor, Insertion, Instance, LanePage, LaneQuery, LearnedRate, Lease,
    LeasedLane, Orders, OutboxError, Page, PageLimit, Recorded, Write,
};
use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};

/// A slice of a rate that all couriers on the database share.
#[derive(Clone, Copy, Debug)]
pub struct RateClaim<'a> {
    /// Tells rates apart.
    pub name: &'a str,
    /// How much time the slice covers: its requests times the period between them.
    pub span: Duration,
    /// How far back a slice may begin if nobody has claimed one for a while.
    pub burst: Duration,
    /// Minimum delay before the slice begins; an earlier slice would have passed before the reply.
    pub lead: Duration,
    /// How far ahead the rate can be given away at most. If it is further ahead, the database's
    /// clock has gone back since, and the rate is given away from now on.
    pub furthest: Duration,
    /// Minimum delay before the slice begins in that case: slices that were given away by the
    /// earlier clock may still be in use.
    pub restart: Duration,
}

impl<'a> RateClaim<'a> {
    /// A claim of no time, which leaves the rate as it is: it shows whether claims work.
    pub(crate) fn of_nothing(name: &'a str) -> Self {
        Self {
            name,
            span: Duration::ZERO,
            burst: Duration::MAX,
            lead: Duration::ZERO,
            furthest: Duration::MAX,
            restart: Duration::ZERO,
        }
    }

    /// How far back the slice may begin at most, in microseconds. A negative number is how far
    /// ahead it begins at least.
    pub(crate) fn earliest(&self) -> i64 {
        to_micros(self.burst) - to_micros(self.lead)
    }

    /// How far ahead the slice begins if the clock has gone back, in microseconds.
    pub(crate) fn anew(&self) -> i64 {
        to_micros(self.restart.max(self.lead))
    }
}

/// The database with the outbox table, as the courier needs it.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Returns the place of the server that is in use now; `None`: the database is a file.
    fn place(&self) -> Option<String> {
        None
    }

    /// Notes that a call which began at `began` has failed or was given up. If the connection or
    /// the server is to blame, the next call uses another one. Returns the error in words that name
    /// the server.
    fn failed(&self, began: Instant, error: OutboxError) -> OutboxError {
        let _ = began;
        error
    }

    /// Applies the missing migrations and returns how many there were.
    async fn migrate(&self) -> Result<usize, OutboxError>;

    /// Fails if the courier could not do its work on this database as this user; the error says
    /// what to do. The tables may be missing.
    async fn check_fitness(&self) -> Result<(), OutboxError>;

    /// Fails if the schema is not this program's; the error says what to do.
    async fn check_schema(&self) -> Result<(), OutboxError>;

    /// Tells other couriers that this instance lives: registers it or renews its heartbeat. Deletes
    /// the rows of instances that have been silent for a day.
    ///
    /// Returns whether the database's clock has gone back: some instance's heartbeat lay in the
    /// future. Such a heartbeat counts from now on.
    async fn beat(&self, instance: &Instance) -> Result<bool, OutboxError>;

    /// Shortens waits that a clock which has gone back would prolong: no lane is on hold for longer
    /// than `longest_hold` from now on, and no batch counts as failing since an instant in the
    /// future.
    async fn bring_back(&self, longest_hold: Duration) -> Result<(), OutboxError>;

    /// Removes the instance from the list. All of its lanes are free at once.
    async fn retire(&self, instance: Uuid) -> Result<(), OutboxError>;

    /// Returns lanes that may be worked, in the order of (`user_id`, `task_id`) behind `after`. The
    /// cost grows with the number of lanes, not of rows.
    async fn find_lanes(&self, query: &LaneQuery) -> Result<LanePage, OutboxError>;

    /// Returns the greatest id of a contact; 0: there is none. The call costs next to nothing, and
    /// its result changes with each contact that is inserted.
    async fn newest(&self) -> Result<i64, OutboxError>;

    /// Returns the lanes of the newest due contacts behind one id and up to another. It looks at a
    /// few hundred contacts at most. (Behind them an app may have inserted very many and not
    /// committed them.)
    async fn newest_lanes(&self, behind: i64, newest: i64) -> Result<Vec<Lane>, OutboxError>;

    /// Leases a lane and adopts its open batches in one transaction. Returns `None` if another
    /// courier has the lane or if it is on hold.
    async fn lease(&self, lane: &Lane, instance: Uuid) -> Result<Option<LeasedLane>, OutboxError>;

    /// Ends the holds of all lanes that wait for this reason, and returns how many there were. The
    /// reason may no longer hold: a courier that starts may have a new token.
    async fn lift_holds(&self, reason: &str) -> Result<u64, OutboxError>;

    /// Reads the orders of operators. The call costs next to nothing.
    async fn orders(&self) -> Result<Orders, OutboxError>;

    /// Returns the last actions of operators, the last first.
    async fn newest_actions(&self) -> Result<Vec<ActionReport>, OutboxError>;

    /// Gives the lane back, if this lease still has it.
    async fn release(&self, lease: &Lease) -> Result<(), OutboxError>;

    /// Reads due, pending rows of a lane behind the cursor: at least one if there is one. Of a row
    /// that is longer than a contact may be, some texts are left out.
    async fn read_page(
        &self,
        lane: &Lane,
        cursor: &Cursor,
        limit: PageLimit,
    ) -> Result<Page, OutboxError>;

    /// Returns how many calls of [`record`](Self::record) for different lanes may run at once. More
    /// would only wait for one another.
    fn writers(&self) -> usize;

    /// Writes all of it in one transaction. Returns the fate of each write, in the same order.
    /// After an error no write is known to be done; the same writes may be handed in again.
    async fn record(&self, writes: &[Write]) -> Result<Vec<Recorded>, OutboxError>;

    /// Tries, in the name of a lease, whether contacts could be settled and batches be opened and
    /// closed, and undoes it all. Fails as [`record`](Self::record) would.
    async fn try_settling(
        &self,
        lease: &Arc<Lease>,
        contacts: &[ContactId],
        batches: &[BatchId],
    ) -> Result<Recorded, OutboxError>;

    /// Returns the contacts among these whose rows other sessions keep locked, without waiting for
    /// them.
    async fn locked(&self, contacts: &[ContactId]) -> Result<Vec<ContactId>, OutboxError>;

    /// Keeps the learned rate of the platform for couriers that start later.
    async fn keep_rate(&self, learned: &LearnedRate) -> Result<(), OutboxError>;

    /// Returns the rate that was learned last, as of now; `None`: nothing was learned.
    async fn learned_rate(&self) -> Result<Option<LearnedRate>, OutboxError>;

    /// Returns how many living couriers are registered here, guests among them: they share the
    /// rates that are kept here. A courier that is at home and a guest counts once.
    async fn sharers(&self) -> Result<usize, OutboxError>;

    /// Claims the next slice of a shared rate. Slices of one name never overlap, whoever claims
    /// them. Returns the microseconds from the beginning of this call to the beginning of the
    /// slice: a negative number if the slice has begun already. A claim need not survive the loss
    /// of power.
    async fn claim_rate(&self, claim: &RateClaim<'_>) -> Result<i64, OutboxError>;

    /// Deletes the shared rates of which nobody has claimed anything for a week.
    async fn forget_rates(&self) -> Result<(), OutboxError>;

    /// Counts the contacts that are left.
    async fn backlog(&self, instance: Uuid) -> Result<Backlog, OutboxError>;

    /// Begins to insert contacts, all or none of them.
    async fn begin_insert(&self) -> Result<Box<dyn Insertion>, OutboxError>;
}
