//! Calls whose caller goes away in the middle, as at a time limit.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::support::{Db, instance, on_every_server};

on_every_server!(a_call_that_is_broken_off_leaves_no_transaction_open);

/// Whichever answer of the server the call waits for, it is broken off there.
const MOST_POLLS: usize = 30;

/// So many single statements use every session of the pool.
const LANES: [&str; 4] = ["u/1", "u/2", "u/3", "u/4"];

/// The driver takes a session for free whose BEGIN was broken off. A single statement on it would
/// not be committed, and its rows would stay locked.
async fn a_call_that_is_broken_off_leaves_no_transaction_open(db: &Db) {
    let me = db.courier().await;
    let beating = instance(me);
    for polls in (1..=MOST_POLLS).cycle().take(MOST_POLLS * 2) {
        let mut leases = Vec::new();
        for lane in LANES {
            leases.push(db.lease(lane, me).await.lease);
        }
        broken_off(polls, db.outbox.beat(&beating)).await;
        for lease in leases {
            db.outbox.release(&lease).await.expect("releases");
        }
        let owned = "FROM delivery_lane WHERE lease_owner IS NOT NULL";
        assert_eq!(db.count(owned).await, 0, "after {polls} polls");
    }
}

/// Polls a future so many times, and drops it.
async fn broken_off<F: Future>(polls: usize, call: F) {
    let mut call = pin!(call);
    let mut polled = 0;
    poll_fn(|context| {
        polled += 1;
        match call.as_mut().poll(context) {
            Poll::Pending if polled < polls => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
}
