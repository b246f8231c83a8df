//! Pauses and resumes of operators, as the database keeps them.

use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::outbox::{
    Change, Conclusion, Hold, LaneCounts, OrderScope, Orders, Pause, Postpone, Resumed,
};

use super::operations;
use crate::support::{Db, action, entry, lane, on_every_database};

on_every_database!(
    a_pause_is_in_force_until_it_is_resumed_or_its_time_is_up,
    resuming_ends_the_pauses_and_holds_of_its_lanes_and_no_others,
    what_was_resumed_is_told_to_couriers_for_a_while,
    a_paused_lane_is_held_in_all_that_is_counted,
    a_lane_in_which_nothing_is_due_is_held_in_nothing_that_is_counted,
    a_paused_user_for_whom_nothing_waits_is_no_trouble,
    who_paused_is_kept,
    the_time_of_a_pause_counts_for_no_limit,
);

fn user(name: &str) -> OrderScope {
    OrderScope::User(name.into())
}

async fn pause(db: &Db, scope: &OrderScope, lasts: Option<Duration>) {
    let action = action("pause", "something");
    let paused = db.operations.pause(scope, "by anna", lasts, &action).await;
    paused.expect("pauses");
}

async fn resume(db: &Db, scope: &OrderScope) -> Resumed {
    let action = action("resume", "something");
    let resumed = db.operations.resume(scope, &action).await;
    resumed.expect("resumes")
}

async fn orders(db: &Db) -> Orders {
    db.outbox.orders().await.expect("orders")
}

async fn paused(db: &Db) -> Vec<String> {
    let pauses = db.operations.pauses().await.expect("pauses");
    let same = orders(db).await.pauses;
    let scopes = |pauses: &[Pause]| {
        let scopes = pauses.iter().map(|pause| pause.scope.to_string());
        let mut scopes: Vec<String> = scopes.collect();
        scopes.sort();
        scopes
    };
    assert_eq!(scopes(&pauses), scopes(&same));
    scopes(&pauses)
}

async fn a_pause_is_in_force_until_it_is_resumed_or_its_time_is_up(db: &Db) {
    assert_eq!(paused(db).await, [""; 0]);
    pause(db, &OrderScope::All, None).await;
    pause(db, &user("u"), Some(Duration::from_hours(2))).await;
    pause(db, &OrderScope::Lane(lane("u/t")), None).await;
    assert_eq!(paused(db).await, ["all lanes", "lane u/t", "user u"]);
    let pauses = db.operations.pauses().await.expect("pauses");
    let of_user = pauses.iter().find(|pause| pause.scope == user("u"));
    let of_user = of_user.expect("a pause");
    assert_eq!(of_user.reason, "by anna");
    assert!(of_user.paused_seconds < 60.0, "{of_user:?}");
    let ends_in = of_user.ends_in_seconds.expect("an end");
    assert!((7_100.0..=7_200.0).contains(&ends_in), "{of_user:?}");
    let past = db.now(-1);
    db.execute(&format!(
        "UPDATE delivery_pause SET paused_until = {past} WHERE user_id = 'u' AND task_id = ''"
    ))
    .await;
    assert_eq!(paused(db).await, ["all lanes", "lane u/t"]);
    // The same pause again is one pause, with the reason and end that were given last.
    pause(db, &OrderScope::All, Some(Duration::from_hours(1))).await;
    let pauses = db.operations.pauses().await.expect("pauses");
    let of_all = pauses.iter().filter(|pause| pause.scope == OrderScope::All);
    let ends: Vec<bool> = of_all
        .map(|pause| pause.ends_in_seconds.is_some())
        .collect();
    assert_eq!(ends, [true]);
}

/// Puts a lane on hold for an hour.
async fn hold(db: &Db, name: &str) {
    let me = db.courier().await;
    let lease = db.lease(name, me).await.lease;
    let hold = Hold {
        reason: "task_running",
        message: "no".into(),
        delay: Duration::from_hours(1),
        failures: 3,
        needs_person: true,
    };
    db.record(&lease, &[Change::Hold(hold)]).await;
    db.outbox.release(&lease).await.expect("releases");
}

