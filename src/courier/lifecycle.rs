//! How the courier ends: softly (no new sends, those in flight finish), then hard.

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

    /// Waits, but not longer than the courier runs softly.
    pub async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.soft.cancelled() => {}
        }
    }

    /// Waits, but not longer than until everything has to be dropped.
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
    /// From now on the two signals do not end the process by themselves.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next of them, by name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// SIGHUP: the settings shall be read again.
pub struct Hangups(Signal);

impl Hangups {
    /// From now on the signal does not end the process by itself.
    pub fn listen() -> std::io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one. Those that come together are one.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}
