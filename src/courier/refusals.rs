//! Refusals that all say the same: the sign that not single rows are wrong, but something about all
//! of them (the wrong task, an account without funds, numbers that are not encrypted as announced).
//!
//! Pure. After each batch, the lane at work asks whether to pause: a million bad rows must not cost
//! a million requests before anyone notices.

use crate::mask;
use crate::platform::verdict::Wait;
use crate::settlement::{FailKind, Final, RowOutcome};

/// This many rows in a row make a pause even if each came in a batch of its own.
const MANY: usize = 10;

/// How some rows ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusals {
    rows: usize,
    /// The words of the first row.
    words: Option<Words>,
    /// Whether the answer about a row left its end unknown.
    are_unconfirmed: bool,
    /// Whether a row ended in another way, or with other words.
    mixed: bool,
}

/// The platform's words about a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Words {
    as_said: String,
    /// The words as people may see them.
    shown: String,
}

/// Rows that all failed in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unanimous {
    /// The words with which each of them ended, masked.
    words: String,
    are_unconfirmed: bool,
}

impl Unanimous {
    /// Returns the reason for which the lane waits.
    pub(super) fn wait(&self) -> Wait {
        Wait::all_refused(&self.words, self.are_unconfirmed)
    }
}

impl Refusals {
    /// Takes in how rows of a batch ended; `shown` masks words about them. A duplicate counts only
    /// if its batch was refused for it (`alone`): duplicates in a list of failures are cheap, and
    /// nothing is wrong.
    pub(super) fn note(
        &mut self,
        settled: &[RowOutcome],
        alone: bool,
        shown: impl Fn(&str) -> String,
    ) {
        for row in settled {
            self.are_unconfirmed |= is_unconfirmed(row);
            match refusal(row, alone) {
                Some(words) => self.add(1, words, &shown),
                None => self.mixed = true,
            }
        }
    }

    /// Notes that a row was given up, so that the rows did not all end in the same way.
    pub(super) fn spoil(&mut self) {
        self.mixed = true;
    }

    fn add(&mut self, rows: usize, words: &str, shown: impl Fn(&str) -> String) {
        self.rows += rows;
        let first = self.words.get_or_insert_with(|| Words {
            as_said: words.to_owned(),
            shown: shown(words),
        });
        self.mixed |= !are_same(&first.as_said, words);
    }

    /// Returns how all rows of a batch ended if each was refused with the same words. `streak`
    /// holds the rows that were refused before the batch; the batch's rows are added to it.
    pub(super) fn unanimous(self, streak: &mut Self) -> Option<Unanimous> {
        let words = self.words.filter(|_| !self.mixed);
        let Some(words) = words else {
            *streak = Self::default();
            return None;
        };
        let goes_on = |first: &Words| are_same(&first.as_said, &words.as_said);
        if !streak.words.as_ref().is_some_and(goes_on) {
            *streak = Self::default();
        }
        let Words { as_said, shown } = words;
        streak.add(self.rows, &as_said, |_| shown.clone());
        (self.rows > 1 || streak.rows >= MANY).then_some(Unanimous {
            words: shown,
            are_unconfirmed: self.are_unconfirmed,
        })
    }
}

/// Whether two refusals say the same. The row's number that they quote may differ, and so may the id of
/// the request.
fn are_same(one: &str, other: &str) -> bool {
    one == other || mask::without_ids(one) == mask::without_ids(other)
}

/// Whether the platform takes contacts of this lane: at least one row was not refused, and the
/// answer told how it ended.
pub(super) fn shows_progress(settled: &[RowOutcome], alone: bool) -> bool {
    settled.iter().any(|row| refusal(row, alone).is_none())
}

/// Returns the words with which the row failed, unless its end shows that the platform takes
/// contacts. The row was refused, or the answer left its end unknown.
fn refusal(row: &RowOutcome, alone: bool) -> Option<&str> {
    match &row.end {
        Final::Failed { kind, cause } => match kind {
            FailKind::Rejected | FailKind::Unconfirmed => Some(cause),
            FailKind::Duplicate if alone => Some(cause),
            _ => None,
        },
        Final::Succeeded => None,
    }
}

