//! Finding lanes and reading ahead in one.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use contact_courier::outbox::{
    Change, Cursor, LaneQuery, MySqlOutbox, Outbox, Page, PageLimit, PostgresOutbox, SqliteOutbox,
};

use crate::support::{Db, Kind, Raw, close, entry, lane, on_every_database, query};

on_every_database!(
    pages_follow_one_another_in_order_and_tell_the_end,
    rows_put_off_and_due_come_first_and_later_ones_not_at_all,
    a_row_committed_late_is_found_from_the_start,
    a_page_tells_how_long_rows_have_been_due,
    a_page_carries_every_column,
    lanes_come_in_order_behind_the_given_one,
    lanes_whose_ids_begin_alike_are_kept_apart,
    many_lanes_small_and_large_are_all_found_in_order,
    rows_of_no_lane_hide_no_lane_behind_them,
    only_lanes_with_something_due_are_found,
    a_lane_with_an_open_batch_is_found_without_rows,
    a_young_lane_ripens_until_it_has_lingered,
    a_full_batch_or_an_old_row_or_a_due_one_is_ripe_at_once,
    a_row_from_the_future_does_not_linger_for_ever,
    the_newest_contact_is_known_as_soon_as_it_is_there,
);

async fn read(db: &Db, cursor: &Cursor, limit: u32) -> Page {
    db.outbox
        .read_page(&lane("u/t"), cursor, PageLimit::rows(limit))
        .await
        .expect("a page")
}

fn ids(page: &Page) -> Vec<i64> {
    page.rows.iter().map(|row| row.id).collect()
}

async fn pages_follow_one_another_in_order_and_tell_the_end(db: &Db) {
    let mut rows = Vec::new();
    for phone in ["1", "2", "3"] {
        rows.push(db.contact("u/t", phone).await);
        db.contact("u/other", phone).await;
    }
    let first = read(db, &Cursor::default(), 2).await;
    assert_eq!((ids(&first), first.end), (rows[..2].to_vec(), false));
    let second = read(db, &first.next, 2).await;
    assert_eq!((ids(&second), second.end), (rows[2..].to_vec(), true));
    let third = read(db, &second.next, 2).await;
    assert_eq!((ids(&third), third.end), (vec![], true));
    assert_eq!(third.next, second.next);
}

async fn rows_put_off_and_due_come_first_and_later_ones_not_at_all(db: &Db) {
    let now = db.contact("u/t", "1").await;
    let (past, same, future) = (db.now(-5), "'2020-01-01 00:00:00'", db.now(500));
    let late = db.contact_with("u/t", "2", "not_before", &past).await;
    db.contact_with("u/t", "3", "not_before", &future).await;
    let early = db.contact_with("u/t", "4", "not_before", same).await;
    let early_too = db.contact_with("u/t", "5", "not_before", same).await;

    let whole = read(db, &Cursor::default(), 10).await;
    assert_eq!(ids(&whole), [early, early_too, late, now]);
    assert!(whole.end);
    let mut cursor = Cursor::default();
    for expected in [early, early_too, late, now] {
        let page = read(db, &cursor, 1).await;
        assert_eq!((ids(&page), page.end), (vec![expected], false));
        cursor = page.next;
    }
    assert!(read(db, &cursor, 1).await.end);
}

async fn a_row_committed_late_is_found_from_the_start(db: &Db) {
    db.contact_with("u/t", "1", "id", "100").await;
    let page = read(db, &Cursor::default(), 10).await;
    db.contact_with("u/t", "2", "id", "50").await;
    assert!(read(db, &page.next, 10).await.rows.is_empty());
    assert_eq!(ids(&read(db, &Cursor::default(), 10).await), [50, 100]);
}

async fn a_page_tells_how_long_rows_have_been_due(db: &Db) {
    let (old, future) = (db.now(-100), db.now(100));
    db.contact_with("u/t", "1", "created_at", &old).await;
    db.contact_with("u/t", "2", "created_at", &future).await;
    db.contact_with("u/t", "3", "not_before", &old).await;
    let page = read(db, &Cursor::default(), 10).await;
    let due: Vec<u64> = page.rows.iter().map(|r| r.due_for.as_secs()).collect();
    assert!((99..200).contains(&due[0]), "{due:?}");
    assert!((99..200).contains(&due[1]), "{due:?}");
    assert_eq!(due[2], 0, "never negative");
}

