//! The plan of a transaction: values in, values out.

use std::sync::Arc;
use std::time::Duration;

use super::records::count;
use super::*;
use crate::batch::BatchId;
use crate::contact::RequestOptions;
use crate::outbox::{Close, FailKind, Final, Hold, JournalEntry, Lease, Postpone, RowOutcome};

/// The token that each test's lane has now.
const TOKEN: i64 = 7;

fn lane(task: &str) -> Lane {
    Lane::new("u", task).unwrap()
}

/// A write in the name of the lane's newest token.
fn write(change: Change) -> Write {
    write_as("t", TOKEN, change)
}

fn write_as(task: &str, token: i64, change: Change) -> Write {
    let lease = Lease {
        lane: lane(task),
        token,
        failures: 0,
    };
    Write {
        lease: Arc::new(lease),
        change,
    }
}

fn entry(batch: BatchId, contacts: &[i64]) -> JournalEntry {
    JournalEntry {
        batch,
        parent: None,
        contacts: ids(contacts),
        options: RequestOptions::default(),
        attempts: 1,
        maybe_delivered: false,
    }
}

fn ids(contacts: &[i64]) -> Vec<ContactId> {
    contacts.iter().copied().map(ContactId).collect()
}

fn resend(batch: BatchId, contacts: &[i64]) -> Change {
    Change::Resend {
        batch,
        attempts: 2,
        contacts: ids(contacts),
    }
}

fn postpone(batch: BatchId, hold: Option<Hold>) -> Change {
    Change::Postpone(Postpone {
        batch,
        attempts: 1,
        maybe_delivered: true,
        failing: true,
        apart: None,
        hold,
    })
}

fn hold(failures: u32) -> Hold {
    Hold {
        reason: "server_error",
        message: "500\0".into(),
        delay: Duration::from_millis(1500),
        failures,
        needs_person: false,
    }
}

fn succeeded(contact: i64) -> RowOutcome {
    RowOutcome {
        contact: ContactId(contact),
        end: Final::Succeeded,
    }
}

fn failed(contact: i64) -> RowOutcome {
    RowOutcome {
        contact: ContactId(contact),
        end: Final::Failed {
            kind: FailKind::Rejected,
            cause: "no such number".into(),
        },
    }
}

fn close(batch: BatchId, rows: Vec<RowOutcome>) -> Close {
    Close {
        batch,
        attempts: 3,
        outcome: "imported",
        answer: "ok".into(),
        rows,
        children: Vec::new(),
    }
}

/// The lanes of the tests with their newest token.
fn tokens() -> HashMap<Lane, i64> {
    HashMap::from([(lane("t"), TOKEN), (lane("a"), TOKEN)])
}

/// A journal with batches that are open in the name of a token.
fn open(batches: &[BatchId], lease_token: i64) -> HashMap<Uuid, Journaled> {
    let open = Journaled {
        lease_token,
        closed: false,
    };
    batches.iter().map(|batch| (batch.0, open)).collect()
}

fn nothing_journaled() -> HashMap<Uuid, Journaled> {
    HashMap::new()
}

#[test]
fn a_write_in_the_name_of_an_old_token_changes_nothing() {
    let batch = BatchId::generate();
    let old = TOKEN - 1;
    let writes = [
        write_as("t", old, Change::Open(entry(batch, &[1]))),
        write_as("t", old, Change::Refuse(vec![failed(2)])),
        write_as("t", old, Change::Hold(hold(1))),
        write_as("unknown", TOKEN, Change::Recover),
    ];
    let plan = Plan::new(&writes, &tokens(), &nothing_journaled());
    assert_eq!(plan.answers, vec![Recorded::Fenced; 4]);
    assert!(plan.opens.is_empty() && plan.failures.is_empty() && plan.lanes.is_empty());
    assert!(plan.going().0.is_empty());
}

#[test]
fn a_batch_that_the_journal_has_in_another_name_is_not_written_to() {
    let batch = BatchId::generate();
    let writes = [
        write(resend(batch, &[1])),
        write(postpone(batch, Some(hold(1)))),
        write(Change::Close(close(batch, vec![succeeded(1)]))),
    ];
    for journal in [nothing_journaled(), open(&[batch], TOKEN - 1)] {
        let plan = Plan::new(&writes, &tokens(), &journal);
        assert_eq!(plan.answers, vec![Recorded::Fenced; 3]);
        assert!(plan.settled().is_empty() && plan.states().is_empty());
        assert!(plan.lanes.is_empty(), "a fenced write holds no lane");
    }
}

