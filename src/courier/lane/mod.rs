//! A lane at work: everything that one courier does for one leased lane.
//!
//! [`LaneAtWork`] reads ahead, composes, hands batches to the dispatcher, acts on each verdict and
//! hands the outcome to the recorder, until the lane is drained, must wait, has had its turn or is
//! lost. Its neighbours are the scout, which starts it, and the dispatcher and recorder, which it
//! drives.
//!
//! It guarantees: a row is in at most one open batch, and a number under way is not sent a second
//! time before its first answer is written.

mod at_work;
mod completed;
mod culprits;
mod departure;
mod end;
mod expiry;
mod firewall;
mod hold;
mod intake;
mod loners;
mod occupied;
mod outcome;
mod patience;
mod put_off;
mod reading;
mod sends;
mod sequence;
mod taking;
mod trouble;
mod turn;
mod turned_away;
mod writing;

pub(super) use self::at_work::{BRIEF, LaneAtWork};
pub(super) use self::end::LaneEnd;
