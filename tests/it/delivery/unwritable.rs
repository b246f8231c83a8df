//! A database that takes an update without an error and does not carry it out, or refuses it for
//! good: the lane stops, nothing is sent again, and goes on by itself once that is over.

use contact_courier::simulator::Faults;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::load::{everything_arrived, everything_came_once};
use super::world::{Program, World, goods, lanes, until};
use crate::support::{Db, on_every_database};

on_every_database!(
    rows_that_stay_pending_without_an_error_are_sent_once,
    rows_whose_update_is_refused_are_sent_once,
    rows_whose_batch_stays_open_are_sent_once,
    rows_of_a_lane_that_cannot_be_held_are_sent_once,
);

mod fitting {
    use super::a_row_whose_id_does_not_fit_stops_its_lane_unsent;
    use crate::support::on_mysql_and_mariadb;

    on_mysql_and_mariadb!(a_row_whose_id_does_not_fit_stops_its_lane_unsent);
}

const LANES: usize = 3;
const PER_LANE: usize = 150;

/// The number of looks that find all lanes unwritable.
const LOOKS: u32 = 4;

async fn rows_that_stay_pending_without_an_error_are_sent_once(db: &Db) {
    db.obstruct_updates("contact_outbox").await;
    stops_and_goes_on(db, "contact_outbox", "stay as they were").await;
}

async fn rows_whose_update_is_refused_are_sent_once(db: &Db) {
    db.refuse_updates("contact_outbox").await;
    stops_and_goes_on(db, "contact_outbox", "hands off").await;
}

async fn rows_whose_batch_stays_open_are_sent_once(db: &Db) {
    db.obstruct_updates("delivery_batch").await;
    stops_and_goes_on(db, "delivery_batch", "stay as they were").await;
}

#[tokio::test]
async fn rows_that_the_end_of_the_transaction_restores_are_sent_once() {
    let db = Db::postgres().await;
    db.restore_at_commit().await;
    stops_and_goes_on(&db, "contact_outbox", "stay as they were").await;
}

#[tokio::test]
async fn rows_that_the_end_of_the_transaction_refuses_are_sent_once() {
    let db = Db::postgres().await;
    db.refuse_at_commit("contact_outbox").await;
    stops_and_goes_on(&db, "contact_outbox", "hands off").await;
}

async fn filled(db: &Db) -> World<'_> {
    let world = World::new(db, Faults::default()).await;
    for (nth, lane) in lanes(LANES).iter().enumerate() {
        world.insert(lane, &goods(nth, PER_LANE)).await;
    }
    world
}

async fn stops_and_goes_on(db: &Db, table: &str, words: &str) {
    let world = filled(db).await;
    let courier = world.start(&["run"]);
    all_lanes_are_stopped(&world, LOOKS).await;
    let requests = world.simulator.totals().requests;
    assert!(requests >= LANES as u64, "{requests}");
    everything_came_once(&world);
    let status = world.run(&["status"]).await;
    assert!(status.out.contains("rows_not_writable"), "{}", status.out);
    assert!(status.out.contains(words), "{}", status.out);

    // Another courier knows no more than the tables say.
    courier.kill().await;
    let courier = world.start(&["run"]);
    all_lanes_are_stopped(&world, 2 * LOOKS).await;
    everything_came_once(&world);
    assert_eq!(world.simulator.totals().requests, requests);
    let log = courier.log();
    assert_eq!(log.matches("lane stopped").count(), LANES, "{log}");
    // The trouble is the lanes', not the database's.
    let trouble = |line: &&str| line.contains("database trouble") && line.contains(words);
    assert_eq!(log.lines().find(trouble), None);

    db.clear(table).await;
    goes_on(&world, courier, 1).await;
}

/// Waits until every lane has been found unwritable this many times.
async fn all_lanes_are_stopped(world: &World<'_>, times: u32) {
    let stopped = format!(
        "FROM delivery_lane WHERE hold_reason = 'rows_not_writable' AND failures >= {times}"
    );
    until("all lanes are stopped", async || {
        world.db.count(&stopped).await == i64::try_from(LANES).unwrap()
    })
    .await;
}

