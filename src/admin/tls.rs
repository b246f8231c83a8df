//! TLS of the admin port: a certificate and its key, read again when their files change.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError as Refused, RootCertStore, ServerConfig};
use tokio::time::sleep;

use crate::lock::lock;
use crate::settings::{CertificateError, ServerCertificate, Version};
use crate::telemetry::event::CertificateNews;
use crate::trust;

/// How often the files are checked for a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The certificate that is in force.
pub(super) struct Tls {
    files: ServerCertificate,
    last: Mutex<Last>,
}

/// The versions of both files.
type Versions = [Option<Version>; 2];

struct Last {
    /// The versions that were seen last, and the versions that were read last, good or bad.
    seen: Versions,
    read: Versions,
    /// Why they could not be used when they were last read.
    fault: Option<String>,
    chain: Vec<CertificateDer<'static>>,
    config: Arc<ServerConfig>,
    /// The last logged reason why the certificate is not valid at this time.
    untimely: Option<String>,
}

impl Tls {
    /// Reads both files, which have to be good and to fit together. An expired certificate is
    /// served nevertheless: contacts are sent without it, and the client's error tells what is
    /// wrong.
    pub(super) fn open(files: ServerCertificate) -> Result<Self, CertificateError> {
        let read = versions(&files);
        let (chain, config) = load(&files)?;
        let last = Mutex::new(Last {
            seen: read,
            read,
            fault: None,
            chain,
            config,
            untimely: None,
        });
        Ok(Self { files, last })
    }

    /// Returns the TLS configuration of new connections.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.last).config)
    }

    /// Follows the files and the validity of the certificate. Does not end.
    pub(super) async fn follow(&self) {
        loop {
            for news in self.look(UnixTime::now()) {
                news.emit();
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Takes over a change. Returns the news to log.
    fn look(&self, now: UnixTime) -> Vec<CertificateNews> {
        let seen = versions(&self.files);
        let mut last = lock(&self.last);
        // One of the two files is written first. Both are read once they are unchanged from one
        // look to the next. Otherwise each renewal would report two files that do not fit together.
        let is_settled = seen == last.seen;
        last.seen = seen;
        let mut news = Vec::new();
        if is_settled {
            news.extend(last.read_again(&self.files, seen));
        }
        let untimely = untimely(&last.chain, now);
        if untimely != last.untimely {
            news.extend(untimely.clone().map(CertificateNews::Untimely));
            last.untimely = untimely;
        }
        news
    }
}

impl Last {
    /// Reads the files if they have changed, or could not be used: the fault may have been one of the
    /// moment. Each fault is told once.
    fn read_again(&mut self, files: &ServerCertificate, seen: Versions) -> Option<CertificateNews> {
        let is_new = seen != self.read;
        if !is_new && self.fault.is_none() {
            return None;
        }
        self.read = seen;
        match load(files) {
            Ok((chain, config)) => {
                (self.chain, self.config, self.fault) = (chain, config, None);
                Some(CertificateNews::InForce)
            }
            Err(error) => {
                let fault = error.to_string();
                let is_told = !is_new && self.fault.as_ref() == Some(&fault);
                self.fault = Some(fault.clone());
                (!is_told).then_some(CertificateNews::Unused(fault))
            }
        }
    }
}

/// The validity of a certificate that can be used.
pub struct CertificateTime {
    /// Why the certificate is not valid at this time.
    pub untimely: Option<String>,
    /// The last day on which it and the certificates between it and the authority are valid.
    pub until: String,
}

/// Checks whether the files can be used, and returns for how long.
pub fn check_certificate(files: &ServerCertificate) -> Result<CertificateTime, CertificateError> {
    let (chain, _) = load(files)?;
    let last = chain.iter().filter_map(|one| match refused(one, NEVER)? {
        Refused::ExpiredContext { not_after, .. } => Some(not_after),
        _ => None,
    });
    let until = last.min().map_or_else(String::new, trust::day);
    let untimely = untimely(&chain, UnixTime::now());
    Ok(CertificateTime { untimely, until })
}

/// A time after the end of every certificate: the year 10000.
const NEVER: UnixTime = UnixTime::since_unix_epoch(Duration::from_hours(70_389_528));

/// Why one of these certificates is not valid at this time.
fn untimely(chain: &[CertificateDer<'static>], now: UnixTime) -> Option<String> {
    let mut refusals = chain.iter().filter_map(|one| refused(one, now));
    refusals.find_map(|why| trust::untimely(&why))
}

/// Why a client that trusts a certificate would refuse it at that time. A wrong time is found
/// first.
fn refused(certificate: &CertificateDer<'static>, now: UnixTime) -> Option<Refused> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).ok()?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
    let name = ServerName::try_from("localhost").ok()?;
    let told = verifier
        .build()
        .ok()?
        .verify_server_cert(certificate, &[], &name, &[], now);
    match told {
        Err(rustls::Error::InvalidCertificate(why)) => Some(why),
        _ => None,
    }
}

fn versions(files: &ServerCertificate) -> Versions {
    [&files.certificate, &files.key].map(|path| Version::of(path).ok())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn load(
    files: &ServerCertificate,
) -> Result<(Vec<CertificateDer<'static>>, Arc<ServerConfig>), CertificateError> {
    let (chain, key) = files.read()?;
    let unfit = |error: rustls::Error| {
        let why = match error {
            rustls::Error::InconsistentKeys(_) => "the key is that of another certificate".into(),
            other => other.to_string(),
        };
        CertificateError::Unfit(files.clone(), why)
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain.clone(), key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((chain, Arc::new(config)))
}
