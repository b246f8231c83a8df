//! The part that our HTTP clients share: the platform's, that of a collector of traces, and the one
//! that asks a courier of this host whether it lives.
//!
//! They share no client, and so neither a connection nor a token.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use reqwest::{Client, ClientBuilder, NoProxy, Proxy, Response, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use crate::trust;

/// The way of a client to its server.
#[derive(Clone)]
pub struct Way {
    /// The section of the settings that configures it, for errors.
    pub section: &'static str,
    /// The proxy in between. It may hold a password.
    pub proxy: Option<Url>,
    /// The certificates of authorities that are trusted besides the system's, as PEM.
    pub authorities: Vec<u8>,
}

/// Without the proxy's user, whose name may be a token.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way")
            .field("section", &self.section)
            .field("proxy", &self.proxy.as_ref().map(without_user))
            .field("authorities", &self.authorities.len())
            .finish()
    }
}

/// A client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    /// There are no certificates of authorities.
    #[error(
        "this machine has no certificates of authorities, so that no https:// address can be trusted; \
         install them (the package ca-certificates), or set {0}.ca_file"
    )]
    NoAuthorities(&'static str),
    /// Anything else.
    #[error("{0}")]
    SetUp(String),
}

impl Way {
    /// No proxy, and the system's authorities.
    pub fn straight(section: &'static str) -> Self {
        Self {
            section,
            proxy: None,
            authorities: Vec::new(),
        }
    }

    /// Makes a client that goes this way to an address, follows no redirect and retries nothing by
    /// itself.
    pub(crate) fn client(&self, to: &Url) -> Result<ClientBuilder, WayError> {
        let roots = self.roots();
        if roots.is_empty() && to.scheme() == "https" {
            return Err(WayError::NoAuthorities(self.section));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| WayError::SetUp(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = begun().tls_backend_preconfigured(tls);
        let Some(proxy) = &self.proxy else {
            // Otherwise the environment's proxy would get the token.
            return Ok(client.no_proxy());
        };
        let proxy = Proxy::all(proxy.as_str()).map_err(|error| WayError::SetUp(chain(error)))?;
        Ok(client.proxy(proxy.no_proxy(None::<NoProxy>)))
    }

    /// Returns the system's authorities, as far as they can be read, and the named ones.
    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let named = CertificateDer::pem_slice_iter(&self.authorities).flatten();
        roots.add_parsable_certificates(named);
        roots
    }

    /// Returns an error in one line, without the address. If the fault is in the way, it says what
    /// to do.
    pub(crate) fn explain(&self, error: reqwest::Error) -> String {
        let section = self.section;
        let is_connect = error.is_connect();
        let why = trust::refusal(&error, &format!("{section}.ca_file"));
        let why = why.unwrap_or_else(|| chain(error));
        match &self.proxy {
            Some(proxy) if is_connect => {
                let proxy = without_user(proxy);
                format!("{why} (through the proxy {proxy}; check {section}.proxy)")
            }
            _ => why,
        }
    }
}

/// A proxy as people may see it.
pub(crate) fn without_user(proxy: &Url) -> String {
    let mut shown = proxy.clone();
    // This fails only for an address that cannot have a user.
    if shown
        .set_username("")
        .and(shown.set_password(None))
        .is_err()
    {
        return proxy.scheme().to_owned();
    }
    shown.as_str().trim_end_matches('/').to_owned()
}

/// A client for this host alone: no proxy, no authority.
pub(crate) fn on_this_host() -> ClientBuilder {
    begun().no_proxy().tls_certs_only([])
}

fn begun() -> ClientBuilder {
    // Another part of the process may have chosen a provider already; any will do.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    Client::builder()
        .user_agent(concat!("contact-courier/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
}

/// Reads the body of an answer. One that is longer than `most` bytes is cut a little behind them.
pub(crate) async fn body(mut answer: Response, most: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk[..chunk.len().min(most + 1 - body.len())]);
        if body.len() > most {
            break;
        }
    }
    Ok(body)
}

/// The innermost cause of an error, such as `Connection refused (os error 111)`.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Returns an error with its causes in one line, without the address: reqwest keeps the useful
/// words in the innermost cause.
pub(crate) fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !line.contains(&cause_text) {
            line.push_str(": ");
            line.push_str(&cause_text);
        }
        source = cause.source();
    }
    line
}
