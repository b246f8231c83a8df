//! A server that falls silent while it migrates.

use contact_courier::simulator::Faults;

use super::cable::{Cable, State};
use crate::support::app::App;
use crate::support::{Db, Kind, Raw, on_every_server};
use crate::world::{World, until};

on_every_server!(
    a_migration_that_waits_for_another_ends_with_its_server,
    an_index_that_waits_for_an_app_ends_with_its_server,
);

async fn a_migration_that_waits_for_another_ends_with_its_server(db: &Db) {
    let cable = Cable::to(db).await;
    let mut world = World::new(db, Faults::default()).await;
    world.set("database.url", &cable.url);
    let other = App::migrates(db).await;
    let migrating = world.start(&["migrate"]);
    migrating
        .says("another program migrates this database")
        .await;
    cable.put(State::Pulled);
    let ended = migrating.ended().await;
    let said = ended.error();
    assert!(said.contains("no answer within"), "{said}");
    cable.put(State::Plugged);
    other.ends().await;
    let ended = world.run(&["migrate"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
}

async fn an_index_that_waits_for_an_app_ends_with_its_server(db: &Db) {
    let waiting = match &db.raw {
        Raw::Postgres(_) => {
            "FROM pg_locks WHERE NOT granted AND relation = 'contact_outbox'::regclass"
        }
        // Its list of processes stumbles over the bytes of other statements.
        _ if db.kind == Kind::MySql => {
            "FROM performance_schema.threads WHERE processlist_db = DATABASE()
             AND processlist_state LIKE '%metadata lock%'"
        }
        _ => {
            "FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE '%metadata lock%'"
        }
    };
    let cable = Cable::to(db).await;
    let mut world = World::new(db, Faults::default()).await;
    world.set("database.url", &cable.url);
    let app = App::freezes_the_table(db, "contact_outbox").await;
    let migrating = world.start(&["migrate", "--results-index"]);
    until("the index waits for the app", async || {
        db.count(waiting).await > 0
    })
    .await;
    cable.put(State::Pulled);
    let ended = migrating.ended().await;
    let said = ended.error();
    assert!(said.contains("no connection within"), "{said}");
    app.ends().await;
}
