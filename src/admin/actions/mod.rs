//! The actions of users on the status page: pause, resume, requeue and cancel, as the commands do
//! them.
//!
//! A request with `dry_run` only counts. One long action runs at a time. It goes on if its browser
//! goes away, which may come back and ask for the progress. Counting has a turn of its own.

mod hands;
mod latest;
mod orders;
mod routes;
mod turn;

pub(super) use self::hands::Hands;
pub(super) use self::routes::router;
