//! One case for each kind of trouble.

use std::time::Duration;

use tokio::time::timeout;

use super::platform::Platform;
use super::world::{Program, World};
use crate::support::{Db, on_every_database};
use contact_courier::simulator::Faults;

/// Lanes in trouble.
pub(super) const BAD: usize = 300;

/// Good contacts, one after the other.
const GOOD: usize = 10;

/// The most requests of others while a good contact waits: two seconds' worth.
const OTHERS: usize = 2 * 100;

/// More users that fail than have had a try when the good contacts come.
const MANY: usize = 1_200;

/// Lanes that an earlier courier has left on hold: more than a queue holds.
const HELD: usize = 1_100;

/// Lanes of a backlog behind them.
const BACKLOG: usize = 200;

/// The most lanes on hold that may be leased while the backlog goes out, beside those that are paid for.
const LEASED: usize = 50;

/// A good contact that has not come by then does not come.
const NEVER: Duration = Duration::from_secs(20);

on_every_database!(
    lanes_whose_task_is_unknown_do_not_hold_up_a_good_one,
    lanes_whose_task_runs_do_not_hold_up_a_good_one,
    users_that_are_forbidden_do_not_hold_up_a_good_one,
    tasks_of_a_good_user_that_are_turned_away_do_not_hold_up_its_good_one,
    users_whose_token_is_refused_do_not_hold_up_a_good_one,
    users_that_a_firewall_turns_away_do_not_hold_up_a_good_one,
    a_user_whose_lanes_all_fail_does_not_hold_up_another,
    users_that_all_fail_do_not_hold_up_a_good_one,
    lanes_that_wait_for_their_users_rate_do_not_hold_up_a_good_one,
    lanes_that_hang_do_not_hold_up_a_good_one,
    a_hundred_users_that_hang_do_not_hold_up_one_that_is_known_to_answer,
    a_user_with_many_good_lanes_does_not_hold_up_another,
    a_new_contact_does_not_wait_for_a_whole_round,
    a_contact_does_not_wait_for_the_answer_to_another_of_its_lane,
);

/// The program beside a platform, with rows that are in trouble.
pub(super) struct Street<'a> {
    world: World<'a>,
    pub(super) platform: Platform,
    pub(super) program: Program,
}

impl<'a> Street<'a> {
    /// Inserts a row for each of these lanes, and starts the program.
    pub(super) async fn of(
        db: &'a Db,
        settings: &[(&str, &str)],
        bad: Vec<(String, String)>,
    ) -> Self {
        let platform = Platform::start().await;
        let mut world = World::new(db, Faults::default()).await;
        let usual = [
            ("platform.base_url", platform.base_url.as_str()),
            ("rate_limit.requests_per_second", "100"),
            ("delivery.linger", "0s"),
            ("retry.initial_interval", "500ms"),
            ("retry.max_interval", "5m"),
        ];
        for (key, value) in usual.iter().chain(settings) {
            world.set(key, value);
        }
        if !bad.is_empty() {
            Self::insert(db, &bad).await;
        }
        let program = world.start(&["run"]);
        Self {
            world,
            platform,
            program,
        }
    }

    /// Inserts a row for each of these lanes.
    pub(super) async fn insert(db: &Db, lanes: &[(String, String)]) {
        let row = |(user, task): &(String, String)| format!("('{user}', '{task}', '13012121211')");
        let rows: Vec<String> = lanes.iter().map(row).collect();
        let insert = "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES";
        db.execute(&format!("{insert} {}", rows.join(", "))).await;
    }

    /// Waits until the bad lanes have shown what they are, then lets good contacts come.
    pub(super) async fn serves_good_contacts_after(self, bad: usize) {
        self.platform.until(|came| came.len() >= bad).await;
        let is_good = |user: &String| user == "good";
        let count = |came: &[String]| came.iter().filter(|user| is_good(user)).count();
        let earlier = count(&self.platform.came());
        for nth in 0..GOOD {
            let before = self.platform.came();
            assert_eq!(count(&before), earlier + nth);
            self.world
                .db
                .execute(&format!(
                    "INSERT INTO contact_outbox (user_id, task_id, phone)
                     VALUES ('good', 'task', '131{nth:08}')"
                ))
                .await;
            let came = self.platform.until(|came| count(came) > earlier + nth);
            let Ok(came) = timeout(NEVER, came).await else {
                let came = self.platform.came().len() - before.len();
                panic!("the good contact {nth} never came; {came} others did");
            };
            let others = came.len() - before.len();
            assert!(others <= OTHERS, "{others} came before the good one {nth}");
        }
        self.program.kill().await;
    }
}

pub(super) fn users(kind: &str, n: usize) -> Vec<(String, String)> {
    (0..n)
        .map(|nth| (format!("{kind}-{nth}"), "task".into()))
        .collect()
}

pub(super) fn tasks(user: &str, n: usize) -> Vec<(String, String)> {
    (0..n)
        .map(|nth| (user.into(), format!("task-{nth}")))
        .collect()
}

async fn lanes_whose_task_is_unknown_do_not_hold_up_a_good_one(db: &Db) {
    let street = Street::of(db, &[], users("missing", BAD)).await;
    street.serves_good_contacts_after(BAD / 2).await;
}

async fn lanes_whose_task_runs_do_not_hold_up_a_good_one(db: &Db) {
    let street = Street::of(db, &[], users("running", BAD)).await;
    street.serves_good_contacts_after(BAD / 2).await;
}

async fn users_that_are_forbidden_do_not_hold_up_a_good_one(db: &Db) {
    let street = Street::of(db, &[], users("forbidden", BAD)).await;
    street.serves_good_contacts_after(BAD / 2).await;
}

