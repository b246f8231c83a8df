//! Whether the courier could write: tried for real, by its own statements, and undone.
//!
//! A session may answer every question and take no write: a standby, a file that may not be
//! written, a missing grant. Each database runs the courier's transactions on a lane of its own,
//! which ends with them.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::batch::BatchId;
use crate::contact::{ContactId, Lane, RequestOptions};
use crate::outbox::{
    Change, Close, FailKind, Final, Hold, Instance, JournalEntry, Lease, OutboxError, Postpone,
    RateClaim, RowOutcome, Standing, Write,
};

/// The result of trying to write.
#[derive(Debug)]
pub enum Trial {
    /// All that the courier writes was written, and undone.
    Passed,
    /// The database's user may write none of it, which is right for a user who only reads.
    OnlyReads,
    /// Something could not be written.
    Failed(OutboxError),
}

impl Trial {
    /// Judges by the result of each transaction.
    pub(in crate::outbox) fn of<const N: usize>(tried: [Result<(), OutboxError>; N]) -> Self {
        let errors: Vec<OutboxError> = tried.into_iter().filter_map(Result::err).collect();
        let denied = |error: &OutboxError| matches!(error, OutboxError::Denied(_));
        if errors.len() == N && errors.iter().all(denied) {
            return Self::OnlyReads;
        }
        errors.into_iter().next().map_or(Self::Passed, Self::Failed)
    }
}

/// The names that a trial writes. No other lane, courier or rate has them.
pub(in crate::outbox) struct Trying {
    /// A courier.
    pub(in crate::outbox) instance: Instance,
    /// A lane.
    pub(in crate::outbox) lane: Lane,
    rate: String,
}

impl Trying {
    /// Something new to try.
    pub(in crate::outbox) fn new() -> Result<Self, OutboxError> {
        let id = Uuid::now_v7();
        let name = id.simple().to_string();
        Ok(Self {
            instance: Instance {
                id,
                host: "doctor".into(),
                pid: std::process::id(),
                lease: Duration::from_secs(1),
                standing: Standing::default(),
            },
            lane: Lane::new("doctor", &name)
                .map_err(|error| OutboxError::Failed(error.to_string()))?,
            rate: name,
        })
    }

    /// A claim of a rate.
    pub(in crate::outbox) fn claim(&self) -> RateClaim<'_> {
        RateClaim {
            name: &self.rate,
            span: Duration::from_secs(1),
            burst: Duration::ZERO,
            lead: Duration::ZERO,
            furthest: Duration::MAX,
            restart: Duration::ZERO,
        }
    }
}

/// The records of a batch from its beginning to its end, one for each transaction: they settle
/// contacts that are not there.
pub(in crate::outbox) fn records(lease: &Arc<Lease>) -> [[Write; 1]; 5] {
    let batch = BatchId::generate();
    let [taken, refused] = [i64::MAX, i64::MAX - 1].map(ContactId);
    let hold = Hold {
        reason: "doctor",
        message: "a trial".into(),
        delay: Duration::from_secs(1),
        failures: 1,
        needs_person: false,
    };
    let ends = [
        (taken, Final::Succeeded),
        (
            refused,
            Final::Failed {
                kind: FailKind::Rejected,
                cause: "a trial".into(),
            },
        ),
    ];
    let changes = [
        Change::Open(JournalEntry {
            batch,
            parent: None,
            // Contacts that are not there could not be sent.
            contacts: Vec::new(),
            options: RequestOptions::default(),
            attempts: 1,
            maybe_delivered: false,
        }),
        Change::Postpone(Postpone {
            batch,
            attempts: 1,
            maybe_delivered: false,
            failing: true,
            apart: None,
            hold: Some(hold),
        }),
        Change::Resend {
            batch,
            attempts: 2,
            contacts: Vec::new(),
        },
        Change::Close(Close {
            batch,
            attempts: 2,
            outcome: "trial",
            answer: String::new(),
            rows: ends
                .map(|(contact, end)| RowOutcome { contact, end })
                .into(),
            children: Vec::new(),
        }),
        Change::Recover,
    ];
    changes.map(|change| {
        [Write {
            lease: Arc::clone(lease),
            change,
        }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> Result<(), OutboxError> {
        Err(OutboxError::Denied("no".into()))
    }

    #[test]
    fn who_may_write_nothing_only_looks_and_who_may_write_something_lacks_a_right() {
        assert!(matches!(Trial::of([Ok(()), Ok(())]), Trial::Passed));
        assert!(matches!(Trial::of([denied(), denied()]), Trial::OnlyReads));
        assert!(matches!(
            Trial::of([Ok(()), denied()]),
            Trial::Failed(OutboxError::Denied(_))
        ));
        let read_only = || Err(OutboxError::ReadOnly("a standby".into()));
        assert!(matches!(
            Trial::of([read_only(), read_only()]),
            Trial::Failed(OutboxError::ReadOnly(_))
        ));
    }
}
