//! The rights that the README grants are enough for each of its users, and not more than it says.

use std::fs::File;
use std::io::{Seek, Write as _};
use std::process::Command;
use std::time::Duration;

use contact_courier::app;
use contact_courier::contact::ContactId;
use contact_courier::outbox::{
    Action, Change, Close, Cursor, FailKind, FailureFilter, FailuresBy, Final, MySqlOutbox, Names,
    NewContact, Operations, OrderScope, Outbox, PageLimit, PendingFilter, PostgresOutbox, Pruning,
    RateClaim, Recorded, ResultsFrom, ResultsIndex, RowOutcome, Trial, Write,
};
use contact_courier::settings::Settings;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use url::Url;
use uuid::Uuid;

use super::{blocks, read, snippet};
use crate::support::{Db, Kind, close, connect, entry, instance, lane, on_every_database, query};

const USERS: [&str; 3] = ["app", "courier", "viewer"];

/// The limits of each user: a statement that has to be refused.
const REFUSED: [(&str, &str); 10] = [
    ("app", "UPDATE contact_outbox SET phone = '1'"),
    ("app", "DELETE FROM contact_outbox"),
    (
        "app",
        "INSERT INTO contact_outbox (id, user_id, task_id, phone)
         VALUES (9223372036854775807, 'u', 't', '13012121211')",
    ),
    (
        "app",
        "INSERT INTO contact_outbox (user_id, task_id, phone, attempts) VALUES ('u', 't', '1', 7)",
    ),
    ("app", "SELECT count(*) FROM delivery_batch"),
    ("courier", "UPDATE contact_outbox SET sort = 1"),
    ("courier", "UPDATE contact_outbox SET user_id = 'u-2'"),
    ("courier", "CREATE TABLE another (id int)"),
    ("viewer", "UPDATE contact_outbox SET status = 'pending'"),
    ("viewer", "DELETE FROM delivery_batch"),
];

/// Returns the grants, and the statements of an app.
fn snippets(database: &str) -> (String, String) {
    let found = blocks(&read("README.md"), &format!("```sql {database}"));
    let [grants, insert] = found.as_slice() else {
        panic!("{} blocks", found.len());
    };
    // Each test's database has its own name.
    let here = |sql: &String| sql.replacen("USE shop;", "", usize::from(database == "mysql"));
    (here(grants), here(insert))
}

fn as_user(db: &Db, user: &str) -> String {
    let mut url = Url::parse(&db.url).unwrap();
    url.set_username(user).unwrap();
    url.into()
}

