//! A Galera cluster of three nodes, each of which takes writes, and the mishaps of the nodes.
//!
//! The first node stays whole: the tables are read there. The second freezes; the third lags behind
//! and dies.

use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Output};

use contact_courier::outbox::{Change, MySqlOutbox, Outbox, Recorded};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::process::Command;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::couriers::DEADLINE;
use crate::support::{Db, Kind, entry, instance, lane, mysql_database, told};
use crate::world::until_within;

/// A mishap of a single node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeMishap {
    /// The third node receives the others' writes, and does not carry them out for longer than a
    /// lease.
    Lags,
    /// The second node stands still until the others have gone on without it, and wakes.
    Freezes,
    /// The third node dies, and comes back.
    Dies,
}

impl NodeMishap {
    /// All mishaps of a run.
    pub(super) const ALL: [Self; 8] = [
        Self::Lags,
        Self::Lags,
        Self::Lags,
        Self::Lags,
        Self::Lags,
        Self::Lags,
        Self::Freezes,
        Self::Dies,
    ];
}

/// The cluster; it is stopped and removed when this is dropped.
pub(super) struct Cluster {
    dir: PathBuf,
    /// Its own database, addressed by each node.
    nodes: Vec<String>,
    proxy: String,
    proxying: JoinHandle<()>,
}

impl Cluster {
    /// Makes and starts a cluster.
    pub(super) async fn new() -> Self {
        let name = Uuid::now_v7().simple().to_string();
        // A socket's path must be short.
        let dir = PathBuf::from(told("COURIER_TEST_SERVERS")).join(&name[20..]);
        let started = script(&dir, &["start"]).await;
        let admins: Vec<&str> = started.lines().collect();
        let database = mysql_database(admins[0]).await;
        let name = url::Url::parse(&database).expect("a URL").path().to_owned();
        let nodes = admins.iter().map(|admin| {
            let mut url = url::Url::parse(admin).expect("a URL");
            url.set_path(&name);
            String::from(url)
        });
        let (port, proxying) = proxy(&dir).await;
        let cluster = Self {
            nodes: nodes.collect(),
            proxy: format!("mysql://root@127.0.0.1:{port}{name}"),
            proxying,
            dir,
        };
        cluster.ask(0, "CREATE DATABASE lag").await;
        let table = "CREATE TABLE lag.lag (n BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY)";
        cluster.ask(0, table).await;
        cluster
    }

    /// Returns the address of the database on the node that stays whole.
    pub(super) fn database(&self) -> &str {
        &self.nodes[0]
    }

    /// Returns the addresses at which three couriers find the database.
    pub(super) fn addresses(&self) -> Vec<String> {
        vec![
            self.nodes[1].clone(),
            self.nodes[2].clone(),
            self.proxy.clone(),
        ]
    }

    /// Causes a mishap of a node, and waits until it is over.
    pub(super) async fn befall(&self, mishap: NodeMishap, db: &Db) {
        match mishap {
            NodeMishap::Lags => self.lag().await,
            NodeMishap::Freezes => {
                self.signal(1, "STOP").await;
                has_nodes(db, 2).await;
                self.signal(1, "CONT").await;
            }
            NodeMishap::Dies => {
                script(&self.dir, &["kill", "3"]).await;
                has_nodes(db, 2).await;
                script(&self.dir, &["start", "3"]).await;
            }
        }
        has_nodes(db, 3).await;
    }

    /// Locks tables on the third node. It cannot carry out a write to a locked table, nor any later
    /// write, until the tables are unlocked.
    async fn begin_to_lag(&self) -> MySqlConnection {
        let mut lagging = self.session(2).await;
        run(&mut lagging, "LOCK TABLES lag.lag READ").await;
        self.ask(0, "INSERT INTO lag.lag VALUES ()").await;
        lagging
    }

