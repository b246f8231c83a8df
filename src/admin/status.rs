//! The content of the status page, as JSON: `/api/status`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use super::health::Health;
use super::history::{Charts, History};
use super::picture::{FAILURES, Picture, Pictures, SHOWN};
use super::readiness::{Readiness, Ready};
use crate::courier::lifecycle::Lifecycle;
use crate::courier::pulse::Pulse;
use crate::courier::tuning::Tuner;
use crate::outbox::{ClosedGate, Conclusion, FailedContact, HeldLane, LaneOutlook, Overview};
use crate::platform::verdict::WaitReason;
use crate::telemetry::metrics;

/// The facts that do not change while the courier runs.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    pub instance: String,
    /// The host that it runs on.
    pub host: String,
    /// The address that it delivers to.
    pub platform: String,
}

/// The sources of all answers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) about: Arc<About>,
    pub(super) started: Instant,
    pub(super) pulse: Arc<Pulse>,
    pub(super) tuner: Tuner,
    pub(super) life: Lifecycle,
    pub(super) readiness: Readiness,
    pub(super) pictures: Pictures,
    pub(super) history: Arc<History>,
    /// Whether users may log in and act.
    pub(super) log_in: bool,
}

/// The answer of `/api/status`.
#[derive(Debug, Serialize)]
pub(super) struct Status<'a> {
    version: &'static str,
    #[serde(flatten)]
    about: &'a About,
    uptime_seconds: f64,
    health: Health,
    ready: Ready,
    rate: Rate,
    totals: Totals,
    database: Database,
    outbox: Option<&'a Overview>,
    lanes: Option<&'a [LaneOutlook]>,
    paused: Option<&'a [HeldLane]>,
    failures: Option<&'a [FailedContact]>,
    /// The conclusions from the picture.
    #[serde(flatten)]
    concluded: Option<Concluded>,
    /// The advice at the end of our own messages, by the reason of a wait; the page says it in the
    /// reader's language.
    advice: BTreeMap<&'static str, &'static str>,
    limits: ListLimits,
    history: Charts,
    /// Whether users may log in and act.
    log_in: bool,
}

/// The conclusions from a picture. The names are those of `status --json`.
#[derive(Debug, Serialize)]
struct Concluded {
    conclusion: Conclusion,
    held_users: Vec<ClosedGate>,
    contacts_per_second: f64,
    done_in_seconds: Option<f64>,
}

impl Concluded {
    fn from(overview: &Overview) -> Self {
        Self {
            conclusion: overview.conclusion(),
            held_users: overview.user_gates(),
            contacts_per_second: overview.contacts_per_second(),
            done_in_seconds: overview.done_in_seconds(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Rate {
    limit_per_second: f64,
    level: f64,
    breaker_open: bool,
    in_flight: i64,
}

#[derive(Debug, Serialize)]
struct Totals {
    succeeded: u64,
    failed: u64,
    requests: u64,
}

#[derive(Debug, Serialize)]
struct Database {
    /// Why there is no newer picture than this one.
    error: Option<String>,
    /// The age of the picture.
    seen_seconds_ago: Option<f64>,
}

/// The most entries of each list.
#[derive(Debug, Serialize)]
struct ListLimits {
    lanes: u32,
    paused: u32,
    failures: u32,
    /// The page shows the failures by cause.
    causes: u32,
}

impl Sources {
    pub(super) fn health(&self) -> Health {
        Health::of(&self.pulse, self.life.is_stopping())
    }

    pub(super) fn ready(&self) -> Ready {
        self.readiness.read(self.life.is_stopping())
    }

    /// The status in JSON.
    pub(super) fn status(&self) -> serde_json::Result<String> {
        let latest = self.pictures.latest();
        let picture: Option<&Picture> = latest.picture.as_deref();
        let totals = metrics::totals();
        serde_json::to_string(&Status {
            version: env!("CARGO_PKG_VERSION"),
            about: &self.about,
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            health: self.health(),
            ready: self.ready(),
            rate: Rate {
                limit_per_second: self.tuner.current().limits.requests_per_second,
                level: totals.rate_level,
                breaker_open: totals.breaker_open,
                in_flight: totals.in_flight,
            },
            totals: Totals {
                succeeded: totals.succeeded,
                failed: totals.failed,
                requests: totals.requests,
            },
            database: Database {
                error: latest.error,
                seen_seconds_ago: picture.map(|picture| picture.at.elapsed().as_secs_f64()),
            },
            outbox: picture.map(|picture| &picture.overview),
            lanes: picture.map(|picture| &*picture.lanes),
            paused: picture.map(|picture| &*picture.held),
            failures: picture.map(|picture| &*picture.failures),
            concluded: picture.map(|picture| Concluded::from(&picture.overview)),
            advice: advice(),
            limits: ListLimits {
                lanes: SHOWN,
                paused: SHOWN,
                failures: FAILURES,
                causes: SHOWN,
            },
            history: self.history.charts(),
            log_in: self.log_in,
        })
    }
}

fn advice() -> BTreeMap<&'static str, &'static str> {
    let reasons = WaitReason::OF_BATCHES.into_iter();
    let reasons = reasons.chain([WaitReason::AllRefused]);
    let advice = reasons.map(|reason| (reason.as_str(), reason.advice()));
    advice.filter(|(_, advice)| !advice.is_empty()).collect()
}
