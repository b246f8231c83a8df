//! A task: the numbers it holds and the rules by which it takes more.
//!
//! Pure but for its own memory: no clock, no randomness (suffixes are handed in), no locks.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::cipher;
use super::failure::{self, BLACKLISTED, Failure};
use super::faults::{RowFault, RowLuck};
use super::number;
use super::state::{NumberState, RefusalState, TaskState};
use super::wire::{ImportRequest, Row};

/// The platform's words for a number that breaks the format.
pub(super) const MALFORMED: &str = "格式不正确。";
/// The platform's words for a number that the task already has, or that is in the request twice.
pub(super) const DUPLICATE: &str = "号码重复。";

/// The rules of an import, besides its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The luck of single numbers.
    pub(super) luck: RowLuck,
    /// Whether one bad number stops the request, whatever its `skip_error` says.
    pub(super) ignore_skip_error: bool,
}

/// The result of importing one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Import<'r> {
    /// Bad rows were skipped, the others are in.
    Done {
        /// The rows that are now in the task.
        accepted: Vec<&'r Row<'r>>,
        /// How many of them are not counted.
        uncounted: usize,
        /// The numbers that were skipped, and why.
        failures: Vec<Failure<'r>>,
    },
    /// `skip_error` is false and these rows are bad: nothing was imported.
    Stopped(Vec<Failure<'r>>),
}

/// One task of one user.
#[derive(Debug, Default)]
pub(super) struct Task {
    /// The records, by the number as it came in.
    numbers: HashMap<Box<str>, Record>,
    /// Numbers that are stored in another form than they came in: decrypted, or with a suffix of
    /// the platform. Each is in its stored form.
    changed: HashSet<Box<str>>,
    refusals: HashMap<Box<str>, Refusal>,
}

#[derive(Debug, Default)]
struct Record {
    received: u32,
    /// Copies in the task, with or without a suffix of the platform.
    held: u32,
    /// Whether one of the copies is stored as it came in.
    plain: bool,
    /// How often its import was tried; its luck depends on it.
    tried: u32,
    dropped: u32,
    uncounted: u32,
    decrypted: Option<Box<str>>,
}

/// The fate of a row.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Taken,
    TakenUncounted,
    Dropped,
    Refused(&'static str),
}

/// A row, the number that it means, and its fate.
struct Judged<'r> {
    row: &'r Row<'r>,
    /// The number, decrypted.
    number: Cow<'r, str>,
    fate: Fate,
}

#[derive(Clone, Debug, Default)]
struct Refusal {
    /// The cause as it was said.
    cause: Option<String>,
    duplicate: bool,
}

impl Task {
    /// Notes that these rows came in, whether they are imported or not.
    pub(super) fn receive(&mut self, rows: &[Row<'_>]) {
        for row in rows.iter().filter(|row| !row.phone.is_empty()) {
            self.update(&row.phone, |record| record.received += 1);
        }
    }

    /// Imports a request. `suffix` returns a new random suffix each time.
    pub(super) fn import<'r>(
        &mut self,
        request: &'r ImportRequest<'r>,
        rules: &Rules,
        mut suffix: impl FnMut() -> String,
    ) -> Import<'r> {
        let judged = self.judge(request, &rules.luck);
        let mut failures = Vec::new();
        for Judged { row, number, fate } in &judged {
            if let Fate::Refused(cause) = *fate {
                self.note_refusal(&row.phone, number, cause);
                let number = number.clone();
                failures.push(Failure { number, cause });
            }
        }
        if (rules.ignore_skip_error || !request.skip_error) && !failures.is_empty() {
            return Import::Stopped(failures);
        }
        let mut accepted = Vec::with_capacity(request.rows.len());
        let mut uncounted = 0;
        for Judged { row, number, fate } in judged {
            match fate {
                Fate::Refused(_) => continue,
                Fate::Dropped => {
                    self.update(&row.phone, |record| record.dropped += 1);
                    continue;
                }
                Fate::TakenUncounted => {
                    self.update(&row.phone, |record| record.uncounted += 1);
                    uncounted += 1;
                }
                Fate::Taken => {}
            }
            self.hold(row, &number, request.number_add_suffix, &mut suffix);
            accepted.push(row);
        }
        Import::Done {
            accepted,
            uncounted,
            failures,
        }
    }

    /// Returns the state of this task.
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

    /// Decides the fate of each row. A dropped row is not even looked at.
    fn judge<'r>(&mut self, request: &'r ImportRequest<'r>, luck: &RowLuck) -> Vec<Judged<'r>> {
        let mut seen = HashSet::with_capacity(request.rows.len());
        let mut judged = Vec::with_capacity(request.rows.len());
        for row in &request.rows {
            let plain = request.encryption.then(|| cipher::decrypted(&row.phone));
            let (number, opaque) = match plain {
                Some(Some(number)) => (Cow::Owned(number), false),
                other => (Cow::Borrowed(row.phone.as_ref()), other.is_some()),
            };
            let mut nth = 0;
            self.update(&row.phone, |record| {
                record.tried += 1;
                nth = record.tried;
            });
            let befallen = luck.of(&number, nth);
            let fate = if befallen == Some(RowFault::Dropped) {
                Fate::Dropped
            } else if !opaque && !number::is_well_formed(&number) {
                Fate::Refused(MALFORMED)
            } else if befallen == Some(RowFault::Blacklisted) {
                Fate::Refused(BLACKLISTED)
            } else if !request.number_add_suffix
                && (seen.contains(&number) || self.has_stored(&number))
            {
                Fate::Refused(DUPLICATE)
            } else if befallen == Some(RowFault::Uncounted) {
                Fate::TakenUncounted
            } else {
                Fate::Taken
            };
            if matches!(fate, Fate::Taken | Fate::TakenUncounted) {
                seen.insert(number.clone());
            }
            judged.push(Judged { row, number, fate });
        }
        judged
    }

    fn has_stored(&self, number: &str) -> bool {
        self.numbers.get(number).is_some_and(|record| record.plain) || self.changed.contains(number)
    }

    /// Puts in a row whose decrypted number is `number`.
    fn hold(
        &mut self,
        row: &Row<'_>,
        number: &str,
        add_suffix: bool,
        suffix: &mut impl FnMut() -> String,
    ) {
        let is_decrypted = number != row.phone;
        if add_suffix {
            // Random suffixes may collide; the platform's do not, so ours must not either.
            while !self.changed.insert(format!("{number}_{}", suffix()).into()) {}
        } else if is_decrypted {
            self.changed.insert(number.into());
        }
        self.update(&row.phone, |record| {
            record.held += 1;
            record.plain |= !add_suffix && !is_decrypted;
            if is_decrypted {
                record.decrypted = Some(number.into());
            }
        });
    }

    /// Changes the record of a number. Allocates only for a number that is new.
    fn update(&mut self, number: &str, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.numbers.get_mut(number) {
            change(record);
        } else {
            change(self.numbers.entry(number.into()).or_default());
        }
    }

    fn note_refusal(&mut self, phone: &str, number: &str, cause: &'static str) {
        let refusal = self.refusals.entry(phone.into()).or_default();
        if cause == DUPLICATE {
            refusal.duplicate = true;
        } else {
            refusal.cause = Some(failure::said(cause, number).into_owned());
        }
    }
}

