//! Servers whose defaults would end or change our statements: the sessions set what they need.

use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::outbox::{
    Change, Cursor, FailKind, FailureFilter, Final, MySqlOutbox, NewContact, Operations, Outbox,
    PageLimit, PostgresOutbox, Pruning, RateClaim, Recorded, RowOutcome, Write,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySqlConnection};
use uuid::Uuid;

use crate::server::Server;
use crate::support::{Db, Kind, admin_url, close, entry, instance, lane, mysql_database, query};

/// The defaults that both servers know.
const DEFAULTS: &[&str] = &[
    "sql_safe_updates = 1",
    "autocommit = 0",
    "completion_type = 1",
    "sql_select_limit = 1",
    "max_join_size = 1",
    "sql_auto_is_null = 1",
    "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT'",
    "time_zone = '+08:00'",
    "lock_wait_timeout = 1",
    "innodb_lock_wait_timeout = 1",
    "optimizer_switch = 'derived_merge=off,materialization=off,semijoin=off'",
    "group_concat_max_len = 4",
    "big_tables = 1",
    "div_precision_increment = 0",
    "sort_buffer_size = 32768",
    "tmp_table_size = 1024",
    "join_buffer_size = 128",
    "net_read_timeout = 1",
    "net_write_timeout = 1",
    "wait_timeout = 1",
    "unique_checks = 0",
    "foreign_key_checks = 0",
    "low_priority_updates = 1",
    "sql_buffer_result = 1",
    "default_storage_engine = 'MyISAM'",
    "character_set_server = 'gbk'",
    "collation_connection = 'gbk_chinese_ci'",
    "max_allowed_packet = 1048576",
    "max_prepared_stmt_count = 12",
    "init_connect = 'SET SESSION autocommit = 0'",
];

const OF_MYSQL: &[&str] = &[
    "transaction_read_only = 1",
    "transaction_isolation = 'SERIALIZABLE'",
    "max_execution_time = 1",
    "cte_max_recursion_depth = 0",
    "default_collation_for_utf8mb4 = 'utf8mb4_general_ci'",
    "max_sort_length = 4",
    "explicit_defaults_for_timestamp = 0",
];

const OF_MARIADB: &[&str] = &[
    "tx_read_only = 1",
    "tx_isolation = 'SERIALIZABLE'",
    "max_statement_time = 5",
    "idle_transaction_timeout = 1",
    "max_recursive_iterations = 0",
    "max_sort_length = 64",
];

#[tokio::test]
async fn a_mariadb_with_hostile_defaults_is_worked_with() {
    if admin_url(Kind::MariaDb).is_some() {
        works_all_the_same(Kind::MariaDb, "mariadb", OF_MARIADB).await;
    }
}

#[tokio::test]
async fn a_mysql_with_hostile_defaults_is_worked_with() {
    if admin_url(Kind::MySql).is_some() {
        works_all_the_same(Kind::MySql, "mysql", OF_MYSQL).await;
    }
}

async fn works_all_the_same(kind: Kind, name: &'static str, own: &[&str]) {
    let server = Server::new(name).await;
    let url = mysql_database(&server.url).await;
    let mut admin = MySqlConnection::connect(&server.url)
        .await
        .expect("connects");
    for default in DEFAULTS.iter().chain(own) {
        let set = AssertSqlSafe(format!("SET GLOBAL {default}"));
        sqlx::raw_sql(set).execute(&mut admin).await.expect(default);
    }
    let db = Db::mysql_at(kind, url).await;
    assert!(db.outbox.migrate().await.expect("migrates") > 1);
    db.outbox.check_schema().await.expect("fine");
    let outbox = MySqlOutbox::connect(&db.url, 8).await.expect("connects");
    delivers(&outbox).await;
    tells(&outbox).await;
    writes_what_fits(&outbox).await;
    outbox.close().await;
}

/// A packet holds a megabyte: longer lists are written in parts, or refused for good. A server
/// would hang up on a longer packet, and nobody could tell that from an outage.
async fn writes_what_fits(outbox: &MySqlOutbox) {
    let me = Uuid::now_v7();
    outbox.beat(&instance(me)).await.expect("beats");
    let leased = outbox.lease(&lane("u/packets"), me).await;
    let lease = leased.expect("leases").expect("free").lease;
    let write = |change| Write {
        lease: lease.clone(),
        change,
    };
    let refused = (0..60_000).map(|n| RowOutcome {
        contact: ContactId(i64::MAX - n),
        end: Final::Failed {
            kind: FailKind::Invalid,
            cause: "a rule".into(),
        },
    });
    let many = Change::Refuse(refused.collect());
    outbox.record(&[write(many)]).await.expect("in parts");
    let mut long = entry(&[]);
    // Each quote takes four letters in the list that is sent.
    long.options.sub_user_id = Some("\"".repeat(300_000).into());
    let error = outbox.record(&[write(Change::Open(long))]).await;
    let error = error.expect_err("it does not fit");
    assert!(!error.is_transient(), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("max_allowed_packet is 1048576"), "{said}");
    let written = outbox.record(&[write(Change::Recover)]).await;
    assert_eq!(written.expect("the server is there"), [Recorded::Done]);
}

