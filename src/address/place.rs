//! An address with everything that is needed to connect by it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use super::shown::without_password;
use super::tls::Tls;

/// The place of a database, the security of the way there, and the password for it.
#[derive(Clone)]
pub struct Address {
    /// The address, which may name several servers, and may hold a password.
    pub url: String,
    /// The password, if the address does not hold it.
    pub password: Option<SecretString>,
    /// How the way has to be secured; `None`: as the distance of the server demands.
    pub tls: Option<Tls>,
    /// A file with the certificates of authorities that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// If a part of it comes from files that may change: looks at these files.
    pub renew: Option<Arc<dyn Renew>>,
}

/// Looks at the files that a part of an address comes from.
pub trait Renew: Send + Sync {
    /// Returns the address by the present content of the files, if they have changed since the last
    /// call. `Some(Err)`: they have changed, and cannot be used; the reason, in a line without a
    /// secret.
    fn renewed(&self) -> Option<Result<Address, String>>;
}

impl From<&str> for Address {
    fn from(url: &str) -> Self {
        Self {
            url: url.into(),
            password: None,
            tls: None,
            ca_file: None,
            renew: None,
        }
    }
}

impl From<&String> for Address {
    fn from(url: &String) -> Self {
        url.as_str().into()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", without_password(&self.url))
    }
}
