//! A task: the numbers it holds and the rules by which it takes more.
//!
//! Pure but for its own memory: no clock, no randomness (suffixes are handed in), no locks.

use std::collections::{HashMap, HashSet};

use super::number;
use super::state::{NumberState, RefusalState, TaskState};
use super::wire::{ImportRequest, Row};

/// A number that breaks the format, in the platform's words.
pub(super) const MALFORMED: &str = "格式不正确。";
/// A number that the task already has, or that is in the request twice.
pub(super) const DUPLICATE: &str = "号码重复。";

/// What importing one request came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Import<'r> {
    /// Bad rows were skipped, the others are in.
    Done {
        /// The rows that are in now.
        accepted: Vec<&'r Row<'r>>,
        /// The numbers that were skipped, and why.
        failures: Vec<Failure<'r>>,
    },
    /// `skip_error` is false and a row is bad: nothing was imported, for this cause.
    Stopped(&'static str),
}

/// A number that was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure<'r> {
    /// As it came in.
    pub(super) number: &'r str,
    /// The platform's words.
    pub(super) cause: &'static str,
}

/// One task of one user.
#[derive(Debug, Default)]
pub(super) struct Task {
    /// By the number as it came in.
    numbers: HashMap<Box<str>, Record>,
    /// Numbers as they are stored after the platform added a suffix.
    suffixed: HashSet<Box<str>>,
    refusals: HashMap<Box<str>, Refusal>,
}

#[derive(Debug, Default)]
struct Record {
    received: u32,
    /// Copies in the task, with or without a suffix of the platform.
    held: u32,
    /// Whether one of the copies is stored as it came in.
    plain: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Refusal {
    cause: Option<&'static str>,
    duplicate: bool,
}

impl Task {
    /// Notes that these rows came in, whatever becomes of them.
    pub(super) fn receive(&mut self, rows: &[Row<'_>]) {
        for row in rows.iter().filter(|row| !row.phone.is_empty()) {
            self.update(&row.phone, |record| record.received += 1);
        }
    }

    /// Imports a request. `suffix` gives a new random suffix each time it is asked.
    pub(super) fn import<'r>(
        &mut self,
        request: &'r ImportRequest<'r>,
        mut suffix: impl FnMut() -> String,
    ) -> Import<'r> {
        let causes = self.judge(request);
        if !request.skip_error
            && let Some((row, cause)) = first_bad(&request.rows, &causes)
        {
            self.note_refusal(&row.phone, cause);
            return Import::Stopped(cause);
        }
        let mut accepted = Vec::with_capacity(request.rows.len());
        let mut failures = Vec::new();
        for (row, cause) in request.rows.iter().zip(causes) {
            if let Some(cause) = cause {
                self.note_refusal(&row.phone, cause);
                let number = row.phone.as_ref();
                failures.push(Failure { number, cause });
            } else {
                self.hold(&row.phone, request.number_add_suffix, &mut suffix);
                accepted.push(row);
            }
        }
        Import::Done { accepted, failures }
    }

    /// What this task tells about itself.
    pub(super) fn state(&self, user_id: &str, task_id: &str) -> TaskState {
        let mut numbers: Vec<NumberState> = self
            .numbers
            .iter()
            .map(|(number, record)| number_state(number, record))
            .collect();
        numbers.sort_unstable_by(|a, b| a.number.cmp(&b.number));
        let mut refusals: Vec<RefusalState> = self
            .refusals
            .iter()
            .map(|(number, refusal)| refusal_state(number, refusal))
            .collect();
        refusals.sort_unstable_by(|a, b| a.number.cmp(&b.number));
        TaskState {
            user_id: user_id.to_owned(),
            task_id: task_id.to_owned(),
            numbers,
            refusals,
        }
    }

