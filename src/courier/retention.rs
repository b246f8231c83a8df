//! Retention: deletes contacts and batches that ended long ago, in small steps, while the courier
//! runs (`retention.older_than`).
//!
//! It guarantees that of several couriers on one database only the one that has run the longest with this
//! setting deletes, that no step holds more than a thousand rows, and that a failure stops nothing else:
//! the next round goes on, and where a rule of the database keeps rows, so does this one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::eldest::is_the_eldest;
use super::lifecycle::Lifecycle;
use crate::outbox::{Chore, Operations, OutboxError, Pruning};
use crate::telemetry::event::{Pruned, PruningFailed};

/// A courier begins this long after its start, because waiting contacts go first.
const FIRST: Duration = Duration::from_mins(1);

const EVERY: Duration = Duration::from_mins(30);

/// The pause between two steps, which leaves the database to others.
const BETWEEN: Duration = Duration::from_millis(100);

pub struct Retention {
    pub operations: Arc<dyn Operations>,
    pub instance: Uuid,
    /// Contacts and batches that ended longer ago than this are deleted.
    pub older_than: Duration,
}

impl Retention {
    /// Works until the courier stops.
    pub async fn run(self, life: Lifecycle) {
        life.sleep(FIRST).await;
        while !life.is_stopping() {
            if let Err(error) = self.round(&life).await {
                PruningFailed {
                    error: &error.to_string(),
                }
                .emit();
            }
            life.sleep(EVERY).await;
        }
    }

    /// Deletes everything that is old enough, if no courier has run longer that does so, too.
    pub async fn round(&self, life: &Lifecycle) -> Result<(), OutboxError> {
        if !is_the_eldest(&*self.operations, self.instance, Chore::Prune).await? {
            return Ok(());
        }
        let begun = Instant::now();
        let pruning = Pruning {
            older_than: self.older_than,
            dry_run: false,
        };
        let (mut contacts, mut batches, mut refused) = (0, 0, None);
        let mut after = None;
        loop {
            let step = self.operations.prune_contacts(pruning, after, None).await?;
            contacts += step.pruned;
            refused = refused.or(step.refused);
            after = step.next;
            if after.is_none() || life.is_stopping() {
                break;
            }
            life.sleep(BETWEEN).await;
        }
        let mut after: Option<String> = None;
        while !life.is_stopping() {
            let step = self
                .operations
                .prune_batches(pruning, after.as_deref(), None)
                .await?;
            batches += step.pruned;
            refused = refused.or(step.refused);
            after = step.next;
            if after.is_none() {
                break;
            }
            life.sleep(BETWEEN).await;
        }
        if contacts + batches > 0 {
            let took = begun.elapsed();
            Pruned {
                contacts,
                batches,
                took,
            }
            .emit();
        }
        refused.map_or(Ok(()), |rule| Err(OutboxError::Refused(rule)))
    }
}
