//! Which courier may work a lane, and which batches it takes over.

use std::time::Duration;

use contact_courier::outbox::{Change, Hold, MySqlOutbox, OutboxError, PostgresOutbox, Postpone};
use sqlx::ConnectOptions as _;
use uuid::Uuid;

use crate::support::{Db, Raw, entry, instance, lane, on_every_database};
use crate::world::until;

on_every_database!(
    a_leased_lane_is_not_leased_or_found_by_another_courier,
    an_own_lane_may_be_leased_again,
    the_lane_of_a_silent_courier_is_taken_over,
    a_released_lane_is_free,
    an_old_lease_does_not_release_a_new_one,
    a_retired_courier_leaves_its_lanes_free,
    couriers_silent_for_a_day_are_cleared_away,
    adoption_marks_what_was_under_way_and_leaves_what_waited,
    adoption_hands_over_rows_in_sending_order_without_those_that_are_gone,
    two_couriers_that_reach_for_one_lane_do_not_both_get_it,
);

async fn a_leased_lane_is_not_leased_or_found_by_another_courier(db: &Db) {
    let (me, other) = (db.courier().await, db.courier().await);
    db.contact("u/t", "1").await;
    db.lease("u/t", me).await;
    assert!(db.try_lease("u/t", other).await.is_none());
    assert!(db.find(other).await.is_empty());
    assert_eq!(db.names(me).await, ["u/t"]);
}

async fn an_own_lane_may_be_leased_again(db: &Db) {
    let me = db.courier().await;
    let first = db.lease("u/t", me).await.lease;
    assert!(db.lease("u/t", me).await.lease.token > first.token);
}

async fn the_lane_of_a_silent_courier_is_taken_over(db: &Db) {
    let (silent, me) = (db.courier().await, db.courier().await);
    db.contact("u/t", "1").await;
    let old = db.lease("u/t", silent).await.lease;
    db.silence(silent).await;
    assert_eq!(db.names(me).await, ["u/t"]);
    assert!(db.lease("u/t", me).await.lease.token > old.token);
    // It beats again, but its lanes are gone.
    db.outbox.beat(&instance(silent)).await.expect("beats");
    assert!(db.try_lease("u/t", silent).await.is_none());
}

async fn a_released_lane_is_free(db: &Db) {
    let (me, other) = (db.courier().await, db.courier().await);
    let lease = db.lease("u/t", me).await.lease;
    db.outbox.release(&lease).await.expect("releases");
    assert!(db.try_lease("u/t", other).await.is_some());
}

async fn an_old_lease_does_not_release_a_new_one(db: &Db) {
    let (me, other) = (db.courier().await, db.courier().await);
    let old = db.lease("u/t", me).await.lease;
    db.lease("u/t", me).await;
    db.outbox.release(&old).await.expect("releases nothing");
    assert!(db.try_lease("u/t", other).await.is_none());
}

async fn a_retired_courier_leaves_its_lanes_free(db: &Db) {
    let (me, other) = (db.courier().await, db.courier().await);
    db.lease("u/a", me).await;
    db.lease("u/b", other).await;
    db.outbox.retire(me).await.expect("retires");
    assert_eq!(db.count("FROM courier_instance").await, 1);
    assert!(db.try_lease("u/a", other).await.is_some());
    assert_eq!(
        db.count("FROM delivery_lane WHERE lease_owner IS NOT NULL")
            .await,
        2
    );
}

async fn couriers_silent_for_a_day_are_cleared_away(db: &Db) {
    let (gone, me) = (db.courier().await, db.courier().await);
    let before = db.now(-90_000);
    db.execute(&format!(
        "UPDATE courier_instance SET heartbeat_at = {before} WHERE id = '{gone}'"
    ))
    .await;
    db.outbox.beat(&instance(me)).await.expect("beats");
    assert_eq!(db.count("FROM courier_instance").await, 1);
}

