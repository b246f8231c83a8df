//! A `PgBouncer` between the courier and its PostgreSQL.

use std::path::PathBuf;

use contact_courier::simulator::Faults;
use sqlx::{Connection, PgConnection};
use tokio::process::Command;
use url::Url;
use uuid::Uuid;

use super::load::{everything_arrived, everything_came_once};
use super::world::{World, goods, lanes};
use crate::support::app::App;
use crate::support::{Db, told};

/// The settings that the courier needs of its role behind a pooler, as docs/operating.md says.
const SETTINGS: [(&str, &str); 7] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("lock_timeout", "8s"),
    ("statement_timeout", "120s"),
];

/// Makes a pooler ignore the courier's startup parameters.
const IGNORING: &str = "ignore_startup_parameters = extra_float_digits,options";

/// Runs the `PgBouncer` that belongs to the PostgreSQL of this run.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/pgbouncer.sh");

/// A pooler, and the database behind it.
struct Pooler {
    dir: PathBuf,
    /// The role, with or without the settings.
    role: String,
    /// The database's address through the pooler.
    url: String,
}

impl Pooler {
    /// Starts a pooler. It connects to the server by a role of its own.
    async fn new(db: &Db, mode: &str, lines: &[&str]) -> Self {
        let name = Uuid::now_v7().simple().to_string();
        let (role, dir) = (
            format!("courier_{name}"),
            PathBuf::from(told("COURIER_TEST_SERVERS")).join(&name[20..]),
        );
        db.execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role};
             GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
        std::fs::create_dir(&dir).expect("a directory");
        let (socket, mut url) = (
            dir.display().to_string(),
            Url::parse(&db.url).expect("a URL"),
        );
        let host = |url: &Url| {
            let host = url.query_pairs().find(|(key, _)| key == "host");
            host.expect("a socket").1.into_owned()
        };
        let server = format!("* = host={} user={role}", host(&url));
        let configuration = [
            "[databases]",
            &server,
            "[pgbouncer]",
            "listen_addr =",
            &format!("unix_socket_dir = {socket}"),
            "unix_socket_mode = 0777",
            &format!("pidfile = {socket}/pgbouncer.pid"),
            &format!("logfile = {socket}/log"),
            "auth_type = any",
            &format!("pool_mode = {mode}"),
        ];
        let configuration = [&configuration[..], lines].concat().join("\n");
        std::fs::write(dir.join("pgbouncer.ini"), configuration + "\n").expect("a file");
        script(&["start", &socket]).await;
        url.set_query(Some(&format!("host={socket}&port=6432")));
        url.set_username(&role).expect("a user");
        Self {
            dir,
            role,
            url: url.into(),
        }
    }

    /// Gives the role the settings that the courier needs.
    async fn settled(self, db: &Db) -> Self {
        for (name, value) in SETTINGS {
            let role = &self.role;
            db.execute(&format!("ALTER ROLE {role} SET {name} = '{value}'"))
                .await;
        }
        self
    }

    /// Begins one of sessions that ignores the courier's settings, which its role has instead.
    async fn of_sessions(db: &Db) -> Self {
        Self::new(db, "session", &[IGNORING])
            .await
            .settled(db)
            .await
    }

    async fn ends(self, db: &Db) {
        script(&["stop", &self.dir.display().to_string()]).await;
        let gone = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role);
        db.execute(&gone).await;
        std::fs::remove_dir_all(&self.dir).expect("goes");
    }
}

async fn script(arguments: &[&str]) -> String {
    let output = Command::new(SCRIPT).args(arguments).output().await;
    let output = output.expect("runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {err}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Whether this `PgBouncer` lets prepared statements follow their connections.
async fn follows_statements() -> bool {
    let said = script(&["version"]).await;
    let version: Vec<u32> = said
        .trim()
        .split('.')
        .map(|part| part.parse().expect("a number"))
        .collect();
    version >= vec![1, 21]
}

const LANES: usize = 4;
const PER_LANE: usize = 250;

async fn filled(db: &Db) -> World<'_> {
    let world = World::new(db, Faults::default()).await;
    for (nth, lane) in lanes(LANES).iter().enumerate() {
        world.insert(lane, &goods(nth, PER_LANE)).await;
    }
    world
}

/// Returns the error that `run` and `doctor` both give.
async fn refused(world: &World<'_>) -> String {
    let doctor = world.run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(1), "{}{}", doctor.out, doctor.tail());
    assert!(
        doctor.out.contains("a pooler such as PgBouncer"),
        "{}",
        doctor.out
    );
    let ended = world.run(&["run", "--once"]).await;
    assert_eq!(world.simulator.totals().requests, 0);
    ended.error().to_owned()
}

