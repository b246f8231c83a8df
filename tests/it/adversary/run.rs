//! The runs.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::judge::Judge;
use super::mood::{Mood, TROUBLES, Task};
use super::operators::{self, SettingsFile};
use super::platform::Platform;
use super::seed::{Dice, say, seed};
use super::{apps, numbers};
use crate::support::{Db, Kind, on_every_database};
use crate::world::{Lane, Program, World, until};

on_every_database!(no_row_lies_and_nobody_starves,);

/// Lanes in each kind of trouble.
const LANES: usize = 4;

/// The rows that each lane has in the beginning.
const ROWS: u64 = 12;

/// Lanes of one row in each kind of trouble that waits for a person, besides, in every second run.
const CROWD: usize = 60;

/// How often something happens, and then a good contact comes.
const STEPS: usize = 12;

/// The most requests of others that a good contact waits for: a few turns of all lanes. On a busy machine the
/// steps of one lane take longer than those of many side by side: 407 were seen.
const OTHERS_BEFORE: u64 = 600;

/// The same, if a killed courier may have the lane until its lease is over: besides, as many as go at
/// the highest rate in that time.
const OTHERS_BEFORE_ANEW: u64 = OTHERS_BEFORE + 5 * 400;

/// The most requests for each row that became final, failed requests included.
const REQUESTS_PER_ROW: usize = 12;

/// The first seed, unless the environment names one or asks for many.
const USUAL_SEED: u64 = 1;

/// The run fails if nothing happens for this long. Time is not judged otherwise, only requests: on a
/// slow machine everything takes longer, and retries are rationed.
const DEADLINE: Duration = Duration::from_secs(50);

/// The most memory of a courier in MiB, without optimisation.
const MEMORY: u64 = 256;

async fn no_row_lies_and_nobody_starves(db: &Db) {
    let first = first_seed();
    let mut dice = Dice::new(first);
    for nth in 0..seeds(db) {
        let seed = if nth == 0 { first } else { dice.below(1 << 32) };
        say(&format!("this one by COURIER_TEST_SEED={seed}"));
        db.execute("DELETE FROM contact_outbox").await;
        for table in ["delivery_batch", "delivery_lane", "contact_requeue"] {
            db.execute(&format!("DELETE FROM {table}")).await;
        }
        Run::new(db, seed).await.run().await;
    }
}

/// Returns the first seed: the usual one for repeatable checks, unless the environment asks for
/// others.
fn first_seed() -> u64 {
    let is_told = told("COURIER_TEST_SEED").or(told("COURIER_TEST_SEEDS"));
    is_told.map_or(USUAL_SEED, |_| seed())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment what to try"
)]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns how many seeds are tried. A SQLite file is quick.
fn seeds(db: &Db) -> usize {
    let told = told("COURIER_TEST_SEEDS");
    let usual = if db.kind == Kind::Sqlite { 2 } else { 1 };
    told.map_or(usual, |n| {
        n.parse().expect("COURIER_TEST_SEEDS is a number")
    })
}

/// Makes the tasks of lanes in every kind of trouble. Returns the lanes of many rows, and the crowd.
fn lanes_in_trouble(
    tasks: &mut HashMap<Lane, Task>,
    dice: &mut Dice,
) -> (Vec<(Lane, u64)>, Vec<Lane>) {
    let (mut lanes, mut crowd) = (Vec::new(), Vec::new());
    let is_crowded = dice.once_in(2);
    for (kind, mood) in TROUBLES.into_iter().enumerate() {
        let has_crowd = is_crowded && mood.waits_for_a_person();
        for nth in 0..LANES + if has_crowd { CROWD } else { 0 } {
            let lane = Lane(format!("u{kind}-{}", nth % 3), format!("t{kind}-{nth}"));
            tasks.insert(lane.clone(), Task::some(mood, dice));
            if nth < LANES {
                lanes.push((lane, 0));
            } else {
                crowd.push(lane);
            }
        }
    }
    (lanes, crowd)
}

struct Run<'a> {
    world: World<'a>,
    platform: Platform,
    dice: Dice,
    judge: Judge,
    settings: SettingsFile,
    courier: Option<Program>,
    /// Lanes in trouble, with how many rows each has had.
    lanes: Vec<(Lane, u64)>,
    /// Lanes with a row that waits for a person.
    crowd: Vec<Lane>,
    good: Lane,
    /// How many contacts the good lane has had.
    goods: usize,
    /// Whether no good contact has gone out since a courier was killed.
    is_anew: bool,
}

