//! Sending failed contacts on their way again, and telling a contact's story.

use std::time::Duration;

use contact_courier::contact::{ContactId, Suffix};
use contact_courier::outbox::{
    Change, Close, FailKind, FailedContact, FailureFilter, Final, Postpone, RowOutcome, SentAs,
    Story,
};

use super::operations::{failed, hold};
use crate::support::{Db, close, entry, lane, on_every_database};

on_every_database!(
    what_failed_becomes_pending_again_and_how_it_had_ended_is_kept,
    what_has_not_failed_is_left_as_it_is,
    what_may_not_go_by_how_it_has_ended_now_is_left_as_it_is,
    a_requeued_contact_is_read_again_and_counts_its_attempts_on,
    a_contact_that_was_unconfirmed_before_it_was_requeued_is_read_as_in_doubt,
    failures_are_found_by_id,
    a_contact_that_may_have_arrived_tells_how_it_was_sent,
    a_contact_that_may_have_arrived_in_two_ways_tells_neither,
    a_requeued_row_that_an_older_open_batch_has_too_is_the_younger_ones,
    the_story_of_a_contact_that_was_split_off_tells_every_batch_in_order,
    the_story_of_a_pending_contact_tells_its_open_batch_and_the_hold,
    the_story_of_a_requeued_contact_goes_back_to_its_earlier_batches,
    the_story_of_a_contact_that_waits_tells_how_many_stand_before_it,
    nobody_has_a_story_that_is_not_there,
);

async fn story(db: &Db, id: i64) -> Story {
    let story = db.operations.story(ContactId(id)).await;
    story.expect("answers").expect("a story")
}

async fn requeue(db: &Db, ids: &[i64]) -> u64 {
    let ids: Vec<ContactId> = ids.iter().copied().map(ContactId).collect();
    db.operations
        .requeue(&ids, &|_| true, None)
        .await
        .expect("requeues")
}

async fn what_failed_becomes_pending_again_and_how_it_had_ended_is_kept(db: &Db) {
    let row = failed(db, "u/t", "rejected", "no such number", 60).await;
    assert_eq!(requeue(db, &[row]).await, 1);
    assert_eq!(db.of(row, "status").await.as_deref(), Some("pending"));
    for column in ["fail_kind", "fail_cause", "finished_at"] {
        assert_eq!(db.of(row, column).await, None, "{column}");
    }
    assert_eq!(db.of(row, "attempts").await.as_deref(), Some("2"));
    let kept = story(db, row).await.requeued;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].fail_kind, "rejected");
    assert_eq!(kept[0].fail_cause.as_deref(), Some("no such number"));
    let finished = kept[0].finished_at.as_ref().expect("an instant");
    assert!((59.0..90.0).contains(&finished.seconds_ago), "{finished:?}");
    assert!(
        kept[0]
            .requeued_at
            .as_ref()
            .expect("an instant")
            .seconds_ago
            < 30.0
    );
}

async fn what_has_not_failed_is_left_as_it_is(db: &Db) {
    let (pending, row) = (db.contact("u/t", "1").await, db.contact("u/t", "2").await);
    let now = db.now(0);
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'succeeded', finished_at = {now} WHERE id = {row}"
    ))
    .await;
    assert_eq!(requeue(db, &[pending, row, 999_999]).await, 0);
    assert_eq!(requeue(db, &[]).await, 0);
    assert_eq!(db.of(row, "status").await.as_deref(), Some("succeeded"));
    assert_eq!(db.count("FROM contact_requeue").await, 0);
    // Two requeues at the same moment count as one.
    let row = failed(db, "u/t", "expired", "late", 5).await;
    let row = [row];
    let both = tokio::join!(requeue(db, &row), requeue(db, &row));
    assert_eq!(both.0 + both.1, 1);
    assert_eq!(db.count("FROM contact_requeue").await, 1);
}

