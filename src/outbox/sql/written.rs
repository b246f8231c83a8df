//! The row counts of a plan that was carried out.

/// How many rows each part of a plan has written.
#[derive(Debug)]
pub(in crate::outbox) struct Written {
    pub(super) postponed: u64,
    pub(super) resent: u64,
    pub(super) closed: u64,
    pub(super) settled: u64,
    pub(super) lanes: u64,
}
