//! Limits that a server has set for the courier's user.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contact_courier::outbox::{Outbox, PostgresOutbox};
use contact_courier::simulator::Faults;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;
use url::Url;
use uuid::Uuid;

use super::outage::{contacts, everything_arrived, said};
use super::user::User;
use crate::server::Server;
use crate::support::app::App;
use crate::support::{Db, Kind, on_every_server};
use crate::world::{World, until};

/// The limit of a user's connections, in the database's words.
fn at_most(db: &Db, connections: u32) -> String {
    if db.kind == Kind::Postgres {
        format!("CONNECTION LIMIT {connections}")
    } else {
        format!("WITH MAX_USER_CONNECTIONS {connections}")
    }
}

/// A world whose courier asks for more connections than this user may have.
async fn world_of<'a>(db: &'a Db, user: &User<'_>) -> World<'a> {
    let mut world = World::new(db, Faults::default()).await;
    world.set("database.url", &user.url());
    world.set("database.max_connections", "8");
    world.set("delivery.batch_size", "10");
    // On a busy machine a heartbeat may wait for its turn longer than a short lease allows.
    world.set("delivery.lease", "30s");
    world
}

async fn a_user_with_few_connections_delivers_everything_by_them(db: &Db) {
    let user = User::new(db, &at_most(db, 2)).await;
    let world = world_of(db, &user).await;
    let contacts = contacts(&world, 100).await;
    let courier = world.start(&["run"]);
    until("every row is final", async || {
        world.with_status("pending").await == 0
    })
    .await;
    everything_arrived(&world, contacts).await;
    // A server that is quick enough may never be asked for a third connection.
    let told = said(&courier, "the server allows fewer connections");
    let least = usize::from(db.kind == Kind::Postgres);
    assert!((least..=1).contains(&told), "{told}: {}", courier.log());
    let trouble = said(&courier, "database trouble; trying again");
    assert_eq!(trouble, 0, "{}", courier.log());
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let doctor = world.run(&["doctor"]).await;
    let words = "the server allows this user 2, fewer than 8";
    assert!(doctor.out.contains(words), "{}", doctor.tail());
    user.leave().await;
}

async fn a_single_connection_is_enough_to_deliver_once_and_to_look(db: &Db) {
    let user = User::new(db, &at_most(db, 1)).await;
    let world = world_of(db, &user).await;
    let contacts = contacts(&world, 20).await;
    for command in [&["run", "--once"][..], &["status"], &["doctor"]] {
        let ended = world.run(command).await;
        assert_eq!(ended.code, Some(0), "{command:?}: {}", ended.tail());
    }
    everything_arrived(&world, contacts).await;
    user.leave().await;
}

on_every_server!(
    a_user_with_few_connections_delivers_everything_by_them,
    a_single_connection_is_enough_to_deliver_once_and_to_look,
);

/// What the outbox logs.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn has(&self, words: &str) -> bool {
        let bytes = self.0.lock().expect("no writer has failed");
        String::from_utf8_lossy(&bytes).contains(words)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().expect("no writer has failed");
        log.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A call that waits while the contacts are locked.
async fn call(outbox: PostgresOutbox) {
    outbox.backlog(Uuid::now_v7()).await.ok();
}

/// Begins four calls at once.
fn four_calls(outbox: &PostgresOutbox) -> JoinSet<()> {
    (0..4).map(|_| call(outbox.clone())).collect()
}

/// Makes calls anew that have ended: the server ends one that has waited for the lock too long.
fn begin_again(calls: &mut JoinSet<()>, outbox: &PostgresOutbox) {
    while calls.try_join_next().is_some() {
        calls.spawn(call(outbox.clone()));
    }
}

#[tokio::test]
async fn a_user_who_is_allowed_more_connections_again_gets_them_without_a_restart() {
    let db = Db::postgres().await;
    let user = User::new(&db, &at_most(&db, 2)).await;
    let log = Log::default();
    let lines = log.clone();
    let logging = tracing_subscriber::fmt().with_writer(move || lines.clone());
    // Beside a single subscriber, another test that says the same first, to nobody, would silence it for
    // all.
    let another = Dispatch::new(NoSubscriber::default());
    let logging = tracing::subscriber::set_default(logging.finish());
    let outbox = PostgresOutbox::connect(&user.url(), 4)
        .await
        .expect("connects");
    let waiting = format!(
        "FROM pg_stat_activity WHERE usename = '{}' AND wait_event_type = 'Lock'",
        user.name
    );

    let app = App::locks_the_table(&db, "contact_outbox").await;
    let mut calls = four_calls(&outbox);
    until("it is told that there are fewer", async || {
        begin_again(&mut calls, &outbox);
        log.has("the server allows fewer connections")
    })
    .await;
    app.ends().await;
    calls.join_all().await;

    let more = format!("ALTER ROLE {} CONNECTION LIMIT 8", user.name);
    db.execute(&more).await;
    // The server is believed for a minute.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    let app = App::locks_the_table(&db, "contact_outbox").await;
    let mut calls = four_calls(&outbox);
    until("all four are used", async || {
        begin_again(&mut calls, &outbox);
        db.count(&waiting).await == 4
    })
    .await;
    app.ends().await;
    calls.join_all().await;
    outbox.newest().await.expect("is answered");
    drop((logging, another));
    outbox.close().await;
    user.leave().await;
}

#[tokio::test]
async fn a_role_that_migrates_needs_no_second_connection() {
    let server = Server::new("postgres").await;
    let mut admin = PgConnection::connect(&server.url).await.expect("answers");
    let role =
        "CREATE ROLE single LOGIN CONNECTION LIMIT 1; GRANT CREATE ON SCHEMA public TO single";
    sqlx::raw_sql(role)
        .execute(&mut admin)
        .await
        .expect("a role of its own");
    let mut url = Url::parse(&server.url).expect("a URL");
    url.set_username("single").expect("a user");
    let outbox = PostgresOutbox::connect(url.as_str(), 8)
        .await
        .expect("connects");
    outbox.check_fitness().await.expect("is fit");
    outbox.check_schema().await.expect_err("no tables yet");
    assert!(outbox.migrate().await.expect("migrates") > 0);
    outbox.check_schema().await.expect("tables");
    outbox.close().await;
}

#[tokio::test]
async fn a_role_whose_idle_sessions_are_ended_keeps_the_couriers() {
    let db = Db::postgres().await;
    // From PostgreSQL 14 on.
    let known = "FROM pg_settings WHERE name = 'idle_session_timeout'";
    if db.count(known).await == 0 {
        return;
    }
    let user = User::new(&db, "").await;
    // Long enough for a busy machine to take the limit away in time.
    let limit = "SET idle_session_timeout = '2s'";
    db.execute(&format!("ALTER ROLE {} {limit}", user.name))
        .await;
    let outbox = PostgresOutbox::connect(&user.url(), 1)
        .await
        .expect("connects");
    outbox.newest().await.expect("a session");
    let mine = format!("FROM pg_stat_activity WHERE usename = '{}'", user.name);
    until("only the pool's one session is left", async || {
        db.count(&mine).await == 1
    })
    .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(db.count(&mine).await, 1, "the server has ended the session");
    outbox.close().await;
    user.leave().await;
}
