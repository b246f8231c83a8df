//! The answers to operators' questions.

use std::time::Duration;

use contact_courier::batch::BatchId;
use contact_courier::contact::ContactId;
use contact_courier::outbox::{
    Change, ClosedGate, Conclusion, FailKind, FailedContact, FailureFilter, Hold, LaneCounts,
    LaneState, NewestEnds, Overview, PendingCounts, Postpone,
};

use crate::support::{Db, Kind, entry, instance, on_every_database};

on_every_database!(
    an_empty_outbox_has_nothing_to_tell,
    the_overview_counts_due_deferred_and_held_contacts_and_lanes_by_state,
    the_oldest_pending_contact_is_the_one_that_has_been_due_for_longest,
    couriers_are_told_with_their_heartbeats,
    what_a_courier_says_of_itself_is_told_as_of_now,
    how_the_newest_contacts_ended_is_counted,
    lanes_come_by_what_is_pending_with_state_and_owner,
    paused_lanes_come_with_reason_and_next_try_the_longest_held_first,
    a_pause_whose_contacts_are_gone_is_none,
    failures_come_the_last_first_masked_and_in_pages,
    failures_are_filtered_by_lane_and_kind,
    of_a_number_without_an_end_little_is_read,
    failures_are_filtered_by_cause_and_time,
    failures_are_counted_by_kind_and_by_what_they_ask_for,
    the_server_tells_its_kind_its_clock_and_what_its_durability_rests_on,
);

async fn of_a_number_without_an_end_little_is_read(db: &Db) {
    let row = failed(db, "u/t", "invalid", "too long", 5).await;
    let long = format!("130{}1211", "0".repeat(300_000));
    db.execute(&format!(
        "UPDATE contact_outbox SET phone = '{long}' WHERE id = {row}"
    ))
    .await;
    let failures = db
        .operations
        .failures(&FailureFilter::default(), None, 10)
        .await;
    let read = failures.expect("answers").failures.remove(0).phone;
    let story = db.operations.story(ContactId(row)).await;
    let told = story.expect("answers").expect("a story").contact.phone;
    for phone in [read, told] {
        assert_eq!(phone.expose(), "1300000000***0000001211");
    }
    // It is whole in the table.
    let length = format!("FROM contact_outbox WHERE phone = '{long}'");
    assert_eq!(db.count(&length).await, 1);
}

/// A hold of a lane, as a failed send leaves it.
fn postpone(batch: BatchId, reason: &'static str, delay: Duration) -> Change {
    Change::Postpone(Postpone {
        batch,
        attempts: 1,
        maybe_delivered: false,
        failing: false,
        apart: None,
        hold: Some(Hold {
            reason,
            message: format!("because of {reason}"),
            delay,
            failures: 3,
            needs_person: false,
        }),
    })
}

/// Puts a lane on hold with one contact in an open batch; returns the contact.
pub(super) async fn hold(db: &Db, lane: &str, reason: &'static str, delay: Duration) -> i64 {
    let me = db.courier().await;
    let row = db.contact(lane, "13012121211").await;
    let lease = db.lease(lane, me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.record(&lease, &[postpone(batch.batch, reason, delay)])
        .await;
    db.outbox.release(&lease).await.expect("releases");
    db.outbox.retire(me).await.expect("retires");
    row
}

/// A contact that failed so many seconds ago.
pub(super) async fn failed(db: &Db, lane: &str, kind: &str, cause: &str, ago: i64) -> i64 {
    let row = db.contact(lane, "13012121211").await;
    let then = db.now(-ago);
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'failed', fail_kind = '{kind}', fail_cause = '{cause}',
            attempts = 2, finished_at = {then} WHERE id = {row}"
    ))
    .await;
    row
}

async fn overview(db: &Db) -> Overview {
    db.operations.overview().await.expect("an overview")
}

