//! The outbox on PostgreSQL.
//!
//! Durability comes from `synchronous_commit=on` in its own transactions, whatever the server's default
//! is; plans stay the same however stale the table's statistics are ([`sessions`]).

mod columns;
mod dialect;
mod error;
mod indexing;
mod language;
mod lists;
mod migrating;
mod of_address;
mod outbox;
mod pooler;
mod recording;
mod server_kind;
mod server_report;
mod sessions;
mod setup;
mod statements;

pub use self::outbox::PostgresOutbox;