fn is_unconfirmed(row: &RowOutcome) -> bool {
    matches!(&row.end, Final::Failed { kind, .. } if *kind == FailKind::Unconfirmed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::ContactId;

    fn failed(kind: FailKind, cause: &str) -> RowOutcome {
        RowOutcome {
            contact: ContactId(1),
            end: Final::Failed {
                kind,
                cause: cause.into(),
            },
        }
    }

    fn succeeded() -> RowOutcome {
        RowOutcome {
            contact: ContactId(1),
            end: Final::Succeeded,
        }
    }

    fn unanimous(settled: &[RowOutcome], alone: bool, streak: &mut Refusals) -> Option<String> {
        let mut refusals = Refusals::default();
        refusals.note(settled, alone, str::to_owned);
        refusals.unanimous(streak).map(|all| all.words)
    }

    #[test]
    fn rows_of_which_no_answer_tells_what_became_show_no_progress_and_say_so() {
        let lost = || failed(FailKind::Unconfirmed, "the answer does not tell");
        assert!(!shows_progress(&[lost()], false));
        let mut refusals = Refusals::default();
        // Each row comes in a piece of its own.
        for _ in 0..2 {
            refusals.note(&[lost()], false, str::to_owned);
        }
        let wait = refusals.unanimous(&mut Refusals::default()).unwrap().wait();
        assert!(
            wait.message
                .starts_with("the answer does not tell; every row")
        );
        assert!(!wait.message.contains("refused"), "{}", wait.message);
        let mixed = [lost(), succeeded()];
        assert!(shows_progress(&mixed, false));
        assert_eq!(unanimous(&mixed, false, &mut Refusals::default()), None);
    }

    #[test]
    fn a_batch_whose_rows_are_all_refused_with_the_same_words_is_noticed() {
        let mut streak = Refusals::default();
        let no = || failed(FailKind::Rejected, "余额不足");
        assert_eq!(
            unanimous(&[no(), no()], false, &mut streak).as_deref(),
            Some("余额不足")
        );
        for other in [failed(FailKind::Rejected, "格式不正确。"), succeeded()] {
            assert_eq!(unanimous(&[no(), other], false, &mut streak), None);
        }
    }

    #[test]
    fn words_that_differ_in_the_number_that_they_quote_are_the_same() {
        let mut streak = Refusals::default();
        let no = |number: &str| failed(FailKind::Rejected, &format!("号码 {number} 不在任务范围"));
        let two = [no("13012121211"), no("130***0000")];
        assert!(unanimous(&two, false, &mut streak).is_some());
        let other = [no("13012121211"), failed(FailKind::Rejected, "余额不足 1")];
        assert_eq!(unanimous(&other, false, &mut streak), None);
    }

    #[test]
    fn words_that_differ_in_the_id_of_a_request_are_the_same() {
        for ids in [
            ["[traceId=7f3a9c1e]", "[traceId=9b01c2d4]"],
            ["[traceId=abcdefgh]", "[traceId=7f3a9c1e]"],
            ["requestId: V1StGXR_Z5jdHi6B", "requestId: bQxTkLmnOpQrStUv"],
            ["(request_id=kXz/aB+c==)", "(request_id=Qq+rS/tu==)"],
            ["rid:abc", "rid:xyz"],
            ["流水号：ABCDEF", "流水号：GHIJKL"],
            ["请求号abcdef", "请求号ghijkl"],
            [
                "0193a5b2-7c1d-7e8f-9a0b-1c2d3e4f5a6b",
                "0193a5b2-ffff-7abc-8def-aaaaaaaaaaaa",
            ],
            ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVRY"],
            ["deadbeefcafe", "0123456789ab"],
            ["2026-11-25 10:20:30", "2026-11-25 10:20:31"],
        ] {
            let no = |id: &str| failed(FailKind::Rejected, &format!("7001 账户余额不足 {id}"));
            let two = ids.map(no);
            let mut streak = Refusals::default();
            assert!(unanimous(&two, false, &mut streak).is_some(), "{ids:?}");
        }
        for words in [
            [
                "余额不足 [traceId=7f3a9c1e]",
                "任务已结束 [traceId=7f3a9c1e]",
            ],
            ["bad number 1", "no balance 1"],
            ["grid: left", "grid: right"],
        ] {
            let two = words.map(|words| failed(FailKind::Rejected, words));
            let mut streak = Refusals::default();
            assert_eq!(unanimous(&two, false, &mut streak), None, "{words:?}");
        }
    }

    #[test]
    fn single_rows_are_noticed_when_there_are_many_in_a_row() {
        let mut streak = Refusals::default();
        let no = failed(FailKind::Rejected, "余额不足");
        let one = |streak: &mut Refusals| unanimous(std::slice::from_ref(&no), true, streak);
        for _ in 1..MANY {
            assert_eq!(one(&mut streak), None);
        }
        assert_eq!(one(&mut streak).as_deref(), Some("余额不足"));
        assert_eq!(unanimous(&[succeeded()], true, &mut streak), None);
        assert_eq!(one(&mut streak), None);
    }

    #[test]
    fn listed_duplicates_are_no_refusals_but_those_that_cost_a_request_each_are() {
        let mut streak = Refusals::default();
        let twice = [
            failed(FailKind::Duplicate, "号码重复"),
            failed(FailKind::Duplicate, "号码重复"),
        ];
        assert_eq!(unanimous(&twice, false, &mut streak), None);
        assert!(unanimous(&twice, true, &mut streak).is_some());
        assert!(shows_progress(&twice, false) && !shows_progress(&twice, true));
    }
}
