//! `status --watch`: the outbox as it changes, until Ctrl-C.

use contact_courier::simulator::Faults;

use crate::support::app::App;
use crate::support::{Db, Raw, on_every_server};
use crate::world::{World, goods, lanes, until};

on_every_server!(ctrl_c_ends_a_watched_status_in_the_middle_of_a_look);

#[tokio::test]
async fn a_watched_status_shows_what_changes_and_ends_well_with_ctrl_c() {
    let db = Db::sqlite().await;
    let world = World::new(&db, Faults::default()).await;
    let watch = world.start(&["status", "--watch", "100ms"]);
    until("an empty outbox is shown", async || {
        watch.printed().contains("Pending  0 contacts")
    })
    .await;
    world.insert(&lanes(1)[0], &goods(0, 3)).await;
    until("what came is shown", async || {
        watch.printed().contains("Pending  3 contacts")
    })
    .await;
    let change = "Z  3 more pending than at the last look\n";
    assert!(watch.printed().contains(change), "{}", watch.printed());
    watch.signal("INT").await;
    let ended = watch.ended().await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    // A file gets no control characters: there is no screen to clear.
    assert!(!ended.out.contains('\x1b'), "{}", ended.out);
}

async fn ctrl_c_ends_a_watched_status_in_the_middle_of_a_look(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    let watch = world.start(&["status", "--watch", "100ms"]);
    until("it is shown", async || watch.printed().contains("Pending")).await;
    let app = App::locks_the_table(db, "contact_outbox").await;
    let waiting = match &db.raw {
        Raw::Postgres(_) => {
            "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        }
        Raw::MySql(_) => {
            "FROM information_schema.processlist
             WHERE db = DATABASE() AND state LIKE 'Waiting for table%'"
        }
        Raw::Sqlite(_) => unreachable!("its readers wait for nobody"),
    };
    until("a look waits", async || db.count(waiting).await > 0).await;
    watch.signal("INT").await;
    let ended = watch.ended().await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    app.ends().await;
}