async fn a_page_carries_every_column(db: &Db) {
    db.execute(
        "INSERT INTO contact_outbox (user_id, task_id, phone, name, email, company, sex, sort,
            source_id, industry_id, grade_id, components, custom_vars, extra, sub_user_id,
            control_select_robot, ignore_crm, skip_error, number_add_suffix, encryption, phone_mask)
         VALUES ('u', 't', '13800138000', '张三', 'e@x', 'c', 2, -7, 1, 2, 3,
            '[{\"id\": 1, \"value\": \"v\"}]', '[]', 'x', 's', 'r', false, true, false, true, '138***8000')",
    )
    .await;
    let page = read(db, &Cursor::default(), 10).await;
    let row = &page.rows[0];
    assert_eq!(row.phone, "13800138000");
    let texts = [
        &row.name,
        &row.email,
        &row.company,
        &row.extra,
        &row.sub_user_id,
    ];
    assert_eq!(
        texts.map(|t| t.as_deref().unwrap_or_default()),
        ["张三", "e@x", "c", "x", "s"]
    );
    assert_eq!(row.control_select_robot.as_deref(), Some("r"));
    assert_eq!((row.sex, row.sort), (Some(2), -7));
    assert_eq!(
        (row.source_id, row.industry_id, row.grade_id),
        (Some(1), Some(2), Some(3))
    );
    assert_eq!(
        row.components.as_deref(),
        Some("[{\"id\": 1, \"value\": \"v\"}]")
    );
    assert_eq!(row.custom_vars.as_deref(), Some("[]"));
    let flags = (
        row.ignore_crm,
        row.skip_error,
        row.number_add_suffix,
        row.encryption,
    );
    assert_eq!(flags, (Some(false), Some(true), Some(false), Some(true)));
    assert_eq!(row.phone_mask.as_deref(), Some("138***8000"));
}

async fn lanes_come_in_order_behind_the_given_one(db: &Db) {
    let me = db.courier().await;
    for name in ["b/1", "a/2", "a/1", "c/1"] {
        db.contact(name, "1").await;
    }
    assert_eq!(db.names(me).await, ["a/1", "a/2", "b/1", "c/1"]);
    let behind = LaneQuery {
        after: Some(lane("a/1")),
        limit: 2,
        ..query(me)
    };
    let found = db.find_by(&behind).await;
    let names: Vec<_> = found.iter().map(|f| f.lane.to_string()).collect();
    assert_eq!(names, ["a/2", "b/1"]);
    let last = LaneQuery {
        after: Some(lane("c/1")),
        ..query(me)
    };
    assert!(db.find_by(&last).await.is_empty());
}

async fn lanes_whose_ids_begin_alike_are_kept_apart(db: &Db) {
    let me = db.courier().await;
    let names = [
        "A/1", "a/-", "a/1", "a/_", "a/z", "a-/1", "a0/0", "a_/1", "ab/A", "ab/a",
    ];
    for name in names {
        db.contact(name, "1").await;
    }
    assert_eq!(db.names(me).await, names);
}

async fn many_lanes_small_and_large_are_all_found_in_order(db: &Db) {
    let me = db.courier().await;
    db.fill(150, 1, ("sort", "0")).await;
    db.fill(3, 200, ("sort", "0")).await;
    // A batch that is open in a lane of its own, among the others.
    let row = db.contact("u/t00070x", "1").await;
    let lease = db.lease("u/t00070x", me).await.lease;
    db.record(&lease, &[Change::Open(entry(&[row]))]).await;
    db.execute(&format!("DELETE FROM contact_outbox WHERE id = {row}"))
        .await;
    let mut all: Vec<_> = (0..150).map(|n| format!("u/t{n:05}")).collect();
    all.insert(71, "u/t00070x".into());
    for limit in [1, 70, 72, 151, 1000] {
        let few = LaneQuery { limit, ..query(me) };
        let found = db.find_by(&few).await;
        let names: Vec<_> = found.iter().map(|f| f.lane.to_string()).collect();
        assert_eq!(names, all[..all.len().min(limit as usize)]);
    }
}

