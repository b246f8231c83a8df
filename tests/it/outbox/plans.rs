//! No hot statement reads the table from end to end, and finding lanes costs lanes, not rows.

use std::time::Duration;

use contact_courier::outbox::{
    Change, Cursor, LaneQuery, MySqlOutbox, Outbox, PageLimit, PostgresOutbox, SqliteOutbox,
};
use sqlx::{AssertSqlSafe, ConnectOptions, MySqlConnection, PgConnection, PgPool, Row, SqlitePool};

use crate::support::{Db, Kind, Raw, close, entry, instance, lane, on_mysql_and_mariadb, query};

on_mysql_and_mariadb!(
    statements_never_scan_the_outbox,
    finding_lanes_reads_what_it_needs_and_no_more,
    delivering_reads_what_it_needs_and_no_more,
);

/// The statements that count pending rows walk the small indexes of these rows; no other statement
/// walks anything.
const COUNTING: [&str; 3] = ["backlog", "overview", "lanes"];

/// The statements that look at every lane.
const OF_ALL_LANES: [&str; 3] = ["overview", "lanes", "paused"];

/// 20,000 pending rows in 20 lanes, as many put off, as many final.
async fn load(db: &Db) {
    let (future, now) = (db.now(86_400), db.now(0));
    db.fill(20, 1000, ("sort", "0")).await;
    db.execute(&format!(
        "UPDATE contact_outbox SET status = 'succeeded', finished_at = {now}"
    ))
    .await;
    db.fill(20, 1000, ("not_before", &future)).await;
    db.fill(20, 1000, ("sort", "0")).await;
    // The entries of rows that became final are dead, and the first reader after them would count
    // as having read them.
    let tidy: &[&str] = match db.raw {
        Raw::Sqlite(_) | Raw::Postgres(_) => &["VACUUM", "ANALYZE"],
        Raw::MySql(_) => &["ANALYZE TABLE contact_outbox"],
    };
    for sql in tidy {
        db.execute(sql).await;
    }
}

#[tokio::test]
async fn sqlite_statements_never_scan_the_outbox() {
    let db = Db::sqlite().await;
    load(&db).await;
    let Raw::Sqlite(pool) = &db.raw else {
        unreachable!("a SQLite database")
    };
    for (name, sql) in SqliteOutbox::hot_statements() {
        let plan = sqlite_plan(pool, sql).await;
        for step in plan.lines() {
            let walks = step.contains("SCAN contact_outbox") || step.contains("SCAN c ");
            let by_index = COUNTING.contains(name) && step.contains("INDEX contact_outbox_");
            let from_a_list = step.contains("SCAN c VIRTUAL TABLE");
            assert!(!walks || by_index || from_a_list, "{name}: {step}\n{plan}");
            let batches = step.contains("SCAN delivery_batch") || step.contains("SCAN b");
            let open = COUNTING.contains(name) && step.contains("INDEX delivery_batch_open");
            assert!(!batches || open, "{name}: {step}\n{plan}");
            // Such a seek begins at the equal rows, so it reads through all rows of a lane.
            let through = step.contains("contact_outbox") && step.contains("(user_id,task_id)>");
            assert!(!through, "{name}: {step}\n{plan}");
        }
    }
}

async fn sqlite_plan(pool: &SqlitePool, sql: &str) -> String {
    sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
        .fetch_all(pool)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"))
        .iter()
        .map(|row| row.get::<String, _>("detail") + "\n")
        .collect()
}

