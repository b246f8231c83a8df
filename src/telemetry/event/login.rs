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
pub enum UsersChanged {
    /// It is in force.
    InForce,
    /// It names nobody, or is gone: why nobody may log in.
    Nobody(String),
    /// It is not used: why.
    Wrong(String),
}

impl UsersChanged {
    pub fn emit(&self) {
        match self {
            Self::InForce => info!(target: LIFECYCLE, "the changed admin.users_file is in force"),
            Self::Nobody(error) => {
                warn!(target: LIFECYCLE, error, "nobody may log in to the status page any longer, and all sessions have ended");
            }
            Self::Wrong(error) => {
                warn!(target: LIFECYCLE, error, "the changed admin.users_file is not used: those of before may log in");
            }
        }
    }
}
