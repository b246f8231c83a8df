//! An outbox for the tests of commands: it takes contacts in and knows their keys, no more.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::batch::BatchId;
use crate::contact::{ContactId, Lane};
use crate::outbox::{
    ActionReport, Backlog, Cursor, Inserted, Insertion, Instance, LanePage, LaneQuery, LearnedRate,
    Lease, LeasedLane, NewContact, Orders, Outbox, OutboxError, Page, PageLimit, RateClaim,
    Recorded, Write,
};

#[derive(Default)]
pub(super) struct FakeOutbox {
    pub(super) missing_migrations: usize,
    /// The committed contacts.
    pub(super) contacts: Arc<Mutex<Vec<NewContact>>>,
    /// Refuses the insertion of more contacts than this.
    pub(super) room: Option<usize>,
    /// The most bytes that were handed in at once.
    pub(super) longest_chunk: Arc<Mutex<usize>>,
}

struct FakeInsertion {
    longest_chunk: Arc<Mutex<usize>>,
    committed: Arc<Mutex<Vec<NewContact>>>,
    added: Vec<NewContact>,
    room: Option<usize>,
}

#[async_trait]
impl Insertion for FakeInsertion {
    async fn add(&mut self, contacts: &[NewContact]) -> Result<Inserted, OutboxError> {
        assert!(contacts.len() <= 1000, "a chunk is small");
        let bytes = contacts.iter().map(NewContact::bytes).sum();
        let mut longest = self.longest_chunk.lock().unwrap();
        *longest = (*longest).max(bytes);
        drop(longest);
        let mut keys: HashSet<String> = self
            .committed
            .lock()
            .unwrap()
            .iter()
            .chain(&self.added)
            .filter_map(|contact| contact.idempotency_key.clone())
            .collect();
        let mut inserted = Inserted::default();
        for contact in contacts {
            if let Some(key) = &contact.idempotency_key
                && !keys.insert(key.clone())
            {
                inserted.known += 1;
                continue;
            }
            inserted.new += 1;
            self.added.push(contact.clone());
        }
        if self.room.is_some_and(|room| self.added.len() > room) {
            return Err(OutboxError::Refused("disk full".into()));
        }
        Ok(inserted)
    }

    async fn commit(self: Box<Self>) -> Result<(), OutboxError> {
        self.committed.lock().unwrap().extend(self.added);
        Ok(())
    }
}

#[async_trait]
impl Outbox for FakeOutbox {
    async fn migrate(&self) -> Result<usize, OutboxError> {
        Ok(self.missing_migrations)
    }

    async fn check_fitness(&self) -> Result<(), OutboxError> {
        Ok(())
    }

    async fn check_schema(&self) -> Result<(), OutboxError> {
        Ok(())
    }

    async fn begin_insert(&self) -> Result<Box<dyn Insertion>, OutboxError> {
        Ok(Box::new(FakeInsertion {
            committed: Arc::clone(&self.contacts),
            added: Vec::new(),
            longest_chunk: Arc::clone(&self.longest_chunk),
            room: self.room,
        }))
    }

    async fn beat(&self, _: &Instance) -> Result<bool, OutboxError> {
        unreachable!("no command does this")
    }

    async fn keep_rate(&self, _: &LearnedRate) -> Result<(), OutboxError> {
        unreachable!("no command does this")
    }

    async fn learned_rate(&self) -> Result<Option<LearnedRate>, OutboxError> {
        unreachable!("no command does this")
    }

    async fn bring_back(&self, _: Duration) -> Result<(), OutboxError> {
        unreachable!("no command does this")
    }

    async fn retire(&self, _: Uuid) -> Result<(), OutboxError> {
        unreachable!("no command does this")
    }

    async fn newest(&self) -> Result<i64, OutboxError> {
        Ok(0)
    }

    async fn newest_lanes(&self, _: i64, _: i64) -> Result<Vec<Lane>, OutboxError> {
        Ok(Vec::new())
    }

    async fn find_lanes(&self, _: &LaneQuery) -> Result<LanePage, OutboxError> {
        unreachable!("no command does this")
    }

    async fn lease(&self, _: &Lane, _: Uuid) -> Result<Option<LeasedLane>, OutboxError> {
        unreachable!("no command does this")
    }

    async fn lift_holds(&self, _: &str) -> Result<u64, OutboxError> {
        unreachable!("no command does this")
    }

    async fn orders(&self) -> Result<Orders, OutboxError> {
        Ok(Orders::default())
    }

    async fn newest_actions(&self) -> Result<Vec<ActionReport>, OutboxError> {
        unreachable!("no command does this")
    }

    async fn release(&self, _: &Lease) -> Result<(), OutboxError> {
        unreachable!("no command does this")
    }

    async fn read_page(&self, _: &Lane, _: &Cursor, _: PageLimit) -> Result<Page, OutboxError> {
        unreachable!("no command does this")
    }

    fn writers(&self) -> usize {
        1
    }

    async fn record(&self, _: &[Write]) -> Result<Vec<Recorded>, OutboxError> {
        unreachable!("no command does this")
    }

    async fn try_settling(
        &self,
        _: &Arc<Lease>,
        _: &[ContactId],
        _: &[BatchId],
    ) -> Result<Recorded, OutboxError> {
        unreachable!("no command does this")
    }

    async fn locked(&self, _: &[ContactId]) -> Result<Vec<ContactId>, OutboxError> {
        unreachable!("no command does this")
    }

    async fn sharers(&self) -> Result<usize, OutboxError> {
        unreachable!("no command does this")
    }

    async fn claim_rate(&self, _: &RateClaim<'_>) -> Result<i64, OutboxError> {
        unreachable!("no command does this")
    }

    async fn forget_rates(&self) -> Result<(), OutboxError> {
        unreachable!("no command does this")
    }

    async fn backlog(&self, _: Uuid) -> Result<Backlog, OutboxError> {
        unreachable!("no command does this")
    }
}