#[tokio::test]
async fn postgres_statements_never_scan_the_outbox() {
    let db = Db::postgres().await;
    load(&db).await;
    let options = PostgresOutbox::connect_options(&db.url).expect("options");
    let mut session = options.connect().await.expect("connects");
    let mut run = async |sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .fetch_all(&mut session)
            .await
            .unwrap_or_else(|error| panic!("{error}: {sql}"))
    };
    // A generic plan is made without a look at the parameters, so their values do not matter.
    run("SET plan_cache_mode = force_generic_plan".into()).await;
    for (name, sql) in PostgresOutbox::hot_statements() {
        run(format!("PREPARE {name} AS {sql}")).await;
        let parameters = (1..20).filter(|n| sql.contains(&format!("${n}"))).count();
        let nulls = vec!["NULL"; parameters].join(", ");
        let arguments = if parameters == 0 {
            nulls
        } else {
            format!("({nulls})")
        };
        let rows = run(format!("EXPLAIN (COSTS OFF) EXECUTE {name}{arguments}")).await;
        let plan: String = rows
            .iter()
            .map(|row| row.get::<String, _>(0) + "\n")
            .collect();
        for table in ["contact_outbox", "delivery_batch"] {
            assert!(
                !plan.contains(&format!("Seq Scan on {table}")),
                "{name}:\n{plan}"
            );
        }
        // Walking the whole primary key would be a full scan by another name.
        let lines: Vec<_> = plan.lines().collect();
        for (line, next) in lines.iter().zip(lines.iter().skip(1)) {
            if line.contains("Scan") && line.contains("on contact_outbox") {
                let seeks = next.contains("Index Cond") || COUNTING.contains(name);
                assert!(seeks, "{name}:\n{plan}");
            }
        }
    }
}

/// Returns how many pages of 8 KiB a statement reads for one lane.
async fn pages_read(session: &mut PgConnection, name: &str, arguments: &str) -> u64 {
    let statements = PostgresOutbox::hot_statements();
    let (_, sql) = statements.iter().find(|(n, _)| *n == name).expect(name);
    for sql in [
        "SET plan_cache_mode = force_generic_plan".to_owned(),
        format!("PREPARE {name} AS {sql}"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *session)
            .await
            .expect("prepares");
    }
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS) EXECUTE {name}({arguments})");
    let plan = sqlx::raw_sql(AssertSqlSafe(explain))
        .fetch_all(session)
        .await
        .expect("explains");
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let buffers = plan.iter().find(|line| line.contains("Buffers:"));
    let buffers = buffers.unwrap_or_else(|| panic!("{plan:#?}"));
    let counts = buffers
        .split(['=', ' '])
        .filter_map(|word| word.parse::<u64>().ok());
    counts.sum()
}

#[tokio::test]
async fn reading_on_postgres_ends_where_the_lane_ends_and_where_tomorrow_begins() {
    const MANY: u32 = 60_000;
    let db = Db::postgres().await;
    // `u/t00000` has a row of today, many of tomorrow, and a neighbour of the same user with many.
    let tomorrow = db.now(86_400);
    db.fill(1, MANY, ("not_before", &tomorrow)).await;
    db.contact("u/t00000", "13000001111").await;
    db.fill(2, MANY, ("sort", "0")).await;
    db.execute("DELETE FROM contact_outbox WHERE task_id = 't00000' AND not_before IS NULL")
        .await;
    db.execute("VACUUM ANALYZE contact_outbox").await;
    let options = PostgresOutbox::connect_options(&db.url).expect("options");
    for (name, arguments) in [
        (
            "read_page",
            "'u', 't00000', 1000, '-infinity', 0, 0, 65536, 6553",
        ),
        (
            "find_lanes",
            "'018f0000-0000-7000-8000-000000000000', '', '', 1, 100, 10, 2",
        ),
    ] {
        let mut session = options.connect().await.expect("connects");
        let pages = pages_read(&mut session, name, arguments).await;
        assert!(pages < 150, "{name} reads {pages} pages");
    }
}

/// Whether the server has `pg_stat_force_next_flush`, which came with PostgreSQL 15.
async fn can_flush_counters(db: &Db) -> bool {
    let version = db.text("current_setting('server_version_num')", "").await;
    let version = version.expect("a version").parse::<u32>();
    version.expect("a number") >= 150_000
}

