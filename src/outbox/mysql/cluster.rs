//! Clusters all of whose nodes take writes: Galera (MariaDB, Percona) and Group Replication
//! (MySQL).
//!
//! There a lock stays on its own node, and a read may be behind. Three things make the courier
//! right on them. Each transaction that writes in the name of a lease writes the lane's row, so
//! that of two nodes only one can commit. Sessions wait before they read until every commit has
//! arrived, wherever it was made. And before its end, a transaction is asked whether it still
//! stands. A single server needs none of this and does not pay for it: each new session looks where
//! it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{MySql, MySqlConnection, Result, Row, Transaction};

use super::statements::{CLUSTER, STANDS};
use crate::outbox::rows::Columns;

/// The wait of each session on a node of Galera before it reads, updates or deletes, and inserts.
const WAITING_READS_OF_GALERA: &str = "SET SESSION wsrep_sync_wait = 7";

/// The same wait on Group Replication.
const WAITING_READS_OF_GROUP: &str = "SET SESSION group_replication_consistency = 'BEFORE'";

/// The transaction was undone by its node, which did not say so. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
#[error("the transaction was undone by another node's")]
pub(super) struct Undone;

/// A kind of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// wsrep: MariaDB Galera Cluster, Percona `XtraDB` Cluster.
    Galera,
    /// MySQL's.
    GroupReplication,
}

impl Kind {
    /// For people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Galera => "Galera",
            Self::GroupReplication => "Group Replication",
        }
    }

    /// Returns the kind of cluster that the session's server belongs to, if to any.
    pub(super) async fn of(session: &mut MySqlConnection) -> Result<Option<Self>> {
        let variables = sqlx::raw_sql(CLUSTER).fetch_all(session).await?;
        let is_set = |name: &str| {
            variables
                .iter()
                .filter(|row| row.text(0).is_some_and(|is| is.eq_ignore_ascii_case(name)))
                .filter_map(|row| row.text(1))
                .any(|value| !["", "OFF", "none"].contains(&value.as_str()))
        };
        Ok(if is_set("wsrep_on") && is_set("wsrep_provider") {
            Some(Self::Galera)
        } else {
            is_set("group_replication_group_name").then_some(Self::GroupReplication)
        })
    }
}

/// Whether any session has found itself on a cluster.
#[derive(Clone, Debug, Default)]
pub(in crate::outbox) struct Cluster(Arc<AtomicBool>);

impl Cluster {
    /// Prepares a new session for the server that it is on.
    pub(super) async fn prepare(&self, session: &mut MySqlConnection) -> Result<()> {
        let waiting_reads = match Kind::of(session).await? {
            None => return Ok(()),
            Some(Kind::Galera) => WAITING_READS_OF_GALERA,
            Some(Kind::GroupReplication) => WAITING_READS_OF_GROUP,
        };
        sqlx::raw_sql(waiting_reads).execute(session).await?;
        self.0.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether locks are not enough.
    pub(super) fn is_one(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Commits the transaction if it still stands.
    pub(super) async fn commit(&self, mut tx: Transaction<'_, MySql>) -> Result<()> {
        if self.is_one() {
            stands(&mut tx).await?;
        }
        tx.commit().await
    }
}

/// Fails if the session's transaction was undone.
pub(super) async fn stands(session: &mut MySqlConnection) -> Result<()> {
    let stands = sqlx::raw_sql(STANDS).fetch_one(session).await?;
    if stands.try_get_unchecked::<i64, _>(0)? == 1 {
        Ok(())
    } else {
        Err(sqlx::Error::AnyDriverError(Box::new(Undone)))
    }
}
