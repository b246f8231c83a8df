//! The ends of contacts, in the order in which they ended.

use std::time::Duration;

use contact_courier::outbox::{ContactResult, PostgresOutbox, ResultsFrom, ResultsIndex};

use sqlx::{AssertSqlSafe, Row};

use super::operations::failed;
use crate::support::{Db, Kind, Raw, on_every_database};

on_every_database!(
    the_index_of_results_is_made_once_and_only_when_it_is_asked_for,
    results_come_in_the_order_in_which_they_ended,
    results_begin_a_little_before_an_instant_or_now,
    the_schema_is_as_it_should_be_with_the_index,
);

#[tokio::test]
async fn an_index_whose_build_was_cut_short_is_made_anew() {
    let db = Db::postgres().await;
    // A unique index over values that are not unique fails, and leaves its name.
    db.contact("u/t", "1").await;
    db.contact("u/t", "2").await;
    let build =
        "CREATE UNIQUE INDEX CONCURRENTLY contact_outbox_results ON contact_outbox (user_id)";
    db.try_execute(build).await.expect_err("is not unique");
    let index = async || db.operations.results_index().await.expect("looks");
    assert_eq!(index().await, ResultsIndex::Unfinished);
    assert!(db.operations.make_results_index().await.expect("makes it"));
    assert_eq!(index().await, ResultsIndex::There);
}

#[tokio::test]
async fn on_postgres_failures_are_read_by_their_own_index_all_the_same() {
    let db = Db::postgres().await;
    db.operations.make_results_index().await.expect("makes it");
    db.fill(1, 5_000, ("sort", "0")).await;
    db.execute("UPDATE contact_outbox SET status = 'succeeded', finished_at = now()")
        .await;
    failed(&db, "u/t", "rejected", "no", 5).await;
    db.execute("VACUUM ANALYZE contact_outbox").await;
    db.execute("SET enable_seqscan = off").await;
    let failures = PostgresOutbox::hot_statements();
    let (_, failures) = failures
        .iter()
        .find(|(name, _)| *name == "failures")
        .expect("is hot");
    let nulls = "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 10";
    db.execute(&format!(
        "SET plan_cache_mode = force_generic_plan; PREPARE asked AS {failures}"
    ))
    .await;
    let Raw::Postgres(pool) = &db.raw else {
        unreachable!("a PostgreSQL database")
    };
    let explain = AssertSqlSafe(format!("EXPLAIN (COSTS OFF) EXECUTE asked ({nulls})"));
    let plan = sqlx::raw_sql(explain)
        .fetch_all(pool)
        .await
        .expect("explains");
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    assert!(
        plan.iter()
            .any(|line| line.contains("contact_outbox_failed")),
        "{plan:#?}"
    );
}

async fn the_index_of_results_is_made_once_and_only_when_it_is_asked_for(db: &Db) {
    let index = async || db.operations.results_index().await.expect("looks");
    assert_eq!(index().await, ResultsIndex::Missing);
    assert!(db.operations.make_results_index().await.expect("makes it"));
    assert_eq!(index().await, ResultsIndex::There);
    assert!(!db.operations.make_results_index().await.expect("finds it"));
}

async fn the_schema_is_as_it_should_be_with_the_index(db: &Db) {
    db.operations.make_results_index().await.expect("makes it");
    db.outbox.check_schema().await.expect("is this program's");
    assert_eq!(db.outbox.migrate().await.expect("migrates"), 0);
}

fn ids(results: &[ContactResult]) -> Vec<i64> {
    results.iter().map(|result| result.id.0).collect()
}

async fn read(db: &Db, from: &ResultsFrom, limit: u32) -> Vec<ContactResult> {
    db.operations.results(from, limit).await.expect("results")
}

const HOUR: Duration = Duration::from_hours(1);

async fn results_come_in_the_order_in_which_they_ended(db: &Db) {
    db.operations.make_results_index().await.expect("makes it");
    let long_ago = failed(db, "u/t", "rejected", "no", 7200).await;
    let second = failed(db, "u/t", "rejected", "格式不正确。", 60).await;
    let first = failed(db, "u/other", "expired", "gave up", 600).await;
    db.contact("u/t", "13012121299").await;
    let succeeded = db
        .contact_with("u/t", "13012121212", "idempotency_key", "'order-1'")
        .await;
    let now = db.now(0);
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'succeeded', finished_at = {now} WHERE id = {succeeded}"
    ))
    .await;
    let all = read(db, &ResultsFrom::Ago(HOUR), 10).await;
    assert_eq!(ids(&all), [first, second, succeeded]);
    let told = &all[1];
    assert_eq!((told.user_id.as_str(), told.task_id.as_str()), ("u", "t"));
    assert_eq!(told.status, "failed");
    assert_eq!(told.fail_kind.as_deref(), Some("rejected"));
    assert_eq!(told.fail_cause.as_deref(), Some("格式不正确。"));
    assert_eq!(all[2].idempotency_key.as_deref(), Some("order-1"));
    assert!(told.finished_at.contains('T') && told.finished_at.ends_with('Z'));
    let apart = Duration::from_micros((told.finished - all[0].finished).unsigned_abs());
    assert!((539..600).contains(&apart.as_secs()), "{apart:?}");
    // Page by page; two contacts ended at the very same moment.
    db.execute(&format!(
        "UPDATE contact_outbox SET finished_at = '2020-01-01 00:00:00.123'
         WHERE id IN ({first}, {second})"
    ))
    .await;
    let mut from = ResultsFrom::Ago(Duration::from_hours(24 * 365 * 30));
    let mut order = [first, second];
    order.sort_unstable();
    for expected in [order[0], order[1], long_ago, succeeded] {
        let page = read(db, &from, 1).await;
        assert_eq!(ids(&page), [expected]);
        from = ResultsFrom::Behind(page[0].cursor());
    }
    assert!(read(db, &from, 1).await.is_empty());
}

async fn results_begin_a_little_before_an_instant_or_now(db: &Db) {
    db.operations.make_results_index().await.expect("makes it");
    let old = failed(db, "u/t", "rejected", "no", 1800).await;
    let new = failed(db, "u/t", "rejected", "no", 60).await;
    let all = read(db, &ResultsFrom::Ago(HOUR), 10).await;
    let before = |of: &ContactResult, seconds| {
        ResultsFrom::Before(of.cursor().finished_at, Duration::from_secs(seconds))
    };
    assert_eq!(ids(&read(db, &before(&all[1], 1), 10).await), [new]);
    assert_eq!(ids(&read(db, &before(&all[1], 1750), 10).await), [old, new]);
    // If the database's clock was set back, reading begins before now.
    let later = ResultsFrom::Before("2037-12-31 00:00:00.000000".into(), Duration::from_mins(2));
    assert_eq!(ids(&read(db, &later, 10).await), [new]);
    if db.kind != Kind::Sqlite {
        let exact = ResultsFrom::Before(all[1].cursor().finished_at, Duration::ZERO);
        assert_eq!(ids(&read(db, &exact, 10).await), [new]);
    }
}
