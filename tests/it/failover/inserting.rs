//! `enqueue` when its server falls silent or its connection breaks.

use std::fs;
use std::time::Duration;

use contact_courier::simulator::Faults;
use tokio::time::timeout;

use super::cable::{Cable, State};
use crate::support::{Db, Kind, on_every_server};
use crate::world::{Ended, World, until};

on_every_server!(
    an_enqueue_whose_server_falls_silent_at_its_beginning_ends,
    an_enqueue_whose_commit_is_not_answered_says_what_is_not_known,
);

/// Longer than all limits together, on a busy machine.
const LONGEST: Duration = Duration::from_secs(50);

/// Enqueues a contact by a cable in this state.
async fn enqueue(db: &Db, state: State) -> Ended {
    let cable = Cable::to(db).await;
    let mut world = World::new(db, Faults::default()).await;
    world.set("database.url", &cable.url);
    let file = world.dir.path().join("contacts.csv");
    fs::write(file, "user_id,task_id,phone\nuser-0,task_0,13012121211\n").expect("a file");
    cable.put(state);
    let ended = timeout(LONGEST, world.run(&["enqueue", "contacts.csv"])).await;
    ended.expect("it does not wait for ever")
}

async fn an_enqueue_whose_server_falls_silent_at_its_beginning_ends(db: &Db) {
    let begin = match db.kind {
        Kind::Postgres => "session_timeout = '0'",
        _ => "BEGIN",
    };
    let ended = enqueue(db, State::SilentFrom(begin)).await;
    let said = ended.error();
    assert!(said.contains("no answer within"), "{said}");
    assert_eq!(db.count("FROM contact_outbox").await, 0);
}

async fn an_enqueue_whose_commit_is_not_answered_says_what_is_not_known(db: &Db) {
    // As it stands in a message of each protocol: the isolation is called so, too.
    let commit = match db.kind {
        Kind::Postgres => "COMMIT\0",
        _ => "\u{3}COMMIT",
    };
    let ended = enqueue(db, State::CutBehind(commit)).await;
    let said = ended.error();
    let words = "it is not known whether the contacts were enqueued";
    assert!(said.contains(words), "{said}");
    until("the contact is there", async || {
        db.count("FROM contact_outbox").await == 1
    })
    .await;
}
