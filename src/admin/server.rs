//! Connections: how many at once, and how long each may take.
//!
//! A client that sends nothing, or reads nothing, is cut off. Beyond the limit, a silent client
//! gives its place to a new one. So nobody who can reach the port can exhaust the memory or the
//! file descriptors of the courier, or keep its health checks from being answered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::knocks::Knocks;
use super::seats::{Seat, Seats};
use super::tls::Tls;
use crate::lock::lock;

/// The largest head of a request that is read. A larger one is not from our page.
const LARGEST_HEAD: usize = 16 * 1024;

/// The pause after a failed `accept`, which fails when the process has no file descriptor left.
const BREATH: Duration = Duration::from_millis(100);

/// The limits that keep clients from taking too much.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientLimits {
    pub(super) connections: usize,
    /// How long a connection may stay silent before, and within, the head of a request.
    pub(super) head_within: Duration,
    /// After so long a connection ends with the answer that is under way.
    pub(super) connection: Duration,
    /// How long that last answer may take.
    pub(super) last_answer: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connections: 64,
            head_within: Duration::from_secs(5),
            connection: Duration::from_mins(5),
            last_answer: Duration::from_secs(10),
        }
    }
}

/// Serves until it is dropped; its connections end with it.
pub(super) async fn serve(
    listener: &TcpListener,
    tls: Option<&Tls>,
    app: Router,
    limits: ClientLimits,
) {
    let seats = Seats::new(limits.connections);
    let knocks = Arc::new(Mutex::new(Knocks::default()));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, peer)) = listener.accept().await else {
            sleep(BREATH).await;
            continue;
        };
        let seat = seats.take().await;
        // Connections that give way need a moment to end.
        while connections.len() >= 2 * limits.connections {
            connections.join_next().await;
        }
        let app = app.clone();
        let Some(tls) = tls.map(Tls::config) else {
            connections.spawn(converse(stream, app, limits, seat));
            continue;
        };
        let knocks = Arc::clone(&knocks);
        let admits = move || lock(&knocks).admit(peer.ip(), Instant::now());
        connections.spawn(async move {
            let agreed = tokio::select! {
                agreed = timeout(limits.head_within, shake_hands(stream, tls, admits)) => agreed,
                () = seat.gives_way.cancelled() => return,
            };
            if let Ok(Some(stream)) = agreed {
                converse(stream, app, limits, seat).await;
            }
        });
    }
}

/// How long an idle connection that gives way may take to end.
const GIVES_WAY_WITHIN: Duration = Duration::from_millis(100);

/// Agrees on TLS with a client that asks for it, if it is admitted.
async fn shake_hands(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    admits: impl FnOnce() -> bool,
) -> Option<TlsStream<TcpStream>> {
    let asked = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
    let asked = asked.ok().filter(|_| admits())?;
    asked.into_stream(config).await.ok()
}

/// One connection, from its first request to its end.
async fn converse<S>(stream: S, app: Router, limits: ClientLimits, seat: Seat)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let seat = Arc::new(seat);
    let (app, at_work) = (TowerToHyperService::new(app), Arc::clone(&seat));
    let answer = service_fn(move |request: Request<Incoming>| {
        let work = at_work.works();
        let answer = app.call(request);
        async move {
            let answer = answer.await;
            drop(work);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_within)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    // How a connection ended does not matter to us.
    let left = tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(limits.connection) => limits.last_answer,
        // The connection is idle: its answer was sent, or is on its way.
        () = seat.gives_way.cancelled() => limits.last_answer.min(GIVES_WAY_WITHIN),
    };
    connection.as_mut().graceful_shutdown();
    timeout(left, connection).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const SOON: Duration = Duration::from_millis(50);
    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    async fn server(limits: ClientLimits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(async move { serve(&listener, None, app, limits).await });
        address
    }

    async fn said(address: SocketAddr, words: &[u8]) -> String {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(words).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end like another.
        client.read_to_end(&mut answer).await.ok();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn whoever_does_not_finish_a_request_is_cut_off() {
        let address = server(ClientLimits {
            head_within: SOON,
            ..ClientLimits::default()
        })
        .await;
        assert!(!said(address, &GET[..20]).await.contains("here"));
        // A client that sends no more ends as well: its answer comes, and then the end.
        assert!(said(address, GET).await.ends_with("here"));
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let address = server(ClientLimits::default()).await;
        let mut words = b"GET / HTTP/1.1\r\nHost: x\r\nX: ".to_vec();
        words.resize(LARGEST_HEAD * 2, b'x');
        let answer = said(address, &words).await;
        assert!(!answer.contains("here"), "{answer}");
    }

    #[tokio::test]
    async fn idle_connections_give_way_to_one_that_asks() {
        let limits = ClientLimits {
            connections: 4,
            ..ClientLimits::default()
        };
        let address = server(limits).await;
        let mut silent = Vec::new();
        for words in [&b""[..], b"GET / HT", GET, b""] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(words).await.unwrap();
            silent.push(client);
        }
        // The third has its answer, and keeps its connection.
        let mut answer = [0; 12];
        silent[2].read_exact(&mut answer).await.unwrap();
        for _ in 0..8 {
            let asked = timeout(limits.head_within / 2, async {
                let mut client = TcpStream::connect(address).await.unwrap();
                client.write_all(GET).await.unwrap();
                client.read_exact(&mut answer).await.unwrap();
                silent.push(client);
            });
            asked
                .await
                .expect("an answer long before the silent ones are cut off");
        }
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_until_others_end() {
        let address = server(ClientLimits {
            connections: 1,
            connection: SOON,
            ..ClientLimits::default()
        })
        .await;
        let silent = TcpStream::connect(address).await.unwrap();
        assert!(said(address, GET).await.ends_with("here"));
        drop(silent);
    }
}
