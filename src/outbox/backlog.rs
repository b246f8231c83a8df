//! The contacts that are left to do.

/// The contacts that are left in the outbox, for `run --once` and for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Pending rows that are due, in lanes that nothing holds back.
    pub due: u64,
    /// Pending rows that are due, in lanes that other live couriers work.
    pub elsewhere: u64,
    /// Pending rows that are due, in lanes that an operator has paused.
    pub paused: u64,
    /// Pending rows that are due, in lanes on hold.
    pub held: u64,
    /// The words of the hold that keeps most of the held contacts back.
    pub held_because: Option<String>,
    /// Pending rows with a `not_before` that has not come yet.
    pub deferred: u64,
}
