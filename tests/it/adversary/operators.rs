//! Operators: they requeue, cancel, pause, erase, prune, look and reload, all at the wrong time.

use std::fs;
use std::path::PathBuf;

use super::judge::Judge;
use super::platform::Platform;
use super::seed::Dice;
use crate::world::{Lane, Program, World};

/// A settings file that is written anew while couriers run.
pub(super) struct SettingsFile(PathBuf);

impl SettingsFile {
    pub(super) fn new(world: &World<'_>, dice: &mut Dice) -> Self {
        let file = Self(world.dir.path().join("live.toml"));
        file.write(dice);
        file
    }

    /// Starts a courier with this file.
    pub(super) fn start(&self, world: &World<'_>) -> Program {
        world.start(&["run", "--config", self.0.to_str().expect("UTF-8")])
    }

    /// Writes other settings, all of them valid.
    fn write(&self, dice: &mut Dice) {
        let [batch, in_flight, bytes, rate] = [
            dice.one_of(&[1, 3, 20, 100]),
            dice.one_of(&[6, 12, 24]),
            dice.one_of(&[4_096, 65_536, 1_048_576]),
            dice.one_of(&[150, 400]),
        ];
        let suffix = dice.one_of(&["platform", "courier"]);
        let text = format!(
            "[delivery]\nbatch_size = {batch}\nmax_in_flight = {in_flight}
             max_request_bytes = {bytes}\nsuffix = \"{suffix}\"
             [rate_limit]\nrequests_per_second = {rate}.0\n"
        );
        fs::write(&self.0, text).expect("writes");
    }

    /// Writes other settings and tells the courier.
    pub(super) async fn reload(&self, courier: &Program, dice: &mut Dice) {
        self.write(dice);
        // Before the courier listens for signals, a signal would end it.
        courier.says("courier started").await;
        courier.signal("HUP").await;
    }
}

/// Requeues failed rows of some kind.
pub(super) async fn requeue(judge: &mut Judge, world: &World<'_>, dice: &mut Dice) {
    let kind = dice.one_of(&["unconfirmed", "rejected", "duplicate", "invalid"]);
    carry_out(
        world,
        &["requeue", "--kind", kind, "--yes", "--until", "100ms"],
    )
    .await;
    judge.requeues(world).await;
}

/// Cancels the pending rows of a lane.
pub(super) async fn cancel(judge: &mut Judge, world: &World<'_>, platform: &Platform, lane: &Lane) {
    let name = name(lane);
    carry_out(world, &["cancel", "--lane", &name, "--yes", "--json"]).await;
    judge.look(world).await;
    judge.cancels(&platform.site());
}

/// Pauses a lane, or all lanes of its user.
pub(super) async fn pause(world: &World<'_>, lane: &Lane, dice: &mut Dice) {
    let name = name(lane);
    if dice.once_in(2) {
        carry_out(world, &["pause", &name, "--reason", "why not"]).await;
    } else {
        carry_out(world, &["pause", "--user", &lane.0, "--json"]).await;
    }
}

/// Resumes everything.
pub(super) async fn resume_all(world: &World<'_>) {
    carry_out(world, &["resume", "--all", "--json"]).await;
}

/// Erases the personal data of a final row, and maybe of all rows with its number.
pub(super) async fn erase(judge: &mut Judge, world: &World<'_>, dice: &mut Dice) {
    let finals = judge.look(world).await;
    if finals.is_empty() {
        return;
    }
    let (key, phone) = dice.one_of(&finals);
    let is_number = phone.len() > 7 && phone.chars().all(|c| c.is_ascii_digit());
    let which = if is_number && dice.once_in(2) {
        ["--phone", &phone]
    } else {
        ["--key", &key]
    };
    carry_out(world, &["erase", which[0], which[1], "--yes", "--json"]).await;
    judge.look(world).await;
}

fn name(Lane(user, task): &Lane) -> String {
    format!("{user}/{task}")
}

async fn carry_out(world: &World<'_>, command: &[&str]) {
    let ended = world.run(command).await;
    assert_eq!(ended.code, Some(0), "{command:?}: {}", ended.tail());
}

/// Deletes rows that ended some time ago. Half of the final rows are made to look old.
pub(super) async fn prune(judge: &mut Judge, world: &World<'_>) {
    let long_ago = world.db.now(-7_200);
    world
        .db
        .execute(&format!(
            "UPDATE contact_outbox SET finished_at = {long_ago}
             WHERE status <> 'pending' AND id % 2 = 0"
        ))
        .await;
    // The rows to be deleted are final and will not change.
    judge.look(world).await;
    carry_out(world, &["prune", "--older-than", "1h"]).await;
}

/// Looks at the status or the failures.
pub(super) async fn look(world: &World<'_>, dice: &mut Dice) {
    let command = dice.one_of(&["status", "failures"]);
    carry_out(world, &[command, "--json"]).await;
}
