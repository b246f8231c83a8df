//! A courier whose database is not there yet when it starts.

use contact_courier::simulator::Faults;

use super::asking::Courier;
use crate::server::Server;
use crate::support::app::App;
use crate::support::{Db, Kind, admin_url, mysql_database};
use crate::world::{World, goods, lanes, until};

/// The daemon waits for its server, says so, and begins when the server is there; a run that ends
/// by itself ends at once.
async fn it_waits_for(server: Server, db: Db) {
    db.outbox.migrate().await.unwrap();
    let mut world = World::new(&db, Faults::default()).await;
    world.insert(&lanes(1)[0], &goods(0, 10)).await;
    server.kill().await;
    let once = world.run(&["run", "--once"]).await;
    assert!(
        once.error().contains("cannot open the database"),
        "{}",
        once.tail()
    );
    let stopped = world.start(&["run"]);
    stopped.says("waiting for the database").await;
    stopped.signal("TERM").await;
    assert_eq!(stopped.ended().await.code, Some(0));
    let courier = Courier::start(&mut world).await;
    until("it says why it is not ready", async || {
        let ready = courier.get("/readyz").await;
        assert_eq!(ready.code, 503);
        ready.json()["reason"]
            .to_string()
            .contains("the database does not answer")
    })
    .await;
    let health = courier.get("/healthz").await;
    assert_eq!(
        (health.code, &health.json()["status"]),
        (200, &"starting".into())
    );
    assert_eq!(courier.get("/").await.code, 503);
    assert_eq!(courier.get("/metrics").await.code, 200);
    server.start().await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    let ended = courier.ends_when_ready().await;
    assert_eq!(ended.err.matches("waiting for the database").count(), 1);
    assert_eq!(world.with_status("succeeded").await, 10);
}

/// Another program migrates the database, or keeps the lock of migrations: the courier says so, and
/// nobody takes it for one that stands still.
#[tokio::test]
async fn it_waits_for_another_migration() {
    for kind in [Kind::Postgres, Kind::MariaDb, Kind::MySql] {
        if admin_url(kind).is_none() {
            continue;
        }
        let db = Db::bare(kind).await;
        let other = App::migrates(&db).await;
        let mut world = World::new(&db, Faults::default()).await;
        let courier = Courier::start(&mut world).await;
        let words = "another program migrates this database";
        courier.program.says(words).await;
        let health = courier.get("/healthz").await;
        assert_eq!(
            (health.code, &health.json()["status"]),
            (200, &"starting".into())
        );
        let ready = courier.get("/readyz").await;
        assert_eq!(ready.code, 503);
        let reason = ready.json()["reason"].to_string();
        assert!(reason.contains("migration"), "{reason}");
        other.ends().await;
        courier.program.says("courier started").await;
        let ended = courier.ends_when_ready().await;
        assert_eq!(ended.err.matches(words).count(), 1);
    }
}

#[tokio::test]
async fn it_waits_for_a_postgres_that_starts_later() {
    let server = Server::new("postgres").await;
    let db = Db::postgres_at(server.url.clone()).await;
    it_waits_for(server, db).await;
}

#[tokio::test]
async fn it_waits_for_a_mariadb_that_starts_later() {
    let server = Server::new("mariadb").await;
    let db = Db::mysql_at(Kind::MariaDb, mysql_database(&server.url).await).await;
    it_waits_for(server, db).await;
}

#[tokio::test]
async fn what_waiting_does_not_mend_ends_it_at_once() {
    let db = Db::postgres().await;
    let mut world = World::new(&db, Faults::default()).await;
    let (address, query) = db.url.split_once('?').expect("a socket");
    let (server, _) = address.rsplit_once('/').expect("a path");
    world.set(
        "database.url",
        &format!("{server}/no_such_database?{query}"),
    );
    let ended = world.run(&["run"]).await;
    assert!(
        ended.error().contains("no_such_database"),
        "{}",
        ended.tail()
    );
    let nobody = address.replace("postgres@", "nobody_of_that_name@");
    assert_ne!(nobody, address);
    world.set("database.url", &format!("{nobody}?{query}"));
    let ended = world.run(&["run"]).await;
    assert!(
        ended.error().contains("nobody_of_that_name"),
        "{}",
        ended.tail()
    );
}
