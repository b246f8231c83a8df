//! The pages' ways for apps to learn their results, run as they are written.

use sqlx::{AssertSqlSafe, Row};

use super::{read, snippet};
use crate::support::{Db, Raw, on_every_database};

on_every_database!(
    the_join_takes_results_over_by_the_key_and_by_its_index,
    the_cursor_with_an_overlap_reads_what_came_late,
);

const PAGE: &str = "docs/from-an-app.md";

/// The snippet of a page for a database.
fn join(db: &Db, page: &str) -> String {
    match db.raw {
        Raw::MySql(_) => snippet(page, "```sql mysql results"),
        Raw::Postgres(_) | Raw::Sqlite(_) => snippet(page, "```sql postgres sqlite results"),
    }
}

/// Returns the database's plan for a statement.
async fn plan(db: &Db, sql: &str) -> String {
    let plan = |words: &str| AssertSqlSafe(format!("{words} {sql}"));
    let lines: Vec<String> = match &db.raw {
        Raw::Sqlite(pool) => {
            let rows = sqlx::raw_sql(plan("EXPLAIN QUERY PLAN"))
                .fetch_all(pool)
                .await
                .unwrap();
            rows.iter().map(|row| row.get("detail")).collect()
        }
        Raw::Postgres(pool) => {
            let rows = sqlx::raw_sql(plan("EXPLAIN"))
                .fetch_all(pool)
                .await
                .unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
        Raw::MySql(pool) => {
            let explain = plan("EXPLAIN FORMAT=TRADITIONAL");
            let rows = sqlx::raw_sql(explain).fetch_all(pool).await.unwrap();
            let key = |row| Row::get_unchecked::<Option<String>, _>(row, "key");
            rows.iter().filter_map(key).collect()
        }
    };
    lines.join("\n")
}

/// Inserts two orders among many contacts.
async fn orders(db: &Db) {
    db.execute(&snippet(PAGE, "```sql orders")).await;
    let key = match db.raw {
        Raw::MySql(_) => "concat('other-', l.i, '-', c.i)",
        Raw::Postgres(_) | Raw::Sqlite(_) => "'other-' || l.i || '-' || c.i",
    };
    db.fill(20, 1_000, ("idempotency_key", key)).await;
    let now = db.now(0);
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'succeeded', finished_at = {now}"
    ))
    .await;
    for (order, key) in [(1, "order-1001"), (2, "order-1002"), (3, "order-1003")] {
        db.contact_with("u/t", "13012121211", "idempotency_key", &format!("'{key}'"))
            .await;
        db.execute(&format!(
            "INSERT INTO orders VALUES ({order}, '{key}', 'waiting', NULL)"
        ))
        .await;
    }
    let analyze = match db.raw {
        Raw::MySql(_) => "ANALYZE TABLE contact_outbox, orders",
        Raw::Postgres(_) | Raw::Sqlite(_) => "ANALYZE",
    };
    db.execute(analyze).await;
}

async fn the_join_takes_results_over_by_the_key_and_by_its_index(db: &Db) {
    let statement = join(db, PAGE);
    assert_eq!(join(db, "README.md"), statement);
    orders(db).await;
    let plan = plan(db, &statement).await;
    assert!(plan.contains("idempotency_key_is_unique"), "{plan}");
    let now = db.now(0);
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'succeeded', finished_at = {now}
         WHERE idempotency_key = 'order-1001'"
    ))
    .await;
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'failed', fail_kind = 'rejected', finished_at = {now}
         WHERE idempotency_key = 'order-1002'"
    ))
    .await;
    assert_eq!(db.execute(&statement).await, 2);
    assert_eq!(db.execute(&statement).await, 0, "nothing is done twice");
    let of = async |order: i32, column: &str| {
        db.text(column, &format!("FROM orders WHERE id = {order}"))
            .await
    };
    assert_eq!(of(1, "state").await.as_deref(), Some("succeeded"));
    assert_eq!(of(1, "reason").await, None);
    assert_eq!(of(2, "state").await.as_deref(), Some("failed"));
    assert_eq!(of(2, "reason").await.as_deref(), Some("rejected"));
    assert_eq!(of(3, "state").await.as_deref(), Some("waiting"));
}

async fn the_cursor_with_an_overlap_reads_what_came_late(db: &Db) {
    let (kind, instant) = match db.raw {
        Raw::Sqlite(_) => ("sqlite", "text"),
        Raw::Postgres(_) => ("postgres", "timestamptz"),
        Raw::MySql(_) => ("mysql", "timestamp(6) NULL"),
    };
    db.operations.make_results_index().await.unwrap();
    let ended = async |ago: i64| {
        let row = db.contact("u/t", "13012121211").await;
        let then = db.now(-ago);
        db.execute(&format!(
            "UPDATE contact_outbox SET status = 'succeeded', finished_at = {then} WHERE id = {row}"
        ))
        .await;
        row
    };
    ended(600).await;
    let last = ended(10).await;
    db.execute(&format!(
        "CREATE TABLE results_read (last_finished_at {instant})"
    ))
    .await;
    db.execute(&format!(
        "INSERT INTO results_read SELECT finished_at FROM contact_outbox WHERE id = {last}"
    ))
    .await;
    let late = ended(100).await;
    let new = ended(0).await;
    let statement = snippet(PAGE, &format!("```sql {kind} since"));
    let sql = AssertSqlSafe(statement.clone());
    let found: Vec<i64> = match &db.raw {
        Raw::Sqlite(pool) => {
            let rows = sqlx::raw_sql(sql).fetch_all(pool).await.unwrap();
            rows.iter().map(|row| row.get("id")).collect()
        }
        Raw::Postgres(pool) => {
            let rows = sqlx::raw_sql(sql).fetch_all(pool).await.unwrap();
            rows.iter().map(|row| row.get("id")).collect()
        }
        Raw::MySql(pool) => {
            let rows = sqlx::raw_sql(sql).fetch_all(pool).await.unwrap();
            rows.iter().map(|row| row.get_unchecked("id")).collect()
        }
    };
    assert_eq!(found, [late, last, new]);
    assert!(read(PAGE).contains("`contact_outbox_results`, on `(finished_at, id)`"));
}
