//! The way of a batch as plain values, before it is turned into spans.

use std::time::Duration;

use tokio::time::Instant;

use crate::batch::{Batch, BatchId};
use crate::contact::Lane;

/// The outcome of a batch whose end is not written here: its lane's next owner goes on with it.
const LEFT_OPEN: &str = "left_open";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Composed of rows that were read.
    Composed,
    /// Split off a batch that was closed.
    Split,
    /// Left in the journal by an earlier owner of its lane.
    Adopted,
}

/// The holds of a batch before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// A rate limit: of the lane, its user, or for all.
    RateLimit,
    /// A permit: one of `delivery.max_in_flight` requests has to end.
    Permit,
    /// The journal, which has to be written.
    Journal,
}

impl HeldBy {
    pub(super) const ALL: [Self; 3] = [Self::RateLimit, Self::Permit, Self::Journal];

    /// Returns the hold as one word for programs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Permit => "permit",
            Self::Journal => "journal",
        }
    }
}

/// The work of one courier on a batch.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) batch: BatchId,
    pub(super) parent: Option<BatchId>,
    pub(super) lane: Lane,
    pub(super) contacts: usize,
    pub(super) failed: usize,
    pub(super) attempts: u32,
    pub(super) adopted: bool,
    pub(super) outcome: &'static str,
    pub(super) error: Option<String>,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    pub(super) steps: Vec<Step>,
}

impl Way {
    pub(super) fn new(batch: &Batch, origin: Origin, began: Instant) -> Self {
        Self {
            batch: batch.id,
            parent: batch.parent,
            lane: batch.lane.clone(),
            contacts: batch.contacts.len(),
            failed: 0,
            attempts: batch.attempts,
            adopted: origin == Origin::Adopted,
            outcome: LEFT_OPEN,
            error: None,
            began,
            ended: began,
            steps: Vec::new(),
        }
    }

    /// Returns the number of spans: one for the batch and one for each step.
    pub(super) fn spans(&self) -> u64 {
        1 + self.steps.len() as u64
    }
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) error: Option<String>,
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

impl Step {
    pub(super) fn new(kind: Kind, began: Instant) -> Self {
        Self {
            kind,
            error: None,
            began,
            ended: began,
        }
    }
}

#[derive(Debug)]
pub(super) enum Kind {
    Compose,
    Wait(Waited),
    Send(Sent),
    Settle,
}

#[derive(Debug, Default)]
pub(super) struct Waited {
    /// The failure after which the batch waits, or the closed gate that stopped it.
    pub(super) because: Option<&'static str>,
    /// How long each hold took, in the order of [`HeldBy::ALL`].
    pub(super) held: [Duration; HeldBy::ALL.len()],
}

impl Waited {
    /// Returns the reason of a wait in one word: why it began, or else the longest hold.
    pub(super) fn reason(&self, whole: Duration) -> &'static str {
        if let Some(because) = self.because {
            return because;
        }
        let held = HeldBy::ALL.iter().zip(self.held);
        let held = held.map(|(hold, took)| (hold.as_str(), took));
        // For the rest of the time, other batches of the lane went before it.
        let turn = whole.saturating_sub(self.held.iter().sum());
        held.chain([("turn", turn)])
            .max_by_key(|(_, took)| *took)
            .map_or("turn", |(reason, _)| reason)
    }
}

#[derive(Debug)]
pub(super) struct Sent {
    pub(super) attempt: u32,
    pub(super) http: Option<u16>,
    pub(super) outcome: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_named_by_why_it_began_or_else_by_what_took_the_most_of_it() {
        let seconds = Duration::from_secs;
        let mut waited = Waited::default();
        assert_eq!(waited.reason(seconds(9)), "turn");
        waited.held[HeldBy::RateLimit as usize] = seconds(5);
        waited.held[HeldBy::Journal as usize] = seconds(1);
        assert_eq!(waited.reason(seconds(9)), "rate_limit");
        assert_eq!(waited.reason(seconds(12)), "turn");
        waited.because = Some("server_error");
        assert_eq!(waited.reason(seconds(12)), "server_error");
    }

    #[test]
    fn each_hold_has_a_place_of_its_own() {
        for (place, hold) in HeldBy::ALL.into_iter().enumerate() {
            assert_eq!(hold as usize, place, "{}", hold.as_str());
        }
    }
}
