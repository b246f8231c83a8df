//! A node of a Galera cluster that undoes a transaction and does not say so.

use contact_courier::contact::ContactId;
use contact_courier::outbox::{Change, Recorded};

use super::cable::{Cable, State};
use crate::support::{Db, action, close, entry, lane, on_databases};

on_databases!(mariadb MariaDb: what_an_undone_transaction_has_not_written_is_written_again);

async fn what_an_undone_transaction_has_not_written_is_written_again(db: &Db) {
    let (me, row, other) = (
        db.courier().await,
        db.contact("u/t", "1").await,
        db.contact("u/t", "2").await,
    );
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let end = Change::Close(close(batch.batch, &[row]));
    let undone_before = async |words| {
        let cable = Cable::to(db).await;
        cable.put(State::UndoneBefore(words));
        Db::mysql_at(db.kind, cable.url.clone()).await
    };

    let far = undone_before("SET b.state = 'closed'").await;
    assert_eq!(far.record(&lease, &[end]).await, [Recorded::Done]);
    assert_eq!(db.of(row, "status").await.as_deref(), Some("succeeded"));

    let cancel = action("cancel", "lane u/t");
    let other = [ContactId(other)];
    let far = undone_before("SET c.status = 'failed'").await;
    let cancelled = far
        .operations
        .cancel(&lane("u/t"), &other, "mine", &cancel)
        .await;
    assert_eq!(cancelled.expect("cancels").cancelled, 1);

    let far = undone_before("SET c.status = 'pending'").await;
    let requeued = far.operations.requeue(&other, &|_| true, None).await;
    assert_eq!(requeued.expect("requeues"), 1);
}
