//! Databases that answer every question and take no write: full disks, disks that fail, files and
//! servers that are read-only. The courier says so, and goes on by itself as soon as it can.

use std::process::Command;
use std::time::Duration;

use contact_courier::simulator::Faults;

use super::asking::Courier;
use crate::server::Server;
use crate::support::disk::{Disk, Immutable};
use crate::support::{Db, Kind, mysql_database};
use crate::world::{World, goods, lanes, until};

const LANES: usize = 4;
const PER_LANE: usize = 500;

/// A platform that takes its time, so that trouble can come in the middle of the work.
fn slow() -> Faults {
    Faults {
        latency: Duration::from_millis(20),
        ..Faults::default()
    }
}

async fn world_with_work(db: &Db) -> World<'_> {
    let mut world = World::new(db, slow()).await;
    world.set("delivery.batch_size", "20");
    // On a busy machine a heartbeat takes longer than a short lease allows, which is an outage, too.
    world.set("delivery.lease", "20s");
    for (nth, lane) in lanes(LANES).iter().enumerate() {
        world.insert(lane, &goods(nth, PER_LANE)).await;
    }
    world
}

/// Waits until the courier is not ready, and says why in these words. It still counts as alive.
async fn not_ready(courier: &Courier, words: &str) {
    until(words, async || {
        let answer = courier.get("/readyz").await;
        let reason = answer.json()["reason"].to_string();
        answer.code == 503 && reason.contains(words)
    })
    .await;
    assert_eq!(courier.get("/healthz").await.code, 200);
}

/// How many outages there were.
#[derive(Debug)]
enum Outages {
    One,
    Some,
}

/// Waits until everything is delivered, and the courier is ready again. Then each number is there
/// once, and the log has told the beginning and the end of each outage. If nothing could be written
/// in between, that was one outage.
async fn all_is_well_again(world: &World<'_>, courier: Courier, outages: Outages) {
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    let ended = courier.ends_when_ready().await;
    let all = i64::try_from(LANES * PER_LANE).expect("a small number");
    assert_eq!(world.with_status("succeeded").await, all);
    let state = world.simulator.state();
    assert_eq!(state.totals.violations.total(), 0);
    let numbers = state.tasks.iter().flat_map(|task| &task.numbers);
    let held: Vec<u32> = numbers.map(|number| number.times_held).collect();
    assert_eq!(held.len(), LANES * PER_LANE);
    assert!(
        held.iter().all(|times| *times == 1),
        "a number is there twice"
    );
    world.has_nothing_open().await;
    let told = |words: &str| ended.err.matches(words).count();
    let away = told("database trouble; trying again");
    let right = match outages {
        Outages::One => away == 1,
        Outages::Some => away > 0,
    };
    assert!(right, "{away} of {outages:?}: {}", ended.tail());
    assert_eq!(told("the database answers again"), away, "{}", ended.tail());
}

#[tokio::test]
async fn a_full_disk_under_sqlite_is_told_and_over_as_soon_as_there_is_room() {
    let Some(disk) = Disk::new(8_192) else { return };
    let db = Db::sqlite_in(disk.path()).await;
    let mut world = world_with_work(&db).await;
    let courier = Courier::start(&mut world).await;
    world.holds_more_than(500).await;
    disk.fill();
    not_ready(&courier, "full").await;
    disk.free();
    all_is_well_again(&world, courier, Outages::One).await;
}

#[tokio::test]
async fn a_file_that_turns_read_only_is_told_and_over_when_it_may_be_written_again() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = Db::sqlite_in(dir.path()).await;
    let mut world = world_with_work(&db).await;
    let courier = Courier::start(&mut world).await;
    world.holds_more_than(500).await;
    let files = ["outbox.db", "outbox.db-wal"];
    let Some(read_only) = Immutable::new(dir.path(), &files) else {
        return;
    };
    not_ready(&courier, "the database is read-only").await;
    drop(read_only);
    all_is_well_again(&world, courier, Outages::One).await;
}

/// Limits the length of files that the courier writes: beyond it, writing fails.
fn limit_files(courier: &Courier, bytes: &str) {
    let limited = Command::new("prlimit")
        .args(["--pid", &courier.program.pid().to_string()])
        .arg(format!("--fsize={bytes}:"))
        .status();
    assert!(limited.expect("prlimit comes with util-linux").success());
}

#[tokio::test]
async fn a_disk_that_fails_under_sqlite_is_told_and_over_when_it_works_again() {
    let db = Db::sqlite().await;
    let mut world = world_with_work(&db).await;
    // Makes a write beyond the limit an error instead of the end of the process.
    let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    let courier = Courier::start_by(&mut world, &ignoring).await;
    world.holds_more_than(500).await;
    // Less than the present length of SQLite's log.
    limit_files(&courier, "65536");
    not_ready(&courier, "disk I/O error").await;
    limit_files(&courier, "unlimited");
    all_is_well_again(&world, courier, Outages::One).await;
}

/// Fills a server's disk in the middle of the work; the server may die of it, as servers do. If it lives,
/// the courier goes on by itself as soon as there is room.
async fn a_full_disk_under(server: &Server, db: &Db, disk: &Disk) {
    let mut world = world_with_work(db).await;
    let courier = Courier::start(&mut world).await;
    world.holds_more_than(500).await;
    disk.fill();
    not_ready(&courier, "the database").await;
    disk.free();
    until("the server answers", async || {
        if !server.lives() {
            server.start().await;
        }
        db.try_execute("SELECT 1").await.is_ok()
    })
    .await;
    // Now and then a small write finds room on a full disk. The server may have died, too.
    all_is_well_again(&world, courier, Outages::Some).await;
}

#[tokio::test]
async fn a_full_disk_under_postgres_is_told_and_over_as_soon_as_there_is_room() {
    let Some(disk) = Disk::new(160 * 1_024) else {
        return;
    };
    let server = Server::new_in("postgres", disk.path().join("s")).await;
    let db = Db::postgres_at(server.url.clone()).await;
    db.outbox.migrate().await.expect("migrates");
    a_full_disk_under(&server, &db, &disk).await;
}

#[tokio::test]
async fn a_full_disk_under_mariadb_is_told_and_over_as_soon_as_there_is_room() {
    let Some(disk) = Disk::new(256 * 1_024) else {
        return;
    };
    let server = Server::new_in("mariadb", disk.path().join("s")).await;
    let db = Db::mysql_at(Kind::MariaDb, mysql_database(&server.url).await).await;
    db.outbox.migrate().await.expect("migrates");
    a_full_disk_under(&server, &db, &disk).await;
}

#[tokio::test]
async fn a_server_that_has_become_read_only_is_told_though_it_answers() {
    let server = Server::new("postgres").await;
    let db = Db::postgres_at(server.url.clone()).await;
    db.outbox.migrate().await.expect("migrates");
    let mut world = world_with_work(&db).await;
    let courier = Courier::start(&mut world).await;
    world.holds_more_than(500).await;
    let set = |value: &str| {
        format!("ALTER SYSTEM SET default_transaction_read_only = {value}; SELECT pg_reload_conf()")
    };
    for statement in set("on").split("; ") {
        db.execute(statement).await;
    }
    not_ready(&courier, "the database is read-only").await;
    // This session of the administrator has to be allowed to write.
    db.execute("SET default_transaction_read_only = off").await;
    for statement in set("off").split("; ") {
        db.execute(statement).await;
    }
    all_is_well_again(&world, courier, Outages::One).await;
}
