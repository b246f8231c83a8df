//! Files with the certificates of authorities.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::Fault;

/// Reads a file that a key names.
pub(super) fn read_any(key: &str, path: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(path).map_err(|error| fault(key, path, format!("cannot be read: {error}")))
}

/// Reads a file that a key names. Fails unless it holds a certificate.
pub(super) fn read(key: &str, path: &Path) -> Result<Vec<u8>, Fault> {
    let text = read_any(key, path)?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(text),
        _ => Err(fault(
            key,
            path,
            "holds no certificate that can be read; write that of the authority there, as PEM \
             (-----BEGIN CERTIFICATE-----)"
                .into(),
        )),
    }
}

fn fault(key: &str, path: &Path, rule: String) -> Fault {
    Fault {
        key: key.into(),
        found: format!("{key} = {}", path.display()),
        origin: None,
        rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        for text in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\n!!")] {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let said = read("x.ca_file", &path).unwrap_err().to_string();
            assert!(
                said.starts_with("x.ca_file = ") && said.contains("ca.pem"),
                "{said}"
            );
        }
    }
}
