//! Rows that another session keeps locked.

use std::time::Duration;

use contact_courier::outbox::{Change, OutboxError, Recorded, Write};
use tokio::time::timeout;

use crate::support::app::App;
use crate::support::{Db, close, entry, on_every_server};

on_every_server!(
    a_write_that_meets_a_locked_row_gives_up_soon,
    a_lease_that_meets_a_locked_row_gives_up_soon,
);

/// A second, and time for a slow machine. The courier's other writes wait meanwhile.
const SOON: Duration = Duration::from_secs(5);

async fn a_write_that_meets_a_locked_row_gives_up_soon(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let app = App::locks(db, &[row.to_string()]).await;
    let settled = Change::Close(close(batch.batch, &[row]));
    let write = [Write {
        lease: lease.clone(),
        change: settled.clone(),
    }];
    let recorded = timeout(SOON, db.outbox.record(&write)).await;
    let recorded = recorded.expect("it gives up");
    assert!(
        matches!(recorded, Err(OutboxError::Locked(_))),
        "{recorded:?}"
    );
    app.ends().await;
    assert_eq!(db.record(&lease, &[settled]).await, [Recorded::Done]);
}

/// All other lanes wait for a place until the lease is written.
async fn a_lease_that_meets_a_locked_row_gives_up_soon(db: &Db) {
    let me = db.courier().await;
    let lease = db.lease("u/t", me).await.lease;
    let app = App::locks_the_lane(db, "u", "t").await;
    let leased = timeout(SOON, db.outbox.lease(&lease.lane, me)).await;
    let leased = leased.expect("it gives up").map(|_| ());
    assert!(matches!(leased, Err(OutboxError::Locked(_))), "{leased:?}");
    app.ends().await;
    db.lease("u/t", me).await;
}
