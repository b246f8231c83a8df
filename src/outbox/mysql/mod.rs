//! The outbox on MySQL or MariaDB.
//!
//! Durability is the server's to give (`innodb_flush_log_at_trx_commit`): no session can ask for it.

mod cluster;
mod columns;
mod dialect;
mod error;
mod facts;
mod indexing;
mod inserting;
mod language;
mod leasing;
mod lists;
mod migrating;
mod outbox;
mod rates;
mod reading;
mod recording;
mod server_kind;
mod server_report;
mod sessions;
mod setup;
mod statements;

pub use self::outbox::MySqlOutbox;
