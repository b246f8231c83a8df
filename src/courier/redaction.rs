//! Redaction: takes personal data out of contacts that ended long ago, in small steps, while the
//! courier runs (`retention.redact_after`).
//!
//! There is no index of the remaining contacts: every settling would pay for it. Instead, rounds
//! walk the table along its primary key, each from where the last one stopped. A round with nothing
//! to do reads some thousand rows. Once a day a round begins at the first row, for contacts that
//! were pending, locked or young when the walk passed them.
//!
//! It guarantees that of several couriers on one database only the one that has run the longest
//! redacts, and that a failure stops nothing else: the next round goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::eldest::is_the_eldest;
use super::lifecycle::Lifecycle;
use crate::contact::ContactId;
use crate::outbox::{Chore, Operations, OutboxError};
use crate::telemetry::event::{Redacted, RedactedSome, RedactingFailed};

/// A courier begins this long after its start, because waiting contacts go first.
const FIRST: Duration = Duration::from_mins(2);

const EVERY: Duration = Duration::from_mins(30);

/// How often the whole table is walked.
const WHOLE: Duration = Duration::from_hours(24);

/// The pause between two steps, which leaves the database to others.
const BETWEEN: Duration = Duration::from_millis(100);

pub struct Redaction {
    operations: Arc<dyn Operations>,
    instance: Uuid,
    older_than: Duration,
    /// The contact behind which the next round begins; `None`: it begins with the first one.
    reached: Option<ContactId>,
    /// When the last walk of the whole table began.
    whole: Option<Instant>,
}

impl Redaction {
    /// Redacts contacts that ended longer ago than `older_than`.
    pub fn new(operations: Arc<dyn Operations>, instance: Uuid, older_than: Duration) -> Self {
        Self {
            operations,
            instance,
            older_than,
            reached: None,
            whole: None,
        }
    }

    /// Works until the courier stops.
    pub async fn run(mut self, life: Lifecycle) {
        life.sleep(FIRST).await;
        while !life.is_stopping() {
            if let Err(error) = self.round(&life).await {
                RedactingFailed {
                    error: &error.to_string(),
                }
                .emit();
            }
            life.sleep(EVERY).await;
        }
    }

    /// Redacts all contacts that are old enough, if no courier has run longer that does so, too. Returns how many
    /// steps it took.
    pub async fn round(&mut self, life: &Lifecycle) -> Result<u32, OutboxError> {
        if !is_the_eldest(&*self.operations, self.instance, Chore::Redact).await? {
            // Another courier redacts meanwhile, and does not tell how far it comes.
            self.whole = None;
            return Ok(0);
        }
        if self.whole.is_none_or(|whole| whole.elapsed() >= WHOLE) {
            self.whole = Some(Instant::now());
            self.reached = None;
        }
        let (begun, mut contacts, mut steps) = (Instant::now(), 0, 0);
        let walked = loop {
            let step = match self.operations.redact(self.older_than, self.reached).await {
                Ok(step) => step,
                Err(error) => break Err(error),
            };
            let some = step.redacted;
            RedactedSome { contacts: some }.emit();
            contacts += some;
            steps += 1;
            let Some(next) = step.next else {
                break Ok(steps);
            };
            self.reached = Some(next);
            if life.is_stopping() {
                break Ok(steps);
            }
            life.sleep(BETWEEN).await;
        };
        if contacts > 0 {
            let took = begun.elapsed();
            Redacted { contacts, took }.emit();
        }
        walked
    }
}