impl<'a> Run<'a> {
    async fn new(db: &'a Db, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let good = Lane("good".into(), "good".into());
        let mut tasks = HashMap::from([(
            good.clone(),
            Task {
                mood: Mood::Good,
                normalises: false,
                poison: "",
            },
        )]);
        let (lanes, crowd) = lanes_in_trouble(&mut tasks, &mut dice);
        let platform = Platform::start(tasks, seed).await;
        let mut world =
            World::with_seed(db, contact_courier::simulator::Faults::default(), seed).await;
        for (key, value) in [
            ("platform.base_url", platform.base_url.as_str()),
            ("platform.timeout", "500ms"),
            ("platform.connect_timeout", "500ms"),
            ("delivery.linger", "10ms"),
            // On a busy machine, a heartbeat takes its time.
            ("delivery.lease", "5s"),
            ("retry.initial_interval", "20ms"),
            ("retry.max_interval", "200ms"),
        ] {
            world.set(key, value);
        }
        world.unset("rate_limit.requests_per_second");
        let settings = SettingsFile::new(&world, &mut dice);
        Self {
            world,
            platform,
            dice,
            judge: Judge::default(),
            settings,
            courier: None,
            lanes,
            crowd,
            good,
            goods: 0,
            is_anew: false,
        }
    }

    async fn run(mut self) {
        let db = self.world.db;
        for (lane, rows) in &mut self.lanes {
            let count = self.dice.one_of(&[1, ROWS, ROWS * 2]);
            apps::insert(db, lane, 0..count, &mut self.dice).await;
            *rows = count;
        }
        for lane in &self.crowd {
            apps::insert(db, lane, 0..1, &mut self.dice).await;
        }
        self.courier = Some(self.settings.start(&self.world));
        for _ in 0..STEPS {
            self.something_happens().await;
            self.a_good_contact_goes_out().await;
        }
        self.comes_to_its_end().await;
    }

    async fn something_happens(&mut self) {
        let db = self.world.db;
        let nth = usize::try_from(self.dice.below(self.lanes.len() as u64)).unwrap();
        let (world, dice) = (&self.world, &mut self.dice);
        let (lane, rows) = &mut self.lanes[nth];
        let what = dice.below(14);
        say(&format!("{what} in {lane:?}"));
        match what {
            0..3 => {
                apps::insert(db, lane, *rows..*rows + ROWS, dice).await;
                *rows += ROWS;
            }
            3 => apps::delete_some(db, lane, dice).await,
            4 => {
                self.judge.changed.insert(lane.clone());
                apps::update_some(db, lane, dice).await;
            }
            5 => {
                let lock = apps::lock(db, lane).await;
                self.a_good_contact_goes_out().await;
                drop(lock);
            }
            6 => {
                operators::requeue(&mut self.judge, world, dice).await;
                operators::look(world, dice).await;
            }
            7 => {
                operators::prune(&mut self.judge, world).await;
            }
            8 => {
                let courier = self.courier.as_ref().expect("a courier");
                self.settings.reload(courier, dice).await;
            }
            9 => operators::cancel(&mut self.judge, world, &self.platform, lane).await,
            10 => {
                let lane = lane.clone();
                operators::pause(world, &lane, dice).await;
                self.starts_anew().await;
                self.says_nothing(&lane).await;
                if self.dice.once_in(2) {
                    operators::resume_all(&self.world).await;
                }
            }
            11 => operators::erase(&mut self.judge, world, dice).await,
            12 => db.clock_goes_back(dice.one_of(&[3_600, -3_600])).await,
            _ => self.starts_anew().await,
        }
    }

    /// Kills the courier, and another one takes over.
    async fn starts_anew(&mut self) {
        self.is_small();
        let courier = self.courier.take().expect("a courier");
        courier.kill().await;
        self.nothing_pending_is_clear().await;
        self.courier = Some(self.settings.start(&self.world));
        self.is_anew = true;
    }

    /// The killed courier may have read answers and not written them down, because a lock kept it from
    /// that.
    async fn nothing_pending_is_clear(&self) {
        let columns = ["user_id", "task_id", "phone"];
        let pending = "FROM contact_outbox WHERE status = 'pending'";
        let pending = self.world.table(&columns, pending).await;
        let mut site = self.platform.site();
        for row in pending {
            let row: Vec<String> = row.into_iter().flatten().collect();
            let [user, task, phone] = <[_; 3]>::try_from(row).expect("three columns");
            site.is_unread(&Lane(user, task), &phone);
        }
    }

