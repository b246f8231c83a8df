//! The metrics: every series that `/metrics` serves, under a name that dashboards rely on.
//!
//! Neighbours: the events beside this module, which alone may change a metric, and the admin
//! server, which prints the metrics and reads the totals for the status page. `docs/monitoring.md`
//! explains each metric.
//!
//! Counters and histograms are there from the start, at zero, so that `rate()` sees the first
//! change. Nothing has a label per lane, for lanes can be many.

#![expect(
    clippy::disallowed_types,
    reason = "this is the place where metrics are made"
)]

use std::sync::LazyLock;

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

use crate::platform::verdict::{Outcome, WaitReason};
use crate::settlement::FailKind;

pub(super) static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

pub(super) const SUCCEEDED: &str = "succeeded";

pub(super) const FAILED: &str = "failed";

/// The label of spans that the collector took.
pub(super) const EXPORTED: &str = "exported";

/// The label of spans that the collector did not take.
pub(super) const DROPPED: &str = "dropped";

/// Upper bounds, in seconds, for the time of a request.
const REQUEST_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Upper bounds, in seconds, for the time of a database call, up to its limit.
const DATABASE_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 150.0,
];

/// Upper bounds, in seconds, for the delivery of a contact, up to three days.
const DELIVERY_SECONDS: &[f64] = &[
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0,
    43_200.0, 86_400.0, 259_200.0,
];

/// Upper bounds for the contacts of a request. The last two tell full batches from almost full
/// ones.
const BATCH_CONTACTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 75.0, 99.0, 100.0];

/// The calls of the outbox that are measured.
pub(super) const OPERATIONS: [&str; 27] = [
    "check_fitness",
    "check_schema",
    "beat",
    "bring_back",
    "keep_rate",
    "learned_rate",
    "sharers",
    "forget_rates",
    "retire",
    "newest",
    "newest_lanes",
    "find_lanes",
    "lease",
    "lift_holds",
    "orders",
    "newest_actions",
    "release",
    "read_page",
    "record",
    "try_settling",
    "locked",
    "backlog",
    "claim_rate",
    "overview",
    "lanes",
    "paused",
    "failures",
];

/// The states of a lane.
pub(super) const LANE_STATES: [&str; 4] = ["due", "held", "leased", "idle"];

/// Handles to every metric. They are cheap: a change is an atomic addition, and a lookup by label
/// is made once for a batch or a call, not for a contact.
pub(super) struct Metrics {
    registry: Registry,
    pub(super) contacts: Contacts,
    pub(super) requests: Requests,
    pub(super) outbox: Outbox,
    pub(super) spans: IntCounterVec,
    pub(super) lost_lines: IntCounter,
}

/// The ends of contacts, and their retries.
pub(super) struct Contacts {
    pub(super) ended: IntCounterVec,
    pub(super) latency: Histogram,
    pub(super) retries: IntCounterVec,
}

/// Requests to the platform, and the limits on them.
pub(super) struct Requests {
    pub(super) ended: IntCounterVec,
    pub(super) duration: Histogram,
    pub(super) contacts: Histogram,
    pub(super) limited: Histogram,
    pub(super) in_flight: IntGauge,
    pub(super) breaker_open: IntGauge,
    pub(super) pauses: IntGauge,
    pub(super) rate_level: Gauge,
}

/// The database, and its contents.
pub(super) struct Outbox {
    pub(super) calls: HistogramVec,
    pub(super) pending: Gauge,
    pub(super) oldest: Gauge,
    pub(super) done_in: Gauge,
    pub(super) lanes: GaugeVec,
    pub(super) redacted: IntCounter,
}

impl Metrics {
    fn new() -> Self {
        let registry = Registry::new();
        let made = Made(&registry);
        let info = made.gauges(
            "courier_build_info",
            "Always 1; its label tells the version that runs.",
            "version",
        );
        let version = env!("CARGO_PKG_VERSION");
        info.with_label_values(&[version]).set(1.0);
        let spans = made.counters(
            "courier_trace_spans_total",
            "Spans for the collector of traces: exported, or dropped because it did not take them.",
            &["outcome"],
        );
        for outcome in [EXPORTED, DROPPED] {
            spans.with_label_values(&[outcome]);
        }
        Self {
            contacts: Contacts::new(&made),
            requests: Requests::new(&made),
            outbox: Outbox::new(&made),
            spans,
            lost_lines: made.counter(
                "courier_log_lines_lost_total",
                "Log lines that were dropped, because whoever reads standard error did not.",
            ),
            registry,
        }
    }

    /// Returns the text that Prometheus scrapes.
    pub(super) fn render(&self) -> String {
        // This fails only for a family without a name or a series; the error is shown in the text.
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_else(|error| format!("# {error}\n"))
    }
}

impl Contacts {
    fn new(made: &Made) -> Self {
        let ended = made.counters(
            "courier_contacts_total",
            "Contacts that reached their final state, by outcome and kind of failure.",
            &["outcome", "fail_kind"],
        );
        ended.with_label_values(&[SUCCEEDED, ""]);
        for kind in FailKind::ALL {
            ended.with_label_values(&[FAILED, kind.as_str()]);
        }
        let retries = made.counters(
            "courier_retries_total",
            "Batches that have to be sent again, by reason.",
            &["reason"],
        );
        for reason in WaitReason::OF_BATCHES {
            retries.with_label_values(&[reason.as_str()]);
        }
        Self {
            ended,
            retries,
            latency: made.histogram(
                "courier_delivery_latency_seconds",
                "Seconds from when a contact was created (or from its not_before) until its end \
                 was written, for contacts that were sent.",
                DELIVERY_SECONDS,
            ),
        }
    }
}

