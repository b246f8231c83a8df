//! A PostgreSQL with a standby that lags behind it, and a pgpool that balances reads over both.

use std::path::PathBuf;
use std::process::Command as Blocking;

use tokio::process::Command;
use uuid::Uuid;

use crate::support::{Db, told};

/// A primary, a standby and a pgpool; they are stopped and removed when this is dropped.
pub(super) struct Balanced {
    dir: PathBuf,
    /// The address of pgpool.
    pub(super) address: String,
    primary: String,
}

impl Balanced {
    /// Makes and starts all of them.
    pub(super) async fn new() -> Self {
        let name = Uuid::now_v7().simple().to_string();
        // A socket's path must be short.
        let dir = PathBuf::from(told("COURIER_TEST_SERVERS")).join(&name[20..]);
        let ran = Command::new(SCRIPT).arg("start").arg(&dir).output();
        let ran = ran.await.expect("a shell");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        let urls = String::from_utf8(ran.stdout).expect("UTF-8");
        let (address, primary) = urls.trim().split_once('\n').expect("two URLs");
        Self {
            dir,
            address: address.to_owned(),
            primary: primary.to_owned(),
        }
    }

    /// Returns the database, migrated, without pgpool in between.
    pub(super) async fn database(&self) -> Db {
        let db = Db::postgres_at(self.primary.clone()).await;
        db.outbox.migrate().await.expect("migrates");
        db
    }
}

impl Drop for Balanced {
    fn drop(&mut self) {
        let mut stop = Blocking::new(SCRIPT);
        stop.arg("stop").arg(&self.dir).status().ok();
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/pgpool.sh");
