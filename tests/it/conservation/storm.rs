//! The mishaps of a run, and the runs: a courier alone on each database, and three on a server.

use contact_courier::simulator::{Answers, Totals};
use tokio::time;

use super::contacts::{self, Contact, LANES, PER_LANE};
use super::couriers::{Couriers, DEADLINE};
use super::galera::{Cluster, NodeMishap};
use super::pgpool::Balanced;
use super::seed::{Dice, say, seed};
use super::{truth, weather};
use crate::server::Server;
use crate::support::{Db, Kind, admin_url, mysql_database};
use crate::world::{Lane, World, lanes, until_within};

#[tokio::test]
async fn sqlite_one_courier_killed_again_and_again() {
    Storm::new(&Db::sqlite().await, None, 1, seed())
        .await
        .run()
        .await;
}

#[tokio::test]
async fn postgres_one_courier_killed_again_and_again_and_its_server_twice() {
    let server = Server::new("postgres").await;
    let db = postgres(&server).await;
    Storm::new(&db, Some(&server), 1, seed()).await.run().await;
}

#[tokio::test]
async fn mariadb_one_courier_killed_again_and_again_and_its_server_twice() {
    let server = Server::new("mariadb").await;
    let db = mysql(Kind::MariaDb, &server).await;
    Storm::new(&db, Some(&server), 1, seed()).await.run().await;
}

#[tokio::test]
async fn mysql_one_courier_killed_again_and_again_and_its_server_twice() {
    if admin_url(Kind::MySql).is_none() {
        return;
    }
    let server = Server::new("mysql").await;
    let db = mysql(Kind::MySql, &server).await;
    Storm::new(&db, Some(&server), 1, seed()).await.run().await;
}

#[tokio::test]
async fn postgres_three_couriers_killed_and_frozen() {
    let server = Server::new("postgres").await;
    let db = postgres(&server).await;
    Storm::new(&db, Some(&server), 3, seed()).await.run().await;
}

#[tokio::test]
async fn mariadb_three_couriers_killed_and_frozen() {
    let server = Server::new("mariadb").await;
    let db = mysql(Kind::MariaDb, &server).await;
    Storm::new(&db, Some(&server), 3, seed()).await.run().await;
}

#[tokio::test]
async fn mysql_three_couriers_killed_and_frozen() {
    if admin_url(Kind::MySql).is_none() {
        return;
    }
    let server = Server::new("mysql").await;
    let db = mysql(Kind::MySql, &server).await;
    Storm::new(&db, Some(&server), 3, seed()).await.run().await;
}

#[tokio::test]
#[ignore = "takes minutes: make test-matrix"]
async fn galera_three_couriers_on_three_nodes_that_lag_freeze_and_die() {
    let cluster = Cluster::new().await;
    let db = Db::mysql_at(Kind::MariaDb, cluster.database().to_owned()).await;
    db.outbox.migrate().await.expect("migrates");
    Storm::on_cluster(&db, &cluster, seed()).await.run().await;
}

#[tokio::test]
#[ignore = "needs pgpool: make test-matrix"]
async fn pgpool_two_couriers_whose_reads_may_run_on_a_standby_that_lags() {
    let balanced = Balanced::new().await;
    let db = balanced.database().await;
    let addresses = vec![balanced.address.clone(); 2];
    let storm = Storm {
        addresses,
        ..Storm::new(&db, None, 2, seed()).await
    };
    storm.run().await;
}

#[tokio::test]
async fn postgres_three_couriers_whose_primary_dies_and_whose_standby_takes_over() {
    let primary = Server::new("postgres").await;
    let db = postgres(&primary).await;
    let standby = Server::standby_of(&primary).await;
    let mut storm = Storm::new(&db, None, 3, seed()).await;
    storm.world.set("database.url", &primary.and(&standby));
    storm.pair = Some((&primary, &standby));
    storm.run().await;
}

async fn postgres(server: &Server) -> Db {
    let db = Db::postgres_at(server.url.clone()).await;
    db.outbox.migrate().await.expect("migrates");
    db
}

async fn mysql(kind: Kind, server: &Server) -> Db {
    let db = Db::mysql_at(kind, mysql_database(&server.url).await).await;
    db.outbox.migrate().await.expect("migrates");
    db
}

/// The number of kills of a courier, besides the couriers that die with the database.
const KILLS: usize = 12;

/// A mishap that happens when the platform holds a certain number of contacts.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// A courier is killed, and another one started.
    Kill,
    /// The database's server is killed, and started again later.
    DatabaseDies,
    /// The database dies, and all couriers are killed before it is back.
    AllDie,
    /// The primary is killed, and its standby takes its place.
    FailsOver,
    /// A courier stands still for longer than its lease.
    Freeze,
    /// A node of the cluster has a mishap.
    Node(NodeMishap),
    /// The platform turns everybody away for a while, in the n-th way.
    TurnedAway(usize),
}

