//! Finding a contact by its key or its number, and counting failures by a property that they share.

use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::outbox::{FailKind, FailureFilter, FailuresBy};

use super::operations::failed;
use crate::support::{Db, on_every_database};

on_every_database!(
    a_contact_is_found_by_its_key,
    contacts_are_found_by_their_number_step_by_step_the_newest_first,
    failures_are_counted_by_cause_lane_and_kind_the_most_first,
    failed_contacts_come_with_their_key,
    causes_that_differ_by_a_number_are_one,
);

async fn a_contact_is_found_by_its_key(db: &Db) {
    db.contact("u/t", "13012121211").await;
    let key = "'order-1001'";
    let row = db
        .contact_with("u/t", "13012121212", "idempotency_key", key)
        .await;
    let find = async |key: &str| db.operations.find_key(key).await.expect("looks");
    assert_eq!(find("order-1001").await, Some(ContactId(row)));
    for other in ["ORDER-1001", "order-1001-", "order", ""] {
        assert_eq!(find(other).await, None, "{other:?}");
    }
}

/// Returns all contacts that a search finds, and its number of steps.
async fn found(db: &Db, number: &str) -> (Vec<i64>, usize) {
    let (mut found, mut before, mut steps) = (Vec::new(), None, 0);
    loop {
        let step = db.operations.find_number(number, before).await;
        let step = step.expect("looks");
        found.extend(step.found.iter().map(|id| id.0));
        match step.next {
            Some(next) => before = Some(next),
            None => return (found, steps),
        }
        steps += 1;
    }
}

async fn contacts_are_found_by_their_number_step_by_step_the_newest_first(db: &Db) {
    let number = "13012121211";
    assert_eq!(found(db, number).await, (vec![], 0));
    let oldest = db.contact("u/t", number).await;
    db.fill(25, 1_000, ("sort", "0")).await;
    let other = db.contact("u/other", number).await;
    let ended = failed(db, "u/t", "rejected", "no", 5).await;
    let padded = db.contact("u/t", " 13012121211 ").await;
    assert_eq!(
        found(db, number).await,
        (vec![padded, ended, other, oldest], 2)
    );
    assert_eq!(found(db, "1301212121").await.0, [0_i64; 0]);
}

async fn failures_are_counted_by_cause_lane_and_kind_the_most_first(db: &Db) {
    failed(db, "u/a", "rejected", "格式不正确。", 3600).await;
    failed(db, "u/b", "rejected", "格式不正确。", 60).await;
    failed(db, "u/b", "expired", "gave up", 600).await;
    failed(db, "v/b", "invalid", "a rule", 600).await;
    db.execute("UPDATE contact_outbox SET fail_cause = NULL WHERE fail_kind = 'invalid'")
        .await;
    db.contact("u/b", "13012121212").await;
    let count = async |by, filter: &FailureFilter, limit| {
        let groups = db.operations.count_failures_by(filter, by, limit).await;
        let groups = groups.expect("counts").groups;
        groups
            .into_iter()
            .map(|group| (group.shared, group.contacts, group.last_ago))
            .collect::<Vec<_>>()
    };
    let short = |groups: Vec<(String, u64, Duration)>| {
        groups
            .into_iter()
            .map(|(shared, contacts, _)| (shared, contacts))
            .collect::<Vec<_>>()
    };
    let all = FailureFilter::default();
    let by_cause = count(FailuresBy::Cause, &all, 10).await;
    assert_eq!((by_cause[0].0.as_str(), by_cause[0].1), ("格式不正确。", 2));
    assert!((59..160).contains(&by_cause[0].2.as_secs()), "{by_cause:?}");
    assert_eq!(by_cause.len(), 3);
    assert!(
        by_cause
            .iter()
            .any(|(cause, n, _)| cause.is_empty() && *n == 1)
    );
    let by_lane = short(count(FailuresBy::Lane, &all, 10).await);
    let pair = |name: &str, n| (name.to_owned(), n);
    assert_eq!(by_lane, [pair("u/b", 2), pair("u/a", 1), pair("v/b", 1)]);
    let by_kind = short(count(FailuresBy::Kind, &all, 10).await);
    assert_eq!(
        by_kind,
        [pair("rejected", 2), pair("expired", 1), pair("invalid", 1)]
    );
    assert_eq!(count(FailuresBy::Kind, &all, 1).await.len(), 1);
    let filter = FailureFilter {
        user_id: Some("u".into()),
        kinds: vec![FailKind::Rejected, FailKind::Invalid],
        since: Some(Duration::from_secs(1000)),
        ..FailureFilter::default()
    };
    let some = short(count(FailuresBy::Lane, &filter, 10).await);
    assert_eq!(some, [pair("u/b", 1)]);
}

async fn causes_that_differ_by_a_number_are_one(db: &Db) {
    for number in ["13012121211", "13112121212", "+86 132-1212-1213"] {
        failed(db, "u/a", "rejected", &format!("{number} 在黑名单"), 60).await;
    }
    failed(db, "u/a", "rejected", "格式不正确。", 60).await;
    failed(db, "u/a", "rejected", "a rule", 60).await;
    let all = FailureFilter::default();
    let counted = db.operations.count_failures_by(&all, FailuresBy::Cause, 2);
    let counted = counted.await.expect("counts");
    let groups = counted.groups.iter();
    let groups: Vec<_> = groups
        .map(|group| (group.shared.as_str(), group.contacts))
        .collect();
    assert_eq!(groups, [("*** 在黑名单", 3), ("a rule", 1)]);
    assert_eq!((counted.more, counted.contacts_of_more), (1, 1));
}

async fn failed_contacts_come_with_their_key(db: &Db) {
    let first = failed(db, "u/t", "rejected", "no", 5).await;
    db.execute(&format!(
        "UPDATE contact_outbox SET idempotency_key = 'order-1' WHERE id = {first}"
    ))
    .await;
    failed(db, "u/t", "rejected", "no", 1).await;
    let all = FailureFilter::default();
    let page = db.operations.failures(&all, None, 10).await;
    let page = page.expect("failures");
    let keys: Vec<_> = page
        .failures
        .iter()
        .map(|failed| failed.idempotency_key.as_deref())
        .collect();
    assert_eq!(keys, [None, Some("order-1")]);
}
