//! The server for operators: metrics, health checks and the status page.
//!
//! Neighbours: the courier's pulse, the telemetry's metrics, and the outbox, which a task of this
//! module asks now and then. This module guarantees that every answer comes at once, even while the
//! platform or the database is away: no request waits for either, except an action of a user who
//! has logged in. Without a file of users it serves reading alone. It shows numbers masked and
//! secrets never, and bounds what a client can take of the process.

mod actions;
mod health;
mod history;
mod knocks;
mod listener;
mod login;
mod page;
mod picture;
pub mod probe;
mod readiness;
mod refusal;
mod routes;
mod seats;
mod server;
mod status;
mod tls;
mod waiting;

pub use self::listener::{Admin, AdminError, Subject};
pub use self::login::{UsersError, UsersFile, UsersFileError, hash_line};
pub use self::status::About;
pub use self::tls::{CertificateTime, check_certificate};