async fn what_may_not_go_by_how_it_has_ended_now_is_left_as_it_is(db: &Db) {
    let [row, other] = [
        failed(db, "u/t", "expired", "late", 5).await,
        failed(db, "u/t", "expired", "late", 5).await,
    ];
    let ids = [row, other].map(ContactId);
    assert_eq!(
        db.operations
            .failures_named(&ids)
            .await
            .expect("answers")
            .len(),
        2
    );
    // Meanwhile somebody else has requeued it, and it was sent.
    requeue(db, &[row]).await;
    send_in_vain(db, "u/t", row, Suffix::Platform, false).await;
    let may_go = |failed: &FailedContact| !failed.maybe_in_task;
    let requeued = db.operations.requeue(&ids, &may_go, None).await;
    assert_eq!(requeued.expect("requeues"), 1);
    let kind = db.of(row, "fail_kind").await;
    assert_eq!(kind.as_deref(), Some("unconfirmed"));
    assert_eq!(db.of(other, "status").await.as_deref(), Some("pending"));
}

async fn a_requeued_contact_is_read_again_and_counts_its_attempts_on(db: &Db) {
    let row = failed(db, "u/t", "expired", "gave up", 5).await;
    requeue(db, &[row]).await;
    let me = db.courier().await;
    assert_eq!(db.names(me).await, ["u/t"]);
    let page = db
        .outbox
        .read_page(
            &lane("u/t"),
            &contact_courier::outbox::Cursor::default(),
            contact_courier::outbox::PageLimit::rows(10),
        )
        .await
        .expect("a page");
    assert_eq!(page.rows.len(), 1);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[Change::Close(close(batch.batch, &[row]))])
        .await;
    assert_eq!(db.of(row, "status").await.as_deref(), Some("succeeded"));
    assert_eq!(db.of(row, "attempts").await.as_deref(), Some("3"));
}

async fn a_contact_that_was_unconfirmed_before_it_was_requeued_is_read_as_in_doubt(db: &Db) {
    let doubtful = unconfirmed(db, "u/t", Suffix::None, false).await;
    let rejected = failed(db, "u/t", "rejected", "no such number", 60).await;
    let fresh = db.contact("u/t", "13012121299").await;
    requeue(db, &[doubtful, rejected]).await;
    let start = contact_courier::outbox::Cursor::default();
    let limit = contact_courier::outbox::PageLimit::rows(10);
    let page = db.outbox.read_page(&lane("u/t"), &start, limit).await;
    let rows = page.expect("a page").rows;
    let read: Vec<(i64, bool)> = rows.iter().map(|row| (row.id, row.in_doubt)).collect();
    assert_eq!(read, [(doubtful, true), (rejected, false), (fresh, false)]);
    // The next owner of the lane knows it, too.
    let me = db.courier().await;
    let lease = db.lease("u/t", me).await.lease;
    db.record(&lease, &[Change::Open(entry(&[doubtful, fresh]))])
        .await;
    db.outbox.release(&lease).await.expect("releases");
    let open = db.lease("u/t", me).await.open;
    let rows = open[0].rows.iter();
    let mut read: Vec<(i64, bool)> = rows.map(|row| (row.id, row.in_doubt)).collect();
    read.sort_unstable();
    assert_eq!(read, [(doubtful, true), (fresh, false)]);
}

async fn failures_are_found_by_id(db: &Db) {
    let first = failed(db, "u/t", "expired", "x", 5).await;
    let second = failed(db, "w/t", "expired", "x", 50).await;
    let pending = db.contact("u/t", "1").await;
    let wanted = [second, pending, first].map(ContactId);
    let found = db.operations.failures_named(&wanted).await;
    let found: Vec<i64> = found.expect("answers").iter().map(|f| f.id.0).collect();
    assert_eq!(found, [first, second]);
}

