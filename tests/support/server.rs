//! A database server of one test alone, which may be killed and started again.

use std::path::PathBuf;
use std::process::{Command as Blocking, Output};

use tokio::process::Command;
use uuid::Uuid;

use crate::support::told;

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

    /// Ends it as a crash would.
    pub(crate) async fn kill(&self) {
        self.script("kill").await;
    }

    /// Starts it, and answers its URL when it takes connections.
    pub(crate) async fn start(&self) -> String {
        self.script("start").await.trim().to_owned()
    }

    async fn script(&self, action: &str) -> String {
        let mut script = Command::new(SCRIPT);
        if self.on_loopback {
            script.env("COURIER_TEST_TCP", "yes");
        }
        let ran = script.args(self.arguments(action)).output();
        let Output {
            status,
            stdout,
            stderr,
        } = ran.await.expect("a shell");
        let said = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{action} {}: {said}", self.kind);
        String::from_utf8(stdout).expect("UTF-8")
    }

    fn arguments(&self, action: &str) -> [String; 3] {
        let dir = self.dir.display().to_string();
        [action.to_owned(), self.kind.to_owned(), dir]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut kill = Blocking::new(SCRIPT);
        // What is left is stopped and removed by the script that runs the tests.
        kill.args(self.arguments("kill")).status().ok();
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/private-server.sh");