async fn an_empty_outbox_has_nothing_to_tell(db: &Db) {
    let told = overview(db).await;
    assert!(told.at.ends_with('Z'), "{told:?}");
    let at = told.at.clone();
    let nothing = Overview {
        at,
        ..Overview::default()
    };
    assert_eq!(told, nothing);
    assert!(db.operations.lanes(10).await.expect("lanes").is_empty());
    assert!(db.operations.held(10).await.expect("pauses").is_empty());
    let page = db
        .operations
        .failures(&FailureFilter::default(), None, 10)
        .await
        .expect("failures");
    assert!(page.failures.is_empty() && page.next.is_none());
}

async fn the_overview_counts_due_deferred_and_held_contacts_and_lanes_by_state(db: &Db) {
    let me = db.courier().await;
    let (past, future) = (db.now(-5), db.now(500));
    for phone in ["1", "2", "3"] {
        db.contact("u/due", phone).await;
    }
    db.contact_with("u/due", "4", "not_before", &past).await;
    db.contact_with("u/due", "5", "not_before", &future).await;
    db.contact_with("u/later", "6", "not_before", &future).await;
    hold(db, "u/held", "task_running", Duration::from_mins(5)).await;
    db.contact("u/held", "8").await;
    let row = db.contact("u/leased", "9").await;
    let lease = db.lease("u/leased", me).await.lease;
    db.record(&lease, &[Change::Open(entry(&[row]))]).await;
    failed(db, "u/done", "rejected", "no", 5).await;

    let told = overview(db).await;
    let expected = PendingCounts {
        due: 5,
        deferred: 2,
        held: 2,
    };
    assert_eq!(told.pending, expected);
    assert_eq!(told.pending.total(), 9);
    // A lane with nothing but a later row is idle; a lane without pending rows is not known.
    let expected = LaneCounts {
        due: 1,
        held: 1,
        leased: 1,
        idle: 1,
        held_alone: 1,
    };
    assert_eq!(told.lanes, expected);
    assert_eq!(told.open_batches, 2);
}

async fn the_oldest_pending_contact_is_the_one_that_has_been_due_for_longest(db: &Db) {
    let age = async || {
        let oldest = overview(db).await.oldest_pending;
        oldest.map(|oldest| oldest.as_secs())
    };
    let (long_ago, past, future) = (db.now(-1000), db.now(-100), db.now(500));
    // Inserted long ago, but not due yet.
    let later = db.contact_with("u/a", "1", "created_at", &long_ago).await;
    db.execute(&format!(
        "UPDATE contact_outbox SET not_before = {future} WHERE id = {later}"
    ))
    .await;
    assert_eq!(age().await, None);
    db.contact_with("u/a", "2", "created_at", &past).await;
    assert!((99..200).contains(&age().await.expect("one is due")));
    db.contact_with("u/a", "3", "not_before", &db.now(-300))
        .await;
    assert!((299..400).contains(&age().await.expect("one is due")));
    db.contact_with("u/b", "4", "created_at", &db.now(-600))
        .await;
    assert!((599..700).contains(&age().await.expect("one is due")));
}

async fn couriers_are_told_with_their_heartbeats(db: &Db) {
    let (first, second) = (db.courier().await, db.courier().await);
    let past = db.now(-100);
    db.execute(&format!(
        "UPDATE courier_instance SET started_at = {past} WHERE id = '{first}'"
    ))
    .await;
    db.silence(second).await;
    let told = overview(db).await.instances;
    let ids: Vec<_> = told.iter().map(|told| told.id.clone()).collect();
    assert_eq!(ids, [first.to_string(), second.to_string()]);
    assert_eq!((told[0].host.as_str(), told[0].pid), ("test", 1));
    assert!((99..200).contains(&told[0].started_ago.as_secs()));
    assert!(told[0].heartbeat_ago < Duration::from_secs(20) && told[0].alive);
    assert!((59..90).contains(&told[1].heartbeat_ago.as_secs()) && !told[1].alive);
}

