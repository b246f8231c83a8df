//! The luck of a request: the faults in force, the dice and the tasks that are running, in step.

use std::sync::Arc;

use tokio::time::Instant;

use super::faults::{Dice, Draw, Fault, Faults, FaultsError};
use super::ledger::TaskRoute;
use super::window::Windows;

/// The faults in force, and the dice and running tasks that decide with them.
#[derive(Debug)]
pub(super) struct Luck {
    faults: Arc<Faults>,
    dice: Dice,
    windows: Windows,
}

impl Luck {
    /// Refuses faults that fail [`Faults::check`].
    pub(super) fn new(seed: u64, faults: Faults) -> Result<Self, FaultsError> {
        faults.check()?;
        Ok(Self {
            faults: Arc::new(faults),
            dice: Dice::new(seed),
            windows: Windows::default(),
        })
    }

    /// Changes the faults from the next request on. The dice roll on; tasks that were running stop.
    pub(super) fn change(&mut self, faults: Faults) -> Result<(), FaultsError> {
        faults.check()?;
        self.faults = Arc::new(faults);
        self.windows.close();
        Ok(())
    }

    pub(super) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults)
    }

    /// Returns the luck of the next request of a task. While the task is running the dice are not
    /// rolled, so requests in vain do not change the luck of later ones.
    pub(super) fn meet(&mut self, route: &TaskRoute, now: Instant) -> (Draw, Arc<Faults>) {
        let faults = self.faults();
        if faults.running_tasks.contains(&route.1) || self.windows.is_open(route, now) {
            let running = Draw {
                fault: Some(Fault::TaskRunning),
                latency: faults.latency,
                ..Draw::default()
            };
            return (running, faults);
        }
        let draw = self.dice.draw(&faults);
        if draw.fault == Some(Fault::TaskRunning) && !faults.task_running_for.is_zero() {
            self.windows.open(route, now, faults.task_running_for);
        }
        (draw, faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn route(task: &str) -> TaskRoute {
        ("u".into(), task.into())
    }

    #[test]
    fn a_task_that_began_to_run_runs_on_until_its_time_is_up_or_other_faults_are_in_force() {
        let minute = Duration::from_mins(1);
        let faults = Faults {
            task_running: 1.0,
            task_running_for: minute,
            ..Faults::default()
        };
        let now = Instant::now();
        let mut luck = Luck::new(1, faults.clone()).unwrap();
        let met = |luck: &mut Luck, task, now| luck.meet(&route(task), now).0.fault;
        assert_eq!(met(&mut luck, "t", now), Some(Fault::TaskRunning));
        // No further window begins.
        luck.faults = Arc::default();
        assert_eq!(met(&mut luck, "t", now), Some(Fault::TaskRunning));
        assert_eq!(met(&mut luck, "other", now), None);
        assert_eq!(met(&mut luck, "t", now + minute), None);
        luck.change(faults).unwrap();
        assert_eq!(met(&mut luck, "t", now), Some(Fault::TaskRunning));
        luck.change(Faults::default()).unwrap();
        assert_eq!(met(&mut luck, "t", now), None);
    }

    #[test]
    fn a_running_task_does_not_roll_the_dice() {
        let stormy = Faults {
            error_before: 0.5,
            running_tasks: vec!["running".into()],
            ..Faults::default()
        };
        let draws = |asked_in_vain: usize| {
            let mut luck = Luck::new(1, stormy.clone()).unwrap();
            let now = Instant::now();
            let mut drawn = Vec::new();
            for _ in 0..50 {
                for _ in 0..asked_in_vain {
                    luck.meet(&route("running"), now);
                }
                drawn.push(luck.meet(&route("t"), now).0);
            }
            drawn
        };
        assert_eq!(draws(0), draws(3));
    }
}
