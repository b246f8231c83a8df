//! The certificate that the admin port shows, and its key.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The two files.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// `admin.cert_file`: the certificate, and the certificates between it and the authority.
    pub certificate: PathBuf,
    /// `admin.key_file`.
    pub key: PathBuf,
}

/// The files cannot be used. The error never shows their content.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// One cannot be read.
    #[error("{0} = {1} cannot be read: {2}")]
    Unreadable(&'static str, PathBuf, io::Error),
    /// A file holds something else.
    #[error("{0} = {1} holds no {2}")]
    Empty(&'static str, PathBuf, &'static str),
    /// The files do not fit together, or not to TLS.
    #[error("{0} cannot be used: {1}")]
    Unfit(ServerCertificate, String),
}

impl fmt::Display for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [certificate, key] = [&self.certificate, &self.key].map(|path| path.display());
        write!(
            f,
            "admin.cert_file = {certificate} with admin.key_file = {key}"
        )
    }
}

impl ServerCertificate {
    /// Reads both files.
    pub fn read(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertificateError> {
        let (name, path) = ("admin.cert_file", &self.certificate);
        let text = read(name, path)?;
        let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let chain = chain.unwrap_or_default();
        if chain.is_empty() {
            let what =
                "certificate that can be read; write it there as PEM (-----BEGIN CERTIFICATE-----)";
            return Err(CertificateError::Empty(name, path.clone(), what));
        }
        let (name, path) = ("admin.key_file", &self.key);
        let key = PrivateKeyDer::from_pem_slice(&read(name, path)?);
        let what = "private key that can be read; write it there as PEM (-----BEGIN PRIVATE KEY-----), \
                    without a passphrase";
        let key = key.map_err(|_| CertificateError::Empty(name, path.clone(), what))?;
        Ok((chain, key))
    }
}

fn read(name: &'static str, path: &Path) -> Result<Vec<u8>, CertificateError> {
    let unreadable = |error| CertificateError::Unreadable(name, path.to_owned(), error);
    fs::read(path).map_err(unreadable)
}
