//! The state that the simulator shows: typed for tests in the same process, JSON for others.
//!
//! Numbers are whole here, never masked: this is a tool for made-up numbers on one machine.

use serde::{Deserialize, Serialize};

use super::faults::Fault;

/// The whole state, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    #[serde(flatten)]
    pub totals: Totals,
    /// Every task that a request named, in order of user and task.
    pub tasks: Vec<TaskState>,
}

impl State {
    /// Returns the task of a user, if a request ever named it.
    pub fn task(&self, user_id: &str, task_id: &str) -> Option<&TaskState> {
        self.tasks
            .iter()
            .find(|task| task.user_id == user_id && task.task_id == task_id)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests to add numbers, however they were answered.
    pub requests: u64,
    /// Their answers, which add up to `requests`.
    pub answers: Answers,
    /// The most rows that one request carried.
    pub max_rows: usize,
    /// Rows that came in, in any request that could be read.
    pub rows_received: u64,
    /// Numbers that the tasks hold.
    pub numbers_held: u64,
    /// The client's breaches of the platform's documentation.
    pub violations: Violations,
}

/// How requests to add numbers were answered, each in one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// "号码导入任务成功": with or without failures in its list.
    pub imported: u64,
    /// Refused as a whole (code 422, HTTP 413).
    pub refused: u64,
    /// 401: the token was wrong, missing or off.
    pub unauthorized: u64,
    /// 403: the user is one of `forbidden_users`.
    pub forbidden: u64,
    /// The firewall's answer: the request holds one of `firewall_words`.
    pub blocked: u64,
    /// 404: the task is one of `unknown_tasks`.
    pub not_found: u64,
    // How often each `Fault` was the answer.
    pub error_before: u64,
    pub error_after: u64,
    pub reset_before: u64,
    pub reset_after: u64,
    pub silence_before: u64,
    pub silence_after: u64,
    pub too_many_requests: u64,
    /// See [`Fault::TaskRunning`]; also requests of tasks that go on running.
    pub task_running: u64,
    pub garbled: u64,
    pub cut_off: u64,
    pub not_json: u64,
    pub oversized: u64,
    pub contradictory: u64,
    pub redirected: u64,
}

impl Answers {
    pub fn total(&self) -> u64 {
        let at_the_door = self.unauthorized + self.forbidden + self.blocked + self.not_found;
        self.imported + self.refused + at_the_door + self.faults()
    }

    /// Returns the number of answers that a fault spoiled.
    pub fn faults(&self) -> u64 {
        self.error_before
            + self.error_after
            + self.reset_before
            + self.reset_after
            + self.silence_before
            + self.silence_after
            + self.too_many_requests
            + self.task_running
            + self.garbled
            + self.cut_off
            + self.not_json
            + self.oversized
            + self.contradictory
            + self.redirected
    }

    /// Returns the count of a fault.
    pub(super) fn of(&mut self, fault: Fault) -> &mut u64 {
        match fault {
            Fault::ErrorBefore => &mut self.error_before,
            Fault::ErrorAfter => &mut self.error_after,
            Fault::ResetBefore => &mut self.reset_before,
            Fault::ResetAfter => &mut self.reset_after,
            Fault::SilenceBefore => &mut self.silence_before,
            Fault::SilenceAfter => &mut self.silence_after,
            Fault::TooManyRequests => &mut self.too_many_requests,
            Fault::TaskRunning => &mut self.task_running,
            Fault::Garbled => &mut self.garbled,
            Fault::CutOff => &mut self.cut_off,
            Fault::NotJson => &mut self.not_json,
            Fault::Oversized => &mut self.oversized,
            Fault::Contradictory => &mut self.contradictory,
            Fault::Redirected => &mut self.redirected,
        }
    }
}

/// Requests that break the platform's documentation, by the rule that they break. A client without
/// mistakes leaves all of them at zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violations {
    /// A path or method that the platform does not have.
    pub unknown_route: u64,
    /// A body that is not declared as `application/json`.
    pub content_type: u64,
    /// A body that is not JSON of the documented types.
    pub unreadable: u64,
    /// A body larger than the server takes.
    pub too_large: u64,
    /// `data` is missing, not an array, or empty.
    pub no_data: u64,
    /// More than 100 rows.
    pub too_many_rows: u64,
    /// A row without `phone`.
    pub no_phone: u64,
    /// A row without `sort`.
    pub no_sort: u64,
}

impl Violations {
    pub fn total(&self) -> u64 {
        self.unknown_route
            + self.content_type
            + self.unreadable
            + self.too_large
            + self.no_data
            + self.too_many_rows
            + self.no_phone
            + self.no_sort
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskState {
    /// Route parameter.
    pub user_id: String,
    /// Route parameter.
    pub task_id: String,
    /// Every number that came in for this task, held or not, in order.
    pub numbers: Vec<NumberState>,
    /// The numbers that were refused at least once, in order.
    pub refusals: Vec<RefusalState>,
}

impl TaskState {
    /// Returns the state of a number, named as it came in.
    pub fn number(&self, number: &str) -> Option<&NumberState> {
        let found = self
            .numbers
            .binary_search_by(|n| n.number.as_str().cmp(number));
        found.ok().map(|at| &self.numbers[at])
    }

    /// Returns how a number was refused, if it ever was.
    pub fn refusal(&self, number: &str) -> Option<&RefusalState> {
        let found = self
            .refusals
            .binary_search_by(|r| r.number.as_str().cmp(number));
        found.ok().map(|at| &self.refusals[at])
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberState {
    /// As it came in, with the sender's own suffix if it had one.
    pub number: String,
    /// Decrypted if it came in encrypted, without suffix: the person.
    pub base: String,
    /// How many copies the task holds: 0 or 1, or more if requests had the platform add suffixes.
    pub times_held: u32,
    /// How often it came in, also in requests that were refused or met a fault.
    pub times_received: u32,
    /// How often it was passed over in silence: see [`super::RowFault::Dropped`].
    pub times_dropped: u32,
    /// How many of the copies were neither counted nor listed: see [`super::RowFault::Uncounted`].
    pub times_uncounted: u32,
}

/// How a number was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalState {
    /// As it came in.
    pub number: String,
    /// The last cause other than being a duplicate.
    pub cause: Option<String>,
    /// The cause it was refused with as a duplicate, if it ever was.
    pub duplicate: Option<String>,
}

impl RefusalState {
    /// Whether the number was ever refused in these words.
    pub fn said(&self, cause: &str) -> bool {
        [&self.cause, &self.duplicate]
            .into_iter()
            .any(|said| said.as_deref() == Some(cause))
    }
}
