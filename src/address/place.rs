//! An address with all that is needed to connect by it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use super::shown::without_password;
use super::tls::Tls;

/// Where a database is, how the way there has to be secured, and what opens it.
#[derive(Clone)]
pub struct Address {
    /// The address, which may name several servers, and may hold a password.
    pub url: String,
    /// The password, where the address does not hold it.
    pub password: Option<SecretString>,
    /// How the way has to be secured; `None`: as the distance of the server demands.
    pub tls: Option<Tls>,
    /// A file with the certificates of authorities that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Where a part of it comes from files that may change: who looks at them.
    pub renew: Option<Arc<dyn Renew>>,
}

/// Looks at the files that a part of an address comes from.
pub trait Renew: Send + Sync {
    /// The address by what the files hold now, if they have changed since they were last looked at here.
    /// `Some(Err)`: they have changed, and cannot be used; why, in a line without a secret.
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