/// Many installations have one user.
async fn tasks_of_a_good_user_that_are_turned_away_do_not_hold_up_its_good_one(db: &Db) {
    for (kind, tasks, tried) in [
        ("forbidden", BAD, 5),
        ("stranger", BAD, 5),
        ("limited", 2, 3),
    ] {
        let street = Street::of(db, &[], Vec::new()).await;
        let good = ("good".to_owned(), "task".to_owned());
        Street::insert(db, &[good]).await;
        street.platform.until(|came| came == ["good"]).await;
        let task = |nth| ("good".to_owned(), format!("{kind}-{nth}"));
        let tasks: Vec<_> = (0..tasks).map(task).collect();
        Street::insert(db, &tasks).await;
        street.serves_good_contacts_after(tried).await;
        db.execute("DELETE FROM contact_outbox").await;
    }
}

async fn users_whose_token_is_refused_do_not_hold_up_a_good_one(db: &Db) {
    let good = vec![("good".to_owned(), "task".to_owned())];
    let street = Street::of(db, &[], good).await;
    street.platform.until(|came| came == ["good"]).await;
    Street::insert(db, &users("stranger", BAD)).await;
    street.serves_good_contacts_after(6).await;
}

async fn users_that_a_firewall_turns_away_do_not_hold_up_a_good_one(db: &Db) {
    let street = Street::of(db, &[], users("blocked", BAD)).await;
    street.serves_good_contacts_after(BAD / 2).await;
}

async fn a_user_whose_lanes_all_fail_does_not_hold_up_another(db: &Db) {
    let street = Street::of(db, &[], tasks("broken", BAD)).await;
    street.serves_good_contacts_after(5).await;
}

async fn users_that_all_fail_do_not_hold_up_a_good_one(db: &Db) {
    let street = Street::of(db, &[], users("broken", MANY / 2)).await;
    street.serves_good_contacts_after(10).await;
}

async fn lanes_that_wait_for_their_users_rate_do_not_hold_up_a_good_one(db: &Db) {
    let settings = [("rate_limit.per_user", "2")];
    let street = Street::of(db, &settings, tasks("good-too", BAD)).await;
    street.serves_good_contacts_after(3).await;
}

async fn lanes_that_hang_do_not_hold_up_a_good_one(db: &Db) {
    let street = Street::of(db, &[], users("hanging", 6)).await;
    street.serves_good_contacts_after(6).await;
}

async fn a_hundred_users_that_hang_do_not_hold_up_one_that_is_known_to_answer(db: &Db) {
    let street = Street::of(db, &[], Vec::new()).await;
    let insert = "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES";
    let known = format!("{insert} ('good', 'task', '13200000000')");
    db.execute(&known).await;
    street.platform.until(|came| came == ["good"]).await;
    Street::insert(db, &users("hanging", 100)).await;
    street.serves_good_contacts_after(7).await;
}

async fn a_user_with_many_good_lanes_does_not_hold_up_another(db: &Db) {
    let settings = [("rate_limit.requests_per_second", "20")];
    let street = Street::of(db, &settings, tasks("good-too", BAD)).await;
    street.serves_good_contacts_after(3).await;
}

async fn a_new_contact_does_not_wait_for_a_whole_round(db: &Db) {
    let street = Street::of(db, &[], users("good-too", 4 * BAD)).await;
    street.serves_good_contacts_after(3).await;
}

/// The searches come to the lanes on hold before they come to the backlog.
#[tokio::test]
async fn lanes_on_hold_from_before_do_not_hold_up_a_backlog() {
    let db = Db::sqlite().await;
    let (absent, good) = (users("absent", HELD), users("good", BACKLOG));
    let past = db.now(-1);
    let lanes = absent.iter().map(|(user, task)| {
        format!("('{user}', '{task}', 1, 1, {past}, 'not_found', 'no such task', {past})")
    });
    let lanes: Vec<String> = lanes.collect();
    db.execute(&format!(
        "INSERT INTO delivery_lane (user_id, task_id, lease_token, failures, held_until,
             hold_reason, hold_message, held_since) VALUES {}",
        lanes.join(", ")
    ))
    .await;
    let all = [absent, good].concat();
    let street = Street::of(&db, &[], all).await;
    let is_good = |user: &&String| user.starts_with("good");
    let all_came = |came: &[String]| came.iter().filter(is_good).count() >= BACKLOG;
    let came = timeout(NEVER, street.platform.until(all_came)).await;
    let came = came.expect("the backlog goes out");
    let leased = "FROM delivery_lane WHERE user_id LIKE 'absent%' AND lease_token > 1";
    let leased = db.count(leased).await;
    let probes = came.len() - came.iter().filter(is_good).count();
    assert!(
        usize::try_from(leased).is_ok_and(|leased| leased <= probes + LEASED),
        "{leased} of {HELD} lanes on hold were leased for {probes} requests"
    );
    street.program.kill().await;
}

async fn a_contact_does_not_wait_for_the_answer_to_another_of_its_lane(db: &Db) {
    let street = Street::of(db, &[], Vec::new()).await;
    for nth in 1..=3 {
        db.execute(&format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone)
             VALUES ('good-once', 'task', '131{nth:08}')"
        ))
        .await;
        let came = street.platform.until(|came| came.len() == nth);
        assert!(
            timeout(NEVER, came).await.is_ok(),
            "contact {nth} never came"
        );
        if nth == 1 {
            street
                .world
                .none("FROM contact_outbox WHERE status = 'pending'")
                .await;
        }
    }
    street.program.kill().await;
}