/// The server's counters for the table: sequential scans, and index entries read.
async fn counted(pool: &PgPool) -> (i64, i64) {
    let row = sqlx::query(
        "SELECT t.seq_scan, (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes
             WHERE relname = 'contact_outbox') AS read
         FROM pg_stat_user_tables t WHERE t.relname = 'contact_outbox'",
    )
    .fetch_one(pool)
    .await
    .expect("statistics");
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn a_day_of_work_on_postgres_reads_what_it_needs_and_no_more() {
    let db = Db::postgres().await;
    load(&db).await;
    let Raw::Postgres(pool) = &db.raw else {
        unreachable!("a PostgreSQL database")
    };
    if !can_flush_counters(&db).await {
        // This server reports its counters at any time it likes. The test of plans looks at its
        // plans.
        return;
    }
    // A session reports its counters when it ends, so each part of the work gets its own.
    let flushed = || async {
        sqlx::query("SELECT pg_stat_force_next_flush()")
            .execute(pool)
            .await
            .expect("flushes");
        counted(pool).await
    };
    let (scans, before) = flushed().await;
    let outbox = PostgresOutbox::connect(&db.url, 1).await.expect("connects");
    let me = uuid::Uuid::now_v7();
    outbox.beat(&instance(me)).await.expect("beats");
    let found = outbox.find_lanes(&query(me)).await.expect("finds").lanes;
    assert_eq!(found.len(), 20);
    outbox.close().await;
    let (_, after_finding) = settled(pool, before).await;
    let read = after_finding - before;
    assert!(
        read <= 20 * 8,
        "{read} index entries read to find 20 lanes among 40,000 rows"
    );

    let outbox = PostgresOutbox::connect(&db.url, 1).await.expect("connects");
    let lane = lane("u/t00007");
    let lease = outbox
        .lease(&lane, me)
        .await
        .expect("leases")
        .expect("free")
        .lease;
    let page = outbox
        .read_page(&lane, &Cursor::default(), PageLimit::rows(100))
        .await
        .expect("reads");
    let ids: Vec<i64> = page.rows.iter().map(|row| row.id).collect();
    let batch = entry(&ids);
    for change in [
        Change::Open(batch.clone()),
        Change::Close(close(batch.batch, &ids)),
    ] {
        let write = contact_courier::outbox::Write {
            lease: lease.clone(),
            change,
        };
        outbox.record(&[write]).await.expect("records");
    }
    outbox.close().await;
    let (scans_after, after_work) = settled(pool, after_finding).await;
    let read = after_work - after_finding;
    assert!(read <= 500, "{read} index entries read to deliver 100 rows");
    assert_eq!(scans_after, scans, "sequential scans of contact_outbox");
}

/// Returns the counters once the ended session has reported, which it does before its process ends.
async fn settled(pool: &PgPool, before: i64) -> (i64, i64) {
    // The server answers when the process is gone. A session that is ending by itself reports all
    // the same.
    let gone = "SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'contact-courier'";
    sqlx::query(gone).execute(pool).await.expect("ends");
    let now = counted(pool).await;
    assert!(now.1 > before, "the server does not report: {now:?}");
    now
}

/// The parameters of MySQL's hot statements, in the order of their question marks.
fn mysql_parameters(name: &str) -> &'static [&'static str] {
    const LANES: &str = r#"'[{"user_id":"u","task_id":"t00003"},{"user_id":"u","task_id":"t9"}]'"#;
    const IDS: &str = "'[7, 8, 9]'";
    const KEYS: &str = r#"'["a", "b"]'"#;
    const BATCHES: &str = r#"'[{"id":"a"},{"id":"b"}]'"#;
    const OPENED: &str = r#"'[{"id":"a","user_id":"u","task_id":"t00003","lease_token":1}]'"#;
    const DEPARTING: &str = r#"'[{"id":"a","contacts":[7, 8, 9]}]'"#;
    const EPOCH: &str = "'1970-01-01 00:00:01'";
    match name {
        "rows_ahead" | "batches_ahead" => &["'u'", "'u'", "'t00003'", "64"],
        "ripen_lanes" => &["1e0", "99", "2000000", "1e0", LANES, "'i'"],
        "lease_lane" => &["'i'", "'u'", "'t00003'", "'i'"],
        "adopt_batches" => &["7", "'u'", "'t00003'"],
        "leased" => &["'u'", "'t00003'", "'i'"],
        "open_entries" | "count_lane" => &["'u'", "'t00003'"],
        "release_lane" => &["'u'", "'t00003'", "7"],
        "read_deferred" => &[
            "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9",
            "9", "9", "9", "'u'", "'t00003'", EPOCH, EPOCH, "0", "100",
        ],
        "read_immediate" => &[
            "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9",
            "9", "9", "9", "'u'", "'t00003'", "0", "100",
        ],
        "pending_rows" => &[
            "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9", "9",
            "9", "9", "9", IDS,
        ],
        "stale_rows" | "standing" | "personal" | "earlier_batches" | "forget_causes"
        | "held_lanes" => &[IDS],
        "find_batches" | "sending_batches" | "taken_keys" | "delete_batches" | "answers" => &[KEYS],
        "fence_lanes" | "lock_lanes" | "change_lanes" => &[LANES],
        "open_batches" => &[OPENED, DEPARTING],
        "backlog" => &["'i'"],
        "rate_asked" | "newest" => &[],
        "overview" => &["'u,v'", "'u,v'"],
        "newest_lanes" => &["7", "9000"],
        "new_rate" | "rate_given" => &["'all'"],
        "settle_successes" => &["'[1,2]'", "1", "'b'"],
        "unwritten" => &["'[1,2]'", BATCHES, BATCHES],
        "rate_taken" => &["1", "'all'"],
        "lanes" => &["'u,v'", "'u,v'", "10"],
        "paused" => &["10"],
        "contact_by_key" => &["'order-1001'"],
        "failures" => &[
            "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL",
            "NULL", "NULL", "NULL", "10",
        ],
        "prunable_contacts" => &["1e0", "1e0", "7", "1000"],
        "prunable_batches" => &["1e0", "1e0", "''", "100"],
        "contacts_standing" => &[IDS, "NULL", "NULL"],
        "delete_contacts" => &[IDS, "1e0"],
        "reword" => &[KEYS, "'x'"],
        "reword_hold" => &["'x'", "'u'", "'t'", "'y'"],
        _ => &[BATCHES],
    }
}

