//! The end of the courier: first soft (no new sends; sends in flight finish), then hard.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Two tokens that everything long-running watches.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Lifecycle {
    /// A courier that runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a soft end: nothing new is begun.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Asks for an end at once. The journal makes that safe.
    pub fn kill(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Whether nothing new may be begun.
    pub fn is_stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Whether everything has to be dropped.
    pub fn is_killed(&self) -> bool {
        self.hard.is_cancelled()
    }

    /// Resolves when the soft end is asked for.
    pub async fn stopping(&self) {
        self.soft.cancelled().await;
    }

    /// Resolves when everything has to be dropped.
    pub async fn killed(&self) {
        self.hard.cancelled().await;
    }

    /// Waits, but no longer than until the soft end.
    pub async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.soft.cancelled() => {}
        }
    }

    /// Waits, but no longer than until the hard end.
    pub async fn sleep_hard(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.hard.cancelled() => {}
        }
    }
}

/// SIGTERM and SIGINT.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Keeps the two signals from ending the process from now on.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next of the two signals, and returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// SIGHUP: asks for the settings to be read again.
pub struct Hangups(Signal);

impl Hangups {
    /// Keeps the signal from ending the process from now on.
    pub fn listen() -> std::io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next signal. Signals that come together count as one.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}