    async fn lag(&self) {
        let mut lagging = self.begin_to_lag().await;
        let mut looking = self.session(2).await;
        until_within(DEADLINE, "the node is far behind", async || {
            // Longer than a lease: living couriers look dead.
            let beats: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM courier_instance
                 WHERE heartbeat_at > now(6) - INTERVAL 1500000 MICROSECOND",
            )
            .fetch_one(&mut looking)
            .await
            .expect("the node answers");
            beats == 0
        })
        .await;
        run(&mut lagging, "UNLOCK TABLES").await;
    }

    /// Makes reads on the first node wait for all earlier writes.
    pub(super) async fn catch_up(&self, db: &Db) {
        db.execute("SET SESSION wsrep_sync_wait = 1").await;
    }

    async fn session(&self, node: usize) -> MySqlConnection {
        MySqlConnection::connect(&self.nodes[node])
            .await
            .expect("the node answers")
    }

    async fn ask(&self, node: usize, sql: &str) {
        run(&mut self.session(node).await, sql).await;
    }

    async fn signal(&self, node: usize, signal: &str) {
        let pid = self.dir.join(format!("node{}/pid", node + 1));
        let pid = std::fs::read_to_string(pid).expect("a pid");
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), pid.trim()])
            .status();
        assert!(sent.await.expect("kill").success(), "{signal}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.proxying.abort();
        let mut stop = Blocking::new(SCRIPT);
        stop.arg("stop").arg(&self.dir).status().ok();
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

async fn run(session: &mut MySqlConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(session)
        .await
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// A courier that was taken for dead goes on with its lane on one node. Meanwhile another one takes
/// the lane over on a node that does not know yet what the first has opened.
#[tokio::test]
#[ignore = "takes minutes: make test-matrix"]
async fn galera_who_takes_a_lane_over_on_a_node_that_lags_learns_what_was_opened() {
    let cluster = Cluster::new().await;
    let db = Db::mysql_at(Kind::MariaDb, cluster.database().to_owned()).await;
    db.outbox.migrate().await.expect("migrates");
    let far = MySqlOutbox::connect(&cluster.nodes[2], 4)
        .await
        .expect("connects");
    let (me, other) = (db.courier().await, Uuid::now_v7());
    far.beat(&instance(other)).await.expect("beats");
    let row = db.contact("u/t", "13012121211").await;
    let lease = db.lease("u/t", me).await.lease;
    db.silence(me).await;
    let silent = "FROM courier_instance WHERE heartbeat_at < now(6) - INTERVAL 50 SECOND";
    let mut looking = cluster.session(2).await;
    sees(&mut looking, silent).await;
    let mut lagging = cluster.begin_to_lag().await;
    let batch = entry(&[row]);
    let opened = db.record(&lease, &[Change::Open(batch.clone())]).await;
    assert_eq!(opened, [Recorded::Done]);
    let taken = tokio::spawn(async move { far.lease(&lane("u/t"), other).await });
    let waits = "FROM information_schema.processlist
        WHERE db = database() AND command <> 'Sleep' AND id <> connection_id() AND time_ms > 100";
    sees(&mut looking, waits).await;
    run(&mut lagging, "UNLOCK TABLES").await;
    let taken = taken.await.expect("no panic").expect("leases");
    let taken = taken.expect("its owner looks dead");
    let open: Vec<_> = taken.open.iter().map(|batch| batch.id).collect();
    assert_eq!(open, [batch.batch], "it does not know what is on its way");
    assert!(taken.open[0].maybe_delivered);
    cluster.catch_up(&db).await;
    let late = db.record(&lease, &[Change::Open(entry(&[row]))]).await;
    assert_eq!(late, [Recorded::Fenced]);
}

/// Such a node still shows and sets variables, and looks well in its status.
#[tokio::test]
#[ignore = "takes minutes: make test-matrix"]
async fn galera_a_node_that_rejects_queries_is_not_taken_for_one_that_takes_writes() {
    let cluster = Cluster::new().await;
    cluster
        .ask(0, "SET GLOBAL wsrep_reject_queries = ALL")
        .await;
    let refused = MySqlOutbox::connect(&cluster.nodes[0], 2).await;
    let said = refused.expect_err("it rejects everything").to_string();
    let why = "rejects all queries (wsrep_reject_queries is ALL)";
    assert!(said.contains(why), "{said}");
    cluster
        .ask(0, "SET GLOBAL wsrep_reject_queries = NONE")
        .await;
    let taken = MySqlOutbox::connect(&cluster.nodes[0], 2).await;
    taken.expect("it takes writes again");
}

/// Waits until a session sees a row.
async fn sees(session: &mut MySqlConnection, rest: &str) {
    let count = format!("SELECT count(*) {rest}");
    until_within(DEADLINE, rest, async || {
        let count = AssertSqlSafe(count.clone());
        let seen: i64 = sqlx::query_scalar(count)
            .fetch_one(&mut *session)
            .await
            .expect("the node answers");
        seen > 0
    })
    .await;
}

/// Waits until this many nodes take part.
async fn has_nodes(db: &Db, nodes: i64) {
    let size = "FROM information_schema.global_status
        WHERE variable_name = 'wsrep_cluster_size' AND variable_value = ";
    let size = format!("{size}{nodes}");
    until_within(DEADLINE, &size, async || db.count(&size).await == 1).await;
}

/// Starts a proxy that gives each new connection to another node, or to the next one that takes it.
/// Returns its port.
async fn proxy(dir: &Path) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let sockets: Vec<PathBuf> = (1..=3)
        .map(|node| dir.join(format!("node{node}/socket")))
        .collect();
    let proxying = tokio::spawn(async move {
        let mut turn = 0;
        while let Ok((mut client, _)) = listener.accept().await {
            turn += 1;
            let sockets = sockets.clone();
            tokio::spawn(async move {
                for nth in turn..turn + 3 {
                    if let Ok(mut node) = UnixStream::connect(&sockets[nth % 3]).await {
                        copy_bidirectional(&mut client, &mut node).await.ok();
                        return;
                    }
                }
            });
        }
    });
    (port, proxying)
}

async fn script(dir: &Path, arguments: &[&str]) -> String {
    let (action, node) = arguments.split_first().expect("an action");
    let ran = Command::new(SCRIPT)
        .arg(action)
        .arg(dir)
        .args(node)
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = ran.await.expect("a shell");
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{arguments:?}: {said}");
    String::from_utf8(stdout).expect("UTF-8")
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/galera.sh");
