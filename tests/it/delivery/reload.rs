//! SIGHUP: the settings file is read again.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use contact_courier::simulator::Faults;

use super::world::{Program, World, good, lanes, until};
use crate::support::{Db, on_every_database};

on_every_database!(
    a_reload_frees_who_waits_at_a_slow_rate_and_says_what_changed_and_what_takes_a_restart,
    a_rate_that_couriers_share_changes_at_once_too,
    a_file_with_a_fault_changes_nothing,
    a_reload_changes_how_many_requests_go_at_once,
    a_reload_changes_how_long_a_lane_waits_after_a_failure,
    a_reload_lets_contacts_of_a_dead_task_fail,
    a_reload_changes_what_is_logged_and_that_itself_is_logged,
);

/// A courier with its settings in a file, except those that connect it to its world.
struct Case<'a> {
    world: World<'a>,
    file: PathBuf,
}

impl<'a> Case<'a> {
    /// Begins with a number in each of `n` lanes.
    async fn new(db: &'a Db, faults: Faults, n: usize) -> Self {
        let mut world = World::new(db, faults).await;
        for key in [
            "rate_limit.requests_per_second",
            "retry.initial_interval",
            "retry.max_interval",
            "log.level",
        ] {
            world.unset(key);
        }
        let file = world.dir.path().join("courier.toml");
        let case = Self { world, file };
        case.insert(0, n).await;
        case
    }

    /// Inserts the nth number into each of `n` lanes.
    async fn insert(&self, nth: usize, n: usize) {
        for (at, lane) in lanes(n).iter().enumerate() {
            self.world.insert(lane, &[good(at, nth)]).await;
        }
    }

    fn write(&self, text: &str) {
        fs::write(&self.file, text).expect("the file is written");
    }

    fn start(&self, text: &str) -> Program {
        self.write(text);
        self.world
            .start(&["run", "--config", self.file.to_str().expect("UTF-8")])
    }

    /// Reloads another file, and waits until the courier says so.
    async fn reload(&self, courier: &Program, text: &str, says: &str) {
        self.write(text);
        courier.signal("HUP").await;
        courier.says(says).await;
    }

    async fn received(&self, numbers: u64) {
        until("the platform has the numbers", async || {
            self.world.simulator.totals().numbers_held >= numbers
        })
        .await;
    }

    async fn all_succeed(&self) {
        let open = "FROM contact_outbox WHERE status <> 'succeeded'";
        self.world.none(open).await;
    }
}

async fn a_reload_frees_who_waits_at_a_slow_rate_and_says_what_changed_and_what_takes_a_restart(
    db: &Db,
) {
    let case = Case::new(db, Faults::default(), 4).await;
    let courier = case.start("[rate_limit]\nrequests_per_second = 0.001");
    case.received(1).await;
    let new = "[rate_limit]\nrequests_per_second = 500\n[platform]\ntimeout = \"31s\"";
    let says = "rate_limit.requests_per_second: 0.001 -> 500.0";
    case.reload(&courier, new, says).await;
    case.all_succeed().await;
    courier.says("platform.timeout: 30s -> 31s").await;
    // Changes that need a restart are logged again each time; changes in force are not.
    let lines = |words: &str| {
        let log = courier.log();
        log.lines().filter(|line| line.contains(words)).count()
    };
    courier.signal("HUP").await;
    until("the second reload", async || {
        lines("platform.timeout: 30s") == 2
    })
    .await;
    assert_eq!(lines("settings reloaded"), 1);
    let noted = "FROM operator_action WHERE action = 'reload' AND ended_at IS NOT NULL";
    super::world::until("the history tells of it", async || {
        db.count(noted).await == 1
    })
    .await;
    courier.kill().await;
}

async fn a_rate_that_couriers_share_changes_at_once_too(db: &Db) {
    let case = Case::new(db, Faults::default(), 6).await;
    let rate =
        |rate: &str| format!("[rate_limit]\nscope = \"cluster\"\nrequests_per_second = {rate}");
    let courier = case.start(&rate("0.001"));
    case.received(1).await;
    case.reload(&courier, &rate("500"), "settings reloaded")
        .await;
    case.all_succeed().await;
    courier.kill().await;
}

