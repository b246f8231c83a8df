//! The tasks that are running for a while.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::ledger::TaskRoute;

/// Until when each task is running. It has no clock: `now` is an argument.
#[derive(Debug, Default)]
pub(super) struct Windows(HashMap<TaskRoute, Instant>);

impl Windows {
    /// Makes a task run from now on for this long.
    pub(super) fn open(&mut self, route: &TaskRoute, now: Instant, lasts: Duration) {
        // The limit keeps the end within the range of an instant.
        let century = Duration::from_hours(24 * 365 * 100);
        self.0.insert(route.clone(), now + lasts.min(century));
    }

    /// Whether a task is running. Forgets the task if it no longer is.
    pub(super) fn is_open(&mut self, route: &TaskRoute, now: Instant) -> bool {
        match self.0.get(route) {
            Some(end) if now < *end => true,
            Some(_) => {
                self.0.remove(route);
                false
            }
            None => false,
        }
    }

    pub(super) fn close(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_runs_for_as_long_as_was_said_and_no_other_does() {
        let mut windows = Windows::default();
        let now = Instant::now();
        let minute = Duration::from_mins(1);
        let [one, other] = ["a", "b"].map(|task| ("u".to_owned(), task.to_owned()));
        windows.open(&one, now, minute);
        assert!(windows.is_open(&one, now) && !windows.is_open(&other, now));
        assert!(windows.is_open(&one, now + minute - Duration::from_nanos(1)));
        assert!(!windows.is_open(&one, now + minute));
        assert!(windows.0.is_empty(), "what is over is forgotten");
    }

    #[test]
    fn a_window_of_no_length_is_never_open_and_one_of_any_length_is_no_trouble() {
        let mut windows = Windows::default();
        let now = Instant::now();
        let task = ("u".to_owned(), "t".to_owned());
        windows.open(&task, now, Duration::ZERO);
        assert!(!windows.is_open(&task, now));
        windows.open(&task, now, Duration::MAX);
        assert!(windows.is_open(&task, now));
        windows.close();
        assert!(!windows.is_open(&task, now));
    }
}