#[test]
fn a_close_that_an_earlier_try_has_committed_is_done_and_changes_nothing() {
    let batch = BatchId::generate();
    let closed = Journaled {
        lease_token: TOKEN,
        closed: true,
    };
    let journal = HashMap::from([(batch.0, closed)]);
    let writes = [write(Change::Close(close(batch, vec![succeeded(1)])))];
    let plan = Plan::new(&writes, &tokens(), &journal);
    assert_eq!(plan.answers, [Recorded::Done]);
    assert!(plan.closes.is_empty() && plan.settled().is_empty());
    // For sending or waiting it is too late.
    let writes = [write(resend(batch, &[1])), write(postpone(batch, None))];
    let plan = Plan::new(&writes, &tokens(), &journal);
    assert_eq!(plan.answers, vec![Recorded::Fenced; 2]);
}

#[test]
fn a_close_that_is_handed_in_twice_settles_once() {
    let batch = BatchId::generate();
    let again = || write(Change::Close(close(batch, vec![succeeded(1), failed(2)])));
    let writes = [again(), again()];
    let plan = Plan::new(&writes, &tokens(), &open(&[batch], TOKEN));
    assert_eq!(plan.answers, vec![Recorded::Done; 2]);
    assert_eq!(plan.closes.len(), 1);
    assert_eq!(plan.settled(), [1, 2]);
}

#[test]
fn a_close_settles_its_rows_and_opens_its_children() {
    let (batch, child) = (BatchId::generate(), BatchId::generate());
    let child = JournalEntry {
        parent: Some(batch),
        ..entry(child, &[5])
    };
    let close = Close {
        children: vec![child.clone()],
        ..close(batch, vec![succeeded(9), failed(4), succeeded(3)])
    };
    let writes = [write(Change::Close(close))];
    let plan = Plan::new(&writes, &tokens(), &open(&[batch], TOKEN));
    let [success] = plan.successes.as_slice() else {
        panic!("{:?}", plan.successes);
    };
    assert_eq!((success.batch_id, success.attempts), (batch.0, 3));
    assert_eq!(success.rows, [3, 9], "by id");
    let [failure] = plan.failures.as_slice() else {
        panic!("{:?}", plan.failures);
    };
    let told = (failure.id, failure.attempts, failure.batch_id);
    assert_eq!(told, (4, 3, Some(batch.0)));
    assert_eq!(failure.fail_kind, "rejected");
    let [opened] = plan.opens.as_slice() else {
        panic!("{:?}", plan.opens);
    };
    assert_eq!(
        (opened.id, opened.parent_id),
        (child.batch.0, Some(batch.0))
    );
    assert_eq!((opened.state, opened.lease_token), ("waiting", TOKEN));
    assert!(plan.going().0.is_empty(), "a child is not sent yet");
    assert!(Departing::of(&plan.opens).is_empty());
}

#[test]
fn failures_are_written_in_the_order_of_their_ids_whoever_hands_them_in() {
    let batch = BatchId::generate();
    let writes = [
        write(Change::Close(close(batch, vec![failed(8), failed(2)]))),
        write(Change::Refuse(vec![failed(5)])),
        write(Change::RefuseSent {
            batch,
            attempts: 2,
            rows: vec![failed(6)],
        }),
    ];
    let plan = Plan::new(&writes, &tokens(), &open(&[batch], TOKEN));
    let rows: Vec<_> = plan
        .failures
        .iter()
        .map(|row| (row.id, row.attempts))
        .collect();
    assert_eq!(rows, [(2, 3), (5, 0), (6, 2), (8, 3)]);
    assert_eq!(plan.failures[1].batch_id, None, "it was never sent");
    assert_eq!(plan.failures[2].batch_id, Some(batch.0));
}

#[test]
fn of_several_changes_to_a_lanes_hold_the_last_one_counts() {
    let batch = BatchId::generate();
    let writes = [
        write(Change::Hold(hold(1))),
        write_as("a", TOKEN, Change::Hold(hold(4))),
        write(postpone(batch, Some(hold(2)))),
        write_as("a", TOKEN, Change::Recover),
        // A batch that was called off says nothing about the lane.
        write(postpone(batch, None)),
    ];
    let plan = Plan::new(&writes, &tokens(), &open(&[batch], TOKEN));
    let holds: Vec<_> = plan
        .lanes
        .iter()
        .map(|lane| (lane.task_id, lane.failures, lane.reason, lane.delay))
        .collect();
    let held = ("t", 2, Some("server_error"), Some(1.5));
    assert_eq!(holds, [("a", 0, None, None), held]);
    let message = plan.lanes[1].message.as_deref();
    assert_eq!(message, Some("500\u{fffd}"), "no NUL reaches the database");
    let called_off = &plan.postpones[1];
    assert_eq!(
        (called_off.outcome, called_off.answer.as_deref()),
        (None, None)
    );
}