async fn statements_never_scan_the_outbox(db: &Db) {
    load(db).await;
    // MySQL scans an index of a table that it knows to be empty.
    db.execute(
        "INSERT INTO delivery_batch
             (id, user_id, task_id, lease_token, contact_ids, options, state, closed_at)
         SELECT uuid(), user_id, task_id, 1, '[1]', '{}', 'closed', now(6) FROM contact_outbox",
    )
    .await;
    let outbox = MySqlOutbox::connect(&db.url, 1).await.expect("connects");
    let mut session = outbox.session().await.expect("connects");
    // A statement that must not run by itself is not planned outside of a transaction.
    sqlx::raw_sql("BEGIN")
        .execute(&mut session)
        .await
        .expect("begins");
    for (name, sql) in MySqlOutbox::hot_statements() {
        let parameters = mysql_parameters(name);
        assert_eq!(sql.matches('?').count(), parameters.len(), "{name}");
        let sql = parameters
            .iter()
            .fold((*sql).to_owned(), |sql, value| sql.replacen('?', value, 1));
        for step in mysql_plan(&mut session, &sql).await {
            let [table, access, key, extra] = &step;
            // The names that the statements give to the growing tables.
            let wanted: &[&str] = match table.as_str() {
                "c" => &["PRIMARY", "contact_outbox_pending", "contact_outbox_failed"],
                "b" | "delivery_batch" => &["PRIMARY", "delivery_batch_open"],
                "l" | "delivery_lane" => &["PRIMARY"],
                _ => continue,
            };
            let seeks = ["const", "eq_ref", "ref", "range"].contains(&access.as_str())
                && (wanted.contains(&key.as_str()) || key == "idempotency_key_is_unique");
            // The target of an INSERT is not read.
            let writes = access == "ALL" && *name == "open_batches" && table == "delivery_batch";
            // There are far fewer lanes than rows, and operators ask for all of them.
            let lanes = table == "l" && OF_ALL_LANES.contains(name);
            assert!(seeks || writes || lanes, "{name}: {step:?}");
            // Open batches of one lane are few.
            let sorts = OF_ALL_LANES.contains(name) || ["backlog", "open_entries"].contains(name);
            assert!(sorts || !extra.contains("filesort"), "{name}: {step:?}");
            // Where one lane is asked for, a skip scan would go from lane to lane.
            assert!(!extra.contains("skip scan"), "{name}: {step:?}");
        }
    }
}