/// Sends a contact in this way, and loses the answer.
pub(super) async fn unconfirmed(db: &Db, lane: &str, suffix: Suffix, encryption: bool) -> i64 {
    let row = db.contact(lane, "13012121211").await;
    send_in_vain(db, lane, row, suffix, encryption).await;
    row
}

async fn send_in_vain(db: &Db, lane: &str, row: i64, suffix: Suffix, encryption: bool) {
    let me = db.courier().await;
    let lease = db.lease(lane, me).await.lease;
    let mut batch = entry(&[row]);
    (batch.options.suffix, batch.options.encryption) = (suffix, encryption);
    let mut end = close(batch.batch, &[row]);
    end.rows[0].end = Final::Failed {
        kind: FailKind::Unconfirmed,
        cause: "no answer".into(),
    };
    for change in [Change::Open(batch), Change::Close(end)] {
        db.record(&lease, &[change]).await;
    }
    db.outbox.release(&lease).await.expect("releases");
}

/// Returns how this contact was sent, as each question tells it.
async fn sent(db: &Db, row: i64) -> Option<SentAs> {
    let named = db.operations.failures_named(&[ContactId(row)]).await;
    let named = named.expect("answers").remove(0);
    let all = FailureFilter::default();
    let counts = db.operations.count_failures(&all).await.expect("counts");
    assert_eq!(counts.len(), 1, "it is the only one");
    assert_eq!(counts[0].sent, named.sent);
    assert!(named.maybe_in_task && counts[0].maybe_in_task);
    named.sent
}

async fn a_contact_that_may_have_arrived_in_two_ways_tells_neither(db: &Db) {
    let courier = Some(SentAs {
        suffix: Suffix::Courier,
        encryption: false,
    });
    let row = unconfirmed(db, "u/t", Suffix::Courier, false).await;
    assert_eq!(sent(db, row).await, courier);
    requeue(db, &[row]).await;
    send_in_vain(db, "u/t", row, Suffix::Courier, false).await;
    assert_eq!(sent(db, row).await, courier, "the same way twice");
    requeue(db, &[row]).await;
    send_in_vain(db, "u/t", row, Suffix::None, false).await;
    assert_eq!(sent(db, row).await, None, "the last two in two ways");
    requeue(db, &[row]).await;
    send_in_vain(db, "u/t", row, Suffix::None, false).await;
    assert_eq!(sent(db, row).await, None, "the first two are not forgotten");
    // The last one surely did not arrive.
    let now = db.now(0);
    requeue(db, &[row]).await;
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'failed', fail_kind = 'expired', fail_cause = 'x', \
         finished_at = {now} WHERE id = {row}"
    ))
    .await;
    assert_eq!(sent(db, row).await, None);
}

async fn a_requeued_row_that_an_older_open_batch_has_too_is_the_younger_ones(db: &Db) {
    let me = db.courier().await;
    let (row, other) = (
        db.contact("u/t", "13012121211").await,
        db.contact("u/t", "13012121222").await,
    );
    let lease = db.lease("u/t", me).await.lease;
    let both = entry(&[row, other]);
    let waits = Change::Postpone(Postpone {
        batch: both.batch,
        attempts: 1,
        maybe_delivered: false,
        failing: false,
        apart: None,
        hold: None,
    });
    for change in [Change::Open(both.clone()), waits] {
        db.record(&lease, &[change]).await;
    }
    // An operator cancels the row, and takes that back while the rest of its batch is under way.
    let now = db.now(0);
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'failed', fail_kind = 'cancelled', fail_cause = 'x', \
         finished_at = {now} WHERE id = {row}"
    ))
    .await;
    let lease = db.lease("u/t", me).await.lease;
    requeue(db, &[row]).await;
    let alone = entry(&[row]);
    db.record(&lease, &[Change::Open(alone.clone())]).await;
    let open = db.lease("u/t", me).await.open;
    let open: Vec<_> = open
        .iter()
        .map(|open| {
            let rows: Vec<i64> = open.rows.iter().map(|row| row.id).collect();
            (open.id, open.maybe_delivered, rows)
        })
        .collect();
    assert_eq!(
        open,
        [
            (both.batch, false, vec![other]),
            (alone.batch, true, vec![row])
        ]
    );
}

