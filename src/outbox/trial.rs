//! Everything that a lane writes, in a transaction that is undone, to see whether the database
//! allows it.

use super::plan::{Closed, Failed, LaneChanged, Opened, Plan, Succeeded};
use super::{FailKind, JournalEntry, Lease};
use crate::batch::BatchId;
use crate::contact::{ContactId, RequestOptions};

/// The words of a trial. Nobody ever sees them.
const TRIAL: &str = "trial";

/// The batch that a trial opens.
pub(super) fn entry(contacts: &[ContactId]) -> JournalEntry {
    JournalEntry {
        batch: BatchId::generate(),
        parent: None,
        contacts: contacts.to_vec(),
        options: RequestOptions::default(),
        attempts: 0,
        maybe_delivered: false,
    }
}

/// Two plans that together write everything that a lane writes: in one the rows of the new batch
/// end well, in the other badly.
pub(super) fn plans<'a>(
    lease: &'a Lease,
    entry: &'a JournalEntry,
    batches: &[BatchId],
) -> [Plan<'a>; 2] {
    let mut rows: Vec<i64> = entry.contacts.iter().map(|contact| contact.0).collect();
    rows.sort_unstable();
    let batch_id = entry.batch.0;
    let [mut well, mut badly] = [Plan::default(), Plan::default()];
    well.opens = vec![Opened::new(lease, entry, "waiting")];
    well.closes = batches.iter().map(closed).collect();
    well.lanes = vec![held(lease)];
    let failed = |row: &i64| failed(*row, entry);
    badly.failures = rows.iter().map(failed).collect();
    well.successes = vec![Succeeded {
        batch_id,
        attempts: 0,
        rows,
    }];
    [well, badly]
}

fn closed(batch: &BatchId) -> Closed<'static> {
    Closed {
        id: batch.0,
        attempts: 0,
        outcome: TRIAL,
        answer: String::new(),
    }
}

fn failed(id: i64, entry: &JournalEntry) -> Failed<'static> {
    Failed {
        id,
        attempts: 0,
        batch_id: Some(entry.batch.0),
        fail_kind: FailKind::Unconfirmed.as_str(),
        fail_cause: TRIAL.into(),
    }
}

fn held(lease: &Lease) -> LaneChanged<'_> {
    LaneChanged {
        user_id: lease.lane.user_id(),
        task_id: lease.lane.task_id(),
        failures: 0,
        delay: Some(0.0),
        reason: Some(TRIAL),
        message: None,
        needs_person: false,
    }
}
