//! The alert rules in a real Prometheus, which scrapes the real program while something is wrong.
//!
//! `promtool` tests that each rule waits for as long as it says (`rules_test.yml`). Here the test
//! is that the program's real metrics make the rules fire, and let them rest again.

use std::collections::BTreeMap;
use std::path::Path;

use contact_courier::simulator::{Config, Faults, Running, Simulator};
use serde::Deserialize;

use crate::admin::asking::Courier;
use crate::admin::prometheus::Prometheus;
use crate::server::Server;
use crate::support::Db;
use crate::world::{Lane, TOKEN, World, goods, lanes, until};

/// The times in the rules, and their replacements here: a minute passes in 300 ms. Only times are
/// changed: the expressions and thresholds stay as they are shipped.
const HASTE: [(&str, &str); 7] = [
    ("1m", "300ms"),
    ("2m", "600ms"),
    ("5m", "1500ms"),
    ("10m", "3s"),
    ("15m", "4500ms"),
    ("30m", "9s"),
    ("1h", "18s"),
];

/// The shipped rules in haste: both how long a state has to last, and how far back a rule looks.
fn rules() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/rules.yml");
    let mut rules = std::fs::read_to_string(path).unwrap();
    for (time, short) in HASTE {
        rules = rules.replace(&format!("for: {time}\n"), &format!("for: {short}\n"));
        rules = rules.replace(&format!("[{time}]"), &format!("[{short}]"));
    }
    rules
}

#[test]
fn every_time_in_the_rules_is_shortened_and_nothing_else_is() {
    let rules = rules();
    let times = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("for: "));
    let windows = rules
        .split('[')
        .skip(1)
        .filter_map(|rest| rest.split(']').next());
    let mut found: Vec<&str> = times.chain(windows).collect();
    assert!(found.len() > 20, "{found:?}");
    found.retain(|time| !HASTE.iter().any(|(_, short)| short == time));
    assert_eq!(found, [""; 0]);
}

/// An alert that fires.
#[derive(Debug, Deserialize)]
struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    state: String,
}

impl Alert {
    fn name(&self) -> &str {
        &self.labels["alertname"]
    }
}

/// Returns the alerts that fire now, in the order of their names. (An alert whose time has not come
/// yet is only pending.)
async fn firing(prometheus: &Prometheus) -> Vec<Alert> {
    let mut answer = prometheus.api("alerts").await;
    let mut alerts: Vec<Alert> = serde_json::from_value(answer["alerts"].take()).unwrap();
    alerts.retain(|alert| alert.state == "firing");
    alerts.sort_by(|one, other| one.name().cmp(other.name()));
    alerts
}

