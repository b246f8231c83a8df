//! The protocol of lease, journal and settling, explored to the end: two couriers, one lane, and
//! faults at every step. `docs/delivery.md`, "How this was checked".

#![expect(
    clippy::unwrap_used,
    reason = "a model that does not fit together has to fail"
)]
#![expect(
    clippy::print_stdout,
    reason = "how much was explored, and how a flaw shows, is worth reading with --nocapture"
)]

use std::collections::{BTreeSet, HashMap};

use contact_courier::contact::Suffix;
use stateright::{Checker, Expectation, HasDiscoveries, Model};

mod model {
    pub(crate) mod case;
    pub(crate) mod courier;
    pub(crate) mod database;
    pub(crate) mod fate;
    pub(crate) mod platform;
    pub(crate) mod property;
    pub(crate) mod rows;
    pub(crate) mod world;
}

use model::case::{Case, Flaw, Truth};

const GOOD: (&str, Truth) = ("13000001111", Truth::Good);
const SAME: (&str, Truth) = GOOD;
const ALSO_GOOD: (&str, Truth) = ("13100002222", Truth::Good);
const BAD: (&str, Truth) = ("13200003333", Truth::Bad);
const THERE: (&str, Truth) = ("13300004444", Truth::There);
const IGNORED: (&str, Truth) = ("13400005555", Truth::Ignored);

/// Moments that are seen in every case of two faults or more.
const ALWAYS_SEEN: [&str; 6] = [
    "a batch on its way is taken over",
    "a commit is handed in again",
    "a row expires",
    "a row is unconfirmed",
    "an old owner hands in an end",
    "every row has been told of",
];

/// Explores a case to its end: each invariant holds at every moment, and of the moments that must
/// be possible, those that are always seen and those in `beyond` are seen.
fn explore(case: &Case, beyond: &[&str]) {
    let checker = case.clone().checker().threads(2).spawn_bfs().join();
    let found = checker.discoveries();
    let states = checker.unique_state_count();
    println!(
        "{states} states, {} steps deep: {case:?}",
        checker.max_depth()
    );
    let mut seen = BTreeSet::new();
    for property in checker.model().properties() {
        let path = found.get(property.name).cloned();
        match (property.expectation, path) {
            (Expectation::Sometimes, Some(_)) => drop(seen.insert(property.name)),
            (Expectation::Sometimes, None) => {}
            (_, None) => assert!(checker.is_done(), "{case:?} was not explored to its end"),
            (_, Some(path)) => panic!(
                "{}\n{case:?}\n{:#?}\n{:#?}",
                property.name,
                path.last_state().clone(),
                path.into_actions(),
            ),
        }
    }
    let wanted: Vec<&str> = match case.faults {
        0 | 1 => beyond.to_vec(),
        _ => ALWAYS_SEEN.iter().chain(beyond).copied().collect(),
    };
    for sight in wanted {
        assert!(seen.contains(sight), "never: {sight}\n{case:?}\n{seen:?}");
    }
}

