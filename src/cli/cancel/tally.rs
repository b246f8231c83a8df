//! How many contacts a cancellation is about, and what became of them.

use indicatif::HumanCount;

use crate::cli::span::{contacts, count};
use crate::operators::CancelTally;
use crate::outbox::Cancelled;

/// How many there are, in lines.
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
            "{unmatched} of the names named no pending contact\n"
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

/// What became of them, in lines.
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
