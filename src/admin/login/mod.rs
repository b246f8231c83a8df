//! The right to act on the status page: users of a file, their sessions, and requests that only the
//! page itself can make. Also the right to look, if it is limited.
//!
//! A request acts for a user if it comes from the page itself, with the cookie of a session and
//! with its token. The browser keeps the cookie from scripts, and the token from pages of other
//! origins, so that neither is of use alone. This module guarantees that guessing passwords costs
//! the courier at most one thread at a time, and does not reveal which users there are.

mod checks;
mod door;
mod request;
mod routes;
mod sessions;
mod users;
mod users_file;
mod viewers;

pub(super) use self::door::Door;
pub(super) use self::request::{json, refuse_foreign};
pub(super) use self::routes::router;
pub use self::users::{UsersError, hash_line};
pub use self::users_file::{UsersFile, UsersFileError};
pub(super) use self::viewers::{Viewers, admit};
