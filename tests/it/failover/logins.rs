//! A server that lets the courier in no more, for a while.

use std::sync::Arc;
use std::time::Duration;

use contact_courier::outbox::{MySqlOutbox, Outbox, PostgresOutbox};
use contact_courier::simulator::Faults;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::outage::{contacts, said};
use super::user::User;
use crate::support::app::App;
use crate::support::{Db, Kind, on_every_server, postgres_admin_url};
use crate::world::{World, until};

on_every_server!(
    an_answer_outlives_a_server_that_lets_nobody_in_for_a_while,
    a_session_that_works_outlives_a_server_that_lets_nobody_in,
);

/// How long nobody is let in: longer than the platform takes for an answer.
const SHUT: Duration = Duration::from_secs(3);

const PER_LANE: usize = 200;

const PASSWORD: &str = "open-sesame";

/// A way to keep a user out, and the way back.
struct Way {
    shut: String,
    open: String,
}

impl Way {
    fn new(shut: String, open: String) -> Self {
        Self { shut, open }
    }
}

/// What an administrator may do in a moment of maintenance.
fn ways(user: &User<'_>, database: &str) -> Vec<Way> {
    let name = &user.name;
    if user.db.kind == Kind::Postgres {
        return vec![
            Way::new(
                format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"),
                format!("GRANT CONNECT ON DATABASE {database} TO PUBLIC"),
            ),
            Way::new(
                format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"),
                format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"),
            ),
            Way::new(
                format!("ALTER ROLE {name} NOLOGIN"),
                format!("ALTER ROLE {name} LOGIN"),
            ),
        ];
    }
    vec![
        Way::new(
            format!("ALTER USER {name} ACCOUNT LOCK"),
            format!("ALTER USER {name} ACCOUNT UNLOCK"),
        ),
        Way::new(
            format!("ALTER USER {name} PASSWORD EXPIRE"),
            format!("ALTER USER {name} IDENTIFIED BY '{PASSWORD}'"),
        ),
    ]
}

/// Carries out a statement of the administrator's: PostgreSQL shuts no database from inside.
async fn administer(db: &Db, sql: &str) {
    if db.kind != Kind::Postgres {
        db.execute(sql).await;
        return;
    }
    let mut admin = PgConnection::connect(&postgres_admin_url()).await.unwrap();
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
}

/// Ends all sessions of the user.
async fn end_sessions(user: &User<'_>) {
    let (db, name) = (user.db, &user.name);
    if db.kind == Kind::Postgres {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename";
        return administer(db, &format!("{end} = '{name}'")).await;
    }
    let of_user = format!("FROM information_schema.processlist WHERE user = '{name}'");
    let sessions = db.text("group_concat(id)", &of_user).await;
    for session in sessions.unwrap_or_default().split(',') {
        // It may have ended by itself.
        db.try_execute(&format!("KILL {session}")).await.ok();
    }
}

/// A user with a password where a server looks at it, and the database's address for that user.
async fn user_of(db: &Db) -> (User<'_>, Url) {
    let has_password = db.kind != Kind::Postgres;
    let by_password = format!("IDENTIFIED BY '{PASSWORD}'");
    let user = User::new(db, if has_password { &by_password } else { "" }).await;
    let mut url = Url::parse(&user.url()).unwrap();
    url.set_password(has_password.then_some(PASSWORD)).unwrap();
    (user, url)
}

async fn an_answer_outlives_a_server_that_lets_nobody_in_for_a_while(db: &Db) {
    let (user, url) = user_of(db).await;
    // Whenever the way is shut, requests are under way.
    let slow = Faults {
        latency: Duration::from_millis(500),
        ..Faults::default()
    };
    let mut world = World::new(db, slow).await;
    world.set("database.url", url.as_str());
    world.set("delivery.batch_size", "10");
    world.set("delivery.lease", "1m");
    world.set("rate_limit.requests_per_second", "20");
    let contacts = contacts(&world, PER_LANE).await;
    let courier = world.start(&["run"]);
    let database = url.path().trim_start_matches('/');
    for (nth, way) in (1..).zip(ways(&user, database)) {
        let before = world.simulator.totals().numbers_held;
        world.holds_more_than(before + 100).await;
        administer(db, &way.shut).await;
        end_sessions(&user).await;
        let shut = Instant::now();
        for line in [
            "database trouble; trying again",
            "the database answers again",
        ] {
            until(line, async || {
                said(&courier, line) == nth && shut.elapsed() > SHUT
            })
            .await;
            administer(db, &way.open).await;
        }
    }
    until("every row is final", async || {
        world.with_status("pending").await == 0
    })
    .await;
    // Neither a row whose end is not known, nor a number that went twice.
    assert_eq!(world.with_status("succeeded").await, contacts);
    let held = world.simulator.totals().numbers_held;
    assert_eq!(i64::try_from(held).unwrap(), contacts);
    world.has_nothing_open().await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
    user.leave().await;
}

/// One more is refused, and those that there are go on.
async fn a_session_that_works_outlives_a_server_that_lets_nobody_in(db: &Db) {
    let (user, url) = user_of(db).await;
    let outbox: Arc<dyn Outbox> = match db.kind {
        Kind::Postgres => Arc::new(PostgresOutbox::connect(url.as_str(), 4).await.unwrap()),
        _ => Arc::new(MySqlOutbox::connect(url.as_str(), 4).await.unwrap()),
    };
    let ask = || {
        let outbox = Arc::clone(&outbox);
        async move { outbox.backlog(Uuid::now_v7()).await }
    };
    // By then there are up to three.
    ask().await.expect("a session");
    let ways = ways(&user, url.path().trim_start_matches('/'));
    let Way { shut, open } = &ways[0];
    administer(db, shut).await;
    let app = App::locks_the_table(db, "contact_outbox").await;
    let mut asking: JoinSet<_> = (0..4).map(|_| ask()).collect();
    let refused = asking.join_next().await.expect("four calls").unwrap();
    let refused = refused.expect_err("needs one more");
    assert!(refused.is_transient(), "{refused}");
    let said = refused.to_string();
    assert!(said.contains("no new connection is allowed"), "{said}");
    app.ends().await;
    let others = asking.join_all().await;
    assert!(others.iter().any(Result::is_ok), "{others:?}");
    // A session comes back to its pool a moment after its answer.
    until("the sessions are used", async || ask().await.is_ok()).await;
    administer(db, open).await;
    user.leave().await;
}