async fn adoption_marks_what_was_under_way_and_leaves_what_waited(db: &Db) {
    let me = db.courier().await;
    let (a, b) = (db.contact("u/t", "1").await, db.contact("u/t", "2").await);
    let lease = db.lease("u/t", me).await.lease;
    let (sending, mut waiting) = (entry(&[a]), entry(&[b]));
    waiting.parent = Some(sending.batch);
    db.record(
        &lease,
        &[Change::Open(sending.clone()), Change::Open(waiting.clone())],
    )
    .await;
    let postpone = Change::Postpone(Postpone {
        batch: waiting.batch,
        attempts: 1,
        maybe_delivered: false,
        failing: true,
        apart: None,
        hold: Some(Hold {
            reason: "backoff",
            message: String::new(),
            delay: Duration::ZERO,
            failures: 7,
            needs_person: false,
        }),
    });
    db.record(&lease, &[postpone]).await;

    let leased = db.lease("u/t", me).await;
    assert_eq!(leased.lease.failures, 7);
    let open: Vec<_> = leased
        .open
        .iter()
        .map(|b| (b.id, b.maybe_delivered))
        .collect();
    assert_eq!(open, [(sending.batch, true), (waiting.batch, false)]);
    assert_eq!(leased.open[0].options, sending.options);
    assert_eq!(leased.open[1].parent, Some(sending.batch));
    assert_eq!(leased.open[1].attempts, 1);
    assert_eq!(leased.open[0].failing_for, Duration::ZERO);
    assert_eq!(
        db.of_batch(sending.batch, "state").await.as_deref(),
        Some("waiting")
    );
}

async fn adoption_hands_over_rows_in_sending_order_without_those_that_are_gone(db: &Db) {
    let me = db.courier().await;
    let mut rows = Vec::new();
    for phone in ["1", "2", "3", "4"] {
        rows.push(db.contact("u/t", phone).await);
    }
    let lease = db.lease("u/t", me).await.lease;
    let order = [rows[3], rows[0], rows[2], rows[1]];
    // Ids follow the time: batches that are opened together have ids in their order.
    let (first, gone) = (entry(&order), entry(&[rows[1]]));
    db.record(&lease, &[Change::Open(first), Change::Open(gone)])
        .await;
    db.execute(&format!(
        "DELETE FROM contact_outbox WHERE id = {}",
        rows[0]
    ))
    .await;
    let now = db.now(0);
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'succeeded', finished_at = {now} WHERE id = {}",
        rows[1]
    ))
    .await;
    let open = db.lease("u/t", me).await.open;
    let ids: Vec<_> = open[0].rows.iter().map(|row| row.id).collect();
    assert_eq!(ids, [rows[3], rows[2]]);
    assert_eq!(open[0].rows[0].phone, "4");
    assert!(
        open[1].rows.is_empty(),
        "nothing is left of it but the batch"
    );
}

async fn two_couriers_that_reach_for_one_lane_do_not_both_get_it(db: &Db) {
    let (a, b) = (db.courier().await, db.courier().await);
    for round in 0..20 {
        let name = format!("u/{round}");
        let (one, two) = tokio::join!(db.try_lease(&name, a), db.try_lease(&name, b));
        assert!(
            one.is_some() != two.is_some(),
            "exactly one of them in round {round}"
        );
    }
}

/// Begins a transaction in a session of the courier's own that locks all lanes, and does no more.
macro_rules! stand_still {
    ($session:expr) => {{
        let mut session = $session.expect("connects");
        for sql in ["BEGIN", "SELECT lease_token FROM delivery_lane FOR UPDATE"] {
            sqlx::raw_sql(sql).execute(&mut session).await.expect(sql);
        }
        session
    }};
}

/// Only on servers: on SQLite a courier that stands still within a transaction has locked the whole
/// database.
mod on_a_server {
    crate::support::on_every_server!(
        a_courier_that_stands_still_within_a_transaction_does_not_keep_its_lane
    );

    use super::*;

    async fn a_courier_that_stands_still_within_a_transaction_does_not_keep_its_lane(db: &Db) {
        let (frozen, me) = (db.courier().await, db.courier().await);
        db.lease("u/t", frozen).await;
        db.silence(frozen).await;
        match &db.raw {
            Raw::Postgres(_) => {
                let options = PostgresOutbox::connect_options(&db.url).expect("options");
                let _standing = stand_still!(options.connect().await);
                is_leased(db, me).await;
            }
            Raw::MySql(_) => {
                let outbox = MySqlOutbox::connect(&db.url, 1).await.expect("connects");
                let _standing = stand_still!(outbox.session().await);
                is_leased(db, me).await;
            }
            Raw::Sqlite(_) => unreachable!("no server"),
        }
    }

    /// Tries as the courier does, which waits a second for the lock each time.
    async fn is_leased(db: &Db, me: Uuid) {
        until("the lane is leased", async || {
            match db.outbox.lease(&lane("u/t"), me).await {
                Ok(leased) => leased.is_some(),
                Err(OutboxError::Locked(_)) => false,
                Err(error) => panic!("{error}"),
            }
        })
        .await;
    }
}
