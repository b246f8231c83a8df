//! The outbox in an SQLite file.
//!
//! SQLite lets one connection write at a time, so there is one: our own writers queue for it in
//! memory, and only other programs are waited for in the file. Readers have connections of their own
//! and wait for nobody. WAL with `synchronous=FULL` keeps what is committed through the loss of power.

mod columns;
mod dialect;
mod error;
mod indexing;
mod language;
mod migrating;
mod outbox;
mod server_report;
mod sessions;
mod setup;
mod statements;
mod traces;
mod transaction;

pub use self::outbox::SqliteOutbox;
