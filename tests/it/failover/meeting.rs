//! A server that falls silent while the program makes its acquaintance.

use std::time::Duration;

use contact_courier::simulator::Faults;
use tokio::time::timeout;

use super::cable::{Cable, State};
use crate::support::{Db, Kind, on_every_server};
use crate::world::World;

on_every_server!(nobody_waits_for_ever_for_a_server_that_falls_silent_at_the_start);

/// Longer than all limits together, on a busy machine.
const LONGEST: Duration = Duration::from_secs(40);

async fn nobody_waits_for_ever_for_a_server_that_falls_silent_at_the_start(db: &Db) {
    let cable = Cable::to(db).await;
    let mut world = World::new(db, Faults::default()).await;
    world.set("database.url", &cable.url);
    let questions: &[&str] = if db.kind == Kind::Postgres {
        &["pg_backend_pid"]
    } else {
        &["max_prepared_stmt_count", "innodb_flush_log_at_trx_commit"]
    };
    for &question in questions {
        cable.put(State::SilentFrom(question));
        let ended = timeout(LONGEST, world.run(&["status"])).await;
        let ended = ended.unwrap_or_else(|_| panic!("waits for ever after {question}"));
        let said = ended.error();
        // MySQL itself ends a connection on which it hears nothing.
        let words = "the database does not answer";
        assert!(said.contains(words), "{question}: {said}");
        cable.put(State::Plugged);
        assert_eq!(world.run(&["status"]).await.code, Some(0), "{question}");
    }
}
