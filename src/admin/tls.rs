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

/// How often the files are looked at for a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The certificate that is in force.
pub(super) struct Tls {
    files: ServerCertificate,
    last: Mutex<Last>,
}

/// A writing of both files.
type Versions = [Option<Version>; 2];

struct Last {
    /// The writing that was seen last, and the one that was read last, good or bad.
    seen: Versions,
    read: Versions,
    chain: Vec<CertificateDer<'static>>,
    config: Arc<ServerConfig>,
    /// Why its time is not now, as it was told.
    untimely: Option<String>,
}

impl Tls {
    /// Reads both files, which have to be good and to fit together. One whose time is over is shown
    /// nevertheless: contacts are sent without it, and whoever looks says what is wrong.
    pub(super) fn open(files: ServerCertificate) -> Result<Self, CertificateError> {
        let read = versions(&files);
        let (chain, config) = load(&files)?;
        let last = Mutex::new(Last {
            seen: read,
            read,
            chain,
            config,
            untimely: None,
        });
        Ok(Self { files, last })
    }

    /// How new connections are secured.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.last).config)
    }

    /// Follows the files, and the time of the certificate. Does not end.
    pub(super) async fn follow(&self) {
        loop {
            for news in self.look(UnixTime::now()) {
                news.emit();
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Takes over what has changed. Returns what there is to tell.
    fn look(&self, now: UnixTime) -> Vec<CertificateNews> {
        let seen = versions(&self.files);
        let mut last = lock(&self.last);
        // Of the two files one is written first. Both are read once they have rested from one look to
        // the next, or each renewal would tell of two that do not fit together.
        let is_new = seen != last.read && seen == last.seen;
        last.seen = seen;
        let mut news = Vec::new();
        if is_new {
            last.read = seen;
            match load(&self.files) {
                Ok((chain, config)) => {
                    (last.chain, last.config) = (chain, config);
                    news.push(CertificateNews::InForce);
                }
                Err(error) => news.push(CertificateNews::Unused(error.to_string())),
            }
        }
        let untimely = untimely(&last.chain, now);
        if untimely != last.untimely {
            news.extend(untimely.clone().map(CertificateNews::Untimely));
            last.untimely = untimely;
        }
        news
    }
}

/// How a certificate is that can be used.
pub struct CertificateTime {
    /// Why its time is not now.
    pub untimely: Option<String>,
    /// The last day of it and of those between it and the authority.
    pub until: String,
}

/// Whether the files can be used, and how long.
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

/// A time that no certificate lives to see: the year 10000.
const NEVER: UnixTime = UnixTime::since_unix_epoch(Duration::from_hours(70_389_528));

/// Why the time of one of these is not now.
fn untimely(chain: &[CertificateDer<'static>], now: UnixTime) -> Option<String> {
    let mut refusals = chain.iter().filter_map(|one| refused(one, now));
    refusals.find_map(|why| trust::untimely(&why))
}

/// Why a certificate is refused at that time by one who trusts it. That its time is another comes first.
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
