//! An app that keeps rows locked in a transaction of its own, for as long as it likes.

use contact_courier::simulator::Faults;
use sqlx::{Connection, Executor, MySqlConnection, PgConnection};

use super::load::table_and_platform_agree;
use super::world::{World, good, goods, lanes};
use crate::support::{Db, Raw, on_every_server};

on_every_server!(a_row_that_an_app_keeps_locked_holds_up_its_own_lane_alone);

const LANES: usize = 12;
const PER_LANE: usize = 10;

/// An app in the middle of a transaction that has locked rows.
enum App {
    MySql(MySqlConnection),
    Postgres(PgConnection),
}

impl App {
    async fn locks(db: &Db, phone: &str) -> Self {
        let row = format!("FROM contact_outbox WHERE phone = '{phone}'");
        let id = db.text("id", &row).await.expect("there is one");
        // By its id, for MySQL locks every row that it looks at.
        let lock = format!("SELECT id FROM contact_outbox WHERE id = {id} FOR UPDATE");
        let lock = sqlx::AssertSqlSafe(lock);
        match &db.raw {
            Raw::Sqlite(_) => panic!("SQLite locks the whole database"),
            Raw::MySql(_) => {
                let mut app = MySqlConnection::connect(&db.url).await.expect("connects");
                app.execute("BEGIN").await.expect("begins");
                sqlx::query(lock).execute(&mut app).await.expect("locks");
                Self::MySql(app)
            }
            Raw::Postgres(_) => {
                let mut app = PgConnection::connect(&db.url).await.expect("connects");
                app.execute("BEGIN").await.expect("begins");
                sqlx::query(lock).execute(&mut app).await.expect("locks");
                Self::Postgres(app)
            }
        }
    }

    async fn ends(self) {
        match self {
            Self::MySql(mut app) => app.execute("ROLLBACK").await.map(drop),
            Self::Postgres(mut app) => app.execute("ROLLBACK").await.map(drop),
        }
        .expect("ends");
    }
}

async fn a_row_that_an_app_keeps_locked_holds_up_its_own_lane_alone(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    for (nth, lane) in lanes(LANES).iter().enumerate() {
        world.insert(lane, &goods(nth, PER_LANE)).await;
    }
    let app = App::locks(db, &good(0, 3)).await;
    let courier = world.start(&["run"]);
    let others = "FROM contact_outbox WHERE status = 'pending' AND task_id <> 'task_0'";
    world.none(others).await;
    courier.says("locked by another session").await;
    // They go on, with batches that come when it is known; so does the locked lane until it has to
    // be written down.
    for (nth, lane) in lanes(LANES).iter().enumerate() {
        world.insert(lane, &[good(nth, PER_LANE)]).await;
    }
    world.none(others).await;
    assert_eq!(world.with_status("pending").await, 11);
    app.ends().await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    courier.says("are not locked any more").await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    let told = ended.err.matches("locked by another session").count();
    assert_eq!(told, 1, "{}", ended.tail());
    assert!(!ended.err.contains("database trouble"), "{}", ended.tail());

    let rows = world.rows().await;
    assert!(rows.iter().all(|row| row.status == "succeeded"));
    table_and_platform_agree(&world, &rows);
    world.is_at_rest(0).await;
    let state = world.simulator.state();
    let mut numbers = state.tasks.iter().flat_map(|task| &task.numbers);
    assert!(numbers.all(|number| number.times_received == 1));
}