    /// Checks that a lane that was paused before the courier began sends nothing.
    async fn says_nothing(&mut self, lane: &Lane) {
        let of_lane = |other: &Lane| other == lane;
        // Requests of the courier before have come in by then.
        self.a_good_contact_goes_out().await;
        let before = self.platform.site().books.requests(of_lane);
        self.a_good_contact_goes_out().await;
        let after = self.platform.site().books.requests(of_lane);
        assert_eq!(after, before, "{lane:?} is paused");
    }

    /// Checks that the good lane is served while all others are in trouble.
    async fn a_good_contact_goes_out(&mut self) {
        let nth = self.goods;
        self.goods += 1;
        let number = apps::good(nth);
        let key = (self.good.clone(), numbers::kept(&number, false));
        let Lane(user, task) = &self.good;
        self.world
            .db
            .execute(&format!(
                "INSERT INTO contact_outbox (user_id, task_id, phone, idempotency_key)
                 VALUES ('{user}', '{task}', '{number}', 'good-{nth}')"
            ))
            .await;
        // It is there from here on: the statement itself may have waited for the server.
        let (since, before) = (Instant::now(), self.requests_of_others());
        let most = if mem::take(&mut self.is_anew) {
            OTHERS_BEFORE_ANEW
        } else {
            OTHERS_BEFORE
        };
        let mut others = 0;
        loop {
            let (mut is_out, earlier) = (false, others);
            let moves = until("the good contact goes out", async || {
                let site = self.platform.site();
                is_out = site.books.numbers.contains_key(&key);
                others = site.requests_of_others(&self.good) - before;
                is_out || others > earlier
            });
            let moves = timeout(DEADLINE, moves).await.is_ok();
            assert!(
                moves && others <= most,
                "{others} requests of others went before a good contact, in {:?}: {}",
                since.elapsed(),
                self.last_words()
            );
            if is_out {
                return;
            }
        }
    }

    fn requests_of_others(&self) -> u64 {
        self.platform.site().requests_of_others(&self.good)
    }

    /// Waits until all rows that need no person are final; then the judge speaks.
    async fn comes_to_its_end(mut self) {
        operators::resume_all(&self.world).await;
        let waits = |lane: &Lane| self.platform.site().task(lane).mood.waits_for_a_person();
        let need_nobody: Vec<String> = self
            .lanes
            .iter()
            .filter(|(lane, _)| !waits(lane))
            .map(|(lane, _)| format!("'{}'", lane.1))
            .collect();
        let pending = format!(
            "FROM contact_outbox WHERE status = 'pending' AND task_id IN ('good', {})",
            need_nobody.join(", ")
        );
        let mut left = i64::MAX;
        while left > 0 {
            let before = left;
            let fewer = until("fewer are pending", async || {
                left = self.world.db.count(&pending).await;
                left < before
            });
            let earlier = self.requests_of_others();
            if timeout(DEADLINE, fewer).await.is_ok() {
                continue;
            }
            // On a slow machine the lanes that wait for a person take all of this time for their turn.
            let others = self.requests_of_others() - earlier;
            if (1..=OTHERS_BEFORE).contains(&others) {
                continue;
            }
            let left = self
                .world
                .table(&["user_id", "task_id", "phone"], &pending)
                .await;
            panic!("pending: {left:?}: {}", self.last_words());
        }
        self.judge.look(&self.world).await;
        self.is_small();
        let courier = self.courier.take().expect("a courier");
        courier.signal("TERM").await;
        let ended = courier.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
        self.judge.look(&self.world).await;
        let site = self.platform.site();
        self.judge.no_row_lies(&site);
        assert_eq!(site.books.restless(), None, "the same again without delay");
        let wait_for_nobody = |lane: &Lane| !site.task(lane).mood.waits_for_a_person();
        let requests = site.books.requests(wait_for_nobody);
        let rows = self.judge.finals(&site);
        say(&format!("{requests} requests for {rows} rows"));
        assert!(
            requests <= REQUESTS_PER_ROW * rows,
            "{requests} requests for {rows} rows"
        );
    }

    /// Returns the end of the courier's log.
    fn last_words(&self) -> String {
        let log = self.courier.as_ref().map(Program::log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    fn is_small(&self) {
        let pid = self.courier.as_ref().expect("a courier").pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        if let Some(peak) = peak {
            assert!(peak < MEMORY * 1024, "{peak} kB of memory");
        }
    }
}