    /// For each row why it cannot be taken, or `None`.
    fn judge(&self, request: &ImportRequest<'_>) -> Vec<Option<&'static str>> {
        let mut seen: HashSet<&str> = HashSet::with_capacity(request.rows.len());
        let judge_row = |phone: &str, seen_before: bool| {
            if !request.encryption && !number::is_well_formed(phone) {
                Some(MALFORMED)
            } else if !request.number_add_suffix && (seen_before || self.has_stored(phone)) {
                Some(DUPLICATE)
            } else {
                None
            }
        };
        request
            .rows
            .iter()
            .map(|row| judge_row(&row.phone, !seen.insert(&row.phone)))
            .collect()
    }

    fn has_stored(&self, number: &str) -> bool {
        self.numbers.get(number).is_some_and(|record| record.plain)
            || self.suffixed.contains(number)
    }

    fn hold(&mut self, number: &str, add_suffix: bool, suffix: &mut impl FnMut() -> String) {
        if add_suffix {
            // Random suffixes may meet; the platform's do not, so neither do ours.
            while !self
                .suffixed
                .insert(format!("{number}_{}", suffix()).into())
            {}
        }
        self.update(number, |record| {
            record.held += 1;
            record.plain |= !add_suffix;
        });
    }

    /// Changes the record of a number. Allocates only for a number that was never here.
    fn update(&mut self, number: &str, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.numbers.get_mut(number) {
            change(record);
        } else {
            change(self.numbers.entry(number.into()).or_default());
        }
    }

    fn note_refusal(&mut self, number: &str, cause: &'static str) {
        let refusal = self.refusals.entry(number.into()).or_default();
        if cause == DUPLICATE {
            refusal.duplicate = true;
        } else {
            refusal.cause = Some(cause);
        }
    }
}

fn first_bad<'r>(
    rows: &'r [Row<'r>],
    causes: &[Option<&'static str>],
) -> Option<(&'r Row<'r>, &'static str)> {
    rows.iter()
        .zip(causes)
        .find_map(|(row, cause)| cause.map(|cause| (row, cause)))
}

fn number_state(number: &str, record: &Record) -> NumberState {
    NumberState {
        number: number.to_owned(),
        base: number::base(number).to_owned(),
        times_held: record.held,
        times_received: record.received,
    }
}

