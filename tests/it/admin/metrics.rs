//! The metrics say what happened.

use std::collections::BTreeSet;
use std::time::Duration;

use contact_courier::outbox::FailKind;
use contact_courier::simulator::{Faults, Totals};

use super::asking::{Courier, Metrics};
use crate::support::{Db, on_every_database};
use crate::world::{World, goods, lanes};

on_every_database!(
    before_anything_has_happened_every_metric_is_there_and_explained,
    the_metrics_of_a_run_with_failures_agree_with_the_table_and_the_platform,
);

/// The names that dashboards rely on.
pub(crate) const NAMES: [&str; 20] = [
    "courier_contacts_total",
    "courier_requests_total",
    "courier_request_duration_seconds",
    "courier_batch_contacts",
    "courier_delivery_latency_seconds",
    "courier_outbox_pending",
    "courier_oldest_pending_seconds",
    "courier_backlog_seconds",
    "courier_lanes",
    "courier_retries_total",
    "courier_rate_limit_wait_seconds",
    "courier_in_flight_requests",
    "courier_breaker_open",
    "courier_pauses",
    "courier_rate_level",
    "courier_database_seconds",
    "courier_redacted_contacts_total",
    "courier_log_lines_lost_total",
    "courier_trace_spans_total",
    "courier_build_info",
];

async fn before_anything_has_happened_every_metric_is_there_and_explained(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    let metrics = courier.metrics().await;
    let served: BTreeSet<&str> = metrics.types.keys().map(String::as_str).collect();
    assert_eq!(served, BTreeSet::from(NAMES));
    for (name, kind) in &metrics.types {
        let help = metrics.help.get(name).expect(name);
        assert!(help.len() > 15, "{name}: {help}");
        let unit = if name.ends_with("_seconds") {
            "Seconds"
        } else {
            ""
        };
        assert!(help.contains(unit), "{name} tells no unit: {help}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
    }
    for zero in [
        "courier_contacts_total{fail_kind=\"\",outcome=\"succeeded\"}",
        "courier_contacts_total{fail_kind=\"invalid\",outcome=\"failed\"}",
        "courier_contacts_total{fail_kind=\"expired\",outcome=\"failed\"}",
        "courier_requests_total{outcome=\"imported\"}",
        "courier_requests_total{outcome=\"answer_lost\"}",
        "courier_retries_total{reason=\"rate_limited\"}",
        "courier_delivery_latency_seconds_count",
        "courier_database_seconds_count{operation=\"record\"}",
        "courier_in_flight_requests",
        "courier_breaker_open",
        "courier_pauses",
    ] {
        assert_eq!(metrics.count(zero), 0, "{zero}");
    }
    assert_eq!(metrics.count("courier_rate_level"), 1);
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("courier_build_info{{version=\"{version}\"}}");
    assert_eq!(metrics.count(&build), 1);
}

async fn the_metrics_of_a_run_with_failures_agree_with_the_table_and_the_platform(db: &Db) {
    let faults = Faults {
        error_after: 0.3,
        too_many_requests: 0.2,
        ..Faults::default()
    };
    let mut world = World::new(db, faults).await;
    world.set("delivery.batch_size", "20");
    for (nth, lane) in lanes(4).iter().enumerate() {
        let mut phones = goods(nth, 97);
        // Several, because each may end as succeeded if an answer was lost.
        phones.extend_from_within(..5);
        phones.push(format!("999999{nth}"));
        world.insert(lane, &phones).await;
    }
    // One row that breaks a rule, and one that was inserted an hour ago.
    let rules = "'u-1', 't-1', '13000001111', true, 'crm'";
    db.execute(&format!(
        "INSERT INTO contact_outbox (user_id, task_id, phone, ignore_crm, extra) VALUES ({rules})"
    ))
    .await;
    let long_ago = db.now(-3_600);
    db.contact_with("u-1/t-1", "13000002222", "created_at", &long_ago)
        .await;
    let courier = Courier::start(&mut world).await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    let all = u64::try_from(db.count("FROM contact_outbox").await).unwrap();
    // A row is written a moment before it is counted.
    let metrics = courier
        .measures("every contact is counted", |metrics| {
            metrics.sum("courier_contacts_total") == all
        })
        .await;
    agree_about_contacts(db, &metrics).await;
    agree_about_requests(&world.simulator.totals(), &metrics);

    // All but the contact that was never sent; one of them waited for an hour.
    let latency = "courier_delivery_latency_seconds";
    assert_eq!(metrics.count(&format!("{latency}_count")), all - 1);
    let hour = Duration::from_hours(1).as_secs_f64();
    assert!(metrics.of(&format!("{latency}_sum")) >= hour);
    let within = |bound: &str| metrics.count(&format!("{latency}_bucket{{le=\"{bound}\"}}"));
    assert_eq!(within("900"), all - 2);
    assert_eq!(within("14400"), all - 1);
    for operation in ["find_lanes", "lease", "read_page", "record", "release"] {
        let calls = format!("courier_database_seconds_count{{operation=\"{operation}\"}}");
        assert_ne!(metrics.count(&calls), 0, "{operation}");
    }
}

/// Checks that the metrics count as many of each end as there are rows.
async fn agree_about_contacts(db: &Db, metrics: &Metrics) {
    let mut kinds = vec![("succeeded", "")];
    kinds.extend(FailKind::ALL.map(|kind| ("failed", kind.as_str())));
    for (outcome, kind) in kinds {
        let rows = format!(
            "FROM contact_outbox WHERE status = '{outcome}' AND coalesce(fail_kind, '') = '{kind}'"
        );
        let series =
            format!("courier_contacts_total{{fail_kind=\"{kind}\",outcome=\"{outcome}\"}}");
        let counted = metrics.count(&series);
        assert_eq!(
            i64::try_from(counted),
            Ok(db.count(&rows).await),
            "{series}"
        );
        assert!(
            counted > 0 || ["unconfirmed", "expired", "cancelled"].contains(&kind),
            "{series}"
        );
    }
}

/// Checks that the metrics count as many answers of each kind as the platform has sent.
fn agree_about_requests(platform: &Totals, metrics: &Metrics) {
    for family in [
        "courier_requests_total",
        "courier_request_duration_seconds_count",
        "courier_rate_limit_wait_seconds_count",
        "courier_batch_contacts_count",
    ] {
        assert_eq!(metrics.sum(family), platform.requests, "{family}");
    }
    // The platform does not read requests that it answers with 429.
    assert!(metrics.count("courier_batch_contacts_sum") >= platform.rows_received);
    assert_eq!(metrics.count("courier_in_flight_requests"), 0);
    for (outcome, answers) in [
        ("server_error", platform.answers.error_after),
        ("rate_limited", platform.answers.too_many_requests),
    ] {
        assert_ne!(answers, 0, "{outcome}");
        let requests = format!("courier_requests_total{{outcome=\"{outcome}\"}}");
        assert_eq!(metrics.count(&requests), answers);
        let retries = format!("courier_retries_total{{reason=\"{outcome}\"}}");
        assert_eq!(metrics.count(&retries), answers);
    }
}