async fn resuming_ends_the_pauses_and_holds_of_its_lanes_and_no_others(db: &Db) {
    for name in ["u/1", "u/2", "v/1"] {
        db.contact(name, "1").await;
        hold(db, name).await;
        pause(db, &OrderScope::Lane(lane(name)), None).await;
    }
    pause(db, &user("u"), None).await;
    pause(db, &OrderScope::All, None).await;
    let one = resume(db, &OrderScope::Lane(lane("u/1"))).await;
    assert_eq!(
        one,
        Resumed {
            pauses: 1,
            holds: 1
        }
    );
    assert_eq!(
        paused(db).await,
        ["all lanes", "lane u/2", "lane v/1", "user u"]
    );
    let me = db.courier().await;
    assert_eq!(db.names(me).await, ["u/1"]);
    let of_user = resume(db, &user("u")).await;
    assert_eq!(
        of_user,
        Resumed {
            pauses: 2,
            holds: 1
        }
    );
    assert_eq!(paused(db).await, ["all lanes", "lane v/1"]);
    let rest = resume(db, &OrderScope::All).await;
    assert_eq!(
        rest,
        Resumed {
            pauses: 2,
            holds: 1
        }
    );
    assert_eq!(paused(db).await, [""; 0]);
    assert_eq!(db.names(me).await, ["u/1", "u/2", "v/1"]);
    assert_eq!(resume(db, &OrderScope::All).await, Resumed::default());
}

async fn what_was_resumed_is_told_to_couriers_for_a_while(db: &Db) {
    resume(db, &user("u")).await;
    resume(db, &user("u")).await;
    let resumes = orders(db).await.resumes;
    assert_eq!(resumes.len(), 2);
    assert_ne!(resumes[0].0, resumes[1].0);
    assert!(resumes.iter().all(|(_, scope)| *scope == user("u")));
    let past = db.now(-3_600);
    db.execute(&format!("UPDATE delivery_resume SET resumed_at = {past}"))
        .await;
    resume(db, &OrderScope::All).await;
    let resumes = orders(db).await.resumes;
    assert_eq!(resumes.len(), 1);
    assert_eq!(resumes[0].1, OrderScope::All);
}

async fn a_paused_lane_is_held_in_all_that_is_counted(db: &Db) {
    for name in ["u/1", "u/2", "u/2", "v/1"] {
        db.contact(name, "1").await;
    }
    let me = db.courier().await;
    let counts = async || {
        let overview = db.operations.overview().await.expect("an overview");
        let backlog = db.outbox.backlog(me).await.expect("a backlog");
        assert_eq!(overview.pending.held, backlog.paused);
        assert_eq!(overview.pending.due, backlog.due);
        (overview.pending.held, overview.lanes.held)
    };
    assert_eq!(counts().await, (0, 0));
    pause(db, &OrderScope::Lane(lane("u/2")), None).await;
    // Nothing waits in this lane.
    pause(db, &OrderScope::Lane(lane("u/9")), None).await;
    assert_eq!(counts().await, (2, 1));
    let held = db.operations.held(10).await.expect("lanes");
    assert_eq!(held.len(), 1);
    let names = (held[0].task_id.as_str(), held[0].reason.as_str());
    assert_eq!(names, ("2", "paused"));
    assert_eq!((held[0].pending, held[0].message.as_str()), (2, "by anna"));
    pause(db, &user("u"), None).await;
    assert_eq!(counts().await, (3, 2));
    let overview = db.operations.overview().await.expect("an overview");
    let users = overview.user_gates();
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].user_id.as_deref(), Some("u"));
    pause(db, &OrderScope::All, None).await;
    assert_eq!(counts().await, (4, 3));
    let overview = db.operations.overview().await.expect("an overview");
    let Conclusion::Stopped { gate, .. } = overview.conclusion() else {
        panic!("{:?}", overview.conclusion());
    };
    assert_eq!((gate.reason.as_str(), gate.user_id), ("paused", None));
    // A pause that has ended counts no more.
    let past = db.now(-1);
    db.execute(&format!("UPDATE delivery_pause SET paused_until = {past}"))
        .await;
    assert_eq!(counts().await, (0, 0));
}

/// Cancels a contact of a lane.
async fn cancel(db: &Db, name: &str, row: i64) {
    let (lane, action) = (lane(name), action("cancel", "something"));
    let ids = [ContactId(row)];
    let cancelled = db.operations.cancel(&lane, &ids, "no more", &action).await;
    assert_eq!(cancelled.expect("cancels").cancelled, 1);
}

async fn a_lane_in_which_nothing_is_due_is_held_in_nothing_that_is_counted(db: &Db) {
    let mut rows = Vec::new();
    for name in ["u/1", "u/2"] {
        let hour = Duration::from_hours(1);
        rows.push((name, operations::hold(db, name, "task_running", hour).await));
    }
    rows.push(("u/3", db.contact("u/3", "1").await));
    for name in ["u/2", "u/3", "u/4"] {
        pause(db, &OrderScope::Lane(lane(name)), None).await;
    }
    let (name, later) = ("u/4", db.now(3_600));
    db.contact_with(name, "1", "not_before", &later).await;
    let counts = async || {
        let overview = db.operations.overview().await.expect("an overview");
        let listed = db.operations.held(10).await.expect("lanes").len() as u64;
        let LaneCounts {
            due,
            held,
            held_alone,
            ..
        } = overview.lanes;
        assert_eq!((listed, held_alone), (held, held));
        (held, overview.pending.held, due)
    };
    assert_eq!(counts().await, (3, 3, 0));
    let mut left = 3;
    for (name, row) in rows {
        cancel(db, name, row).await;
        left -= 1;
        assert_eq!(counts().await, (left, left, 0), "{name}");
    }
    let overview = db.operations.overview().await.expect("an overview");
    // Couriers close them when they come to the lanes.
    assert_eq!(overview.open_batches, 2);
    assert_eq!(overview.conclusion(), Conclusion::Later { deferred: 1 });
}

