//! Couriers at work, as a service manager runs them: one that ends by itself is started again.

use std::time::Duration;

use super::seed::Dice;
use crate::server::Server;
use crate::world::{Program, World, until_within};

/// Anything that takes longer has failed, on however slow a machine.
pub(super) const DEADLINE: Duration = Duration::from_mins(5);

pub(super) struct Couriers {
    programs: Vec<Courier>,
    /// The database's address for the n-th courier, if not all use the same one.
    addresses: Vec<String>,
    /// The number of the database's deaths.
    outages: usize,
    /// The number of couriers that were killed, or ended because they found no database.
    pub(super) deaths: i64,
}

struct Courier {
    program: Program,
    /// The number of the database's deaths when it was started.
    outages_before: usize,
}

impl Courier {
    /// Whether it waits for the database since it was started.
    fn waits_to_start(&self) -> bool {
        let log = self.program.log();
        let goes_on = ["courier started", "the database answers again"];
        let last = |words: &str| log.rfind(words);
        last("waiting for the database") > goes_on.into_iter().filter_map(last).max()
    }
}

impl Couriers {
    /// Starts `n` couriers, the n-th at the n-th address if there is one.
    pub(super) fn start(
        world: &mut World<'_>,
        dice: &mut Dice,
        n: usize,
        addresses: Vec<String>,
    ) -> Self {
        let mut couriers = Self {
            programs: Vec::new(),
            addresses,
            outages: 0,
            deaths: 0,
        };
        couriers.complete(world, dice, n);
        couriers
    }

    /// Returns another courier in the place of the n-th, with other settings.
    fn new_one(&self, nth: usize, world: &mut World<'_>, dice: &mut Dice) -> Courier {
        if let Some(address) = self.addresses.get(nth) {
            world.set("database.url", address);
        }
        world.set(
            "delivery.suffix",
            dice.one_of(&["platform", "courier", "courier"]),
        );
        world.set(
            "delivery.batch_size",
            dice.one_of(&["20", "50", "100", "100"]),
        );
        Courier {
            program: world.start(&["run"]),
            outages_before: self.outages,
        }
    }

    /// Kills one courier and starts another.
    pub(super) async fn replace_one(&mut self, world: &mut World<'_>, dice: &mut Dice) {
        self.revive(world, dice);
        let nth = self.one(dice);
        let another = self.new_one(nth, world, dice);
        let killed = std::mem::replace(&mut self.programs[nth], another);
        killed.program.kill().await;
        self.deaths += 1;
    }

    /// Kills all couriers while the database is away; [`Self::complete`] starts others.
    pub(super) async fn kill_all(&mut self) {
        for courier in self.programs.drain(..) {
            courier.program.signal("KILL").await;
            let ended = courier.program.ended().await;
            // A courier that was starting may have ended by itself before the signal came.
            if ended.code.is_some() {
                ended.error();
            }
            self.deaths += 1;
        }
    }

    /// Starts the missing couriers.
    pub(super) fn complete(&mut self, world: &mut World<'_>, dice: &mut Dice, n: usize) {
        while self.programs.len() < n {
            let courier = self.new_one(self.programs.len(), world, dice);
            self.programs.push(courier);
        }
    }

    /// Notes that the database has died. Couriers that were starting may end with an error, others
    /// may not.
    pub(super) fn database_died(&mut self) {
        self.outages += 1;
    }

    /// Returns how often a call of the database has failed, by the couriers' logs.
    pub(super) fn failures(&self) -> usize {
        let logs = self.programs.iter().map(|courier| courier.program.log());
        logs.map(|log| log.matches("database trouble").count())
            .sum()
    }

    /// Kills the database's server, and waits until this many calls of it have failed, or all
    /// couriers have ended or wait for it since their start, which they log only once.
    pub(super) async fn lose(&mut self, server: &Server, calls: usize) {
        let before = self.failures();
        server.kill().await;
        self.database_died();
        until_within(DEADLINE, "couriers miss the database", async || {
            let mut programs = self.programs.iter_mut();
            programs.all(|courier| courier.program.exit().is_some() || courier.waits_to_start())
                || self.failures() >= before + calls
        })
        .await;
    }

    /// Starts couriers again that ended because they found no database at their start.
    pub(super) fn revive(&mut self, world: &mut World<'_>, dice: &mut Dice) {
        for nth in 0..self.programs.len() {
            let courier = &mut self.programs[nth];
            let Some(status) = courier.program.exit() else {
                continue;
            };
            let log = courier.program.log();
            assert!(
                status.code() == Some(1) && courier.outages_before < self.outages,
                "a courier ended by itself: {status}: {}",
                log.lines().last().unwrap_or_default()
            );
            assert!(log.contains("error:"), "{log}");
            self.deaths += 1;
            self.programs[nth] = self.new_one(nth, world, dice);
        }
    }

    /// Stops a courier for longer than its lease, until others have taken over its work, and wakes
    /// it again.
    pub(super) async fn freeze_one(&mut self, world: &mut World<'_>, dice: &mut Dice) {
        self.revive(world, dice);
        let frozen = &self.programs[self.one(dice)].program;
        let pid = frozen.pid();
        let registered = format!("FROM courier_instance WHERE pid = {pid}");
        until_within(DEADLINE, "a courier registers", async || {
            world.db.count(&registered).await > 0
        })
        .await;
        frozen.signal("STOP").await;
        let long_ago = world.db.now(-2);
        let silent = format!("{registered} AND heartbeat_at > {long_ago}");
        let its = format!(
            "FROM delivery_batch b
             JOIN delivery_lane l ON l.user_id = b.user_id AND l.task_id = b.task_id
             WHERE b.closed_at IS NULL AND l.lease_owner IN (SELECT id {registered})"
        );
        for nothing in [silent, its] {
            until_within(DEADLINE, &nothing, async || {
                world.db.count(&nothing).await == 0
            })
            .await;
        }
        frozen.signal("CONT").await;
    }

    /// Ends all couriers softly.
    pub(super) async fn stop(self) {
        for courier in self.programs {
            courier.program.signal("TERM").await;
            let ended = courier.program.ended().await;
            assert_eq!(ended.code, Some(0), "{}", ended.tail());
        }
    }

    fn one(&self, dice: &mut Dice) -> usize {
        usize::try_from(dice.below(self.programs.len() as u64)).unwrap()
    }
}