async fn goes_on(world: &World<'_>, courier: Program, dead: i64) {
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    world
        .none("FROM delivery_lane WHERE hold_reason IS NOT NULL")
        .await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
    everything_arrived(world, LANES * PER_LANE, dead).await;
}

async fn rows_of_a_lane_that_cannot_be_held_are_sent_once(db: &Db) {
    let world = filled(db).await;
    db.obstruct_updates("contact_outbox").await;
    db.obstruct_updates("delivery_lane").await;
    let ended = world.run(&["run", "--once"]).await;
    assert!(
        ended.error().contains("contacts are left"),
        "{}",
        ended.tail()
    );
    everything_came_once(&world);
    assert_eq!(
        ended.err.matches("lane dropped").count(),
        LANES,
        "{}",
        ended.tail()
    );
}

/// A row policy that comes into force while the courier runs: the courier sees rows, and changes
/// none.
#[tokio::test]
async fn rows_that_a_policy_keeps_from_being_written_are_sent_once() {
    let db = Db::postgres().await;
    let mut world = World::new(&db, Faults::default()).await;
    let role = format!("courier_{}", Uuid::now_v7().simple());
    db.execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
    ))
    .await;
    let mut url = url::Url::parse(&db.url).expect("a URL");
    url.set_username(&role).expect("a user");
    world.set("database.url", url.as_str());
    let courier = world.start(&["run"]);
    until("the courier works", async || {
        db.count("FROM courier_instance").await == 1
    })
    .await;
    db.execute(
        "ALTER TABLE contact_outbox ENABLE ROW LEVEL SECURITY;
         CREATE POLICY all_may_look ON contact_outbox FOR SELECT USING (true)",
    )
    .await;
    for (nth, lane) in lanes(LANES).iter().enumerate() {
        world.insert(lane, &goods(nth, PER_LANE)).await;
    }
    all_lanes_are_stopped(&world, LOOKS).await;
    everything_came_once(&world);
    db.execute("ALTER TABLE contact_outbox DISABLE ROW LEVEL SECURITY")
        .await;
    goes_on(&world, courier, 0).await;
    let mut admin = PgConnection::connect(&db.url).await.expect("connects");
    let gone = AssertSqlSafe(format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    sqlx::raw_sql(gone)
        .execute(&mut admin)
        .await
        .expect("drops");
}

/// A MySQL id that fits no signed number: the row could not be settled.
async fn a_row_whose_id_does_not_fit_stops_its_lane_unsent(db: &Db) {
    for id in [
        "18446744073709551000",
        // As dumps set it; otherwise the database gives another id in place of 0.
        "0",
    ] {
        let (mut world, lane) = (World::new(db, Faults::default()).await, &lanes(1)[0]);
        world.set("retry.initial_interval", "1h");
        world.set("retry.max_interval", "1h");
        db.execute(&format!(
            "SET sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO');
             INSERT INTO contact_outbox (id, user_id, task_id, phone)
             VALUES (1, '{0}', '{1}', '13000000001'), ({id}, '{0}', '{1}', '13000000002');
             SET sql_mode = DEFAULT",
            lane.0, lane.1
        ))
        .await;
        let ended = world.run(&["run", "--once"]).await;
        let said = ended.error();
        let todo = "ALTER TABLE contact_outbox AUTO_INCREMENT = 1";
        assert!(
            said.contains("9223372036854775807") && said.contains(todo),
            "{}",
            ended.tail()
        );
        assert_eq!(world.simulator.totals().requests, 0);
        // Does what the error says.
        db.execute(&format!("DELETE FROM contact_outbox WHERE id = {id}"))
            .await;
        db.execute(todo).await;
        world.insert(lane, &["13000000003".into()]).await;
        world.run(&["resume", "--all"]).await;
        world.deliver().await;
        assert_eq!(world.with_status("succeeded").await, 2, "{id}");
        db.execute("DELETE FROM contact_outbox").await;
    }
}
