//! The protocol of lease, journal and settling, explored to the end: two couriers, one lane, and
//! faults at every step. `docs/delivery.md`, "How this was checked".

#![expect(
    clippy::unwrap_used,
    reason = "a model that does not fit together has to fail"
)]

// The program's planning is compiled into this test, and looks for it here.
use contact_courier::contact;
use stateright::{Checker, Model};

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
const ALSO_GOOD: (&str, Truth) = ("13100002222", Truth::Good);
const BAD: (&str, Truth) = ("13200003333", Truth::Bad);

fn explore(case: Case) {
    let began = std::time::Instant::now();
    let checker = case
        .clone()
        .checker()
        .threads(2)
        .finish_when(stateright::HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "{} states, {} all, depth {}, {:?}: {case:?}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed()
    );
    let d = checker.discoveries();
    for p in checker.model().properties() {
        match (d.get(p.name), p.expectation.discovery_is_failure()) {
            (Some(path), true) => println!("  FAIL {}: {:?}", p.name, path.clone().into_actions()),
            (None, false) => println!("  NEVER {}", p.name),
            _ => {}
        }
    }
}
const TWIN: (&str, Truth) = ("13000001111", Truth::Good);
const THERE: (&str, Truth) = ("13300004444", Truth::There);
const IGNORED: (&str, Truth) = ("13400005555", Truth::Ignored);

#[test]
fn grid() {
    use contact_courier::contact::Suffix;
    let f: u8 = option_env!("F").unwrap_or("2").parse().unwrap();
    for f in 0..=f {
        let c = |n: &[_]| Case::new(n, f);
        for numbers in [
            vec![GOOD, BAD],
            vec![GOOD, ALSO_GOOD],
            vec![GOOD, TWIN],
            vec![GOOD, THERE],
            vec![GOOD, IGNORED],
            vec![GOOD, BAD, ALSO_GOOD],
            vec![GOOD, TWIN, BAD],
        ] {
            let base = c(&numbers);
            explore(base.clone());
            explore(Case {
                suffix: Suffix::Platform,
                ..base.clone()
            });
            explore(Case {
                skip_error: false,
                ..base.clone()
            });
            explore(Case {
                skip_error: false,
                suffix: Suffix::Platform,
                ..base.clone()
            });
            explore(Case {
                batch_size: numbers.len() - 1,
                ..base.clone()
            });
        }
    }
}
#[test]
fn flaws() {
    use contact_courier::contact::Suffix;
    for flaw in [
        Flaw::NoFencing,
        Flaw::SendsBeforeJournal,
        Flaw::AdoptsAsNeverSent,
        Flaw::ResendsWithPlatformSuffix,
        Flaw::ChildrenForget,
        Flaw::FicklePlatform,
    ] {
        for skip_error in [true, false] {
            for suffix in [Suffix::None, Suffix::Platform] {
                explore(Case {
                    flaw: Some(flaw),
                    skip_error,
                    suffix,
                    ..Case::new(&[GOOD, ALSO_GOOD], 2)
                });
            }
        }
    }
}
