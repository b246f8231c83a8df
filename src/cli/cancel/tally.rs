//! The counts of a cancellation, before and after.

use indicatif::HumanCount;

use crate::cli::operator;
use crate::cli::span::{contacts, count};
use crate::mask::mask_key;
use crate::operators::{CancelTally, GivenKey};
use crate::outbox::Cancelled;

/// Shows how many contacts there are, in lines.
pub(super) fn shown(tally: &CancelTally) -> String {
    let mut lines = vec![if tally.pending == 0 {
        "nothing to cancel: no pending contact matches\n".to_owned()
    } else {
        let lanes = count(tally.lanes, "lane", "lanes");
        format!("{} pending in {lanes}\n", contacts(tally.pending))
    }];
    if tally.unmatched > 0 {
        let unmatched = HumanCount(tally.unmatched);
        lines.push(format!(
            "{unmatched} of the names named no pending contact{}\n",
            missed(tally)
        ));
    }
    if tally.on_their_way > 0 {
        let going = HumanCount(tally.on_their_way);
        lines.push(format!(
            "up to {going} of them may be on the way to the platform, and would be left\n"
        ));
    }
    lines.concat()
}

/// Says how many contacts would be cancelled. The number is uncertain if some may be on their way,
/// because contacts on their way are left.
pub(super) fn cancellable(tally: &CancelTally) -> String {
    if tally.on_their_way == 0 {
        return contacts(tally.pending);
    }
    format!(
        "{} to {}",
        HumanCount(tally.at_least()),
        contacts(tally.pending)
    )
}

/// Says which ids and keys name no pending contact, and why, for those that are listed.
fn missed(tally: &CancelTally) -> String {
    let keys = tally.missed_keys.iter().map(|(given, status)| {
        let why = status.as_deref().unwrap_or("not there");
        format!("{} ({why})", key(given))
    });
    operator::missed(&tally.missed, keys.collect(), tally.unmatched)
}

/// Names a key. One that may hold a phone number is told by its place, because masked ones look alike.
fn key(given: &GivenKey) -> String {
    let shown = mask_key(&given.key);
    if shown == given.key {
        format!("{shown:?}")
    } else {
        format!("--key number {} {shown:?}", given.place)
    }
}

/// Shows the result, in lines.
pub(super) fn done(done: &Cancelled) -> String {
    let left = [
        (
            done.on_their_way,
            "on the way to the platform, perhaps; its answer decides",
        ),
        (done.locked, "locked by another session; run it again"),
    ];
    let left = left.iter().filter(|(left, _)| *left > 0);
    let left = left.map(|(left, why)| format!("{} left: {why}\n", contacts(*left)));
    let cancelled = format!("{} cancelled\n", contacts(done.cancelled));
    std::iter::once(cancelled).chain(left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::ContactId;

    #[test]
    fn what_may_be_on_its_way_is_no_more_than_a_part_of_what_would_be_cancelled() {
        let mut tally = CancelTally {
            pending: 1_000,
            ..CancelTally::default()
        };
        assert_eq!(cancellable(&tally), "1,000 contacts");
        tally.on_their_way = 100;
        assert_eq!(cancellable(&tally), "900 to 1,000 contacts");
    }

    #[test]
    fn ids_that_name_no_pending_contact_are_told_with_why() {
        let given = |place, key: &str| GivenKey {
            place,
            key: key.into(),
        };
        let mut tally = CancelTally {
            unmatched: 2,
            missed: vec![
                (ContactId(5), Some("succeeded".into())),
                (ContactId(7), None),
            ],
            ..CancelTally::default()
        };
        let told = |tally: &CancelTally| shown(tally).lines().nth(1).unwrap().to_owned();
        assert_eq!(
            told(&tally),
            "2 of the names named no pending contact: 5 (succeeded), 7 (not there)"
        );
        tally.unmatched = 1_002;
        assert!(told(&tally).ends_with("7 (not there), and 1,000 more"));
        tally.unmatched = 4;
        tally.missed_keys = vec![
            (given(1, "order-202511270001"), Some("succeeded".into())),
            (given(3, "shop:13012121211"), None),
        ];
        let keys = "7 (not there), \"order-202511270001\" (succeeded), --key number 3 \
                    \"shop:130***1211\" (not there)";
        assert!(told(&tally).ends_with(keys), "{}", told(&tally));
        tally.missed.clear();
        tally.missed_keys.clear();
        assert!(told(&tally).ends_with("named no pending contact"));
    }
}
