//! A group of three MySQL servers (Group Replication) for one test alone.

use std::path::PathBuf;
use std::process::{Command as Blocking, Output};

use tokio::process::Command;
use url::Url;
use uuid::Uuid;

use crate::support::{Kind, admin_url, mysql_database, told};

/// The group; it is stopped and removed when this is dropped.
pub(crate) struct Group {
    dir: PathBuf,
    /// Its own database, addressed by the primary.
    pub(crate) primary: String,
}

impl Group {
    /// Makes and starts a group; `None`, with a printed line, where there is no MySQL, or none with the plugin.
    #[expect(clippy::print_stderr, reason = "the test harness keeps it")]
    pub(crate) async fn new() -> Option<Self> {
        admin_url(Kind::MySql)?;
        let name = Uuid::now_v7().simple().to_string();
        // A socket's path must be short.
        let dir = PathBuf::from(told("COURIER_TEST_SERVERS")).join(&name[20..]);
        let ran = Command::new(SCRIPT).arg("start").arg(&dir).output();
        let Output {
            status,
            stdout,
            stderr,
        } = ran.await.expect("a shell");
        let said = String::from_utf8_lossy(&stderr);
        if status.code() == Some(2) {
            eprintln!("NOT RUN: {}", said.trim());
            return None;
        }
        assert!(status.success(), "{said}");
        let members = String::from_utf8(stdout).expect("UTF-8");
        let primary = mysql_database(members.lines().next().expect("a member")).await;
        Some(Self { dir, primary })
    }

    /// The address of all members on loopback, the first of them first.
    pub(crate) fn everybody(&self) -> String {
        let base = std::fs::read_to_string(self.dir.join("ports")).expect("their ports");
        let base: u16 = base.trim().parse().expect("a port");
        let hosts = [1, 3, 5].map(|behind| format!("127.0.0.1:{}", base + behind));
        let database = Url::parse(&self.primary).expect("a URL").path().to_owned();
        format!("mysql://root@{}{database}", hosts.join(","))
    }

    /// Sends a signal to both members that were not the primary at the start.
    pub(crate) async fn signal_others(&self, signal: &str) {
        for member in ["node2", "node3"] {
            let pid = std::fs::read_to_string(self.dir.join(member).join("pid")).expect("a pid");
            let mut kill = Command::new("kill");
            let sent = kill.args(["-s", signal, pid.trim()]).status().await;
            assert!(sent.expect("kill").success());
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut stop = Blocking::new(SCRIPT);
        stop.arg("stop").arg(&self.dir).status().ok();
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/group.sh");