async fn what_a_courier_says_of_itself_is_told_as_of_now(db: &Db) {
    let mut courier = instance(db.courier().await);
    courier.standing.gates = vec![ClosedGate {
        reason: "unauthorized".into(),
        message: "令牌无效 😀".into(),
        closed_seconds: 10.0,
        next_try_in_seconds: 90.0,
        ..ClosedGate::default()
    }];
    db.outbox.beat(&courier).await.expect("it beats");
    let conclusion = overview(db).await.conclusion();
    let Conclusion::Stopped { gate, .. } = conclusion else {
        panic!("{conclusion:?}");
    };
    assert_eq!(gate.message, "令牌无效 😀");
    assert!((10.0..60.0).contains(&gate.closed_seconds), "{gate:?}");
    assert!((40.0..90.1).contains(&gate.next_try_in_seconds), "{gate:?}");
    let gates = &mut courier.standing.gates;
    gates[0].user_id = Some("u".into());
    db.outbox.beat(&courier).await.expect("it beats");
    // Contacts and lanes agree, in the sums and in the list.
    let counted = async || {
        let (told, lanes) = (overview(db).await, db.operations.lanes(10).await);
        let lanes = lanes.expect("lanes");
        let held = lanes.iter().filter(|lane| lane.state == LaneState::Held);
        assert_eq!(told.lanes.held, held.count() as u64);
        assert_eq!(told.lanes.held + told.lanes.due, lanes.len() as u64);
        assert_eq!(told.lanes.held, told.pending.held);
        assert_eq!(told.lanes.held_alone, 0);
        (told.pending.due, told.pending.held)
    };
    for (name, due, held) in [("U/t", 1, 0), ("u/t", 1, 1), ("u1/t", 2, 1), ("u/x", 2, 2)] {
        db.contact(name, "1").await;
        assert_eq!(counted().await, (due, held), "{name}");
    }
    courier.standing.gates[0].user_id = None;
    db.outbox.beat(&courier).await.expect("it beats");
    assert_eq!(counted().await, (0, 4));
    db.execute("DELETE FROM contact_outbox").await;
    // A silent courier keeps nobody back.
    db.silence(courier.id).await;
    assert_eq!(overview(db).await.conclusion(), Conclusion::Empty);
    db.execute("UPDATE courier_instance SET standing = 'nonsense'")
        .await;
    assert_eq!(overview(db).await.instances[0].standing, None);
}

async fn how_the_newest_contacts_ended_is_counted(db: &Db) {
    assert_eq!(overview(db).await.newest, NewestEnds::default());
    for n in 0..3 {
        failed(db, "u/t", "rejected", "no", n).await;
    }
    failed(db, "u/t", "cancelled", "by anna", 3).await;
    db.contact("u/t", "13012121211").await;
    let ends = NewestEnds {
        succeeded: 0,
        failed: 3,
        cancelled: 1,
    };
    assert_eq!(overview(db).await.newest, ends);
}

async fn lanes_come_by_what_is_pending_with_state_and_owner(db: &Db) {
    let me = db.courier().await;
    let (past, future) = (db.now(-100), db.now(500));
    for phone in ["1", "2", "3"] {
        db.contact_with("u/big", phone, "created_at", &past).await;
    }
    db.contact_with("u/later", "1", "not_before", &future).await;
    db.contact_with("u/later", "2", "not_before", &future).await;
    hold(db, "u/held", "task_running", Duration::from_mins(5)).await;
    db.lease("u/big", me).await;

    let told = db.operations.lanes(10).await.expect("lanes");
    let short: Vec<_> = told
        .iter()
        .map(|lane| (lane.task_id.as_str(), lane.pending, lane.due, lane.state))
        .collect();
    assert_eq!(
        short,
        [
            ("big", 3, 3, LaneState::Leased),
            ("later", 2, 0, LaneState::Idle),
            ("held", 1, 1, LaneState::Held),
        ]
    );
    let owner = told[0].owner.as_ref().expect("an owner");
    assert_eq!((owner.id.clone(), owner.pid), (me.to_string(), 1));
    assert!((99..200).contains(&told[0].oldest.expect("due").as_secs()));
    assert_eq!((told[1].oldest, &told[1].owner), (None, &None));
    assert_eq!(db.operations.lanes(1).await.expect("lanes").len(), 1);

    // A silent courier owns nothing.
    db.silence(me).await;
    let told = db.operations.lanes(1).await.expect("lanes");
    assert_eq!((told[0].state, &told[0].owner), (LaneState::Due, &None));
}

