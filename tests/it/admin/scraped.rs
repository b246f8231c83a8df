//! The metrics in a real Prometheus.

use std::process::Stdio;

use contact_courier::simulator::Faults;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::asking::Courier;
use super::metrics::NAMES;
use super::prometheus::Prometheus;
use crate::support::Db;
use crate::world::{World, goods, lanes};

#[tokio::test]
async fn a_real_prometheus_scrapes_every_metric() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    let prometheus = Prometheus::start(courier.address, "").await;
    prometheus
        .comes_to("up{job=\"contact-courier\"}", 1.0)
        .await;
    let names = prometheus.names().await;
    for name in NAMES {
        let found = names.iter().any(|found| {
            let suffix = found.strip_prefix(name);
            suffix.is_some_and(|suffix| ["", "_count"].contains(&suffix))
        });
        assert!(found, "{name}: {names:?}");
    }
    // Prometheus sees the increase only because the counter was there before it counted.
    world.insert(&lanes(1)[0], &goods(0, 30)).await;
    let succeeded = "courier_contacts_total{outcome=\"succeeded\"}";
    prometheus.comes_to(succeeded, 30.0).await;
    let risen = format!("{succeeded} - {succeeded} offset 1s > 0 or increase({succeeded}[1m]) > 0");
    assert!(!prometheus.values(&risen).await.is_empty());
    prometheus.comes_to("courier_outbox_pending", 0.0).await;
}

#[tokio::test]
async fn the_metrics_pass_prometheuss_own_check() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    let metrics = courier.get("/metrics").await.body;
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("promtool comes with prometheus");
    let mut input = check.stdin.take().expect("its input");
    input.write_all(metrics.as_bytes()).await.expect("writes");
    drop(input);
    let said = check.wait_with_output().await.expect("it ends");
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success() && words.is_empty(), "{words}");
}
