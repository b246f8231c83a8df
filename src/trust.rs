//! Why a server cannot be trusted, in words that say what to do.
//!
//! The libraries report it in their own names, deep within their errors. The same words serve for
//! the servers of databases, the platform and a collector of traces.

use std::error::Error;
use std::io;

use rustls::CertificateError;
use rustls::pki_types::UnixTime;

/// The remedy for an authority's certificate that signs itself.
const OWN: &str = "its certificate is that of an authority, which no server may show for itself; have \
    an authority sign one for the server";

/// Says why TLS has failed, if that is the error's cause. `ca_file` is the key of the settings that
/// names the authorities which are trusted besides the system's.
pub(crate) fn refusal(error: &(dyn Error + 'static), ca_file: &str) -> Option<String> {
    let error = causes(error).find_map(tls)?;
    Some(match error {
        rustls::Error::InvalidCertificate(why) => certificate(why, ca_file),
        rustls::Error::InvalidMessage(_) => {
            "what answers on this port speaks no TLS; check host and port".into()
        }
        rustls::Error::PeerIncompatible(_) => {
            "it speaks no TLS that is safe; it needs TLS 1.2 or newer".into()
        }
        rustls::Error::AlertReceived(alert) => format!(
            "it has refused our TLS ({alert:?}); see its log, and whether it wants a certificate of \
             ours or speaks TLS 1.2 or newer"
        ),
        other => format!("TLS has failed: {other}"),
    })
}

/// Returns an error and its causes. An I/O error's cause is the error that it wraps, not that
/// error's own cause.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error.downcast_ref()
}

fn certificate(why: &CertificateError, ca_file: &str) -> String {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "no authority that this machine trusts has signed its certificate; write that of its \
             authority into a file, and the file's path into {ca_file}"
        ),
        CertificateError::NotValidForName => {
            "its certificate is for another name; write a name of the certificate into the address"
                .into()
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "its certificate is for {}, and not for {}; write a name of the certificate into the \
             address",
            names(presented),
            expected.to_str()
        ),
        CertificateError::Expired => expired(""),
        CertificateError::ExpiredContext { not_after, .. } => {
            expired(&format!(" on {}", day(*not_after)))
        }
        CertificateError::NotValidYet => not_yet(""),
        CertificateError::NotValidYetContext { not_before, .. } => {
            not_yet(&format!(" before {}", day(*not_before)))
        }
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            format!("{OWN}, and name the authority's in {ca_file}")
        }
        other => format!("its certificate is refused: {other}"),
    }
}

/// Why a certificate is refused for its time alone.
pub(crate) fn untimely(why: &CertificateError) -> Option<String> {
    match why {
        CertificateError::ExpiredContext { not_after, .. } => {
            Some(format!("it has expired on {}", day(*not_after)))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            Some(format!("it does not hold before {}", day(*not_before)))
        }
        _ => None,
    }
}

fn expired(when: &str) -> String {
    format!("its certificate has expired{when}; renew it there, or set this host's clock right")
}

fn not_yet(when: &str) -> String {
    format!("its certificate does not hold yet{when}; set this host's clock right")
}

/// How many names of a certificate are listed: a certificate of a large host has hundreds.
const MOST_NAMES: usize = 5;

/// Returns the names of a certificate without the library's words around them.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name".into();
    }
    let bare = presented.iter().map(|name| {
        let (_, name) = name.split_once('(').unwrap_or(("", name));
        name.trim_matches([')', '"']).to_owned()
    });
    let mut told: Vec<String> = bare.take(MOST_NAMES).collect();
    if let Some(more @ 1..) = presented.len().checked_sub(MOST_NAMES) {
        told.push(format!("{more} more"));
    }
    told.join(" and ")
}

/// The day of a time, for people.
pub(crate) fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(String::new, |time| {
        time.to_string().chars().take(10).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::ServerName;
    use std::time::Duration;

    fn said(error: rustls::Error) -> String {
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, error);
        let wrapped = io::Error::other(wrapped);
        let said = refusal(&wrapped, "x.ca_file").unwrap();
        assert!(!said.contains('\n'));
        said
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_with_the_remedy() {
        let late = UnixTime::since_unix_epoch(Duration::from_secs(1_700_000_000));
        for (why, words) in [
            (CertificateError::UnknownIssuer, "into x.ca_file"),
            (
                CertificateError::NotValidForNameContext {
                    expected: ServerName::try_from("db.example").unwrap(),
                    presented: vec!["DnsName(\"other.example\")".into()],
                },
                "is for other.example, and not for db.example",
            ),
            (
                CertificateError::ExpiredContext {
                    time: late,
                    not_after: late,
                },
                "expired on 2023-11-14; renew it",
            ),
            (CertificateError::NotValidYet, "clock"),
            (CertificateError::Revoked, "refused"),
        ] {
            let said = said(rustls::Error::InvalidCertificate(why));
            assert!(said.contains(words), "{said}");
        }
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert!(said(plain).contains("speaks no TLS"));
    }

    #[test]
    fn of_many_names_the_first_are_told_and_how_many_more_there_are() {
        let presented = |count| {
            let names = (1..=count).map(|nth| format!("DnsName(\"{nth}.example\")"));
            names.collect::<Vec<_>>()
        };
        let five = "1.example and 2.example and 3.example and 4.example and 5.example";
        assert_eq!(names(&presented(5)), five);
        assert_eq!(names(&presented(300)), format!("{five} and 295 more"));
        assert_eq!(names(&[]), "no name");
    }

    #[test]
    fn other_trouble_is_not_told_as_one_of_tls() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(refusal(&refused, "x.ca_file"), None);
    }
}