/// A stricter isolation would have single statements fail for what others do at the same time.
#[tokio::test]
async fn a_postgresql_that_isolates_more_by_default_is_worked_with() {
    let Some(db) = Db::on(Kind::Postgres).await else {
        return;
    };
    let name = db.text("current_database()", "").await.expect("a name");
    for level in ["serializable", "repeatable read"] {
        let set = format!("default_transaction_isolation = '{level}'");
        db.execute(&format!("ALTER DATABASE {name} SET {set}"))
            .await;
        let options = PostgresOutbox::connect_options(&db.url).expect("options");
        let mut session = options.connect().await.expect("connects");
        let holds: String = sqlx::query_scalar("SHOW transaction_isolation")
            .fetch_one(&mut session)
            .await
            .expect("tells");
        assert_eq!(holds, "read committed");
        let outbox = PostgresOutbox::connect(&db.url, 2).await.expect("connects");
        outbox.check_fitness().await.expect("is fit");
        outbox.close().await;
    }
}

/// The kind of password that MySQL gives to users is only taken over TLS, unless the server still
/// remembers the user from before. Its next restart would end that.
#[tokio::test]
async fn a_mysql_user_that_needs_tls_is_refused_without_it() {
    let Some(db) = Db::on(Kind::MySql).await else {
        return;
    };
    let user = format!("u{}", &Uuid::now_v7().simple().to_string()[20..]);
    db.execute(&format!(
        "CREATE USER {user} IDENTIFIED WITH caching_sha2_password BY 'secret'"
    ))
    .await;
    db.execute(&format!("GRANT ALL ON * TO {user}")).await;
    let mut url = url::Url::parse(&db.url).expect("a URL");
    url.set_username(&user).expect("a user");
    url.set_password(Some("secret")).expect("a password");
    // The server remembers the user from now on.
    let outbox = MySqlOutbox::connect(url.as_str(), 1)
        .await
        .expect("over TLS");
    outbox.check_schema().await.expect("fine");
    url.query_pairs_mut().append_pair("ssl-mode", "DISABLED");
    let refused = MySqlOutbox::connect(url.as_str(), 1)
        .await
        .expect_err("no TLS");
    assert!(!refused.is_transient());
    let said = refused.to_string();
    assert!(
        said.contains("without TLS") && !said.contains("secret"),
        "{said}"
    );
}

/// Inserts contacts, finds, sends and settles them.
async fn delivers(outbox: &MySqlOutbox) {
    insert(outbox, 40).await;
    let me = Uuid::now_v7();
    outbox.beat(&instance(me)).await.expect("beats");
    let found = outbox.find_lanes(&query(me)).await;
    assert_eq!(found.expect("finds").lanes.len(), 4);
    for task in 0..4 {
        let lane = lane(&format!("u/t{task}"));
        let leased = outbox
            .lease(&lane, me)
            .await
            .expect("leases")
            .expect("free");
        let page = outbox
            .read_page(&lane, &Cursor::default(), PageLimit::rows(100))
            .await
            .expect("reads");
        let ids: Vec<i64> = page.rows.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), 10);
        let batch = entry(&ids);
        let mut end = close(batch.batch, &ids);
        end.rows[0] = RowOutcome {
            contact: end.rows[0].contact,
            end: Final::Failed {
                kind: FailKind::Rejected,
                cause: "no such number".into(),
            },
        };
        for change in [Change::Open(batch), Change::Close(end)] {
            let write = Write {
                lease: leased.lease.clone(),
                change,
            };
            outbox.record(&[write]).await.expect("records");
        }
        outbox.release(&leased.lease).await.expect("releases");
    }
    let claim = RateClaim {
        name: "all",
        span: Duration::from_secs(1),
        burst: Duration::ZERO,
        lead: Duration::ZERO,
        furthest: Duration::MAX,
        restart: Duration::ZERO,
    };
    outbox.claim_rate(&claim).await.expect("claims");
    let backlog = outbox.backlog(me).await.expect("counts");
    assert_eq!((backlog.due, backlog.deferred), (0, 0));
    outbox.retire(me).await.expect("retires");
}

/// Asks and does everything that operators can.
async fn tells(outbox: &MySqlOutbox) {
    let filter = FailureFilter::default();
    let failed = outbox
        .failures(&filter, None, 100)
        .await
        .expect("lists")
        .failures;
    assert_eq!(failed.len(), 4);
    let ids: Vec<_> = failed.iter().map(|failed| failed.id).collect();
    assert_eq!(
        outbox
            .requeue(&ids, &|_| true, None)
            .await
            .expect("requeues"),
        4
    );
    outbox.overview().await.expect("an overview");
    let mode = outbox.server().await.expect("tells").sql_mode;
    assert!(mode.expect("a mode").risk.is_some(), "it is not strict");
    assert_eq!(outbox.lanes(10).await.expect("lanes").len(), 4);
    outbox.held(10).await.expect("pauses");
    assert!(outbox.story(ids[0]).await.expect("a story").is_some());
    let pruning = Pruning {
        older_than: Duration::ZERO,
        dry_run: false,
    };
    let step = outbox
        .prune_contacts(pruning, None, None)
        .await
        .expect("prunes");
    assert_eq!(step.pruned, 36);
    outbox
        .prune_batches(pruning, None, None)
        .await
        .expect("prunes");
}

/// Inserts so many contacts into four lanes.
async fn insert(outbox: &MySqlOutbox, count: usize) {
    let contacts: Vec<NewContact> = (0..count)
        .map(|n| NewContact {
            user_id: "u".into(),
            task_id: format!("t{}", n % 4),
            phone: format!("139{n:08}"),
            idempotency_key: Some(format!("k{n}")),
            // All names together are longer than a packet of the server.
            name: Some("张".repeat(20_000)),
            ..NewContact::default()
        })
        .collect();
    let mut insertion = outbox.begin_insert().await.expect("begins");
    let inserted = insertion.add(&contacts).await.expect("adds");
    assert_eq!(inserted.new, count as u64);
    insertion.commit().await.expect("commits");
}
