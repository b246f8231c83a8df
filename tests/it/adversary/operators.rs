//! Operators: they requeue, prune, look and reload, all at the wrong time.

use std::fs;
use std::path::PathBuf;

use super::judge::Judge;
use super::seed::Dice;
use crate::world::{Program, World};

/// A settings file that is written anew while couriers run.
pub(super) struct SettingsFile(PathBuf);

impl SettingsFile {
    pub(super) fn new(world: &World<'_>, dice: &mut Dice) -> Self {
        let file = Self(world.dir.path().join("live.toml"));
        file.write(dice);
        file
    }

    /// Starts a courier by it.
    pub(super) fn start(&self, world: &World<'_>) -> Program {
        world.start(&["run", "--config", self.0.to_str().expect("UTF-8")])
    }

    /// Writes other settings, all of them sound.
    fn write(&self, dice: &mut Dice) {
        let [batch, in_flight, bytes, rate] = [
            dice.one_of(&[1, 3, 20, 100]),
            dice.one_of(&[6, 12, 24]),
            dice.one_of(&[4_096, 65_536, 1_048_576]),
            dice.one_of(&[150, 400]),
        ];
        let text = format!(
            "[delivery]\nbatch_size = {batch}\nmax_in_flight = {in_flight}
             max_request_bytes = {bytes}\n[rate_limit]\nrequests_per_second = {rate}.0\n"
        );
        fs::write(&self.0, text).expect("writes");
    }

    /// Writes other settings and tells the courier.
    pub(super) async fn reload(&self, courier: &Program, dice: &mut Dice) {
        self.write(dice);
        // Before it listens for signals, one would end it.
        courier.says("courier started").await;
        courier.signal("HUP").await;
    }
}

/// Sends what failed on its way again.
pub(super) async fn requeue(world: &World<'_>, dice: &mut Dice) {
    let kind = dice.one_of(&["unconfirmed", "rejected", "duplicate", "invalid"]);
    let ended = world
        .run(&["requeue", "--kind", kind, "--yes", "--until", "100ms"])
        .await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
}

/// Deletes what ended some time ago. Half of what is final has ended long ago.
pub(super) async fn prune(judge: &mut Judge, world: &World<'_>) {
    let long_ago = world.db.now(-7_200);
    world
        .db
        .execute(&format!(
            "UPDATE contact_outbox SET finished_at = {long_ago}
             WHERE status <> 'pending' AND id % 2 = 0"
        ))
        .await;
    // What goes is final and will not change.
    judge.look(world).await;
    let ended = world.run(&["prune", "--older-than", "1h"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
}

/// Looks.
pub(super) async fn look(world: &World<'_>, dice: &mut Dice) {
    let command = dice.one_of(&["status", "failures"]);
    let ended = world.run(&[command, "--json"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
}
