//! Connections to the platform: kept only while they are surely good, and renewed before they get
//! old.
//!
//! A server closes a connection that has been idle for a while. If it does so just as the
//! connection is used again, nobody knows whether the request arrived. So idle connections are
//! given up before usual servers close them, and earlier still if the server announces its limit. A
//! request that must not be sent twice gets a connection of its own. Connections also have a
//! longest age: a name that has moved to another host is looked up again, though the old host still
//! answers.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::HeaderMap;
use tokio::time::Instant;
use url::Url;

use crate::http::{self, Way, WayError};
use crate::lock::lock;

#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Scheme, host and, if the reseller has one, a path.
    pub base_url: Url,
    /// The way to the platform, such as proxy and TLS.
    pub way: Way,
    /// The time limit of a whole request, answer included.
    pub timeout: Duration,
    /// The time limit of connecting.
    pub connect_timeout: Duration,
}

/// Shorter than usual servers keep an idle connection: Gunicorn 2 s, Node and Apache 5 s.
const LONGEST_IDLE: Duration = Duration::from_millis(1500);

/// The time for which a connection may be used.
const LONGEST_AGE: Duration = Duration::from_mins(1);

/// The clients of one platform.
pub(super) struct Connections {
    options: ClientOptions,
    /// The client that keeps no connection.
    fresh: Client,
    kept: Mutex<Kept>,
}

/// The client that keeps connections.
struct Kept {
    client: Client,
    since: Instant,
    longest_idle: Duration,
}

impl Kept {
    fn new(options: &ClientOptions, longest_idle: Duration) -> Result<Self, WayError> {
        Ok(Self {
            client: client(options, longest_idle)?,
            since: Instant::now(),
            longest_idle,
        })
    }
}

impl Connections {
    /// Makes the clients. Fails if TLS cannot be set up.
    pub(super) fn new(options: ClientOptions) -> Result<Self, WayError> {
        Ok(Self {
            fresh: client(&options, Duration::ZERO)?,
            kept: Mutex::new(Kept::new(&options, LONGEST_IDLE)?),
            options,
        })
    }

    /// Returns a client whose next request gets a connection that nothing else has used.
    pub(super) fn fresh(&self) -> &Client {
        &self.fresh
    }

    /// Returns a client that may use a connection again.
    pub(super) fn kept(&self) -> Client {
        let mut kept = lock(&self.kept);
        if kept.since.elapsed() >= LONGEST_AGE {
            // The server's own limit is remembered, so that it need not be learnt once more.
            let longest_idle = kept.longest_idle;
            self.renew(&mut kept, longest_idle);
        }
        kept.client.clone()
    }

    /// Notes how long the server keeps idle connections, if its answer says so.
    pub(super) fn heed(&self, answer: &HeaderMap) {
        let Some(limit) = keep_alive(answer) else {
            return;
        };
        let longest_idle = limit
            .saturating_sub(Duration::from_secs(1))
            .min(LONGEST_IDLE);
        let mut kept = lock(&self.kept);
        if longest_idle < kept.longest_idle {
            self.renew(&mut kept, longest_idle);
        }
    }

    /// Returns why a request has failed, in one line.
    pub(super) fn explain(&self, error: reqwest::Error) -> String {
        self.options.way.explain(error)
    }

    /// Renews the client. Requests under way keep their connections.
    fn renew(&self, kept: &mut Kept, longest_idle: Duration) {
        // If the set-up fails this time, the old client goes on.
        if let Ok(new) = Kept::new(&self.options, longest_idle) {
            *kept = new;
        }
    }
}

/// Builds a client, which keeps no connection if idle ones are good for no time at all.
fn client(options: &ClientOptions, longest_idle: Duration) -> Result<Client, WayError> {
    let idle_connections = if longest_idle.is_zero() {
        0
    } else {
        usize::MAX
    };
    let client = options.way.client(&options.base_url)?;
    client
        .timeout(options.timeout)
        .connect_timeout(options.connect_timeout)
        .pool_idle_timeout(longest_idle)
        .pool_max_idle_per_host(idle_connections)
        .tcp_nodelay(true)
        .build()
        .map_err(|error| WayError::SetUp(http::chain(error)))
}

/// Reads `Keep-Alive: timeout=5, max=100`.
fn keep_alive(answer: &HeaderMap) -> Option<Duration> {
    let said = answer.get("keep-alive")?.to_str().ok()?;
    said.split(',').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let is_limit = name.trim().eq_ignore_ascii_case("timeout");
        let seconds = value.trim().parse().ok().filter(|_| is_limit)?;
        Some(Duration::from_secs(seconds))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Starts a server that answers each request and keeps its connections. Returns how many it has
    /// had.
    async fn server(header: &'static str) -> (ClientOptions, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                        let answer =
                            format!("HTTP/1.1 200 OK\r\n{header}content-length: 0\r\n\r\n");
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        let options = ClientOptions {
            base_url: Url::parse(&format!("http://{address}")).unwrap(),
            way: Way::straight("platform"),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
        };
        (options, connections)
    }

    async fn ask(connections: &Connections, client: Client) {
        let url = connections.options.base_url.clone();
        let answer = client.get(url).send().await.unwrap();
        connections.heed(answer.headers());
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_connection_is_used_again_but_not_where_a_second_send_is_unsafe() {
        let (options, count) = server("").await;
        let connections = Connections::new(options).unwrap();
        for _ in 0..3 {
            ask(&connections, connections.kept()).await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
        for _ in 0..3 {
            ask(&connections, connections.fresh().clone()).await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn a_server_that_closes_soon_gets_a_new_connection_each_time() {
        let (options, count) = server("Keep-Alive: timeout=1, max=100\r\n").await;
        let connections = Connections::new(options).unwrap();
        for _ in 0..3 {
            ask(&connections, connections.kept()).await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_connection_that_has_become_old_is_renewed() {
        let (options, count) = server("").await;
        let connections = Connections::new(options).unwrap();
        ask(&connections, connections.kept()).await;
        let old = Instant::now().checked_sub(LONGEST_AGE).unwrap();
        connections.kept.lock().unwrap().since = old;
        for _ in 0..2 {
            ask(&connections, connections.kept()).await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn the_servers_limit_is_read_where_it_tells_one() {
        for (said, limit) in [
            ("timeout=5, max=1000", Some(5)),
            ("max=3, Timeout = 75", Some(75)),
            ("max=3", None),
            ("timeout=soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("keep-alive", said.parse().unwrap());
            assert_eq!(
                keep_alive(&headers),
                limit.map(Duration::from_secs),
                "{said}"
            );
        }
        assert_eq!(keep_alive(&HeaderMap::new()), None);
    }
}