/// A run.
struct Storm<'a> {
    world: World<'a>,
    server: Option<&'a Server>,
    cluster: Option<&'a Cluster>,
    /// The database's address for the n-th courier, if not all use the address at which rows are
    /// read.
    addresses: Vec<String>,
    /// A primary, and the standby for which its commits wait.
    pair: Option<(&'a Server, &'a Server)>,
    couriers: usize,
    dice: Dice,
    lanes: Vec<Lane>,
    seed: u64,
}

impl<'a> Storm<'a> {
    async fn new(db: &'a Db, server: Option<&'a Server>, couriers: usize, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let weather = weather::some(&mut dice);
        let mut world = World::with_seed(db, weather, seed).await;
        for (key, value) in [
            ("platform.timeout", "1s"),
            ("platform.connect_timeout", "1s"),
            ("delivery.lease", "1s"),
            ("delivery.max_in_flight", "16"),
            ("retry.initial_interval", "10ms"),
            ("retry.max_interval", "100ms"),
            // Logs each call that fails.
            ("log.level", "info,contact_courier::database=debug"),
        ] {
            world.set(key, value);
        }
        Self {
            world,
            server,
            cluster: None,
            addresses: Vec::new(),
            pair: None,
            couriers,
            dice,
            lanes: lanes(LANES),
            seed,
        }
    }

    /// Three couriers: on the second and the third node, and behind a proxy to all three.
    async fn on_cluster(db: &'a Db, cluster: &'a Cluster, seed: u64) -> Self {
        Self {
            cluster: Some(cluster),
            addresses: cluster.addresses(),
            ..Self::new(db, None, 3, seed).await
        }
    }

    async fn run(mut self) {
        let contacts: Vec<Contact> = self
            .lanes
            .iter()
            .enumerate()
            .flat_map(|(nth, lane)| contacts::of_lane(nth, lane))
            .collect();
        let (early, late): (Vec<_>, Vec<_>) = contacts
            .chunks(PER_LANE)
            .map(|lane| lane.split_at(PER_LANE / 2))
            .map(|(early, late)| (early.to_vec(), late.to_vec()))
            .unzip();
        contacts::insert(self.world.db, &early.concat()).await;
        let addresses = std::mem::take(&mut self.addresses);
        let (world, dice) = (&mut self.world, &mut self.dice);
        let mut couriers = Couriers::start(world, dice, self.couriers, addresses);
        let mishaps = self.mishaps();
        let middle = mishaps.len() / 3;
        for (nth, (progress, mishap)) in mishaps.into_iter().enumerate() {
            if nth == middle {
                contacts::insert(self.world.db, &late.concat()).await;
            }
            self.progresses(&mut couriers, progress).await;
            say(&format!("{progress} held: {mishap:?}"));
            self.befall(mishap, &mut couriers).await;
            let weather = if self.dice.once_in(3) {
                weather::some_turned_away(&mut self.dice, &self.lanes)
            } else {
                weather::some(&mut self.dice)
            };
            self.world.simulator.set_faults(weather).unwrap();
        }
        self.comes_to_its_end(couriers).await;
        if let Some(cluster) = self.cluster {
            cluster.catch_up(self.world.db).await;
        }
        everything_befell(&self.world.simulator.totals());
        truth::holds(&self.world, &contacts, self.seed).await;
    }

    /// Returns the mishaps, each with the progress at which it comes.
    fn mishaps(&mut self) -> Vec<(u64, Mishap)> {
        let mut all = vec![Mishap::Kill; KILLS];
        all.extend((0..5).map(Mishap::TurnedAway));
        if self.server.is_some() {
            all.extend([Mishap::DatabaseDies, Mishap::AllDie]);
        }
        if self.pair.is_some() {
            all.push(Mishap::FailsOver);
        }
        if self.couriers > 1 {
            all.extend([Mishap::Freeze; 3]);
        }
        if self.cluster.is_some() {
            all.extend(NodeMishap::ALL.map(Mishap::Node));
        }
        // Lanes that are turned away for now cannot keep this point from being reached.
        let last = u64::try_from(LANES * PER_LANE).unwrap() * 7 / 10;
        let mut mishaps: Vec<(u64, Mishap)> = all
            .into_iter()
            .map(|mishap| (self.dice.below(last), mishap))
            .collect();
        mishaps.sort_by_key(|(progress, _)| *progress);
        mishaps
    }

