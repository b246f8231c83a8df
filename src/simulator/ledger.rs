//! The ledger: the simulator's whole memory, behind one lock per task.
//!
//! No lock is held across an await, and only [`Ledger::state`] walks over everything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::crm::Pools;
use super::state::{State, Totals};
use super::task::{Import, Rules, Task};
use super::wire::{ImportRequest, Row};
use crate::lock::lock;

/// A task's route: user id and task id.
pub(super) type TaskRoute = (String, String);

/// The tasks, the CRM pools and the counts.
#[derive(Debug)]
pub(super) struct Ledger {
    tasks: RwLock<HashMap<TaskRoute, Arc<Mutex<Task>>>>,
    pools: Mutex<Pools>,
    totals: Mutex<Totals>,
    /// Rolls the suffixes. It is apart from the faults' dice, so that suffixes do not change their
    /// luck.
    suffixes: Mutex<StdRng>,
}

impl Ledger {
    /// Returns an empty ledger; `seed` decides its suffixes.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            tasks: RwLock::default(),
            pools: Mutex::default(),
            totals: Mutex::default(),
            suffixes: Mutex::new(StdRng::seed_from_u64(seed)),
        }
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut lock(&self.totals));
    }

    /// Notes that a request's rows came in, whether they are imported or not.
    pub(super) fn receive(&self, route: &TaskRoute, rows: &[Row<'_>]) {
        lock(&self.task(route)).receive(rows);
        self.count(|totals| {
            totals.max_rows = totals.max_rows.max(rows.len());
            totals.rows_received += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        });
    }

    /// Imports a request into its task, and returns how many of its numbers are new in the CRM.
    pub(super) fn import<'r>(
        &self,
        route: &TaskRoute,
        request: &'r ImportRequest<'r>,
        rules: &Rules,
    ) -> (Import<'r>, usize) {
        let import = lock(&self.task(route)).import(request, rules, || self.suffix());
        let Import::Done { accepted, .. } = &import else {
            return (import, 0);
        };
        let taken = u64::try_from(accepted.len()).unwrap_or(u64::MAX);
        self.count(|totals| totals.numbers_held += taken);
        if request.ignore_crm {
            return (import, 0);
        }
        let mut pools = lock(&self.pools);
        let is_new = |row: &&&Row<'_>| pools.add(request.owner(row, &route.0), &row.phone);
        let customers = accepted.iter().filter(is_new).count();
        (import, customers)
    }

    pub(super) fn totals(&self) -> Totals {
        lock(&self.totals).clone()
    }

    /// Returns a copy of everything. Requests may go on meanwhile; each task is copied at one
    /// moment.
    pub(super) fn state(&self) -> State {
        let mut tasks: Vec<(TaskRoute, Arc<Mutex<Task>>)> = {
            let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
            let copied = tasks.iter().map(|(k, task)| (k.clone(), Arc::clone(task)));
            copied.collect()
        };
        tasks.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        State {
            tasks: tasks
                .iter()
                .map(|((user_id, task_id), task)| lock(task).state(user_id, task_id))
                .collect(),
            totals: self.totals(),
        }
    }

    /// Returns the task of a route, which is new if no request named it before.
    fn task(&self, route: &TaskRoute) -> Arc<Mutex<Task>> {
        let known = {
            let tasks = self.tasks.read().unwrap_or_else(PoisonError::into_inner);
            tasks.get(route).cloned()
        };
        known.unwrap_or_else(|| {
            let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tasks.entry(route.clone()).or_default())
        })
    }

    /// Returns six random lower-case letters or digits.
    fn suffix(&self) -> String {
        const SIGNS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut rng = lock(&self.suffixes);
        (0..6)
            .map(|_| char::from(SIGNS[rng.random_range(0..SIGNS.len())]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::{RowFaults, RowLuck};
    use super::*;

    fn body(options: &str, phone: &str) -> String {
        format!(r#"{{{options}"data":[{{"phone":"{phone}","sort":0}}]}}"#)
    }

    fn customers(ledger: &Ledger, user: &str, task: &str, body: &str) -> usize {
        let request = ImportRequest::read(body.as_bytes()).unwrap();
        let rules = Rules {
            luck: RowLuck::new(RowFaults::default(), 1, user, task),
            ignore_skip_error: false,
        };
        let route = (user.into(), task.into());
        ledger.import(&route, &request, &rules).1
    }

    #[test]
    fn a_person_is_new_in_the_crm_once_per_owner_and_never_when_the_crm_is_ignored() {
        let ledger = Ledger::new(1);
        let phone = "13012121211";
        assert_eq!(
            customers(&ledger, "u", "a", &body(r#""ignore_crm":true,"#, phone)),
            0
        );
        assert_eq!(customers(&ledger, "u", "b", &body("", phone)), 1);
        assert_eq!(customers(&ledger, "u", "c", &body("", phone)), 0);
        assert_eq!(customers(&ledger, "v", "c", &body("", phone)), 1);
        assert_eq!(
            customers(&ledger, "u", "d", &body(r#""sub_user_id":"s","#, phone)),
            1
        );
        assert_eq!(
            customers(&ledger, "u", "d", &body("", phone)),
            0,
            "a duplicate in its task"
        );
        assert_eq!(ledger.totals().numbers_held, 5);
    }

    #[test]
    fn the_same_task_id_under_another_user_is_another_task() {
        let ledger = Ledger::new(1);
        for user in ["u", "v"] {
            customers(&ledger, user, "t", &body("", "13012121211"));
        }
        let state = ledger.state();
        assert_eq!(state.tasks.len(), 2);
        assert_eq!(
            state
                .task("v", "t")
                .unwrap()
                .number("13012121211")
                .unwrap()
                .times_held,
            1
        );
    }

    #[test]
    fn a_suffix_of_the_platform_is_six_lower_case_letters_or_digits() {
        let suffix = Ledger::new(1).suffix();
        assert_eq!(suffix.len(), 6);
        assert!(super::super::number::is_well_formed(&format!(
            "13012121211_{suffix}"
        )));
    }
}
