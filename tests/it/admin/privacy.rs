//! However much is logged and whatever is asked, no number and no token is in it.

use contact_courier::simulator::Faults;

use super::asking::Courier;
use crate::support::{Db, on_every_database};
use crate::world::{TOKEN, World, goods, lanes, until};

on_every_database!(nothing_that_operators_see_holds_a_number_or_a_token_even_at_trace);

async fn nothing_that_operators_see_holds_a_number_or_a_token_even_at_trace(db: &Db) {
    let faults = Faults {
        error_after: 0.2,
        reset_after: 0.2,
        too_many_requests: 0.1,
        running_tasks: vec!["task_3".into()],
        ..Faults::default()
    };
    let mut world = World::new(db, faults).await;
    world.set(
        "log.level",
        "trace,sqlx=trace,hyper=trace,hyper_util=trace,reqwest=trace",
    );
    world.set("delivery.batch_size", "10");
    let mut phones = Vec::new();
    for (nth, lane) in lanes(4).iter().enumerate() {
        let mut some = goods(nth, 40);
        // Malformed, and a number that is there twice.
        some.extend([format!("8{nth}7654321"), some[3].clone()]);
        world.insert(lane, &some).await;
        phones.extend(some);
    }
    let courier = Courier::start(&mut world).await;
    let open = "FROM contact_outbox WHERE status = 'pending' AND task_id <> 'task_3'";
    world.none(open).await;
    until("the page knows of it", async || {
        let status = courier.get("/api/status").await;
        let masked = status.body.matches("***").count();
        let paused = status.json()["paused"]
            .as_array()
            .is_some_and(|list| !list.is_empty());
        paused && masked >= 3
    })
    .await;
    let mut seen = vec![courier.program.log()];
    for path in ["/", "/api/status", "/healthz", "/readyz"] {
        seen.push(courier.get(path).await.body);
    }
    // Any long fraction of a second may have the digits of a number by chance.
    let metrics = courier.get("/metrics").await.body;
    let series = metrics.lines().map(|line| match line.rsplit_once(' ') {
        Some((series, _)) if !line.starts_with('#') => series,
        _ => line,
    });
    seen.push(series.collect::<Vec<_>>().join("\n"));
    assert!(seen[0].contains("\"TRACE\""), "the level is in force");
    for text in seen {
        assert!(!text.contains(TOKEN));
        for phone in &phones {
            let found = text.lines().find(|line| line.contains(phone.as_str()));
            assert_eq!(found, None, "{phone}");
        }
    }
}

#[tokio::test]
async fn the_first_line_of_the_log_tells_the_settings_in_force_without_secrets() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    world.set("delivery.batch_size", "37");
    let courier = Courier::start(&mut world).await;
    let log = courier.program.log();
    let started: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .filter(|line: &serde_json::Value| line["message"] == "courier started")
        .collect();
    assert_eq!(started.len(), 1, "{log}");
    assert_eq!(started[0]["target"], "contact_courier::lifecycle");
    assert_eq!(started[0]["encryption"], "none, it is a file");
    let settings = started[0]["settings"].as_str().expect("a text");
    let settings: serde_json::Value = serde_json::from_str(settings).expect("JSON");
    assert_eq!(settings["delivery"]["batch_size"], 37);
    assert_eq!(settings["platform"]["token"], "***");
}