async fn a_file_with_a_fault_changes_nothing(db: &Db) {
    let case = Case::new(db, Faults::default(), 2).await;
    let slow = "[rate_limit]\nrequests_per_second = 0.001";
    let courier = case.start(slow);
    case.received(1).await;
    let fast = "[rate_limit]\nrequests_per_second = 500\n";
    let place = case.file.display();
    for (fault, told) in [
        ("burst = 0", format!("rate_limit.burst = 0 (file {place})")),
        ("brust = 1", "did you mean rate_limit.burst?".into()),
        ("burst = ", format!("file {place}): line 3:")),
    ] {
        case.reload(&courier, &format!("{fast}{fault}"), &told)
            .await;
    }
    fs::remove_file(&case.file).expect("the file is there");
    courier.signal("HUP").await;
    courier.says("the settings file (").await;
    let log = courier.log();
    assert_eq!(log.matches("settings not reloaded").count(), 4, "{log}");
    // The file is as it was, so that the effect of a refused file would show as a change.
    case.reload(&courier, slow, "nothing in them has changed")
        .await;
    assert_eq!(case.world.simulator.totals().numbers_held, 1);
    case.reload(&courier, fast, "settings reloaded").await;
    case.all_succeed().await;
    courier.kill().await;
}

async fn a_reload_changes_how_many_requests_go_at_once(db: &Db) {
    let never = Faults {
        latency: Duration::from_mins(20),
        ..Faults::default()
    };
    let case = Case::new(db, never, 3).await;
    let rest = "[rate_limit]\nrequests_per_second = 500";
    let at_once =
        |n: u32| format!("[delivery]\nmax_in_flight = {n}\nmax_in_flight_per_lane = 1\n{rest}");
    let courier = case.start(&at_once(1));
    case.received(1).await;
    case.reload(&courier, &at_once(3), "delivery.max_in_flight: 1 -> 3")
        .await;
    case.received(3).await;
    courier.kill().await;
}

async fn a_reload_changes_how_long_a_lane_waits_after_a_failure(db: &Db) {
    let case = Case::new(db, Faults::default(), 1).await;
    let retry =
        |wait: &str| format!("[retry]\ninitial_interval = \"{wait}\"\nmax_interval = \"{wait}\"");
    let courier = case.start(&retry("1h"));
    case.all_succeed().await;
    let says = "retry.initial_interval: 1h -> 10ms";
    case.reload(&courier, &retry("10ms"), says).await;
    let down = Faults {
        error_before: 1.0,
        ..Faults::default()
    };
    case.world.simulator.set_faults(down).expect("is valid");
    case.insert(1, 1).await;
    courier.says("lane waits").await;
    case.world
        .simulator
        .set_faults(Faults::default())
        .expect("is valid");
    case.all_succeed().await;
    courier.kill().await;
}

async fn a_reload_changes_what_is_logged_and_that_itself_is_logged(db: &Db) {
    let case = Case::new(db, Faults::default(), 1).await;
    let level = |level: &str| format!("[log]\nlevel = \"{level}\"");
    let courier = case.start(&level("warn"));
    case.all_succeed().await;
    case.reload(&courier, &level("debug"), "log.level: warn -> debug")
        .await;
    assert!(!courier.log().contains("courier started"));
    case.insert(1, 1).await;
    courier.says("batch closed").await;
    case.reload(&courier, &level("error"), "log.level: debug -> error")
        .await;
    case.all_succeed().await;
    courier.signal("TERM").await;
    let ended = courier.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.tail());
    assert!(!ended.err.contains("courier stopped"), "{}", ended.tail());
}

async fn a_reload_lets_contacts_of_a_dead_task_fail(db: &Db) {
    let faults = Faults {
        unknown_tasks: lanes(3).into_iter().map(|lane| lane.1).collect(),
        ..Faults::default()
    };
    let case = Case::new(db, faults, 3).await;
    let retry = "[retry]\ninitial_interval = \"50ms\"\nmax_interval = \"100ms\"\n";
    let courier = case.start(retry);
    until("all lanes are on hold", async || {
        let held = "FROM delivery_lane WHERE hold_reason = 'not_found'";
        db.count(held).await == 3
    })
    .await;
    let text = format!("{retry}give_up_on_holds_after = \"10ms\"\n");
    case.reload(&courier, &text, "give_up_on_holds_after: not set -> 10ms")
        .await;
    case.world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    let expired = "FROM contact_outbox WHERE fail_kind = 'expired'";
    assert_eq!(db.count(expired).await, 3);
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}
