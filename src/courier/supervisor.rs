//! The supervisor: the process that started the courier and wants to know its state, as systemd
//! does for a unit of `Type=notify`. Without a supervisor, nothing is sent.
//!
//! The courier reports that it is ready once it works: the database has answered, its tables are
//! right and this instance is registered there. It also does so once it waits for its database,
//! because a restart would not bring that back. From then on it reports that it lives for as long
//! as all of its loops turn ([`Pulse`]), so that a courier that stands still is restarted.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use super::pulse::Pulse;
use crate::telemetry::event::SupervisorUntold;

/// Signs of life per time limit of the supervisor, as systemd advises.
const SIGNS_PER_LIMIT: u32 = 2;

/// Reports that the courier works, and then that it lives. Does not end.
pub async fn attend(pulse: Arc<Pulse>) {
    tell_all(&pulse, sd_notify::watchdog_enabled(), tell).await;
}

/// Reports that the courier waits for its database: it lives, and a restart would not help. Does
/// not end.
pub async fn wait() {
    tell_alive(|| true, sd_notify::watchdog_enabled(), tell).await;
}

/// Reports that the courier is about to end.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Reports that the settings are read again, until [`reloaded`].
pub fn reloading() {
    // `Type=notify-reload` asks for this time, to know which of its signals this answers.
    let Ok(now) = NotifyState::monotonic_usec_now() else {
        return tell(NotifyState::Reloading);
    };
    tell_together(&[NotifyState::Reloading, now]);
}

/// Reports that the settings have been read again.
pub fn reloaded() {
    tell(NotifyState::Ready);
}

fn tell(state: NotifyState<'_>) {
    tell_together(&[state]);
}

fn tell_together(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        SupervisorUntold { error: &error }.emit();
    }
}

async fn tell_all(pulse: &Pulse, limit: Option<Duration>, tell: impl Fn(NotifyState<'static>)) {
    pulse.begun().await;
    tell_alive(|| pulse.is_turning(), limit, tell).await;
}

/// Reports that the courier is ready, and then that it lives, for as long as it does. Does not end.
async fn tell_alive(
    lives: impl Fn() -> bool,
    limit: Option<Duration>,
    tell: impl Fn(NotifyState<'static>),
) {
    tell(NotifyState::Ready);
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    loop {
        if lives() {
            tell(NotifyState::Watchdog);
        }
        tokio::time::sleep(limit / SIGNS_PER_LIMIT).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LIMIT: Duration = Duration::from_secs(10);
    const LONG: Duration = Duration::from_mins(10);

    /// Returns a courier that polls once per minute, and the messages that its supervisor gets.
    fn attended(limit: Option<Duration>) -> (Arc<Pulse>, mpsc::Receiver<String>) {
        let pulse = Arc::new(Pulse::new(Duration::from_mins(1), LONG, 1));
        let (sender, heard) = mpsc::channel();
        let attended = Arc::clone(&pulse);
        let tell = move |state: NotifyState<'_>| sender.send(state.to_string()).unwrap();
        tokio::spawn(async move { tell_all(&attended, limit, tell).await });
        (pulse, heard)
    }

    async fn hears(heard: &mpsc::Receiver<String>, time: Duration) -> Vec<String> {
        tokio::time::sleep(time).await;
        heard.try_iter().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_hears_of_a_courier_that_does_not_work_yet() {
        let (pulse, heard) = attended(Some(LIMIT));
        assert_eq!(hears(&heard, LONG).await, [""; 0]);
        pulse.begin();
        assert_eq!(hears(&heard, Duration::from_millis(1)).await, ["READY=1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_end_with_the_loops() {
        let (pulse, heard) = attended(Some(LIMIT));
        pulse.begin();
        let busy = pulse.writers[0].turning(std::future::pending::<()>());
        tokio::select! {
            () = busy => {}
            () = tokio::time::sleep(LIMIT) => {}
        }
        let said: Vec<String> = heard.try_iter().collect();
        assert_eq!(said[..3], ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
        hears(&heard, Duration::from_secs(30)).await;
        assert_eq!(hears(&heard, LONG).await, [""; 0], "the recorder is still");
        pulse.writers[0].turn();
        pulse.scout.turn();
        assert_eq!(hears(&heard, LIMIT / 2).await, ["WATCHDOG=1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_supervisor_without_a_time_limit_hears_no_signs_of_life() {
        let (pulse, heard) = attended(None);
        pulse.begin();
        assert_eq!(hears(&heard, LONG).await, ["READY=1"]);
    }
}