/// The table, access, key and other remarks of each step of a plan.
async fn mysql_plan(session: &mut MySqlConnection, sql: &str) -> Vec<[String; 4]> {
    let column = |row: &sqlx::mysql::MySqlRow, name: &str| {
        row.get_unchecked::<Option<String>, _>(name)
            .unwrap_or_default()
    };
    sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN FORMAT=TRADITIONAL {sql}")))
        .fetch_all(session)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"))
        .iter()
        .map(|row| ["table", "type", "key", "Extra"].map(|name| column(row, name)))
        .collect()
}

async fn finding_lanes_reads_what_it_needs_and_no_more(db: &Db) {
    load(db).await;
    let before = rows_read(db).await;
    let outbox = MySqlOutbox::connect(&db.url, 1).await.expect("connects");
    let me = uuid::Uuid::now_v7();
    outbox.beat(&instance(me)).await.expect("beats");
    let found = outbox.find_lanes(&query(me)).await.expect("finds").lanes;
    assert_eq!(found.len(), 20);
    let after_finding = rows_read(db).await;
    // Each of the large lanes costs a step, and a look at its first row.
    let read = after_finding - before;
    assert!(read <= 20 * (64 + 8), "{read} rows read to find 20 lanes");

    let lingering = LaneQuery {
        linger: Duration::from_hours(1),
        ..query(me)
    };
    let found = outbox.find_lanes(&lingering).await.expect("finds").lanes;
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|found| found.ripe_in.is_zero()));
    // A batch of rows of each lane is counted, too.
    let read = rows_read(db).await - after_finding;
    assert!(
        read <= 20 * (64 + 100 + 8),
        "{read} rows read to find 20 full lanes"
    );

    // Now only rows are left that are put off.
    db.execute("DELETE FROM contact_outbox WHERE not_before IS NULL AND status = 'pending'")
        .await;
    let before = rows_read(db).await;
    assert_eq!(
        outbox.find_lanes(&query(me)).await.expect("finds").lanes,
        []
    );
    let read = rows_read(db).await - before;
    assert!(
        read <= 20 * (64 + 1_000 + 8),
        "{read} rows read to find nothing due in 20 lanes"
    );
}

async fn delivering_reads_what_it_needs_and_no_more(db: &Db) {
    load(db).await;
    let outbox = MySqlOutbox::connect(&db.url, 1).await.expect("connects");
    let me = uuid::Uuid::now_v7();
    outbox.beat(&instance(me)).await.expect("beats");
    let before = rows_read(db).await;
    let lane = lane("u/t00007");
    let lease = outbox.lease(&lane, me).await.expect("leases");
    let lease = lease.expect("free").lease;
    let page = outbox
        .read_page(&lane, &Cursor::default(), PageLimit::rows(100))
        .await
        .expect("reads");
    let ids: Vec<i64> = page.rows.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), 100);
    let batch = entry(&ids);
    for change in [
        Change::Open(batch.clone()),
        Change::Close(close(batch.batch, &ids)),
    ] {
        let write = contact_courier::outbox::Write {
            lease: lease.clone(),
            change,
        };
        outbox.record(&[write]).await.expect("records");
    }
    let read = rows_read(db).await - before;
    assert!(read <= 700, "{read} rows read to deliver 100");
}

/// Returns how many rows the server's engine has read for all sessions of this database.
async fn rows_read(db: &Db) -> i64 {
    let (read, counters) = match db.kind {
        Kind::MySql => (
            "count_fetch",
            "performance_schema.table_io_waits_summary_by_table WHERE object_schema = database()",
        ),
        _ => (
            "rows_read",
            "information_schema.table_statistics WHERE table_schema = database()",
        ),
    };
    let read = format!("coalesce(sum({read}), 0)");
    let read = db.text(&read, &format!("FROM {counters}")).await;
    read.expect("a sum").parse().expect("a number")
}

#[tokio::test]
async fn sqlite_finds_few_lanes_among_many_rows_quickly() {
    let db = Db::sqlite().await;
    load(&db).await;
    let me = db.courier().await;
    // The walk is lazy: with a limit of one it must not go over all lanes.
    let one = contact_courier::outbox::LaneQuery {
        limit: 1,
        ..query(me)
    };
    let found = db.find_by(&one).await;
    assert_eq!(found.len(), 1);
    assert_eq!(db.find(me).await.len(), 20);
}