async fn paused_lanes_come_with_reason_and_next_try_the_longest_held_first(db: &Db) {
    hold(db, "u/a", "task_running", Duration::from_mins(5)).await;
    db.contact_with("u/a", "2", "not_before", &db.now(500))
        .await;
    hold(db, "u/b", "server_error", Duration::ZERO).await;
    let (past, later) = (db.now(-3600), db.now(-60));
    for (task, since) in [("b", past), ("a", later)] {
        db.execute(&format!(
            "UPDATE delivery_lane SET held_since = {since} WHERE task_id = '{task}'"
        ))
        .await;
    }
    let told = db.operations.held(10).await.expect("pauses");
    let short: Vec<_> = told
        .iter()
        .map(|lane| (lane.task_id.as_str(), lane.reason.as_str(), lane.pending))
        .collect();
    assert_eq!(short, [("b", "server_error", 1), ("a", "task_running", 2)]);
    assert_eq!(told[1].message, "because of task_running");
    assert_eq!(told[1].failures, 3);
    assert!((3599..3700).contains(&told[0].held_for.as_secs()));
    assert_eq!(told[0].next_try_in, Duration::ZERO);
    assert!((200..=300).contains(&told[1].next_try_in.as_secs()));
    assert_eq!(db.operations.held(1).await.expect("pauses").len(), 1);
}

async fn a_pause_whose_contacts_are_gone_is_none(db: &Db) {
    let row = hold(db, "u/t", "task_running", Duration::from_mins(5)).await;
    db.execute(&format!("DELETE FROM contact_outbox WHERE id = {row}"))
        .await;
    assert_eq!(overview(db).await.open_batches, 1);
    assert!(db.operations.held(10).await.expect("pauses").is_empty());
}

fn ids(failures: &[FailedContact]) -> Vec<i64> {
    failures.iter().map(|failed| failed.id.0).collect()
}

async fn failures_come_the_last_first_masked_and_in_pages(db: &Db) {
    let old = failed(db, "u/t", "rejected", "格式不正确。", 3600).await;
    let new = failed(db, "u/t", "expired", "gave up", 60).await;
    // Two contacts that failed at the very same moment.
    let then = "'2020-01-01 00:00:00.123'";
    let mut same = Vec::new();
    for _ in 0..2 {
        let row = failed(db, "u/t", "invalid", "x", 0).await;
        db.execute(&format!(
            "UPDATE contact_outbox SET finished_at = {then} WHERE id = {row}"
        ))
        .await;
        same.push(row);
    }
    let expected = [new, old, same[1], same[0]];
    let everything = FailureFilter::default();
    let whole = db.operations.failures(&everything, None, 10).await;
    let whole = whole.expect("failures");
    assert_eq!(
        (ids(&whole.failures), &whole.next),
        (expected.to_vec(), &None)
    );
    let told = &whole.failures[1];
    assert_eq!(told.phone.to_string(), "130***1211");
    assert_eq!(
        (told.kind.as_str(), told.cause.as_str(), told.attempts),
        ("rejected", "格式不正确。", 2)
    );
    assert!((3599..3700).contains(&told.finished_ago.as_secs()));
    let instant = &whole.failures[2].finished_at;
    assert!(
        instant.len() == 20 && instant.ends_with('Z') && instant.contains('T'),
        "{instant}"
    );
    let json = serde_json::to_value(told).expect("JSON");
    assert_eq!(json["phone"], "130***1211");
    assert_eq!(json["id"], old);

    let mut after = None;
    for row in expected {
        let page = db.operations.failures(&everything, after.as_ref(), 1).await;
        let page = page.expect("failures");
        assert_eq!(ids(&page.failures), [row]);
        after = page.next;
    }
    let page = db.operations.failures(&everything, after.as_ref(), 1).await;
    let page = page.expect("failures");
    assert!(page.failures.is_empty() && page.next.is_none());
}

/// Returns the ids of the failed contacts that pass a filter, and checks that counting them gives
/// the same.
async fn pick(db: &Db, filter: FailureFilter) -> Vec<i64> {
    let page = db.operations.failures(&filter, None, 10).await;
    let found = ids(&page.expect("failures").failures);
    let counts = db.operations.count_failures(&filter).await.expect("counts");
    let counted: u64 = counts.iter().map(|count| count.contacts).sum();
    assert_eq!(counted, found.len() as u64, "{filter:?}");
    found
}

