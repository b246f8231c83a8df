//! Asks a running courier whether it lives: the other side of `/healthz`.
//!
//! This serves health checks where there is no HTTP client, as in an image without a shell. It
//! calls only the address that the courier of this host listens on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::http;

/// How long a courier may take to answer. A healthy one answers at once.
const WITHIN: Duration = Duration::from_secs(5);

/// The most bytes that are read: more than a courier answers.
const LARGEST: usize = 64 * 1024;

/// A courier's report about itself.
#[derive(Debug, Deserialize, Serialize)]
pub struct Life {
    /// In a word: `healthy`, `unhealthy` or `stopping`.
    pub status: String,
    /// In a sentence.
    pub reason: String,
    /// Whether it needs no restart.
    #[serde(skip_deserializing)]
    pub alive: bool,
}

/// No courier has answered.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing listens there.
    #[error("no courier answers on admin.listen = {0}: {1}")]
    Unreachable(SocketAddr, String),
    /// The listener keeps silent.
    #[error("no courier answers on admin.listen = {0} within {WITHIN:?}")]
    Silent(SocketAddr),
    /// The listener is another program.
    #[error("what answers on admin.listen = {0} is no courier")]
    Foreign(SocketAddr),
}

/// Asks the courier that listens on this address.
pub async fn ask(listen: SocketAddr, by_tls: bool) -> Result<Life, ProbeError> {
    let asked = timeout(WITHIN, get(callable(listen), listen, by_tls));
    asked.await.unwrap_or(Err(ProbeError::Silent(listen)))
}

/// Replaces "any address", which can be listened on but not called.
fn callable(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    listen
}

async fn get(address: SocketAddr, listen: SocketAddr, by_tls: bool) -> Result<Life, ProbeError> {
    // The courier is on this host, so there is no proxy, and any certificate will do.
    let client = http::on_this_host()
        .tls_danger_accept_invalid_certs(by_tls)
        .build();
    let scheme = if by_tls { "https" } else { "http" };
    let client = client.map_err(|error| ProbeError::Unreachable(listen, http::cause(&error)))?;
    let asked = client.get(format!("{scheme}://{address}/healthz")).send();
    let answer = asked.await.map_err(|error| {
        if error.is_connect() {
            ProbeError::Unreachable(listen, http::cause(&error))
        } else {
            ProbeError::Foreign(listen)
        }
    })?;
    let alive = answer.status().is_success();
    let body = http::body(answer, LARGEST).await.unwrap_or_default();
    let life: Life = serde_json::from_slice(&body).map_err(|_| ProbeError::Foreign(listen))?;
    Ok(Life { alive, ..life })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Asks a listener that answers a request with this and then hangs up.
    async fn told_by(answer: &'static [u8]) -> Result<Life, ProbeError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            assert_ne!(stream.read(&mut head).await.unwrap(), 0);
            stream.write_all(answer).await.unwrap();
        };
        let (life, ()) = tokio::join!(ask(address, false), serve);
        life
    }

    #[tokio::test]
    async fn something_else_that_answers_is_no_courier() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
            b"220 mail.example ESMTP\r\n",
            b"",
        ] {
            let error = told_by(answer).await.unwrap_err();
            assert!(matches!(error, ProbeError::Foreign(_)), "{error}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read_to_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\n\r\n";
            stream.write_all(head).await.unwrap();
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
        };
        let (error, ()) = tokio::join!(ask(address, false), serve);
        assert!(matches!(error, Err(ProbeError::Foreign(_))), "{error:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_keeps_silent_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let error = ask(address, false).await.unwrap_err();
        assert!(matches!(error, ProbeError::Silent(_)), "{error}");
    }

    #[test]
    fn any_address_is_called_on_the_loopback_address() {
        for (listen, called) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("127.0.0.1:9464", "127.0.0.1:9464"),
        ] {
            assert_eq!(callable(listen.parse().unwrap()), called.parse().unwrap());
        }
    }
}
