//! Health checks, refused requests, and that all answers come while nothing else works.

use contact_courier::simulator::Faults;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::asking::{Courier, ask};
use crate::support::{Db, on_every_database, postgres_admin_url};
use crate::world::{World, goods, lanes, until};

on_every_database!(a_courier_is_healthy_and_ready_until_the_schema_is_gone);

async fn a_courier_is_healthy_and_ready_until_the_schema_is_gone(db: &Db) {
    let mut world = World::new(db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    until("it is ready", async || {
        courier.get("/readyz").await.code == 200
    })
    .await;
    assert_eq!(courier.get("/readyz").await.json()["status"], "ready");
    let health = courier.get("/healthz").await;
    assert_eq!(
        (health.code, &*health.json()["status"].to_string()),
        (200, "\"healthy\"")
    );
    let loops = health.json()["loops"].as_array().unwrap().clone();
    let mut names: Vec<&str> = loops.iter().map(|l| l["name"].as_str().unwrap()).collect();
    // The recorder may have several writers.
    names.dedup();
    assert_eq!(names, ["scout", "heartbeat", "recorder"]);

    db.execute("ALTER TABLE contact_outbox RENAME TO elsewhere")
        .await;
    db.execute("DELETE FROM contact_courier_migrations").await;
    until("it is not ready", async || {
        courier.get("/readyz").await.code == 503
    })
    .await;
    let ready = courier.get("/readyz").await.json();
    assert_eq!(ready["status"], "unready");
    assert!(
        ready["reason"].as_str().unwrap().contains("migrat"),
        "{ready}"
    );
    // That is no reason to restart it.
    assert_eq!(courier.get("/healthz").await.code, 200);
}

#[tokio::test]
async fn everything_answers_while_the_platform_and_the_database_are_away() {
    let db = Db::postgres().await;
    let silent = Faults {
        silence_before: 1.0,
        ..Faults::default()
    };
    let mut world = World::new(&db, silent).await;
    world.insert(&lanes(1)[0], &goods(0, 10)).await;
    let courier = Courier::start(&mut world).await;
    courier
        .measures("a request is under way", |metrics| {
            metrics.count("courier_in_flight_requests") > 0
        })
        .await;
    cut_off(&db).await;
    until("the database is away", async || {
        courier.get("/readyz").await.code == 503
    })
    .await;
    let reason = courier.get("/readyz").await.json()["reason"].clone();
    assert!(reason.as_str().unwrap().contains("database"), "{reason}");
    assert_eq!(courier.get("/healthz").await.code, 200);
    assert_eq!(courier.get("/metrics").await.code, 200);
}

/// Lets nobody connect to the database any more, and ends all connections.
async fn cut_off(db: &Db) {
    let name = db.text("current_database()", "").await.unwrap();
    let mut admin = PgConnection::connect(&postgres_admin_url()).await.unwrap();
    for sql in [
        format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false"),
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut admin)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn only_reading_is_served_and_every_answer_protects_itself() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    let to = |host: &str, line: &str| format!("{line} HTTP/1.1\r\nHost: {host}\r\n");
    let here = courier.address.to_string();
    for (request, code) in [
        (to(&here, "GET /metrics"), 200),
        (to(&here, "GET /config.toml"), 404),
        (to(&here, "GET /../etc/passwd"), 404),
        (to(&here, "POST /metrics"), 405),
        (to(&here, "DELETE /healthz"), 405),
        (to("localhost", "GET /healthz"), 200),
        // A page from elsewhere whose host name resolves to this host.
        (to("evil.example", "GET /metrics"), 421),
    ] {
        let answer = ask(courier.address, &request).await;
        assert_eq!(answer.code, code, "{request}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{request}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error_of_one_line_that_names_the_setting() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    let address = courier.address.to_string();
    world.set("admin.listen", &address);
    let ended = world.run(&["run"]).await;
    let error = ended.error();
    assert!(
        error.contains(&format!("admin.listen = {address}")),
        "{error}"
    );
    // A run that ends by itself needs no address.
    world.deliver().await;
    courier.program.signal("TERM").await;
    assert_eq!(courier.program.ended().await.code, Some(0));
}

#[tokio::test]
async fn without_an_address_nothing_listens() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    world.set("admin.listen", "");
    world.insert(&lanes(1)[0], &goods(0, 3)).await;
    let courier = world.start(&["run"]);
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    assert!(!ended.err.contains("are served"), "{}", ended.tail());
}
