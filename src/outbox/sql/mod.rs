//! The outbox on a database that speaks SQL, written once for all of them.
//!
//! A database brings its [`language`] with its [`statements`], its [`sessions`], its [`setup`], and in its
//! [`dialect`] what it does in its own way. Each call of the two doors ([`outbox`], [`operations`]) gets a
//! session, asks ([`ask`]) and reads what is returned (`outbox::rows`, `outbox::operations`), within the
//! limits of [`call`].

pub(super) mod ask;
mod call;
mod cancelling;
pub(super) mod dialect;
mod driver;
mod erasing;
mod failing;
mod finding;
mod history;
pub(super) mod inserting;
pub(super) mod language;
pub(super) mod leasing;
pub(super) mod migrating;
mod operating;
mod operations;
mod orders;
mod outbox;
mod patience;
mod pruning;
pub(super) mod rates;
pub(super) mod reading;
pub(super) mod recording;
mod results;
pub(super) mod sessions;
pub(super) mod setup;
pub(super) mod statements;
mod trying;
pub(super) mod value;
pub(super) mod writing_session;
pub(super) mod written;

pub use self::outbox::SqlOutbox;
