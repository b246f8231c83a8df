//! The places of connections: when all are taken, an idle one gives way.
//!
//! A connection is idle until the head of a request is there, and again when its answer is made. So
//! a client that opens connections and sends nothing cannot keep others from being answered. The
//! same holds for log-ins that are still arriving.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lock::lock;

/// All places.
#[derive(Clone, Debug)]
pub(super) struct Seats(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    taken: Mutex<Taken>,
    /// Wakes waiters when a connection has ended or become idle.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// Since when each connection is idle; `None`: it is at work.
    idle: HashMap<u64, (Option<Instant>, CancellationToken)>,
}

/// The place of one connection; free when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    id: u64,
    /// Cancelled when the connection has to give way.
    pub(super) gives_way: CancellationToken,
}

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Shared {
            most,
            taken: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Takes a place for a new connection. If there is none, the connection that has been idle for
    /// longest gives way; while all are at work, this waits.
    pub(super) async fn take(&self) -> Seat {
        loop {
            let changed = self.0.changed.notified();
            {
                let mut taken = lock(&self.0.taken);
                if taken.idle.len() < self.0.most || taken.dismiss() {
                    return self.seat(&mut taken);
                }
            }
            changed.await;
        }
    }

    fn seat(&self, taken: &mut Taken) -> Seat {
        let (id, gives_way) = (taken.next, CancellationToken::new());
        taken.next += 1;
        let idle = (Some(Instant::now()), gives_way.clone());
        taken.idle.insert(id, idle);
        Seat {
            seats: self.clone(),
            id,
            gives_way,
        }
    }
}

impl Taken {
    /// Makes the connection that has been idle for longest give way, if one is idle.
    fn dismiss(&mut self) -> bool {
        let idle = self
            .idle
            .iter()
            .filter_map(|(id, (since, _))| Some((since.as_ref()?, *id)));
        let Some((_, id)) = idle.min() else {
            return false;
        };
        if let Some((_, gives_way)) = self.idle.remove(&id) {
            gives_way.cancel();
        }
        true
    }
}

impl Seat {
    /// Marks its connection as at work until the returned value is dropped.
    pub(super) fn works(&self) -> Work {
        self.set(None);
        Work {
            seats: self.seats.clone(),
            id: self.id,
        }
    }

    fn set(&self, since: Option<Instant>) {
        self.seats.set(self.id, since);
    }
}

impl Seats {
    fn set(&self, id: u64, since: Option<Instant>) {
        if let Some((idle, _)) = lock(&self.0.taken).idle.get_mut(&id) {
            *idle = since;
        }
        self.0.changed.notify_one();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.seats.0.taken).idle.remove(&self.id);
        self.seats.0.changed.notify_one();
    }
}

/// A request is being answered.
pub(super) struct Work {
    seats: Seats,
    id: u64,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.seats.set(self.id, Some(Instant::now()));
    }
}
