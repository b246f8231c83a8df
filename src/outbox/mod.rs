//! The outbox: the only way to the database, through two doors.
//!
//! Neighbours: the courier asks for lanes, rows and leases and hands over its writes ([`Outbox`]);
//! operators ask how things are ([`Operations`]). Nothing else in the program knows SQL, and
//! nothing in here knows HTTP. `docs/delivery.md` describes the protocol.
//!
//! `sql` is both doors on any database, written once. `postgres`, `mysql` and `sqlite` bring the
//! statements and everything that a database does in its own way: see `sql::dialect`.
//!
//! Every database guarantees this (the contract suite in `tests/it/outbox/` proves it on each):
//!
//! - **Fencing.** A lane's token only grows. A write in the name of an older token changes nothing
//!   and returns [`Recorded::Fenced`].
//! - **Durability.** When [`Outbox::record`] returns, its writes survive the loss of power.
//! - **Repeatable.** A write whose commit was lost may be handed in again; it takes effect once.
//! - **One write per contact.** Of what the courier does, only settling touches a row of
//!   `contact_outbox`, until it is redacted or pruned.
//! - **One clock.** Every instant is taken from the database; durations cross this border, instants
//!   never do.

mod allowance;
mod backlog;
mod conflict;
mod door;
mod error;
mod fitness;
mod health;
mod intake;
mod journal;
mod kept;
mod lanes;
mod mysql;
mod network;
mod operations;
mod orders;
mod page;
#[doc(hidden)]
pub mod plan;
mod postgres;
mod rows;
mod schema;
mod server_kind;
mod servers;
mod span;
mod sql;
mod sqlite;
mod standing;
mod to_its_end;
mod trial;
mod write;

pub use self::backlog::Backlog;
pub use self::door::{Outbox, RateClaim};
pub use self::error::OutboxError;
pub use self::health::WriteHealth;
pub use self::intake::{Inserted, Insertion, NewContact};
pub use self::lanes::{
    Cursor, Instance, LaneFound, LanePage, LaneQuery, Lease, LeasedLane, OpenBatch, Page, PageLimit,
};
pub use self::mysql::MySqlOutbox;
pub use self::operations::{
    Action, ActionReport, AskedFor, BatchReport, Cancelled, Conclusion, ContactReport,
    ContactResult, Erasable, Erased, FailedContact, FailureCount, FailureCursor, FailureFilter,
    FailureGroup, FailureGroups, FailurePage, FailuresBy, HeldLane, InstanceReport, LaneCounts,
    LaneOutlook, LaneReport, LaneStanding, LaneState, MayGo, Moment, NamedContact, Names,
    NewestEnds, Operations, OutcomeCount, Overview, Owner, Part, PendingCounts, PendingFilter,
    PendingLane, PhoneStep, PruneStep, Pruning, RedactStep, Requeued, ResultCursor, ResultsFrom,
    ResultsIndex, SHARERS, Security, SentAs, ServerReport, ServerSetting, Story, Trial,
};
pub use self::orders::{OrderScope, Orders, PAUSED, Pause, PausedLanes, Resumed};
pub use self::postgres::PostgresOutbox;
pub use self::servers::Access;
pub use self::sql::SqlOutbox;
pub use self::sqlite::SqliteOutbox;
pub use self::standing::{Chore, ClosedGate, LearnedRate, LockedLane, Standing};
pub use self::write::{Apart, Change, Close, Hold, JournalEntry, Postpone, Recorded, Write};
pub use crate::settlement::{FailKind, Final, RowOutcome};
