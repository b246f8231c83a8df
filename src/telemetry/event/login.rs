//! Who comes to the status page to act.

use tracing::{info, warn};

use super::target::LIFECYCLE;

/// A user has logged in.
pub struct LoggedIn<'a> {
    pub user: &'a str,
}

impl LoggedIn<'_> {
    pub fn emit(&self) {
        info!(target: LIFECYCLE, user = self.user, "logged in to the status page");
    }
}

/// Somebody has given no user with its password.
pub struct LogInRefused<'a> {
    /// A user that there is, or `unknown`.
    pub user: &'a str,
}

impl LogInRefused<'_> {
    pub fn emit(&self) {
        warn!(target: LIFECYCLE, user = self.user, "a log-in to the status page was refused");
    }
}

/// The file of those who may log in has changed.
pub struct UsersChanged {
    /// Why it is not used; `None`: it is in force.
    pub why: Option<String>,
}

impl UsersChanged {
    pub fn emit(&self) {
        match &self.why {
            None => info!(target: LIFECYCLE, "the changed admin.users_file is in force"),
            Some(error) => {
                warn!(target: LIFECYCLE, error, "the changed admin.users_file is not used: those of before may log in");
            }
        }
    }
}