#[test]
fn a_batch_is_in_the_state_of_its_last_change_at_the_end() {
    let [waits, goes, ends] = [(); 3].map(|()| BatchId::generate());
    let writes = [
        write(postpone(waits, None)),
        write(postpone(goes, None)),
        write(resend(goes, &[2])),
        write(Change::Close(close(ends, vec![succeeded(3)]))),
    ];
    let plan = Plan::new(&writes, &tokens(), &open(&[waits, goes, ends], TOKEN));
    let mut states: Vec<_> = plan
        .states()
        .iter()
        .map(|batch| (batch.id, batch.state, batch.attempts))
        .collect();
    let mut expected = vec![
        (waits.0, "waiting", 1),
        (goes.0, "sending", 2),
        (ends.0, "closed", 3),
    ];
    states.sort_unstable();
    expected.sort_unstable();
    assert_eq!(states, expected);
}

#[test]
fn a_batch_with_a_row_that_is_not_pending_is_not_sent_again() {
    let (whole, stale) = (BatchId::generate(), BatchId::generate());
    let writes = [write(resend(whole, &[1, 2])), write(resend(stale, &[3, 4]))];
    let mut plan = Plan::new(&writes, &tokens(), &open(&[whole, stale], TOKEN));
    assert_eq!(plan.going_again(), [1, 2, 3, 4]);
    plan.hold_back(&HashSet::from([4, 99]));
    assert_eq!(plan.answers, [Recorded::Done, Recorded::Stale(ids(&[4]))]);
    let resent: Vec<_> = plan.resends.iter().map(|batch| batch.id).collect();
    assert_eq!(resent, [whole.0]);
}

#[test]
fn a_new_batch_that_the_journal_did_not_take_is_stale_or_its_lane_is_lost() {
    let [taken, stale, lost] = [(); 3].map(|()| BatchId::generate());
    let writes = [
        write(Change::Open(entry(taken, &[1]))),
        write(Change::Open(entry(stale, &[2, 3]))),
        write(Change::Open(entry(lost, &[4]))),
    ];
    let mut plan = Plan::new(&writes, &tokens(), &nothing_journaled());
    assert_eq!(plan.going().1, [1, 2, 3, 4]);
    assert!(plan.going_again().is_empty(), "all of them are new");
    assert_eq!(Departing::of(&plan.opens).len(), 3);
    assert_eq!(plan.missing(&open(&[taken], TOKEN)), 2);
    plan.refuse(&HashSet::from([taken.0]), &HashSet::from([3]));
    let answers = [Recorded::Done, Recorded::Stale(ids(&[3])), Recorded::Fenced];
    assert_eq!(plan.answers, answers);
    assert_eq!(plan.missing(&open(&[taken], TOKEN)), 1, "only the lost one");
}

#[test]
fn the_writes_name_each_lane_once_and_every_batch_that_must_be_there() {
    let [new, again, waits, ends] = [(); 4].map(|()| BatchId::generate());
    let writes = [
        write(Change::Open(entry(new, &[1]))),
        write(resend(again, &[2])),
        write_as("a", TOKEN, postpone(waits, None)),
        write(Change::Close(close(ends, Vec::new()))),
        write(Change::Recover),
    ];
    let lanes: Vec<_> = lanes_of(&writes).into_iter().collect();
    assert_eq!(lanes, [&lane("a"), &lane("t")], "in order");
    assert_eq!(batches_of(&writes), [again.0, waits.0, ends.0]);
}

#[test]
fn an_id_that_is_there_twice_is_one() {
    let [one, other] = [(); 2].map(|()| Uuid::now_v7());
    assert_eq!(distinct([one, other, one]), 2);
    assert_eq!(distinct([]), 0);
}

#[test]
fn a_count_beyond_the_column_is_the_largest_that_fits() {
    assert_eq!((count(3), count(u32::MAX)), (3, i32::MAX));
}
