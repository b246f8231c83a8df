//! The steps that a lane at work began, and their results.

use super::culprits::Search;
use crate::batch::Batch;
use crate::contact::ContactId;
use crate::courier::dispatcher::{Admission, Dispatched, NotSent};
use crate::courier::store::Answer;
use crate::courier::underway::Underway;

/// A step that was begun and is done.
pub(super) enum Completed {
    /// The turn of a batch has come, or will not come.
    Admitted(Underway, Result<Admission, NotSent>),
    Sent(Underway, Dispatched),
    Closed(ClosedBatch, Answer),
    Postponed(Underway, Answer),
    Refused(Vec<ContactId>, Answer),
    /// Something about the lane alone was written.
    Noted(Answer),
    /// The lane was put on hold because its outcomes cannot be written.
    Stopped(Answer),
}

/// A batch whose end was handed to the recorder.
pub(super) struct ClosedBatch {
    pub(super) batch: Batch,
    /// The smaller batches that hold its open rows.
    pub(super) children: Vec<Underway>,
    pub(super) search: Option<Search>,
}