impl Requests {
    fn new(made: &Made) -> Self {
        let ended = made.counters(
            "courier_requests_total",
            "Requests that were sent to the platform, by what came back.",
            &["outcome"],
        );
        let outcomes = Outcome::OF_REQUESTS.map(Outcome::as_str);
        let reasons = WaitReason::OF_BATCHES.map(WaitReason::as_str);
        for outcome in outcomes.iter().chain(&reasons) {
            ended.with_label_values(&[outcome]);
        }
        let rate_level = made.gauge(
            "courier_rate_level",
            "The part of the configured rate that is allowed, 0 to 1: lowered by a 429, then \
             climbing back.",
        );
        rate_level.set(1.0);
        Self {
            ended,
            rate_level,
            duration: made.histogram(
                "courier_request_duration_seconds",
                "Seconds from sending a request to the end of its answer, or to giving it up.",
                REQUEST_SECONDS,
            ),
            contacts: made.histogram(
                "courier_batch_contacts",
                "Contacts in a request.",
                BATCH_CONTACTS,
            ),
            limited: made.histogram(
                "courier_rate_limit_wait_seconds",
                "Seconds that a request waited for the rate limits.",
                REQUEST_SECONDS,
            ),
            in_flight: made.whole(
                "courier_in_flight_requests",
                "Requests whose answer is awaited.",
            ),
            breaker_open: made.whole(
                "courier_breaker_open",
                "1 while the breaker keeps requests from a platform that fails, else 0.",
            ),
            pauses: made.whole(
                "courier_pauses",
                "Pauses of operators that are in force: of lanes, of users, of everything.",
            ),
        }
    }
}

impl Outbox {
    fn new(made: &Made) -> Self {
        let calls = made.histograms(
            "courier_database_seconds",
            "Seconds that a call of the database took, failed ones included, by operation.",
            "operation",
            DATABASE_SECONDS,
        );
        for operation in OPERATIONS {
            calls.with_label_values(&[operation]);
        }
        let lanes = made.gauges(
            "courier_lanes",
            "Lanes by what is done about them; NaN while the database does not answer.",
            "state",
        );
        for state in LANE_STATES {
            lanes.with_label_values(&[state]).set(f64::NAN);
        }
        // Values that only the database knows are not zero before it was asked.
        let unknown = |gauge: Gauge| {
            gauge.set(f64::NAN);
            gauge
        };
        Self {
            calls,
            lanes,
            redacted: made.counter(
                "courier_redacted_contacts_total",
                "Contacts that ended longer ago than retention.redact_after and that what is personal was \
                 taken out of.",
            ),
            pending: unknown(made.gauge(
                "courier_outbox_pending",
                "Contacts of the whole outbox that are not final; NaN while the database does not \
                 answer.",
            )),
            oldest: unknown(made.gauge(
                "courier_oldest_pending_seconds",
                "Seconds that the oldest contact that is due has been due, 0 if there is none; \
                 NaN while the database does not answer.",
            )),
            done_in: unknown(made.gauge(
                "courier_backlog_seconds",
                "Seconds until the contacts that are due are gone, if it goes on as in the last \
                 minute; 0 if none is due and none held, NaN while nobody can tell.",
            )),
        }
    }
}

/// Makes metrics and registers them.
struct Made<'a>(&'a Registry);

#[expect(
    clippy::expect_used,
    reason = "names are constants that every test run makes; none is bad or there twice"
)]
impl Made<'_> {
    fn registered<M: Collector + Clone + 'static>(&self, made: prometheus::Result<M>) -> M {
        let metric = made.expect("a metric's name and labels are well formed");
        self.0
            .register(Box::new(metric.clone()))
            .expect("a metric's name is given once");
        metric
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.registered(IntCounter::new(name, help))
    }

    fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.registered(Gauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> GaugeVec {
        self.registered(GaugeVec::new(Opts::new(name, help), &[label]))
    }

    fn whole(&self, name: &str, help: &str) -> IntGauge {
        self.registered(IntGauge::new(name, help))
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.registered(Histogram::with_opts(options))
    }

    fn histograms(&self, name: &str, help: &str, label: &str, bounds: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.registered(HistogramVec::new(options, &[label]))
    }
}

/// Returns the metrics as text, in the format that Prometheus scrapes.
pub fn render() -> String {
    METRICS.render()
}

/// The `Content-Type` of that text.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The metrics that the status page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Contacts that succeeded since this process started.
    pub succeeded: u64,
    /// Contacts that failed since this process started.
    pub failed: u64,
    /// Requests that were sent since this process started.
    pub requests: u64,
    /// Requests whose answer is awaited now.
    pub in_flight: i64,
    pub breaker_open: bool,
    /// The part of the configured rate that is allowed, 0 to 1.
    pub rate_level: f64,
}

pub fn totals() -> Totals {
    let metrics = &*METRICS;
    let contacts = |labels: &[&str]| metrics.contacts.ended.with_label_values(labels).get();
    let failed = FailKind::ALL
        .iter()
        .map(|kind| contacts(&[FAILED, kind.as_str()]));
    Totals {
        succeeded: contacts(&[SUCCEEDED, ""]),
        failed: failed.sum(),
        requests: metrics.requests.duration.get_sample_count(),
        in_flight: metrics.requests.in_flight.get(),
        breaker_open: metrics.requests.breaker_open.get() != 0,
        rate_level: metrics.requests.rate_level.get(),
    }
}
