//! The settings with which a courier is started.

use std::time::Duration;

use super::tuning::Tuning;
use crate::contact::RequestDefaults;
use crate::outbox::Chore;
use crate::telemetry::traces::Traces;

#[derive(Clone, Debug)]
pub struct CourierOptions {
    /// The host of the courier, shown to people.
    pub host: String,
    /// `delivery.notice_interval`.
    pub notice_interval: Option<Duration>,
    /// `delivery.poll_interval`.
    pub poll_interval: Duration,
    /// `delivery.lease`.
    pub lease: Duration,
    /// `delivery.shutdown_grace`.
    pub shutdown_grace: Duration,
    /// Whether all couriers on one database share the rates (`rate_limit.scope`).
    pub shared_limits: bool,
    /// The caretakers that run beside the courier (`retention.*`).
    pub chores: Vec<Chore>,
    /// `request.*`, `delivery.suffix` and `delivery.max_contact_bytes`.
    pub request: RequestDefaults,
    /// The settings that can change while the courier works.
    pub tuning: Tuning,
    /// The place where the ways of batches are traced.
    pub traces: Traces,
}

impl Default for CourierOptions {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            notice_interval: Some(Duration::from_millis(20)),
            poll_interval: Duration::from_secs(1),
            lease: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(30),
            shared_limits: false,
            chores: Vec::new(),
            request: RequestDefaults::default(),
            tuning: Tuning::default(),
            traces: Traces::default(),
        }
    }
}
