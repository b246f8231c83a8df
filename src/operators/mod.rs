//! What operators do to the outbox: pause, resume, requeue and cancel.
//!
//! Neighbours: the commands and the status page choose and ask; the outbox does it. Each action is
//! counted before it is done, in the same way wherever it was asked for. It guarantees that a long one
//! works in small transactions, so that what was done stays done when it is broken off, and that the
//! history tells of it.

mod cancelling;
mod chosen;
mod history;
mod pausing;
mod progress;
mod requeueing;
mod words;

pub use self::cancelling::{CancelTally, Cancellation};
pub use self::chosen::{Chosen, lane_of};
pub use self::history::{action, by, note};
pub use self::pausing::{LONGEST_PAUSE, PauseOrder, Paused, Resumption, pending_in, resume};
pub use self::progress::Progress;
pub use self::requeueing::{Failed, Requeue, RequeueTally, Safety};
pub use self::words::{batches, contacts, count};