async fn a_contact_that_may_have_arrived_tells_how_it_was_sent(db: &Db) {
    let sent = |suffix, encryption| Some(SentAs { suffix, encryption });
    let mut wanted = Vec::new();
    for (nth, (suffix, encryption)) in [
        (Suffix::None, false),
        (Suffix::Courier, false),
        (Suffix::Platform, true),
    ]
    .into_iter()
    .enumerate()
    {
        let row = unconfirmed(db, &format!("u/{nth}"), suffix, encryption).await;
        wanted.push((row, sent(suffix, encryption)));
    }
    // The journal has forgotten one batch, and another one cannot be read.
    for (lane, change) in [
        (
            "u/gone",
            "DELETE FROM delivery_batch WHERE task_id = 'gone'",
        ),
        (
            "u/odd",
            "UPDATE delivery_batch SET options = '[]' WHERE task_id = 'odd'",
        ),
    ] {
        wanted.push((unconfirmed(db, lane, Suffix::None, false).await, None));
        db.execute(change).await;
    }
    wanted.push((failed(db, "u/t", "expired", "late", 5).await, None));
    let ids: Vec<ContactId> = wanted.iter().map(|(row, _)| ContactId(*row)).collect();
    let named = db.operations.failures_named(&ids).await.expect("answers");
    let all = FailureFilter::default();
    let page = db.operations.failures(&all, None, 10);
    for found in [named, page.await.expect("answers").failures] {
        let mut found: Vec<_> = found.iter().map(|f| (f.id.0, f.sent)).collect();
        found.sort_unstable_by_key(|(id, _)| *id);
        assert_eq!(found, wanted);
    }
    let mut counts = db.operations.count_failures(&all).await.expect("counts");
    counts.retain(|count| count.kind == "unconfirmed");
    assert_eq!(counts.iter().map(|count| count.contacts).sum::<u64>(), 5);
    for (_, how) in wanted.iter().filter(|(_, how)| how.is_some()) {
        assert!(counts.iter().any(|c| c.sent == *how && c.contacts == 1));
    }
}

/// Sends two contacts, splits the batch and settles the second with `end`; returns the contact.
async fn split_and_settled(db: &Db, end: Final) -> i64 {
    let me = db.courier().await;
    let rows = [db.contact("u/t", "1").await, db.contact("u/t", "2").await];
    let lease = db.lease("u/t", me).await.lease;
    let whole = entry(&rows);
    let mut part = entry(&rows[1..]);
    part.parent = Some(whole.batch);
    part.maybe_delivered = true;
    let split = Close {
        outcome: "unaccounted",
        answer: "counts do not add up".into(),
        children: vec![part.clone()],
        ..close(whole.batch, &rows[..1])
    };
    let resend = Change::Resend {
        batch: part.batch,
        attempts: 2,
        contacts: part.contacts.clone(),
    };
    let last = Close {
        attempts: 2,
        outcome: "imported",
        rows: vec![RowOutcome {
            contact: ContactId(rows[1]),
            end,
        }],
        ..close(part.batch, &[])
    };
    db.record(&lease, &[Change::Open(whole)]).await;
    db.record(&lease, &[Change::Close(split)]).await;
    db.record(&lease, &[resend]).await;
    db.record(&lease, &[Change::Close(last)]).await;
    rows[1]
}