async fn failures_are_filtered_by_lane_and_kind(db: &Db) {
    let a = failed(db, "u/a", "rejected", "no", 10).await;
    let b = failed(db, "u/b", "expired", "gave up", 100).await;
    let c = failed(db, "w/a", "duplicate", "there", 1000).await;
    let none = FailureFilter::default;
    assert_eq!(pick(db, none()).await, [a, b, c]);
    let user_id = Some("u".to_owned());
    let of_user = FailureFilter {
        user_id: user_id.clone(),
        ..none()
    };
    assert_eq!(pick(db, of_user).await, [a, b]);
    let of_lane = FailureFilter {
        user_id,
        task_id: Some("a".to_owned()),
        ..none()
    };
    assert_eq!(pick(db, of_lane).await, [a]);
    let kinds = vec![FailKind::Duplicate, FailKind::Expired];
    assert_eq!(pick(db, FailureFilter { kinds, ..none() }).await, [b, c]);
}

async fn failures_are_filtered_by_cause_and_time(db: &Db) {
    let a = failed(db, "u/a", "rejected", "Bad Number", 10).await;
    let b = failed(db, "u/b", "expired", "gave up", 100).await;
    let c = failed(db, "w/a", "duplicate", "重复号码", 1000).await;
    let none = FailureFilter::default;
    for (cause, found) in [("bad num", vec![a]), ("重复", vec![c]), ("%", vec![])] {
        let cause = Some(cause.to_owned());
        assert_eq!(pick(db, FailureFilter { cause, ..none() }).await, found);
    }
    let since = Some(Duration::from_secs(500));
    let until = Some(Duration::from_secs(50));
    assert_eq!(pick(db, FailureFilter { since, ..none() }).await, [a, b]);
    assert_eq!(pick(db, FailureFilter { until, ..none() }).await, [b, c]);
    let both = FailureFilter {
        since,
        until,
        ..none()
    };
    assert_eq!(pick(db, both).await, [b]);
}

async fn failures_are_counted_by_kind_and_by_what_they_ask_for(db: &Db) {
    for kind in ["rejected", "unconfirmed", "unconfirmed"] {
        failed(db, "u/t", kind, "x", 10).await;
    }
    let row = failed(db, "u/t", "unconfirmed", "x", 10).await;
    db.execute(&format!(
        "UPDATE contact_outbox SET number_add_suffix = true WHERE id = {row}"
    ))
    .await;
    let everything = FailureFilter::default();
    let counts = db.operations.count_failures(&everything).await;
    let mut counts: Vec<_> = counts
        .expect("counts")
        .into_iter()
        .map(|count| (count.kind, count.options.number_add_suffix, count.contacts))
        .collect();
    counts.sort();
    let expected = [
        ("rejected".to_owned(), None, 1),
        ("unconfirmed".to_owned(), None, 2),
        ("unconfirmed".to_owned(), Some(true), 1),
    ];
    assert_eq!(counts, expected);
}

async fn the_server_tells_its_kind_its_clock_and_what_its_durability_rests_on(db: &Db) {
    let told = db.operations.server().await.expect("a server");
    let product = match db.kind {
        Kind::Sqlite => "SQLite 3.",
        Kind::Postgres => "PostgreSQL ",
        Kind::MariaDb => "MariaDB ",
        Kind::MySql => "MySQL ",
    };
    assert!(told.product.starts_with(product), "{}", told.product);
    assert_eq!(told.too_old, None);
    // An instant after this test was written.
    assert!(told.clock > 1_700_000_000.0, "{}", told.clock);
    assert!(told.durability.len() >= 2, "{told:?}");
    for setting in &told.durability {
        assert_ne!(setting.value, "unknown", "{setting:?}");
    }
    // The settings that our own sessions make.
    let own = ["synchronous_commit", "journal_mode", "synchronous"];
    for setting in told.durability.iter().filter(|s| own.contains(&s.name)) {
        assert_eq!(setting.risk, None, "{setting:?}");
    }
}