fn refusal_state(number: &str, refusal: &Refusal) -> RefusalState {
    RefusalState {
        number: number.to_owned(),
        cause: refusal.cause.map(str::to_owned),
        duplicate: refusal.duplicate.then(|| DUPLICATE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request<'a>(numbers: &[&'a str]) -> ImportRequest<'a> {
        ImportRequest {
            skip_error: true,
            rows: numbers
                .iter()
                .map(|number| Row {
                    phone: (*number).into(),
                    sort: Some(0),
                    sub_user_id: None,
                })
                .collect(),
            ..ImportRequest::default()
        }
    }

    /// Receives and imports, with suffixes `s0`, `s1`, …; answers (rows taken, failures).
    fn import(
        task: &mut Task,
        request: &ImportRequest<'_>,
    ) -> (usize, Vec<(String, &'static str)>) {
        task.receive(&request.rows);
        let mut n = 0;
        let suffix = || {
            n += 1;
            format!("s{n}")
        };
        match task.import(request, suffix) {
            Import::Done { accepted, failures } => {
                let failures = failures.iter().map(|f| (f.number.to_owned(), f.cause));
                (accepted.len(), failures.collect())
            }
            Import::Stopped(cause) => (0, vec![(String::new(), cause)]),
        }
    }

    fn held(task: &Task, number: &str) -> u32 {
        task.numbers.get(number).map_or(0, |record| record.held)
    }

    #[test]
    fn bad_rows_are_skipped_and_listed_and_the_others_are_taken() {
        let mut task = Task::default();
        let (taken, failures) = import(&mut task, &request(&["13012121211", "911", "13012121212"]));
        assert_eq!(taken, 2);
        assert_eq!(failures, [("911".to_owned(), MALFORMED)]);
        assert_eq!(held(&task, "911"), 0);
    }

    #[test]
    fn without_skip_error_one_bad_row_stops_the_whole_request() {
        let mut task = Task::default();
        let all_or_nothing = ImportRequest {
            skip_error: false,
            ..request(&["13012121211", "911"])
        };
        let (taken, failures) = import(&mut task, &all_or_nothing);
        assert_eq!((taken, failures[0].1), (0, MALFORMED));
        assert_eq!(held(&task, "13012121211"), 0);
        assert!(task.state("u", "t").refusal("911").unwrap().said(MALFORMED));
    }

    #[test]
    fn a_number_is_refused_when_it_is_in_the_task_or_in_the_request_before() {
        let mut task = Task::default();
        let twice = request(&["13012121211", "13012121211"]);
        assert_eq!(
            import(&mut task, &twice),
            (1, vec![("13012121211".to_owned(), DUPLICATE)])
        );
        assert_eq!(import(&mut task, &twice).0, 0);
        let state = task.state("u", "t");
        let number = state.number("13012121211").unwrap();
        assert_eq!((number.times_held, number.times_received), (1, 4));
        let refusal = state.refusal("13012121211").unwrap();
        assert_eq!(
            (refusal.cause.as_deref(), refusal.said(DUPLICATE)),
            (None, true)
        );
    }

    #[test]
    fn the_senders_own_suffix_makes_another_number_and_its_repetition_a_duplicate() {
        let mut task = Task::default();
        let numbers = request(&["13012121211", "13012121211_a", "13012121211_b"]);
        assert_eq!(import(&mut task, &numbers).0, 3);
        assert_eq!(import(&mut task, &numbers).1.len(), 3);
        assert_eq!(task.state("u", "t").numbers[2].base, "13012121211");
    }

    #[test]
    fn with_a_suffix_of_the_platform_nothing_is_a_duplicate() {
        let mut task = Task::default();
        let suffixed = ImportRequest {
            number_add_suffix: true,
            ..request(&["13012121211", "13012121211", "911"])
        };
        assert_eq!(
            import(&mut task, &suffixed),
            (2, vec![("911".to_owned(), MALFORMED)])
        );
        assert_eq!(held(&task, "13012121211"), 2);
        assert!(task.suffixed.contains("13012121211_s2"));
        let plain_after = import(&mut task, &request(&["13012121211", "13012121211_s1"]));
        assert_eq!(
            plain_after,
            (1, vec![("13012121211_s1".to_owned(), DUPLICATE)])
        );
    }

    #[test]
    fn an_encrypted_number_may_be_any_text_but_not_twice() {
        let mut task = Task::default();
        let encrypted = ImportRequest {
            encryption: true,
            ..request(&["q83v+/=", "q83v+/="])
        };
        assert_eq!(
            import(&mut task, &encrypted),
            (1, vec![("q83v+/=".to_owned(), DUPLICATE)])
        );
    }

    proptest! {
        #[test]
        fn every_row_is_either_taken_or_listed_and_nothing_is_held_twice(
            requests in proptest::collection::vec(
                (
                    proptest::collection::vec("1[23]00000000[0-9](_[ab])?", 1..20),
                    any::<bool>(),
                    any::<bool>(),
                ),
                1..6,
            ),
        ) {
            let mut task = Task::default();
            let (mut total, mut received) = (0, 0);
            let mut platform_added_suffixes = false;
            for (numbers, skip_error, number_add_suffix) in &requests {
                let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
                let sent = ImportRequest {
                    skip_error: *skip_error,
                    number_add_suffix: *number_add_suffix,
                    ..request(&numbers)
                };
                let (taken, failures) = import(&mut task, &sent);
                if *skip_error {
                    prop_assert_eq!(taken + failures.len(), numbers.len());
                } else {
                    prop_assert!(taken == numbers.len() || taken == 0);
                }
                total += taken;
                received += numbers.len();
                platform_added_suffixes |= number_add_suffix;
            }
            let state = task.state("u", "t");
            let sum = |of: fn(&NumberState) -> u32| state.numbers.iter().map(of).sum::<u32>();
            prop_assert_eq!(sum(|n| n.times_held) as usize, total);
            prop_assert_eq!(sum(|n| n.times_received) as usize, received);
            if !platform_added_suffixes {
                prop_assert!(state.numbers.iter().all(|n| n.times_held <= 1));
            }
        }
    }
}