async fn the_story_of_a_contact_that_was_split_off_tells_every_batch_in_order(db: &Db) {
    let row = split_and_settled(db, Final::Succeeded).await;
    let told = story(db, row).await;
    assert_eq!(told.contact.status, "succeeded");
    assert_eq!(told.contact.attempts, 2);
    let outcomes: Vec<_> = told.batches.iter().map(|b| b.outcome.as_deref()).collect();
    assert_eq!(outcomes, [Some("unaccounted"), Some("imported")]);
    let [whole, part] = told.batches.as_slice() else {
        panic!("two batches")
    };
    assert_eq!(part.parent_id.as_ref(), Some(&whole.id));
    assert_eq!(told.contact.batch_id.as_ref(), Some(&part.id));
    assert_eq!((whole.contacts, part.contacts), (2, 1));
    assert!(!whole.maybe_delivered && part.maybe_delivered);
    assert_eq!(whole.answer.as_deref(), Some("counts do not add up"));
    for batch in &told.batches {
        assert_eq!(batch.state, "closed");
        let instants = [&batch.created_at, &batch.sent_at, &batch.closed_at];
        for instant in instants {
            let instant = instant.as_ref().expect("an instant");
            assert!(
                instant.at.ends_with('Z') && instant.seconds_ago < 30.0,
                "{instant:?}"
            );
        }
    }
}

async fn the_story_of_a_pending_contact_tells_its_open_batch_and_the_hold(db: &Db) {
    let row = hold(db, "u/t", "task_running", Duration::from_mins(5)).await;
    let told = story(db, row).await;
    assert_eq!(told.contact.status, "pending");
    assert_eq!(told.contact.phone.to_string(), "130***1211");
    assert_eq!(told.batches.len(), 1);
    assert_eq!(told.batches[0].state, "waiting");
    assert_eq!(told.batches[0].outcome.as_deref(), Some("task_running"));
    assert_eq!(told.batches[0].closed_at, None);
    let lane = told.lane.expect("a lane");
    assert_eq!(lane.reason.as_deref(), Some("task_running"));
    assert_eq!(lane.message.as_deref(), Some("because of task_running"));
    assert!((200..=300).contains(&lane.next_try_in.as_secs()));
    assert_eq!((lane.failures, lane.owner), (3, None));
    assert!(lane.held_for.is_some());
}

async fn the_story_of_a_requeued_contact_goes_back_to_its_earlier_batches(db: &Db) {
    let end = Final::Failed {
        kind: contact_courier::outbox::FailKind::Unconfirmed,
        cause: "nobody knows".into(),
    };
    let row = split_and_settled(db, end).await;
    requeue(db, &[row]).await;
    let me = db.courier().await;
    db.execute("UPDATE delivery_lane SET lease_owner = NULL")
        .await;
    let lease = db.lease("u/t", me).await.lease;
    let again = entry(&[row]);
    db.record(&lease, &[Change::Open(again.clone())]).await;
    let told = story(db, row).await;
    assert_eq!((told.requeued.len(), told.batches.len()), (1, 3));
    assert_eq!(told.batches[2].id, again.batch.to_string());
    let owner = told.lane.and_then(|lane| lane.owner).expect("an owner");
    assert_eq!(owner.id, me.to_string());

    db.record(&lease, &[Change::Close(close(again.batch, &[row]))])
        .await;
    let told = story(db, row).await;
    assert_eq!(told.contact.status, "succeeded");
    assert_eq!(told.batches.len(), 3, "the earlier ones are not forgotten");
}

async fn the_story_of_a_contact_that_waits_tells_how_many_stand_before_it(db: &Db) {
    for phone in ["1", "2"] {
        db.contact("u/t", phone).await;
        db.contact("u/s", phone).await;
    }
    let row = db
        .contact_with("u/t", "3", "not_before", &db.now(500))
        .await;
    let told = story(db, row).await;
    assert_eq!((told.ahead, told.batches.len(), told.lane), (2, 0, None));
    let later = told.contact.not_before.expect("an instant");
    assert!((-500.0..-400.0).contains(&later.seconds_ago), "{later:?}");
}

async fn nobody_has_a_story_that_is_not_there(db: &Db) {
    let story = db.operations.story(ContactId(7)).await.expect("answers");
    assert_eq!(story, None);
}
