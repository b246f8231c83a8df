//! Pauses: the lanes that operators have paused, as last read from the database.
//!
//! A paused lane sends nothing new and has no place; its sends under way still end.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::contact::Lane;
use crate::lock::lock;
use crate::outbox::{OrderScope, Orders, Outbox, OutboxError, Pause, PausedLanes};
use crate::telemetry::event::{PausesInForce, SendingPaused, SendingUnpaused};

/// The paused lanes, and the orders that were carried out.
#[derive(Debug)]
pub(super) struct Pauses {
    paused: watch::Sender<Arc<PausedLanes>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    paused: HashSet<OrderScope>,
    /// Resumes that were heeded, or were there before this courier.
    resumes: HashSet<String>,
    /// Resumed lanes that the scout does not know of yet.
    resumed: Vec<OrderScope>,
}

impl Pauses {
    /// Reads the orders in force before anything is sent.
    pub(super) async fn at_start(outbox: &dyn Outbox) -> Result<Self, OutboxError> {
        let orders = outbox.orders().await?;
        let pauses = Self {
            paused: watch::Sender::new(Arc::default()),
            known: Mutex::default(),
        };
        pauses.heed(orders);
        // No lane of this courier waits yet.
        lock(&pauses.known).resumed.clear();
        Ok(pauses)
    }

    pub(super) fn is_paused(&self, lane: &Lane) -> bool {
        self.paused.borrow().has(lane)
    }

    /// Resolves when the lane is paused.
    pub(super) async fn paused(&self, lane: &Lane) {
        let mut paused = self.paused.subscribe();
        if paused.wait_for(|paused| paused.has(lane)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns the scopes that were resumed since the last call.
    pub(super) fn take_resumed(&self) -> Vec<OrderScope> {
        std::mem::take(&mut lock(&self.known).resumed)
    }

    /// Heeds the present orders. Returns the newly resumed scopes, and whether anything is new.
    pub(super) fn heed(&self, orders: Orders) -> (Vec<OrderScope>, bool) {
        let mut known = lock(&self.known);
        let now: HashSet<OrderScope> = orders.pauses.iter().map(|p| p.scope.clone()).collect();
        let is_changed = now != known.paused;
        let is_begun = |pause: &&Pause| !known.paused.contains(&pause.scope);
        for pause in orders.pauses.iter().filter(is_begun) {
            SendingPaused {
                scope: &pause.scope,
                reason: pause.reason.clone(),
            }
            .emit();
        }
        for scope in known.paused.difference(&now) {
            SendingUnpaused { scope }.emit();
        }
        let is_new = |(id, _): &&(String, OrderScope)| !known.resumes.contains(id);
        let resumed: Vec<OrderScope> = orders
            .resumes
            .iter()
            .filter(is_new)
            .map(|(_, scope)| scope.clone())
            .collect();
        known.resumes = orders.resumes.into_iter().map(|(id, _)| id).collect();
        known.resumed.extend(resumed.iter().cloned());
        let is_news = is_changed || !resumed.is_empty();
        // All lanes at work look at a change.
        if is_changed {
            let paused = Arc::new(PausedLanes::of(&orders.pauses));
            self.paused.send_replace(paused);
        }
        PausesInForce(orders.pauses.len()).emit();
        known.paused = now;
        (resumed, is_news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(scope: OrderScope) -> Pause {
        Pause {
            scope,
            reason: "by anna".into(),
            paused_seconds: 0.0,
            ends_in_seconds: None,
        }
    }

    #[tokio::test]
    async fn an_order_is_heeded_once_and_a_pause_ends_when_it_is_gone() {
        let pauses = Pauses {
            paused: watch::Sender::new(Arc::default()),
            known: Mutex::default(),
        };
        let lane = Lane::new("u", "t").unwrap();
        let orders = |paused: bool, resumes: &[&str]| Orders {
            pauses: paused
                .then(|| pause(OrderScope::User("u".into())))
                .into_iter()
                .collect(),
            resumes: resumes
                .iter()
                .map(|id| ((*id).to_owned(), OrderScope::All))
                .collect(),
        };
        assert_eq!(
            pauses.heed(orders(true, &["1"])),
            (vec![OrderScope::All], true)
        );
        assert!(pauses.is_paused(&lane));
        pauses.paused(&lane).await;
        assert_eq!(pauses.heed(orders(true, &["1"])), (vec![], false));
        assert_eq!(pauses.heed(orders(false, &["1"])), (vec![], true));
        assert!(!pauses.is_paused(&lane));
        assert_eq!(pauses.take_resumed(), [OrderScope::All]);
        assert_eq!(
            pauses.heed(orders(false, &["2"])),
            (vec![OrderScope::All], true)
        );
    }
}
