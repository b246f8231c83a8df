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

/// Somebody who wants to look at the admin port has given no viewer with its password.
pub struct ViewerRefused<'a> {
    /// A viewer that there is, or `unknown`.
    pub viewer: &'a str,
}

impl ViewerRefused<'_> {
    pub fn emit(&self) {
        warn!(target: LIFECYCLE, viewer = self.viewer, "somebody who wants to look at the admin port was refused");
    }
}

/// A file of those who may log in, or look, has changed.
pub enum UsersChanged {
    /// It is in force.
    InForce,
    /// It names nobody, or is gone: why it lets nobody in.
    Nobody(String),
    /// It is not used: why.
    Wrong(String),
}

impl UsersChanged {
    /// `file`: the setting that names it.
    pub fn emit(&self, file: &str) {
        match self {
            Self::InForce => info!(target: LIFECYCLE, "the changed {file} is in force"),
            Self::Nobody(error) => {
                warn!(target: LIFECYCLE, error, "nobody may log in by {file} any longer, and all sessions by it have ended");
            }
            Self::Wrong(error) => {
                warn!(target: LIFECYCLE, error, "the changed {file} is not used: the earlier users may still log in");
            }
        }
    }
}

/// Something is new about the certificate of the admin port.
#[derive(Debug, PartialEq, Eq)]
pub enum CertificateNews {
    /// The changed one is in force.
    InForce,
    /// The changed one is not used: why.
    Unused(String),
    /// The one in force is refused by whoever checks it: why.
    Untimely(String),
}

impl CertificateNews {
    pub fn emit(&self) {
        match self {
            Self::InForce => {
                info!(target: LIFECYCLE, "the changed certificate of the admin port is in force");
            }
            Self::Unused(error) => {
                warn!(target: LIFECYCLE, error, "the changed certificate of the admin port is not used: the earlier one stays in use");
            }
            Self::Untimely(error) => {
                warn!(target: LIFECYCLE, error, "whoever checks the certificate of the admin port refuses it; renew it, or set this host's clock right");
            }
        }
    }
}
