//! A moment of trouble leaves nothing behind: after an error of any kind the next call works.

use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::outbox::{Change, NewContact, OutboxError, Pruning, RateClaim, Write};
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use crate::support::disk::{Disk, Immutable};
use crate::support::{Db, close, entry, instance, lane};

/// Makes every kind of transaction that writes; returns the error of the first that fails.
async fn write_everything(db: &Db) -> Result<(), OutboxError> {
    let (outbox, me) = (&*db.outbox, Uuid::now_v7());
    outbox.beat(&instance(me)).await?;
    let name = Uuid::now_v7().simple().to_string();
    let lane = lane(&format!("u/{name}"));
    let lease = outbox.lease(&lane, me).await?.expect("a free lane").lease;
    let batch = entry(&[]);
    let end = Change::Close(close(batch.batch, &[]));
    for change in [Change::Open(batch), end] {
        let lease = lease.clone();
        outbox.record(&[Write { lease, change }]).await?;
    }
    outbox.lift_holds("nothing").await?;
    outbox.release(&lease).await?;
    let second = Duration::from_secs(1);
    outbox
        .claim_rate(&RateClaim {
            name: &name,
            span: second,
            burst: second,
            lead: Duration::ZERO,
            furthest: Duration::MAX,
            restart: Duration::ZERO,
        })
        .await?;
    db.operations
        .requeue(&[ContactId(1)], &|_| true, None)
        .await?;
    let pruning = Pruning {
        older_than: Duration::ZERO,
        dry_run: false,
    };
    db.operations.prune_contacts(pruning, None, None).await?;
    db.operations.prune_batches(pruning, None, None).await?;
    let mut insertion = outbox.begin_insert().await?;
    let contact = NewContact {
        user_id: "u".into(),
        task_id: name,
        phone: "1".into(),
        ..NewContact::default()
    };
    insertion.add(&[contact]).await?;
    insertion.commit().await?;
    outbox.retire(me).await?;
    outbox.migrate().await?;
    Ok(())
}

#[tokio::test]
async fn after_a_full_disk_everything_can_be_written_again() {
    let Some(disk) = Disk::new(16_384) else {
        return;
    };
    let db = Db::sqlite_in(disk.path()).await;
    write_everything(&db).await.expect("there is room");
    // The space that is left decides which write fails, and at which part.
    for left in (0..160).step_by(16) {
        disk.fill_but(left);
        let mut error = Ok(());
        while error.is_ok() {
            error = write_everything(&db).await;
        }
        let error = error.expect_err("no room");
        assert!(error.is_transient(), "{error}");
        assert!(error.to_string().contains("full"), "{error}");
        disk.free();
        write_everything(&db).await.expect("there is room again");
    }
    let checked = db
        .text("integrity_check", "FROM pragma_integrity_check")
        .await;
    assert_eq!(checked.as_deref(), Some("ok"));
}

#[tokio::test]
async fn after_a_file_was_read_only_everything_can_be_written_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = Db::sqlite_in(dir.path()).await;
    write_everything(&db).await.expect("may be written");
    let files = ["outbox.db", "outbox.db-wal"];
    let Some(read_only) = Immutable::new(dir.path(), &files) else {
        return;
    };
    // First by a connection that could write before, then by new ones, which can only read.
    for _ in 0..3 {
        let error = write_everything(&db).await.expect_err("read-only");
        assert!(error.is_transient(), "{error}");
    }
    let me = Uuid::now_v7();
    let late = db.another().await;
    for outbox in [&late, &db.outbox] {
        let error = outbox.beat(&instance(me)).await.expect_err("read-only");
        assert!(matches!(error, OutboxError::ReadOnly(_)), "{error}");
        outbox.backlog(me).await.expect("may be read");
    }
    drop(read_only);
    write_everything(&db).await.expect("may be written again");
    late.beat(&instance(me)).await.expect("so may this one");
    late.backlog(me).await.expect("and it reads");
}

#[tokio::test]
async fn a_writer_that_is_kept_waiting_too_long_works_again_afterwards() {
    let db = Db::sqlite().await;
    let mut app = SqliteConnection::connect(&db.url).await.expect("opens");
    let run = async |app: &mut SqliteConnection, sql: &'static str| {
        sqlx::raw_sql(sql).execute(app).await.expect(sql);
    };
    run(&mut app, "BEGIN IMMEDIATE").await;
    let me = instance(Uuid::now_v7());
    // The caller does not wait for the answer, as a heartbeat's caller does not.
    let beat = tokio::time::timeout(Duration::from_millis(100), db.outbox.beat(&me)).await;
    assert!(beat.is_err(), "the app keeps the file locked");
    run(&mut app, "COMMIT").await;
    write_everything(&db).await.expect("nobody writes any more");
}