async fn a_paused_user_for_whom_nothing_waits_is_no_trouble(db: &Db) {
    for name in ["u", "v"] {
        pause(db, &user(name), None).await;
    }
    let later = db.now(3_600);
    db.contact_with("u/1", "1", "not_before", &later).await;
    let overview = db.operations.overview().await.expect("an overview");
    assert_eq!(overview.idle_users, ["v".to_owned()].into());
    assert_eq!(overview.user_gates().len(), 2);
    let Conclusion::Partly { users, .. } = overview.conclusion() else {
        panic!("{:?}", overview.conclusion());
    };
    assert_eq!(users, 1);
    // Courier and operators have had to do with lanes of this user alone.
    let me = db.courier().await;
    db.contact("w/1", "1").await;
    let leased = db.lease("w/1", me).await;
    db.outbox.release(&leased.lease).await.expect("releases");
    for (scope, known) in [
        (user("w"), true),
        (user("v"), false),
        (OrderScope::All, true),
    ] {
        let told = db.operations.knows(&scope).await.expect("an answer");
        assert_eq!(told, known, "{scope}");
    }
}

async fn who_paused_is_kept(db: &Db) {
    pause(db, &OrderScope::All, None).await;
    resume(db, &OrderScope::All).await;
    for name in ["pause", "resume"] {
        let noted = format!(
            "FROM operator_action WHERE action = '{name}' AND os_user = 'anna'
             AND ended_at IS NOT NULL"
        );
        assert_eq!(db.count(&noted).await, 1, "{name}");
    }
}

/// Makes a lane wait for a person, and a batch of it fail, since 1000 seconds.
async fn stuck(db: &Db, name: &str) {
    let (me, row) = (db.courier().await, db.contact(name, "1").await);
    let lease = db.lease(name, me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    let hold = || Hold {
        reason: "not_found",
        message: String::new(),
        delay: Duration::ZERO,
        failures: 1,
        needs_person: true,
    };
    let postpone = Change::Postpone(Postpone {
        batch: batch.batch,
        attempts: 1,
        maybe_delivered: false,
        failing: true,
        apart: None,
        hold: Some(hold()),
    });
    db.record(&lease, &[postpone]).await;
    db.outbox.release(&lease).await.expect("releases");
    let past = db.now(-1000);
    db.execute(&format!("UPDATE delivery_lane SET waits_since = {past}"))
        .await;
    db.execute(&format!("UPDATE delivery_batch SET failing_since = {past}"))
        .await;
}

/// Returns for how long a lane has been waiting, and its batch failing.
async fn counted(db: &Db, name: &str) -> [u64; 2] {
    let me = db.courier().await;
    let leased = db.lease(name, me).await;
    db.outbox.release(&leased.lease).await.expect("releases");
    [leased.waiting_for, leased.open[0].failing_for].map(|time| time.as_secs())
}

async fn the_time_of_a_pause_counts_for_no_limit(db: &Db) {
    for name in ["u/t", "v/t", "w/t"] {
        stuck(db, name).await;
    }
    assert!(counted(db, "u/t").await.iter().all(|time| *time >= 1000));
    // A pause until an operator resumes.
    pause(db, &user("u"), None).await;
    resume(db, &user("u")).await;
    let time = counted(db, "u/t").await;
    assert!(time.iter().all(|time| *time < 100), "{time:?}");
    // A pause until its time is up.
    let lane = OrderScope::Lane(lane("v/t"));
    pause(db, &lane, Some(Duration::from_hours(1))).await;
    let then = db.now(-300);
    db.execute(&format!("UPDATE delivery_pause SET paused_until = {then}"))
        .await;
    for _ in 0..2 {
        let time = counted(db, "v/t").await;
        let right = time.iter().all(|time| (300..400).contains(time));
        assert!(right, "{time:?}");
        // The ended pause is forgotten, but the time that it took still does not count.
        resume(db, &user("x")).await;
        assert_eq!(db.count("FROM delivery_pause").await, 0);
    }
    // A lane that was never paused.
    let time = counted(db, "w/t").await;
    assert!(time.iter().all(|time| *time >= 1000), "{time:?}");
}