    async fn progresses(&mut self, couriers: &mut Couriers, progress: u64) {
        let Self { world, dice, .. } = self;
        until_within(DEADLINE, "the platform holds enough", async || {
            couriers.revive(world, dice);
            world.simulator.totals().numbers_held >= progress
        })
        .await;
        // The moment of the import is the likeliest; other moments occur, too.
        let requests = world.simulator.totals().requests + dice.below(5);
        until_within(DEADLINE, "more requests come in", async || {
            couriers.revive(world, dice);
            world.simulator.totals().requests >= requests
        })
        .await;
    }

    async fn befall(&mut self, mishap: Mishap, couriers: &mut Couriers) {
        let (world, dice) = (&mut self.world, &mut self.dice);
        match mishap {
            Mishap::Kill => couriers.replace_one(world, dice).await,
            Mishap::Freeze => {
                // Others can take over only lanes that are not turned away.
                world.simulator.set_faults(weather::some(dice)).unwrap();
                couriers.freeze_one(world, dice).await;
            }
            Mishap::DatabaseDies | Mishap::AllDie => {
                let server = self.server.expect("a server");
                couriers.revive(world, dice);
                couriers.lose(server, outage(dice)).await;
                if matches!(mishap, Mishap::AllDie) {
                    couriers.revive(world, dice);
                    couriers.kill_all().await;
                }
                server.start().await;
                couriers.complete(world, dice, self.couriers);
            }
            Mishap::Node(mishap) => {
                let cluster = self.cluster.expect("a cluster");
                couriers.revive(world, dice);
                // A courier that starts while its node is away ends with an error.
                couriers.database_died();
                cluster.befall(mishap, world.db).await;
            }
            Mishap::FailsOver => {
                let (primary, standby) = self.pair.expect("a pair");
                couriers.revive(world, dice);
                let held = world.simulator.totals().numbers_held;
                let died = time::Instant::now();
                primary.kill().await;
                couriers.database_died();
                standby.promote().await;
                let promoted = died.elapsed();
                standby.stands_for(world.db);
                until_within(DEADLINE, "deliveries go on at the standby", async || {
                    couriers.revive(world, dice);
                    world.simulator.totals().numbers_held > held + 200
                })
                .await;
                let on = died.elapsed();
                say(&format!(
                    "promoted after {promoted:?}, goes on after {on:?}"
                ));
            }
            Mishap::TurnedAway(way) => {
                let before = turned_away(&world.simulator.totals().answers);
                let weather = weather::all_turned_away(way, &self.lanes);
                world.simulator.set_faults(weather).unwrap();
                until_within(DEADLINE, "everybody is turned away", async || {
                    couriers.revive(world, dice);
                    let now = turned_away(&world.simulator.totals().answers);
                    now[way] > before[way]
                })
                .await;
            }
        }
    }

    /// Lets the storm go on, but nobody is turned away and nothing dies any more.
    async fn comes_to_its_end(&mut self, mut couriers: Couriers) {
        let (world, dice) = (&mut self.world, &mut self.dice);
        let mut change_at = 0;
        until_within(DEADLINE, "every row is final", async || {
            couriers.revive(world, dice);
            let requests = world.simulator.totals().requests;
            if requests >= change_at {
                world.simulator.set_faults(weather::some(dice)).unwrap();
                change_at = requests + 200;
            }
            world.with_status("pending").await == 0
        })
        .await;
        say(&format!("couriers that died: {}", couriers.deaths));
        let killed = i64::try_from(KILLS).unwrap();
        assert!(couriers.deaths >= killed, "{}", couriers.deaths);
        couriers.stop().await;
    }
}

/// Returns how many calls of the database fail before it is back. The outage is shorter or longer
/// than a lease, within which a few heartbeats fail.
fn outage(dice: &mut Dice) -> usize {
    usize::try_from(dice.below(20)).unwrap()
}

/// Returns the numbers of requests that were turned away, by the way of doing so.
fn turned_away(answers: &Answers) -> [u64; 5] {
    [
        answers.unauthorized,
        answers.forbidden,
        answers.not_found,
        answers.blocked,
        answers.task_running,
    ]
}

/// Checks that every fault occurred, and that the courier kept to the platform's documentation.
fn everything_befell(totals: &Totals) {
    let answers = serde_json::to_value(&totals.answers).unwrap();
    for (answer, times) in answers.as_object().unwrap() {
        assert_ne!(times, 0, "never: {answer}");
    }
    assert_eq!(totals.violations.total(), 0, "{:?}", totals.violations);
    assert!(totals.max_rows <= 100, "{}", totals.max_rows);
    say(&format!("{} requests", totals.requests));
}
