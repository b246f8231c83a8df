//! Whether the courier lives: whether its loops turn.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde::Serialize;

use crate::courier::pulse::{LoopReport, Pulse};

/// The answer of `/healthz`.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    status: &'static str,
    reason: String,
    loops: Vec<Loop>,
}

#[derive(Debug, Serialize)]
struct Loop {
    name: &'static str,
    turning: bool,
    silent_seconds: f64,
    limit_seconds: f64,
}

impl Health {
    /// Returns the state of the loops. While the courier ends, they may stand still.
    pub(super) fn of(pulse: &Pulse, stopping: bool) -> Self {
        Self::read(&pulse.report(), stopping)
    }

    fn read(reports: &[LoopReport], stopping: bool) -> Self {
        let still = reports.iter().filter(|report| !report.is_turning());
        let still: BTreeSet<&str> = still.map(|report| report.name).collect();
        let (status, reason) = if stopping {
            ("stopping", "the courier is stopping".to_owned())
        } else if still.is_empty() {
            ("healthy", "all loops are turning".to_owned())
        } else {
            let names: Vec<&str> = still.into_iter().collect();
            ("unhealthy", format!("standing still: {}", names.join(", ")))
        };
        Self {
            status,
            reason,
            loops: reports.iter().map(Loop::of).collect(),
        }
    }

    /// 503 for a courier that should be restarted.
    pub(super) fn code(&self) -> StatusCode {
        match self.status {
            "unhealthy" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::OK,
        }
    }
}

impl Loop {
    fn of(report: &LoopReport) -> Self {
        Self {
            name: report.name,
            turning: report.is_turning(),
            silent_seconds: report.silent_for.as_secs_f64(),
            limit_seconds: report.limit.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn report(name: &'static str, silent: u64) -> LoopReport {
        LoopReport {
            name,
            silent_for: Duration::from_secs(silent),
            limit: Duration::from_secs(15),
        }
    }

    #[test]
    fn a_loop_that_stands_still_is_named_and_fails_the_check() {
        let recorders = [1, 16, 20].map(|silent| report("recorder", silent));
        let [well, ill, worse] = recorders;
        let health = Health::read(&[report("scout", 2), well, ill, worse], false);
        assert_eq!(health.code(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(health.reason, "standing still: recorder");
        assert_eq!(health.loops.len(), 4);
    }

    #[test]
    fn a_courier_that_is_stopping_is_not_ill() {
        let health = Health::read(&[report("scout", 16)], true);
        assert_eq!(health.code(), StatusCode::OK);
        assert_eq!(health.status, "stopping");
    }
}
