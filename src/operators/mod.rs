//! The actions of operators on the outbox: pause, resume, requeue and cancel.
//!
//! Neighbours: the commands and the status page choose and ask; the outbox carries out. Each action
//! is counted before it is carried out, in the same way for both. This module guarantees that a
//! long action works in small transactions, so that an interruption undoes nothing, and that the
//! history tells of it.

mod cancelling;
mod chosen;
mod history;
mod pausing;
mod progress;
mod reason;
mod requeueing;
mod words;

pub use self::cancelling::{CancelTally, Cancellation};
pub use self::chosen::{Chosen, GivenKey, Missed, lane_of};
pub use self::history::{action, note};
pub use self::pausing::{LONGEST_PAUSE, PauseOrder, Paused, Resumption, pending_in, resume};
pub use self::progress::Progress;
pub use self::reason::{Reason, TooLong};
pub use self::requeueing::{Failed, Requeue, RequeueTally, Safety};
pub use self::words::{batches, contacts, count};