fn number_state(number: &str, record: &Record) -> NumberState {
    let person = record.decrypted.as_deref().unwrap_or(number);
    NumberState {
        number: number.to_owned(),
        base: number::base(person).to_owned(),
        times_held: record.held,
        times_received: record.received,
        times_dropped: record.dropped,
        times_uncounted: record.uncounted,
    }
}

fn refusal_state(number: &str, refusal: &Refusal) -> RefusalState {
    RefusalState {
        number: number.to_owned(),
        cause: refusal.cause.clone(),
        duplicate: refusal.duplicate.then(|| DUPLICATE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::RowFaults;
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

    /// Receives and imports, with suffixes `s0`, `s1`, …; returns (rows taken, failures).
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
        match task.import(request, &rules(RowFaults::default()), suffix) {
            Import::Done {
                accepted, failures, ..
            } => {
                let failures = failures.iter().map(|f| (f.number.to_string(), f.cause));
                (accepted.len(), failures.collect())
            }
            Import::Stopped(failures) => (0, vec![(String::new(), failures[0].cause)]),
        }
    }

    fn rules(faults: RowFaults) -> Rules {
        Rules {
            luck: RowLuck::new(faults, 1, "u", "t"),
            ignore_skip_error: false,
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
        assert!(task.changed.contains("13012121211_s2"));
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

    #[test]
    fn a_number_that_can_be_decrypted_is_treated_like_any_other() {
        // 13012121211 and 911 in base64.
        let (good, bad) = ("MTMwMTIxMjEyMTE=", "OTEx");
        let mut task = Task::default();
        let encrypted = ImportRequest {
            encryption: true,
            ..request(&[good, bad, "MTMwMTIxMjEyMTE"])
        };
        let failures = vec![
            ("911".to_owned(), MALFORMED),
            ("13012121211".to_owned(), DUPLICATE),
        ];
        assert_eq!(import(&mut task, &encrypted), (1, failures));
        let plain = import(&mut task, &request(&["13012121211"]));
        assert_eq!(plain, (0, vec![("13012121211".to_owned(), DUPLICATE)]));
        let state = task.state("u", "t");
        let number = state.number(good).unwrap();
        assert_eq!(
            (number.base.as_str(), number.times_held),
            ("13012121211", 1)
        );
    }

    #[test]
    fn a_dropped_row_is_neither_held_nor_counted_nor_listed_but_the_state_tells() {
        let mut task = Task::default();
        let faults = RowFaults {
            dropped: 1.0,
            ..RowFaults::default()
        };
        let sent = request(&["13012121211", "911"]);
        let done = task.import(&sent, &rules(faults), String::new);
        let nothing = Import::Done {
            accepted: vec![],
            uncounted: 0,
            failures: vec![],
        };
        assert_eq!(done, nothing);
        let state = task.state("u", "t");
        let number = state.number("13012121211").unwrap();
        assert_eq!((number.times_held, number.times_dropped), (0, 1));
    }

    #[test]
    fn an_uncounted_row_is_held_and_a_blacklisted_one_is_listed() {
        let mut task = Task::default();
        let uncounted = RowFaults {
            uncounted: 1.0,
            ..RowFaults::default()
        };
        let sent = request(&["13012121211"]);
        let done = task.import(&sent, &rules(uncounted), String::new);
        assert!(
            matches!(done, Import::Done { uncounted: 1, .. }),
            "{done:?}"
        );
        assert_eq!(held(&task, "13012121211"), 1);
        let blacklisted = RowFaults {
            blacklisted: 1.0,
            ..RowFaults::default()
        };
        let sent = request(&["13012121212"]);
        task.import(&sent, &rules(blacklisted), String::new);
        assert_eq!(held(&task, "13012121212"), 0);
        let state = task.state("u", "t");
        let said = failure::said(BLACKLISTED, "13012121212");
        assert!(state.refusal("13012121212").unwrap().said(&said));
        assert_eq!(state.number("13012121211").unwrap().times_uncounted, 1);
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