/// Checks that the model notices a broken protocol, by one of these properties.
fn notices(flaw: Flaw, case: Case, properties: &[&'static str]) {
    let case = Case {
        flaw: Some(flaw),
        ..case
    };
    for &property in properties {
        let checker = case
            .clone()
            .checker()
            .finish_when(HasDiscoveries::AllOf([property].into()))
            .spawn_bfs()
            .join();
        let path = checker.discovery(property);
        let path = path.unwrap_or_else(|| panic!("not noticed by {property:?}: {case:?}"));
        println!("{flaw:?}, {property}: {:?}", path.into_actions());
    }
}

fn isolating(case: Case) -> Case {
    Case {
        skip_error: false,
        ..case
    }
}

fn one_by_one(case: Case) -> Case {
    Case {
        batch_size: 1,
        ..case
    }
}

fn with_platform_suffix(case: Case) -> Case {
    Case {
        suffix: Suffix::Platform,
        ..case
    }
}

const AGAIN: &str = "a batch goes again that the platform has";
const LATE: &str = "a request arrives when all is settled";

#[test]
fn where_nothing_goes_wrong_every_row_ends_as_the_platform_says() {
    for numbers in [[GOOD, BAD], [GOOD, THERE], [GOOD, SAME], [GOOD, IGNORED]] {
        let case = Case::new(&numbers, 0);
        explore(&case, &["every row has been told of"]);
        explore(&isolating(case.clone()), &["every row has been told of"]);
        explore(&with_platform_suffix(case.clone()), &[]);
        explore(&one_by_one(case), &["every row has been told of"]);
    }
}

#[test]
fn one_batch_keeps_every_promise_through_four_faults() {
    for numbers in [[GOOD, BAD], [GOOD, THERE]] {
        explore(&Case::new(&numbers, 4), &[AGAIN, LATE]);
    }
}

#[test]
fn a_batch_that_must_not_go_twice_keeps_every_promise_through_four_faults() {
    explore(&with_platform_suffix(Case::new(&[GOOD, BAD], 4)), &[LATE]);
    let isolated = isolating(Case::new(&[GOOD, BAD], 2));
    explore(&with_platform_suffix(isolated), &[LATE]);
}

#[test]
fn a_batch_that_is_refused_without_a_list_keeps_every_promise_through_two_faults() {
    explore(&isolating(Case::new(&[GOOD, BAD], 2)), &[AGAIN, LATE]);
    explore(&isolating(Case::new(&[GOOD, ALSO_GOOD], 2)), &[AGAIN, LATE]);
}

#[test]
fn counts_that_do_not_add_up_keep_every_promise_through_two_faults() {
    explore(&Case::new(&[GOOD, IGNORED], 2), &[AGAIN, LATE]);
}

#[test]
fn two_batches_of_one_lane_keep_every_promise_through_two_faults() {
    explore(&one_by_one(Case::new(&[GOOD, BAD], 2)), &[AGAIN, LATE]);
}

#[test]
fn a_number_that_is_twice_in_a_lane_keeps_every_promise_through_three_faults() {
    explore(&Case::new(&[GOOD, SAME], 3), &[AGAIN, LATE]);
}

#[test]
#[ignore = "takes long; meant for --release"]
fn larger_cases_keep_every_promise() {
    explore(&isolating(Case::new(&[GOOD, BAD], 3)), &[AGAIN, LATE]);
    explore(&one_by_one(Case::new(&[GOOD, BAD], 3)), &[AGAIN, LATE]);
    explore(&Case::new(&[GOOD, IGNORED], 3), &[AGAIN, LATE]);
    explore(&isolating(Case::new(&[GOOD, BAD, ALSO_GOOD], 2)), &[AGAIN]);
    explore(&isolating(Case::new(&[GOOD, SAME, BAD], 2)), &[AGAIN]);
}

/// Together with "there is always a way on" it follows that every row comes to its end, whatever
/// happens first.
#[test]
fn no_step_ever_leads_back() {
    for case in [
        Case::new(&[GOOD, BAD], 2),
        isolating(Case::new(&[GOOD, BAD], 1)),
        with_platform_suffix(Case::new(&[GOOD, SAME], 2)),
    ] {
        let mut moments = case.init_states();
        let mut numbers = HashMap::from([(moments[0].clone(), 0)]);
        let (mut onward, mut ways_in) = (Vec::new(), vec![0]);
        while let Some(moment) = moments.get(onward.len()).cloned() {
            let mut targets = Vec::new();
            for next in case.next_states(&moment) {
                let number = *numbers.entry(next.clone()).or_insert(moments.len());
                if number == moments.len() {
                    moments.push(next);
                    ways_in.push(0);
                }
                ways_in[number] += 1;
                targets.push(number);
            }
            onward.push(targets);
        }
        // Moments to which no step leads any more are struck out; moments on a circle would stay.
        let mut free = vec![0];
        let mut struck_out = 0;
        while let Some(number) = free.pop() {
            struck_out += 1;
            for &target in &onward[number] {
                ways_in[target] -= 1;
                if ways_in[target] == 0 {
                    free.push(target);
                }
            }
        }
        assert_eq!(struck_out, moments.len(), "{case:?}");
    }
}

#[test]
fn it_is_noticed_if_old_owners_may_write() {
    let broken = [
        "a row is in one open batch at most",
        "duplicate: somebody else put it in",
        "expired: it did not arrive and never will",
        "nothing is lost, for there is always a way on",
    ];
    notices(Flaw::NoFencing, Case::new(&[GOOD, BAD], 2), &broken);
    let case = with_platform_suffix(Case::new(&[GOOD, BAD], 2));
    notices(Flaw::NoFencing, case, &["no number is in the task twice"]);
}

#[test]
fn it_is_noticed_if_a_batch_is_sent_before_it_is_journalled() {
    let broken = [
        "what is on its way is journalled so",
        "duplicate: somebody else put it in",
        "expired: it did not arrive and never will",
    ];
    notices(
        Flaw::SendsBeforeJournal,
        Case::new(&[GOOD, BAD], 2),
        &broken,
    );
    let case = with_platform_suffix(Case::new(&[GOOD, BAD], 1));
    let twice = ["no number is in the task twice"];
    notices(Flaw::SendsBeforeJournal, case, &twice);
}

#[test]
fn it_is_noticed_if_an_adopted_batch_is_taken_for_one_that_was_never_sent() {
    let broken = [
        "duplicate: somebody else put it in",
        "expired: it did not arrive and never will",
    ];
    notices(Flaw::AdoptsAsNeverSent, Case::new(&[GOOD, BAD], 2), &broken);
}

#[test]
fn it_is_noticed_if_a_batch_with_the_platforms_suffix_is_sent_again() {
    let case = with_platform_suffix(Case::new(&[GOOD, BAD], 1));
    let broken = ["no number is in the task twice"];
    notices(Flaw::ResendsWithPlatformSuffix, case, &broken);
}

#[test]
fn it_is_noticed_if_smaller_batches_forget_what_their_parent_knew() {
    let case = isolating(Case::new(&[GOOD, ALSO_GOOD], 1));
    let broken = ["duplicate: somebody else put it in"];
    notices(Flaw::ChildrenForget, case, &broken);
}

/// The limit of the promise: were the platform to take a number and then, asked again, to refuse
/// the request for a reason that passes, the row would end as `rejected`.
#[test]
fn a_refusal_that_is_not_about_the_number_does_no_harm() {
    let case = Case {
        flaw: Some(Flaw::AccountRefused),
        ..Case::new(&[GOOD], 2)
    };
    explore(&case, &[]);
}

#[test]
fn a_platform_that_changes_its_mind_without_a_list_does_no_harm() {
    let case = Case {
        flaw: Some(Flaw::FicklePlatform),
        ..Case::new(&[GOOD], 2)
    };
    explore(&case, &[]);
}