#[tokio::test]
async fn a_pooler_that_refuses_or_drops_the_settings_is_told_with_what_to_do() {
    let db = Db::postgres().await;
    for (lines, words) in [
        (&[][..], "ignore_startup_parameters"),
        (&[IGNORING][..], "ALTER ROLE"),
    ] {
        let mut world = filled(&db).await;
        let pooler = Pooler::new(&db, "session", lines).await;
        world.set("database.url", &pooler.url);
        let said = refused(&world).await;
        assert!(said.contains(words), "{said}");
        assert_eq!(said.lines().count(), 1);
        pooler.ends(&db).await;
        db.execute("DELETE FROM contact_outbox").await;
    }
}

#[tokio::test]
async fn a_pooler_that_drops_the_isolation_is_told_where_the_default_is_another() {
    let db = Db::postgres().await;
    let mut world = filled(&db).await;
    let pooler = Pooler::of_sessions(&db).await;
    let set = "SET default_transaction_isolation =";
    db.execute(&format!("ALTER ROLE {} {set} 'serializable'", pooler.role))
        .await;
    world.set("database.url", &pooler.url);
    let said = refused(&world).await;
    assert!(said.contains(&format!("{set} 'read committed'")), "{said}");
    pooler.ends(&db).await;
}

/// The setting says where the outbox is: without it, the courier would work on another one.
#[tokio::test]
async fn a_pooler_that_drops_a_setting_of_the_address_is_told() {
    let db = Db::postgres().await;
    let mut world = filled(&db).await;
    let pooler = Pooler::of_sessions(&db).await;
    let of_address = "options[search_path]=shop,public&options[work_mem]=8192";
    world.set("database.url", &format!("{}&{of_address}", pooler.url));
    let role = &pooler.role;
    let path = format!(r#"ALTER ROLE {role} SET search_path = "shop", "public""#);
    let memory = format!("ALTER ROLE {role} SET work_mem = '8192'");
    for remedy in [&path, &memory] {
        let said = refused(&world).await;
        assert!(said.contains(remedy), "{said}");
        db.execute(remedy).await;
        // The pooler connects anew, once its old sessions are gone.
        let old = format!("FROM pg_stat_activity WHERE usename = '{role}'");
        db.execute(&format!("SELECT pg_terminate_backend(pid) {old}"))
            .await;
        world.none(&old).await;
    }
    world.deliver().await;
    pooler.ends(&db).await;
}

#[tokio::test]
async fn behind_a_pooler_of_sessions_all_is_as_without() {
    let db = Db::postgres().await;
    let mut world = filled(&db).await;
    let pooler = Pooler::of_sessions(&db).await;
    world.set("database.url", &pooler.url);
    world.deliver().await;
    everything_came_once(&world);
    everything_arrived(&world, LANES * PER_LANE, 0).await;
    let doctor = world.run(&["doctor"]).await;
    assert!(!doctor.out.contains("fitness"), "{}", doctor.out);
    pooler.ends(&db).await;
}

#[tokio::test]
async fn a_pooler_of_sessions_may_have_a_single_one_left() {
    let db = Db::postgres().await;
    let mut world = filled(&db).await;
    let pooler = Pooler::new(&db, "session", &[IGNORING, "default_pool_size = 1"]).await;
    let pooler = pooler.settled(&db).await;
    world.set("database.url", &pooler.url);
    world.deliver().await;
    everything_came_once(&world);
    everything_arrived(&world, LANES * PER_LANE, 0).await;
    pooler.ends(&db).await;
}

#[tokio::test]
async fn a_pooler_that_allows_few_clients_is_worked_with_by_those_that_it_allows() {
    let db = Db::postgres().await;
    let mut world = filled(&db).await;
    let pooler = Pooler::new(&db, "session", &[IGNORING, "max_client_conn = 2"]).await;
    let pooler = pooler.settled(&db).await;
    world.set("database.url", &pooler.url);
    world.set("database.max_connections", "8");
    world.set("delivery.batch_size", "10");
    world.set("delivery.lease", "30s");
    // It is not done before the lock.
    world.set("rate_limit.requests_per_second", "20");
    let courier = world.start(&["run"]);
    courier.says("batch closed").await;
    // Calls that are over at once never ask for a third connection.
    let app = App::locks_the_table(&db, "contact_outbox").await;
    courier.says("the server allows fewer connections").await;
    app.ends().await;
    world
        .none("FROM contact_outbox WHERE status = 'pending'")
        .await;
    let log = courier.log();
    assert!(!log.contains("database trouble"), "{log}");
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
    everything_came_once(&world);
    everything_arrived(&world, LANES * PER_LANE, 0).await;
    pooler.ends(&db).await;
}

/// A pooler of transactions; whether prepared statements follow their connections through it.
async fn of_transactions(db: &Db, lines: &[&str]) -> (Pooler, bool) {
    let with_statements = ["max_prepared_statements = 200"];
    let follows = follows_statements().await;
    let more = if follows { &with_statements[..] } else { &[] };
    let lines = [&[IGNORING][..], lines, more].concat();
    let pooler = Pooler::new(db, "transaction", &lines).await;
    (pooler.settled(db).await, follows)
}

#[tokio::test]
async fn behind_a_pooler_of_transactions_it_works_or_is_refused_for_its_statements() {
    let db = Db::postgres().await;
    let mut world = filled(&db).await;
    let (pooler, follows) = of_transactions(&db, &[]).await;
    world.set("database.url", &pooler.url);
    if follows {
        world.deliver().await;
        everything_came_once(&world);
        everything_arrived(&world, LANES * PER_LANE, 0).await;
        let doctor = world.run(&["doctor"]).await;
        assert!(doctor.out.contains("behind a pooler"), "{}", doctor.out);
        let migrate = world.run(&["migrate"]).await;
        assert!(
            migrate.error().contains("session mode"),
            "{}",
            migrate.tail()
        );
    } else {
        let said = refused(&world).await;
        assert!(
            said.contains("PgBouncer 1.21") && said.contains("session mode"),
            "{said}"
        );
    }
    pooler.ends(&db).await;
}

/// Where statements do not follow, one of the server's sessions may know a neighbour's by the name of ours, and
/// the next one none: the server takes our statement here, and carries out the neighbour's there.
#[tokio::test]
async fn a_neighbours_statement_is_never_taken_for_ours() {
    let db = Db::postgres().await;
    for sessions in 2..5 {
        let mut world = filled(&db).await;
        let (pooler, follows) = of_transactions(&db, &["server_round_robin = 1"]).await;
        let mut neighbours = Vec::new();
        for _ in 0..sessions {
            let neighbour = PgConnection::connect(&pooler.url).await;
            neighbours.push(neighbour.expect("connects"));
        }
        let mut held = Vec::new();
        for neighbour in &mut neighbours {
            held.push(neighbour.begin().await.expect("begins"));
        }
        let prepared = sqlx::query("SELECT 1").execute(&mut *held[0]).await;
        prepared.expect("prepares");
        for transaction in held {
            transaction.rollback().await.expect("ends");
        }
        world.set("database.url", &pooler.url);
        if follows {
            world.deliver().await;
            everything_came_once(&world);
        } else {
            // Each time another session is the next one in turn.
            for _ in 0..sessions {
                let said = refused(&world).await;
                assert!(said.contains("session mode"), "{said}");
                let status = world.run(&["status"]).await;
                assert!(status.error().contains("session mode"), "{}", status.tail());
            }
        }
        drop(neighbours);
        pooler.ends(&db).await;
        db.execute("DELETE FROM contact_outbox").await;
    }
}

/// Sessions of the server that are older than the role's settings write as durably as others.
#[tokio::test]
async fn a_session_without_the_settings_writes_durably_all_the_same() {
    let db = Db::postgres().await;
    let name = db.text("current_database()", "").await.expect("a name");
    db.execute(&format!(
        "ALTER DATABASE {name} SET synchronous_commit = off"
    ))
    .await;
    db.execute(
        "CREATE TABLE seen (durable text, lock_limit text, silence text);
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO seen VALUES (current_setting('synchronous_commit'),
                 current_setting('lock_timeout'),
                 current_setting('idle_in_transaction_session_timeout'));
             RETURN NULL;
         END $$;
         CREATE TRIGGER see AFTER INSERT OR UPDATE ON delivery_batch
             FOR EACH ROW EXECUTE FUNCTION see();
         CREATE TRIGGER see AFTER UPDATE ON contact_outbox FOR EACH ROW EXECUTE FUNCTION see();
         GRANT ALL ON seen TO public",
    )
    .await;
    let mut world = filled(&db).await;
    let pooler = Pooler::of_sessions(&db).await;
    let mut app = PgConnection::connect(&pooler.url).await.expect("connects");
    let outside: String = sqlx::query_scalar("SHOW synchronous_commit")
        .fetch_one(&mut app)
        .await
        .expect("shows");
    assert_eq!(outside, "off");
    world.set("database.url", &pooler.url);
    world.deliver().await;
    assert!(db.count("FROM seen").await > 0);
    let otherwise =
        "FROM seen WHERE durable <> 'on' OR lock_limit NOT IN ('1s', '8s') OR silence <> '5s'";
    assert_eq!(db.count(otherwise).await, 0);
    pooler.ends(&db).await;
}
