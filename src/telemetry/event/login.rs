//! Events of the log-in to the status page, and of the admin port's certificate.

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

/// A log-in failed: no user with this password.
pub struct LogInRefused<'a> {
    /// The name of an existing user, or `unknown`.
    pub user: &'a str,
}

impl LogInRefused<'_> {
    pub fn emit(&self) {
        warn!(target: LIFECYCLE, user = self.user, "a log-in to the status page was refused");
    }
}

/// A viewer was refused at the admin port: no viewer with this password.
pub struct ViewerRefused<'a> {
    /// The name of an existing viewer, or `unknown`.
    pub viewer: &'a str,
}

impl ViewerRefused<'_> {
    pub fn emit(&self) {
        warn!(target: LIFECYCLE, viewer = self.viewer, "somebody who wants to look at the admin port was refused");
    }
}

/// A file of users or viewers has changed.
pub enum UsersChanged {
    /// The changed file is in force.
    InForce,
    /// The file names nobody, or is gone; the words say why it lets nobody in.
    Nobody(String),
    /// The changed file is not used; the words say why.
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

/// The certificate of the admin port has news.
#[derive(Debug, PartialEq, Eq)]
pub enum CertificateNews {
    /// The changed certificate is in force.
    InForce,
    /// The changed certificate is not used; the words say why.
    Unused(String),
    /// The certificate in force fails a check by its clients; the words say why.
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
