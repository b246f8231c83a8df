//! A group of three MySQLs (Group Replication) whose primary loses the others.

use std::path::PathBuf;
use std::process::{Command as Blocking, Output};

use contact_courier::outbox::MySqlOutbox;
use tokio::process::Command;
use uuid::Uuid;

use crate::support::{Kind, admin_url, mysql_database, told};
use crate::world::until;

/// The group; it is stopped and removed when this is dropped.
struct Group {
    dir: PathBuf,
    /// Its own database, addressed by the primary.
    primary: String,
}

impl Group {
    /// Makes and starts a group; `None`, with a printed line, where MySQL has no plugin for it.
    #[expect(clippy::print_stderr, reason = "the test harness keeps it")]
    async fn new() -> Option<Self> {
        let name = Uuid::now_v7().simple().to_string();
        // A socket's path must be short.
        let dir = PathBuf::from(told("COURIER_TEST_SERVERS")).join(&name[20..]);
        let ran = Command::new(SCRIPT).arg("start").arg(&dir).output();
        let Output {
            status,
            stdout,
            stderr,
        } = ran.await.unwrap();
        let said = String::from_utf8_lossy(&stderr);
        if status.code() == Some(2) {
            eprintln!("NOT RUN: {}", said.trim());
            return None;
        }
        assert!(status.success(), "{said}");
        let members = String::from_utf8(stdout).unwrap();
        let primary = mysql_database(members.lines().next().unwrap()).await;
        Some(Self { dir, primary })
    }

    /// Sends a signal to both members that are not the primary.
    async fn signal_others(&self, signal: &str) {
        for member in ["node2", "node3"] {
            let pid = std::fs::read_to_string(self.dir.join(member).join("pid")).unwrap();
            let mut kill = Command::new("kill");
            let sent = kill.args(["-s", signal, pid.trim()]).status().await;
            assert!(sent.unwrap().success());
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

#[tokio::test]
async fn mysql_a_primary_that_has_lost_its_group_is_left_until_it_is_back() {
    if admin_url(Kind::MySql).is_none() {
        return;
    }
    let Some(group) = Group::new().await else {
        return;
    };
    let whole = MySqlOutbox::connect(&group.primary, 2).await;
    whole.expect("it takes writes").close().await;

    group.signal_others("STOP").await;
    let why = "does not reach 2 of 3 members";
    until(why, async || {
        let refused = MySqlOutbox::connect(&group.primary, 2).await.err();
        refused.is_some_and(|error| error.to_string().contains(why))
    })
    .await;

    group.signal_others("CONT").await;
    until("it takes writes again", async || {
        MySqlOutbox::connect(&group.primary, 2).await.is_ok()
    })
    .await;
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/group.sh");
