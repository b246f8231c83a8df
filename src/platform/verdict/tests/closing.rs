//! Batches that are given up.

use super::*;

#[test]
fn giving_up_tells_what_surely_did_not_go_from_what_may_have() {
    // [given up]
    assert_eq!(ends(&give_up(&one(), "HTTP 502")), [(1, "expired")]);
    let closing = give_up(&sent_before(one()), "HTTP 502");
    assert_eq!(ends(&closing), [(1, "unconfirmed")]);
    assert!(cause(&closing, 1).ends_with("HTTP 502"));
}

#[test]
fn giving_up_on_a_hold_names_the_hold_and_its_words() {
    // [given up on a hold]
    let wait = waiting(&three(), &error(404, "no task"));
    let closing = give_up_on_hold(&one(), &wait);
    assert_eq!(ends(&closing), [(1, "expired")]);
    let said = cause(&closing, 1);
    assert!(
        said.contains("hold (not_found)") && said.contains("404 no task"),
        "{said}"
    );
    assert_eq!(
        expire_on_hold(&one().contacts, &wait),
        closing.settled,
        "those that were not sent end alike"
    );
    let closing = give_up_on_hold(&sent_before(one()), &wait);
    assert_eq!(ends(&closing), [(1, "unconfirmed")]);
    assert!(cause(&closing, 1).contains("hold (not_found)"));
}

#[test]
fn a_row_that_was_unconfirmed_before_it_was_requeued_never_ends_as_surely_not_sent() {
    // [given up], [given up on a hold]
    let mut batch = three();
    batch.contacts[1].in_doubt = true;
    let wait = waiting(&three(), &error(404, "no task"));
    let all = [(1, "expired"), (2, "unconfirmed"), (3, "expired")];
    assert_eq!(ends(&give_up(&batch, "HTTP 502")), all);
    let closing = give_up_on_hold(&batch, &wait);
    assert_eq!(ends(&closing), all);
    assert_eq!(expire_on_hold(&batch.contacts, &wait), closing.settled);
}
