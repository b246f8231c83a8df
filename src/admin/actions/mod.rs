//! What users do on the status page: pause, resume, requeue and cancel, as the commands do it.
//!
//! Each request says `dry_run`: with it, it is only counted what there is. One long action runs at a
//! time, and goes on if its browser goes away, which may come back and ask how far it is. Counting has a
//! turn of its own.

mod hands;
mod latest;
mod orders;
mod routes;
mod turn;

pub(super) use self::hands::Hands;
pub(super) use self::routes::router;