/// Lets rows in that break the rules of the ids, as a table without them does, or a session of MariaDB's.
async fn drop_rules_of_ids(db: &Db) {
    let rules = ["user_id", "task_id"].map(|id| {
        let rule = format!("{id}_is_1_to_64_letters_digits_underscore_or_hyphen");
        match db.kind {
            Kind::Postgres => format!("ALTER DOMAIN platform_{id} DROP CONSTRAINT {rule}"),
            Kind::MySql => format!("ALTER TABLE contact_outbox DROP CHECK {rule}"),
            Kind::MariaDb => "SET check_constraint_checks = OFF".into(),
            Kind::Sqlite => "PRAGMA ignore_check_constraints = ON".into(),
        }
    });
    for rule in rules {
        db.execute(&rule).await;
    }
}

async fn rows_of_no_lane_hide_no_lane_behind_them(db: &Db) {
    let me = db.courier().await;
    for name in ["a/1", "a/2", "b/1", "u/t00099", "z/1"] {
        db.contact(name, "1").await;
    }
    drop_rules_of_ids(db).await;
    db.fill(1, 200, ("sort", "0")).await;
    db.execute("UPDATE contact_outbox SET user_id = 'a b' WHERE task_id = 't00000'")
        .await;
    db.fill(90, 1, ("sort", "0")).await;
    db.execute("UPDATE contact_outbox SET task_id = concat(task_id, ' ') WHERE task_id BETWEEN 't' AND 't00090'")
        .await;
    for user in ["", "a\t", "a/b", "用户", "~"] {
        db.contact(&format!("{}/1", user.replace('/', "+")), "1")
            .await;
    }
    let good = ["a/1", "a/2", "b/1", "u/t00099", "z/1"];
    for limit in [1, 3, 100, 1000] {
        let (mut names, mut after) = (Vec::new(), None);
        for step in 0.. {
            assert!(step < 400, "it goes on for ever: {names:?}");
            let few = LaneQuery {
                limit,
                after,
                ..query(me)
            };
            let page = db.outbox.find_lanes(&few).await.expect("finding");
            names.extend(page.lanes.iter().map(|found| found.lane.to_string()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(names, good, "{limit}");
    }
}

async fn only_lanes_with_something_due_are_found(db: &Db) {
    let me = db.courier().await;
    let (past, future) = (db.now(-5), db.now(500));
    db.contact_with("u/due", "1", "not_before", &past).await;
    db.contact_with("u/later", "1", "not_before", &future).await;
    let (done, now) = (db.contact("u/done", "1").await, db.now(0));
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'succeeded', finished_at = {now} WHERE id = {done}"
    ))
    .await;
    assert_eq!(db.names(me).await, ["u/due"]);
}

async fn a_lane_with_an_open_batch_is_found_without_rows(db: &Db) {
    let (me, row) = (db.courier().await, db.contact("u/t", "1").await);
    let lease = db.lease("u/t", me).await.lease;
    let batch = entry(&[row]);
    db.record(&lease, &[Change::Open(batch.clone())]).await;
    db.execute("DELETE FROM contact_outbox").await;
    assert_eq!(db.names(me).await, ["u/t"]);
    db.record(&lease, &[Change::Close(close(batch.batch, &[row]))])
        .await;
    assert!(db.find(me).await.is_empty());
}

async fn a_young_lane_ripens_until_it_has_lingered(db: &Db) {
    let me = db.courier().await;
    let age = db.now(-40);
    db.contact_with("u/t", "1", "created_at", &age).await;
    let lingering = LaneQuery {
        linger: Duration::from_secs(100),
        ..query(me)
    };
    let found = db.find_by(&lingering).await;
    let ripe_in = found[0].ripe_in.as_secs_f64();
    assert!((40.0..=60.0).contains(&ripe_in), "{ripe_in}");
    let old = LaneQuery {
        linger: Duration::from_secs(39),
        ..query(me)
    };
    let found = db.find_by(&old).await;
    assert_eq!(found[0].ripe_in, Duration::ZERO);
}

async fn a_full_batch_or_an_old_row_or_a_due_one_is_ripe_at_once(db: &Db) {
    let me = db.courier().await;
    let past = db.now(-5);
    for phone in ["1", "2", "3"] {
        db.contact("u/full", phone).await;
    }
    db.contact_with("u/due", "1", "not_before", &past).await;
    for phone in ["1", "2"] {
        db.contact("u/young", phone).await;
    }
    let lingering = LaneQuery {
        linger: Duration::from_hours(1),
        batch_size: 3,
        ..query(me)
    };
    let found = db.find_by(&lingering).await;
    let ripe: Vec<_> = found
        .iter()
        .map(|f| (f.lane.task_id(), f.ripe_in.is_zero()))
        .collect();
    assert_eq!(ripe, [("due", true), ("full", true), ("young", false)]);
}

async fn a_row_from_the_future_does_not_linger_for_ever(db: &Db) {
    let me = db.courier().await;
    let future = db.now(7200);
    db.contact_with("u/t", "1", "created_at", &future).await;
    let lingering = LaneQuery {
        linger: Duration::from_secs(10),
        ..query(me)
    };
    let found = db.find_by(&lingering).await;
    assert_eq!(found[0].ripe_in, Duration::ZERO);
}

/// Sets the file's times back, as if nobody had written to it for an hour.
fn be_old(db: &Db) {
    if let Raw::Sqlite(_) = db.raw {
        let path = db.url.trim_start_matches("sqlite://");
        let files = [path.to_owned(), format!("{path}-wal")];
        let mut touch = Command::new("touch");
        let touched = touch.args(["-d", "1 hour ago"]).args(files).status();
        assert!(touched.expect("runs touch").success());
    }
}

async fn the_newest_contact_is_known_as_soon_as_it_is_there(db: &Db) {
    let newest = async || db.outbox.newest().await.expect("an id");
    for _ in 0..3 {
        be_old(db);
        let before = newest().await;
        assert_eq!(newest().await, before);
        for phone in ["1", "2", "3"] {
            let row = db.contact("u/t", phone).await;
            assert_eq!([newest().await, newest().await], [row, row]);
        }
    }
}

#[tokio::test]
async fn a_new_contact_is_known_at_once_behind_a_link_to_the_file() {
    let db = Db::sqlite().await;
    let path = db.url.trim_start_matches("sqlite://");
    let link = format!("{path}-link");
    symlink(path, &link).expect("a link");
    let linked = SqliteOutbox::connect(&format!("sqlite://{link}"), 2).await;
    let linked = linked.expect("opens");
    be_old(&db);
    linked.newest().await.expect("an id");
    let row = db.contact("u/t", "1").await;
    assert_eq!(linked.newest().await.expect("an id"), row);
}

mod on_a_server {
    crate::support::on_every_server!(who_asks_all_the_time_leaves_the_connections_to_others);

    use super::*;

    async fn who_asks_all_the_time_leaves_the_connections_to_others(db: &Db) {
        let outbox: Arc<dyn Outbox> = match &db.raw {
            Raw::Postgres(_) => Arc::new(PostgresOutbox::connect(&db.url, 2).await.expect("two")),
            Raw::MySql(_) => Arc::new(MySqlOutbox::connect(&db.url, 2).await.expect("two")),
            Raw::Sqlite(_) => unreachable!("no server"),
        };
        for _ in 0..3 {
            outbox.newest().await.expect("an id");
            outbox.newest().await.expect("an id");
            let (lane, start) = (lane("u/t"), Cursor::default());
            let page = || outbox.read_page(&lane, &start, PageLimit::rows(1));
            let (one, other, third) = tokio::join!(page(), page(), page());
            for page in [one, other, third] {
                page.expect("a page");
            }
        }
    }
}