/// A text as a program's input.
fn script(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

/// Runs SQL with the client of MariaDB, as a user; returns the result, a line for each row.
fn mariadb(url: &str, sql: &str) -> Result<String, String> {
    let url = Url::parse(url).unwrap();
    let socket = url.query_pairs().find(|(key, _)| key == "socket");
    let place = match (socket, url.port()) {
        (Some((_, path)), _) => vec![format!("--socket={path}")],
        (None, port) => {
            let host = url.host_str().unwrap();
            vec![
                format!("--host={host}"),
                format!("--port={}", port.unwrap()),
            ]
        }
    };
    let output = Command::new("mariadb")
        .arg("--no-defaults")
        .args(["--batch", "--force", "--skip-column-names"])
        .args(["--user", url.username()])
        .args(place)
        .arg(url.path().trim_start_matches('/'))
        .stdin(script(sql))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // The only error after which the page tells apps to go on.
    let repeated = said.contains("ERROR 1062") && said.contains("idempotency_key_is_unique");
    if said.is_empty() || repeated {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(said.into_owned())
    }
}

/// Runs SQL as a user; returns the result, a line for each row of texts.
async fn postgres(url: &str, sql: &str) -> Result<String, String> {
    let mut session = PgConnection::connect(url).await.unwrap();
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .fetch_all(&mut session)
        .await
        .map_err(|error| error.to_string())?;
    let text = |row: &sqlx::postgres::PgRow, at| row.get::<Option<String>, _>(at);
    let line = |row| {
        [0, 1, 2]
            .map(|at| text(row, at).unwrap_or_else(|| "NULL".into()))
            .join("\t")
    };
    Ok(rows.iter().map(|row| line(row) + "\n").collect())
}

/// Makes every call of a courier's day to its outbox. There is one contact, which is pending.
async fn deliver(outbox: &impl Outbox, end: Final) {
    let settings = Settings::default();
    app::prepare_outbox(outbox, &settings.database)
        .await
        .unwrap();
    let (me, lane) = (Uuid::now_v7(), lane("u-1/t-1"));
    outbox.beat(&instance(me)).await.unwrap();
    outbox.beat(&instance(me)).await.unwrap();
    assert_eq!(outbox.find_lanes(&query(me)).await.unwrap().lanes.len(), 1);
    let lease = outbox.lease(&lane, me).await.unwrap().unwrap().lease;
    let page = outbox
        .read_page(&lane, &Cursor::default(), PageLimit::rows(10))
        .await
        .unwrap();
    let row = [page.rows[0].id];
    for _ in 0..2 {
        let claim = RateClaim {
            name: "all",
            span: Duration::from_millis(100),
            burst: Duration::ZERO,
            lead: Duration::ZERO,
            furthest: Duration::MAX,
            restart: Duration::ZERO,
        };
        outbox.claim_rate(&claim).await.unwrap();
    }
    let trial = outbox.try_settling(&lease, &[ContactId(row[0])], &[]).await;
    assert_eq!(trial.unwrap(), Recorded::Done);
    let batch = entry(&row);
    let rows = vec![RowOutcome {
        contact: ContactId(row[0]),
        end,
    }];
    let end = Change::Close(Close {
        rows,
        ..close(batch.batch, &row)
    });
    for change in [Change::Open(batch), end, Change::Recover] {
        let lease = lease.clone();
        outbox.record(&[Write { lease, change }]).await.unwrap();
    }
    assert_eq!(outbox.locked(&[ContactId(row[0])]).await.unwrap(), []);
    outbox.release(&lease).await.unwrap();
    outbox.backlog(me).await.unwrap();
    outbox.lift_holds("nothing").await.unwrap();
    outbox.orders().await.unwrap();
    outbox.newest_actions().await.unwrap();
    outbox.bring_back(Duration::ZERO).await.unwrap();
    outbox.retire(me).await.unwrap();
}

fn rejected() -> Final {
    Final::Failed {
        kind: FailKind::Rejected,
        cause: "no such number".into(),
    }
}

/// Makes every call of the commands that only look.
async fn look(outbox: &(impl Outbox + Operations), contact: ContactId) {
    outbox.check_fitness().await.unwrap();
    outbox.check_schema().await.unwrap();
    outbox.server().await.unwrap();
    outbox.overview().await.unwrap();
    outbox.lanes(10).await.unwrap();
    outbox.held(10).await.unwrap();
    outbox.pauses().await.unwrap();
    outbox.history(10).await.unwrap();
    outbox.instances().await.unwrap();
    let all = FailureFilter::default();
    let failed = outbox.failures(&all, None, 10).await.unwrap();
    assert_eq!(failed.failures.len(), 1);
    outbox.count_failures(&all).await.unwrap();
    outbox.failures_named(&[contact]).await.unwrap();
    outbox.story(contact).await.unwrap().unwrap();
    let counts = outbox.count_failures_by(&all, FailuresBy::Lane, 10).await;
    assert_eq!(counts.unwrap().groups.len(), 1);
    assert_eq!(outbox.find_key("order-1001").await.unwrap(), Some(contact));
    let step = outbox.find_number("13012121211", None).await.unwrap();
    assert_eq!(step.found, [contact]);
    let scopes = [OrderScope::Lane(lane("u/t")), OrderScope::User("u".into())];
    for scope in scopes {
        assert!(outbox.knows(&scope).await.is_ok());
    }
    assert_eq!(outbox.results_index().await.unwrap(), ResultsIndex::Missing);
}

/// Does everything that the courier's user may do beyond `run`.
async fn operate(outbox: &(impl Outbox + Operations), contact: ContactId) {
    assert_eq!(
        outbox.requeue(&[contact], &|_| true, None).await.unwrap(),
        1
    );
    deliver(outbox, Final::Succeeded).await;
    look_again(outbox, contact).await;
    let pruning = Pruning {
        older_than: Duration::ZERO,
        dry_run: false,
    };
    assert_eq!(
        outbox
            .prune_contacts(pruning, None, None)
            .await
            .unwrap()
            .pruned,
        1
    );
    assert_eq!(
        outbox
            .prune_batches(pruning, None, None)
            .await
            .unwrap()
            .pruned,
        2
    );
    let mut insertion = outbox.begin_insert().await.unwrap();
    let contact = NewContact {
        user_id: "u-2".into(),
        task_id: "t-2".into(),
        phone: "13012121212".into(),
        idempotency_key: Some("order-1002".into()),
        ..NewContact::default()
    };
    insertion.add(&[contact]).await.unwrap();
    insertion.commit().await.unwrap();
    cancel(outbox).await;
    let found = outbox.named(Names::Keys(&["order-1002"])).await.unwrap();
    assert_eq!(outbox.erase(&[found[0].id], None).await.unwrap().erased, 1);
    let number = outbox.find_number("13012121212", None).await.unwrap();
    assert_eq!(number.found, []);
    outbox.redact(Duration::ZERO, None).await.unwrap();
}

/// Cancels the contact that was inserted.
async fn cancel(outbox: &impl Operations) {
    let found = outbox.named(Names::Keys(&["order-1002"])).await.unwrap();
    let filter = PendingFilter::default();
    assert_eq!(outbox.count_pending(&filter).await.unwrap().len(), 1);
    let lane = &found[0].lane;
    let ids = outbox.pending(lane, &filter, ContactId(0)).await.unwrap();
    let action = Action {
        id: Uuid::now_v7(),
        name: "cancel",
        host: "here".into(),
        os_user: "me".into(),
        selection: "all".into(),
    };
    let cancelled = outbox.cancel(lane, &ids, "no", &action).await.unwrap();
    assert_eq!(cancelled.cancelled, 1);
    let scope = OrderScope::Lane(lane.clone());
    let paused = outbox.pause(&scope, "no", None, &action).await;
    paused.unwrap();
    let resumed = outbox.resume(&scope, &action).await.unwrap();
    assert_eq!(resumed.pauses, 1);
}

async fn look_again(outbox: &impl Operations, contact: ContactId) {
    let story = outbox.story(contact).await.unwrap().unwrap();
    assert_eq!((story.batches.len(), story.requeued.len()), (2, 1));
}

/// Once the owner has made the index, a user who only looks can read results.
async fn follow(db: &Db, viewer: &impl Operations, contact: ContactId) {
    assert!(db.operations.make_results_index().await.unwrap());
    assert_eq!(viewer.results_index().await.unwrap(), ResultsIndex::There);
    let all = ResultsFrom::Ago(Duration::from_hours(1));
    let results = viewer.results(&all, 10).await.unwrap();
    assert_eq!((results.len(), results[0].id), (1, contact));
}

async fn create_postgres_user(db: &Db, user: &str) {
    // Users belong to the whole server: another test may have made this one, or be about to.
    db.execute(&format!(
        "DO $$ BEGIN CREATE USER {user};
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    ))
    .await;
}

/// The id of the one contact.
async fn the_contact(db: &Db) -> ContactId {
    let id = db.text("id", "FROM contact_outbox").await;
    ContactId(id.unwrap().parse().unwrap())
}

async fn the_grants_are_what_each_user_needs_and_the_insert_makes_one_row(db: &Db) {
    let (grants, insert) = snippets("mysql");
    let users = USERS.join(", ");
    mariadb(
        &db.url,
        &format!("CREATE USER IF NOT EXISTS {users}; {grants}"),
    )
    .unwrap();
    let app = as_user(db, "app");
    for _ in 0..2 {
        assert_eq!(mariadb(&app, &insert).unwrap(), "pending\tNULL\tNULL\n");
    }
    assert_eq!(db.count("FROM contact_outbox").await, 1);
    let contact = the_contact(db).await;

    let courier = MySqlOutbox::connect(&as_user(db, "courier"), 2)
        .await
        .unwrap();
    deliver(&courier, rejected()).await;
    let told = mariadb(&app, &insert).unwrap();
    assert_eq!(told, "failed\trejected\tno such number\n");
    let viewer = MySqlOutbox::connect(&as_user(db, "viewer"), 2)
        .await
        .unwrap();
    look(&viewer, contact).await;
    follow(db, &viewer, contact).await;
    let trials = (courier.try_writing().await, viewer.try_writing().await);
    let right = matches!(trials, (Trial::Passed, Trial::OnlyReads));
    assert!(right, "{trials:?}");
    for (user, statement) in REFUSED {
        let said = mariadb(&as_user(db, user), statement).unwrap_err();
        assert!(
            said.contains("command denied"),
            "{user}: {statement}: {said}"
        );
    }
    operate(&courier, contact).await;
}

#[tokio::test]
async fn the_postgres_grants_are_what_each_user_needs_and_the_insert_makes_one_row() {
    let db = Db::postgres().await;
    let (grants, insert) = snippets("postgres");
    for user in USERS {
        create_postgres_user(&db, user).await;
    }
    db.execute(&grants).await;
    // PostgreSQL 14 and older let every user make tables there.
    db.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await;
    let app = as_user(&db, "app");
    for _ in 0..2 {
        let told = postgres(&app, &insert).await.unwrap();
        assert_eq!(told, "pending\tNULL\tNULL\n");
    }
    assert_eq!(db.count("FROM contact_outbox").await, 1);
    let contact = the_contact(&db).await;

    let courier = PostgresOutbox::connect(&as_user(&db, "courier"), 2)
        .await
        .unwrap();
    deliver(&courier, rejected()).await;
    let told = postgres(&app, &insert).await.unwrap();
    assert_eq!(told, "failed\trejected\tno such number\n");
    let viewer = PostgresOutbox::connect(&as_user(&db, "viewer"), 2)
        .await
        .unwrap();
    look(&viewer, contact).await;
    follow(&db, &viewer, contact).await;
    let trials = (courier.try_writing().await, viewer.try_writing().await);
    let right = matches!(trials, (Trial::Passed, Trial::OnlyReads));
    assert!(right, "{trials:?}");
    for (user, statement) in REFUSED {
        let said = postgres(&as_user(&db, user), statement).await.unwrap_err();
        assert!(
            said.contains("permission denied"),
            "{user}: {statement}: {said}"
        );
    }
    operate(&courier, contact).await;
}

/// The documented INSERT of an app that shares the table, by a key that begins with the app's name.
fn of_app(insert: &str, app: &str, phone: &str) -> String {
    let own = insert.replace("'order-1001'", &format!("'{app}:order-1001'"));
    assert_ne!(own, insert);
    own.replace("13012121211", phone)
}

/// An app's view of the table, which is all of it.
const ALL_NUMBERS: &str = "SELECT phone, idempotency_key, status FROM contact_outbox ORDER BY id";

const BOTH_APPS: &str =
    "13012121211\tshop:order-1001\tpending\n13012121212\tcrm:order-1001\tpending\n";

async fn two_apps_share_the_table_and_take_no_keys_of_each_other(db: &Db) {
    let (grants, insert) = snippets("mysql");
    // `app` too: the README would give it a password, and another test has it without one.
    let users = "app, shop, crm, courier, viewer";
    mariadb(&db.url, &format!("CREATE USER IF NOT EXISTS {users}")).unwrap();
    for (app, phone) in [("shop", "13012121211"), ("crm", "13012121212")] {
        let grants = grants.replace(" TO app;", &format!(" TO {app};"));
        mariadb(&db.url, &grants).unwrap();
        for _ in 0..2 {
            let told = mariadb(&as_user(db, app), &of_app(&insert, app, phone)).unwrap();
            assert_eq!(told, "pending\tNULL\tNULL\n");
        }
    }
    assert_eq!(
        mariadb(&as_user(db, "shop"), ALL_NUMBERS).unwrap(),
        BOTH_APPS
    );
}

#[tokio::test]
async fn two_apps_share_a_postgres_table_and_take_no_keys_of_each_other() {
    let db = Db::postgres().await;
    let (grants, insert) = snippets("postgres");
    for user in ["shop", "crm", "courier", "viewer"] {
        create_postgres_user(&db, user).await;
    }
    for (app, phone) in [("shop", "13012121211"), ("crm", "13012121212")] {
        db.execute(&grants.replace(" TO app;", &format!(" TO {app};")))
            .await;
        for _ in 0..2 {
            let told = postgres(&as_user(&db, app), &of_app(&insert, app, phone)).await;
            assert_eq!(told.unwrap(), "pending\tNULL\tNULL\n");
        }
    }
    let seen = postgres(&as_user(&db, "shop"), ALL_NUMBERS).await;
    assert_eq!(seen.unwrap(), BOTH_APPS);
}

/// The rights that the README asks for a schema's owner on MySQL.
const OWNER: &str = "CREATE, ALTER, INDEX, SELECT, INSERT, UPDATE, DELETE";

async fn the_owner_of_the_schema_can_migrate(migrated: &Db) {
    assert!(read("README.md").contains(&format!("`{OWNER}`")));
    let db = Db::bare(migrated.kind).await;
    if db.kind == Kind::Postgres {
        create_postgres_user(&db, "owner").await;
        db.execute("GRANT CREATE ON SCHEMA public TO owner").await;
    } else {
        let grant = format!("CREATE USER IF NOT EXISTS owner; GRANT {OWNER} ON * TO owner;");
        mariadb(&db.url, &grant).unwrap();
    }
    let owner = connect(db.kind, &as_user(&db, "owner")).await.unwrap();
    assert!(owner.migrate().await.unwrap() > 1);
    owner.check_schema().await.unwrap();
}

/// After a restore, only contacts that a second send would double are set aside, on every database.
async fn sets_aside_what_the_platform_would_double(db: &Db) {
    let safe = db.contact("u-1/t-1", "13012121211").await;
    let unsafe_ = db
        .contact_with("u-1/t-1", "13012121212", "number_add_suffix", "true")
        .await;
    db.execute(&snippet("docs/operating.md", "```sql")).await;
    assert_eq!(db.of(safe, "status").await.unwrap(), "pending");
    assert_eq!(db.of(unsafe_, "status").await.unwrap(), "failed");
    let kind = db.of(unsafe_, "fail_kind").await;
    assert_eq!(kind.as_deref(), Some("unconfirmed"));
}

async fn the_questions_for_sessions_that_keep_rows_locked_are_understood(db: &Db) {
    let kind = match db.kind {
        Kind::Postgres => "postgres",
        _ => "mysql",
    };
    let ask = snippet("docs/operating.md", &format!("```sql {kind}"));
    db.try_execute(&ask).await.unwrap();
}

on_every_database!(sets_aside_what_the_platform_would_double);

mod on_a_server {
    crate::support::on_every_server!(
        the_owner_of_the_schema_can_migrate,
        the_questions_for_sessions_that_keep_rows_locked_are_understood,
    );

    use super::*;
}

mod by_user {
    crate::support::on_mysql_and_mariadb!(
        the_grants_are_what_each_user_needs_and_the_insert_makes_one_row,
        two_apps_share_the_table_and_take_no_keys_of_each_other,
    );

    use super::*;
}
