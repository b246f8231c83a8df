//! A database server of one test alone, which may be killed and started again.

use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Output};

use tokio::process::Command;
use url::Url;
use uuid::Uuid;

use crate::support::{Db, Raw, told};

/// A server; it is stopped and removed when this is dropped.
pub(crate) struct Server {
    kind: &'static str,
    on_loopback: bool,
    dir: PathBuf,
    /// Its URL, as administrator.
    pub(crate) url: String,
}

impl Server {
    /// Makes and starts a `postgres`, a `mariadb` or a `mysql`.
    pub(crate) async fn new(kind: &'static str) -> Self {
        Self::made(kind, false).await
    }

    /// The same with an address on loopback, not that of its socket.
    pub(crate) async fn on_loopback(kind: &'static str) -> Self {
        Self::made(kind, true).await
    }

    async fn made(kind: &'static str, on_loopback: bool) -> Self {
        let name = Uuid::now_v7().simple().to_string();
        // A socket's path must be short.
        let dir = PathBuf::from(told("COURIER_TEST_SERVERS")).join(&name[20..]);
        Self::made_in(kind, dir, on_loopback).await
    }

    /// The same in a folder that it makes.
    pub(crate) async fn new_in(kind: &'static str, dir: PathBuf) -> Self {
        Self::made_in(kind, dir, false).await
    }

    async fn made_in(kind: &'static str, dir: PathBuf, on_loopback: bool) -> Self {
        let mut server = Self {
            kind,
            on_loopback,
            dir,
            url: String::new(),
        };
        server.url = server.start().await;
        server
    }

    /// Makes and starts a standby of a PostgreSQL. From then on, each commit of the PostgreSQL
    /// waits for it.
    pub(crate) async fn standby_of(primary: &Self) -> Self {
        let name = Uuid::now_v7().simple().to_string();
        let mut standby = Self {
            kind: primary.kind,
            on_loopback: false,
            dir: PathBuf::from(told("COURIER_TEST_SERVERS")).join(&name[20..]),
            url: String::new(),
        };
        let [action, kind, dir] = standby.arguments("standby");
        let of = primary.dir.display().to_string();
        let url = run(&[action, kind, dir, of], false).await;
        url.trim().clone_into(&mut standby.url);
        standby
    }

    /// Makes the standby take writes, in place of its primary.
    pub(crate) async fn promote(&self) {
        self.script("promote").await;
    }

    /// Makes a test's raw connection use this server from now on: it has taken another's place.
    pub(crate) fn stands_for(&self, db: &Db) {
        match &db.raw {
            Raw::Postgres(pool) => {
                pool.set_connect_options(self.url.parse().expect("a PostgreSQL URL"));
                while let Some(old) = pool.try_acquire() {
                    drop(old.detach());
                }
            }
            Raw::MySql(pool) => {
                pool.set_connect_options(self.url_of(db).parse().expect("a MySQL URL"));
                while let Some(old) = pool.try_acquire() {
                    drop(old.detach());
                }
            }
            Raw::Sqlite(_) => panic!("a file has no server"),
        }
    }

    /// The address of a database's name on this server.
    fn url_of(&self, db: &Db) -> String {
        let mut url = Url::parse(&self.url).expect("a URL");
        url.set_path(Url::parse(&db.url).expect("a URL").path());
        url.into()
    }

    /// Copies a database of another MariaDB to this one, both on loopback.
    pub(crate) async fn copies(&self, db: &Db) {
        let from = Url::parse(&db.url).expect("a URL");
        let port = |url: &Url| url.port().expect("on loopback").to_string();
        let copy = "set -o pipefail
            client=(--no-defaults --protocol=tcp --host=127.0.0.1 --user=root --skip-ssl)
            mariadb-dump \"${client[@]}\" --port=\"$1\" --single-transaction --databases \"$3\" |
                mariadb \"${client[@]}\" --port=\"$2\"";
        let to = Url::parse(&self.url).expect("a URL");
        let copied = Command::new("bash")
            .args(["-c", copy, "copy", &port(&from), &port(&to)])
            .arg(from.path().trim_start_matches('/'))
            .output();
        let copied = copied.await.expect("a shell");
        let said = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "{said}");
    }

    /// The address of both servers: this one is tried first.
    pub(crate) fn and(&self, other: &Self) -> String {
        let socket = |server: &Self| server.dir.display().to_string().replace('/', "%2F");
        let (first, second) = (socket(self), socket(other));
        format!("postgres://postgres@{first},{second}/postgres")
    }

    /// The folder that holds all of it.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether it is there, though it may not answer.
    pub(crate) fn lives(&self) -> bool {
        let pid = match self.kind {
            "postgres" => self.dir.join("data/postmaster.pid"),
            _ => self.dir.join("pid"),
        };
        let pid = std::fs::read_to_string(pid).unwrap_or_default();
        let pid = pid.lines().next().unwrap_or_default().trim();
        let command = std::fs::read(format!("/proc/{pid}/cmdline"));
        !pid.is_empty() && command.is_ok_and(|command| !command.is_empty())
    }

    /// Ends the server as a crash would.
    pub(crate) async fn kill(&self) {
        self.script("kill").await;
    }

    /// Starts the server, and returns its URL when it takes connections.
    pub(crate) async fn start(&self) -> String {
        self.script("start").await.trim().to_owned()
    }

    async fn script(&self, action: &str) -> String {
        run(&self.arguments(action), self.on_loopback).await
    }

    fn arguments(&self, action: &str) -> [String; 3] {
        let dir = self.dir.display().to_string();
        [action.to_owned(), self.kind.to_owned(), dir]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut kill = Blocking::new(SCRIPT);
        // The script that runs the tests stops and removes the rest.
        kill.args(self.arguments("kill")).status().ok();
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

async fn run(arguments: &[String], on_loopback: bool) -> String {
    let mut script = Command::new(SCRIPT);
    if on_loopback {
        script.env("COURIER_TEST_TCP", "yes");
    }
    let ran = script.args(arguments).output();
    let Output {
        status,
        stdout,
        stderr,
    } = ran.await.expect("a shell");
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{arguments:?}: {said}");
    String::from_utf8(stdout).expect("UTF-8")
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/private-server.sh");