/// The expected alert: its name, its severity, and the beginnings of its summary and description.
type Expected = (&'static str, &'static str, String, &'static str);

/// Waits until exactly these alerts fire, and checks their texts.
async fn fire(prometheus: &Prometheus, expected: &[Expected]) {
    let names: Vec<&str> = expected.iter().map(|(name, ..)| *name).collect();
    let mut alerts = Vec::new();
    until(&format!("{names:?} fire and no others"), async || {
        alerts = firing(prometheus).await;
        alerts.iter().map(Alert::name).eq(names.iter().copied())
    })
    .await;
    for (alert, (name, severity, summary, description)) in alerts.iter().zip(expected) {
        assert_eq!(alert.labels["job"], "contact-courier", "{alert:?}");
        assert_eq!(alert.labels["severity"], *severity, "{alert:?}");
        assert!(
            alert.annotations["summary"].starts_with(summary),
            "{alert:?}"
        );
        assert!(
            alert.annotations["description"].starts_with(description),
            "{alert:?}"
        );
        let chapter = format!("runbook.md#{}", name.to_lowercase());
        assert_eq!(alert.annotations["runbook"], chapter);
    }
}

/// Waits until Prometheus has seen a delivery, and no alert fires.
async fn is_well(prometheus: &Prometheus) {
    let delivered = "sum(courier_contacts_total{outcome=\"succeeded\"}) > bool 0";
    prometheus.comes_to(delivered, 1.0).await;
    prometheus
        .comes_to("up{job=\"contact-courier\"}", 1.0)
        .await;
    fire(prometheus, &[]).await;
}

/// A platform that can be stopped, unlike that of a [`World`].
async fn platform(config: Config) -> Running {
    let config = Config {
        token: TOKEN.into(),
        ..config
    };
    Simulator::start(config).await.unwrap()
}

/// Starts a courier that delivers, and a Prometheus that finds it well.
async fn watched(world: &mut World<'_>) -> (Courier, Prometheus) {
    let courier = Courier::start(world).await;
    let prometheus = Prometheus::start(courier.address, &rules()).await;
    world.insert(&lanes(1)[0], &goods(0, 30)).await;
    is_well(&prometheus).await;
    (courier, prometheus)
}

/// Inserts contacts that were due two hours ago.
async fn insert_old(db: &Db, lanes: &[Lane]) {
    for (nth, Lane(user, task)) in lanes.iter().enumerate() {
        let phone = format!("1390000000{nth}");
        let long_ago = db.now(-7_200);
        db.contact_with(&format!("{user}/{task}"), &phone, "created_at", &long_ago)
            .await;
    }
}

#[tokio::test]
async fn a_stopped_platform_alarms_until_it_is_back() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let simulator = platform(Config::default()).await;
    world.set("platform.base_url", &simulator.base_url());
    let (courier, prometheus) = watched(&mut world).await;
    let lanes = lanes(4);

    let listen = simulator.address();
    simulator.stop().await;
    insert_old(&db, &lanes).await;
    let instance = courier.address;
    let breaker = format!("The platform fails: {instance} holds its requests back");
    let expected = [
        (
            "CourierBreakerOpen",
            "critical",
            breaker,
            "The breaker has been open, or about to open again, for five minutes.",
        ),
        (
            "CourierDeliversNothing",
            "critical",
            "Contacts are due, and none is delivered".to_owned(),
            "The oldest has been due for 2h 0m ",
        ),
        (
            "CourierLanesOnHold",
            "warning",
            // At least one lane, while the platform as a whole counts as down.
            "Lanes on hold for half an hour: ".to_owned(),
            "They wait for the platform or for a person",
        ),
        (
            "CourierOldestPendingTooOld",
            "warning",
            "A contact has been due for more than an hour".to_owned(),
            "The oldest has been due for 2h 0m ",
        ),
    ];
    fire(&prometheus, &expected).await;

    let simulator = platform(Config {
        listen,
        ..Config::default()
    })
    .await;
    fire(&prometheus, &[]).await;
    assert_eq!(world.with_status("succeeded").await, 34);
    simulator.stop().await;
}

#[tokio::test]
async fn a_stopped_courier_alarms_until_one_answers_again() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let (courier, prometheus) = watched(&mut world).await;

    let instance = courier.address.to_string();
    courier.program.signal("TERM").await;
    assert_eq!(courier.program.ended().await.code, Some(0));
    let summary = format!("The courier {instance} does not answer");
    let told = "Prometheus has not reached it for two minutes.";
    fire(&prometheus, &[("CourierDown", "critical", summary, told)]).await;
    assert_eq!(firing(&prometheus).await[0].labels["instance"], instance);

    world.set("admin.listen", &instance);
    let _again = world.start(&["run"]);
    fire(&prometheus, &[]).await;
}

#[tokio::test]
async fn a_refused_token_alarms_until_it_is_taken() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let (_courier, prometheus) = watched(&mut world).await;

    let refused = Faults {
        token_off: true,
        ..Faults::default()
    };
    world.simulator.set_faults(refused).unwrap();
    world.insert(&lanes(2)[1], &goods(1, 30)).await;
    let summary = "The platform refuses the token".to_owned();
    let told = "Nothing is delivered until there is a token that the platform takes.";
    let expected = [("CourierTokenRefused", "critical", summary, told)];
    fire(&prometheus, &expected).await;

    world.simulator.set_faults(Faults::default()).unwrap();
    fire(&prometheus, &[]).await;
    assert_eq!(world.with_status("succeeded").await, 60);
}

#[tokio::test]
async fn a_database_that_is_away_alarms_until_it_is_back() {
    let server = Server::new("postgres").await;
    let db = Db::postgres_at(server.url.clone()).await;
    db.outbox.migrate().await.unwrap();
    let mut world = World::new(&db, Faults::default()).await;
    let (courier, prometheus) = watched(&mut world).await;

    server.kill().await;
    let summary = format!("The database does not answer {}", courier.address);
    let told = "Nothing is delivered meanwhile, and nothing is lost.";
    let expected = [("CourierDatabaseAway", "critical", summary, told)];
    fire(&prometheus, &expected).await;

    server.start().await;
    fire(&prometheus, &[]).await;
}
