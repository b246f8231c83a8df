//! A platform that notes when each request came in. It takes everything unless it is given an
//! answer function, or a door with a delay and a limit.
//!
//! It has a thread of its own, so that nothing else in this process stands between a request and
//! the note about it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const SECOND: Duration = Duration::from_secs(1);

/// Success. The platform is free to choose which counts it gives.
const ANSWER: &str = r#"{"code":200,"status":"success","message":"号码导入任务成功","data":[]}"#;

/// Says nothing but that there were too many requests.
const TOO_MANY: &str = r#"{"code":429,"status":"error","message":"too many"}"#;

/// The network and the limit between the courier and the platform.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Door {
    /// The most that a request is delayed; the delay is chosen by chance.
    pub(crate) delay: Duration,
    /// The most requests let in within any second, wherever it begins; others get a 429.
    pub(crate) per_second: Option<usize>,
}

/// Returns the platform's answer to a path: a status, and a body of JSON.
pub(crate) type Answer = fn(&str) -> (StatusCode, &'static str);

/// Takes everything.
pub(crate) fn success(_: &str) -> (StatusCode, &'static str) {
    (StatusCode::OK, ANSWER)
}

/// A request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// When its head had been read.
    pub(crate) at: Instant,
    /// Names the user and the task.
    pub(crate) path: String,
    /// Empty, unless bodies are kept.
    pub(crate) body: Bytes,
    /// Whether the door let it in.
    pub(crate) let_in: bool,
}

/// The server; it ends when this is dropped.
pub(crate) struct Arrivals {
    pub(crate) base_url: String,
    noted: Arc<Noted>,
    _stop: oneshot::Sender<()>,
}

struct Noted {
    arrivals: Mutex<Vec<Arrival>>,
    keep_bodies: bool,
    answer: Answer,
    door: Door,
}

impl Arrivals {
    /// Listens on a free port, and takes everything.
    pub(crate) fn listen(keep_bodies: bool) -> Result<Self> {
        Self::answering(keep_bodies, success)
    }

    /// The same behind a door.
    pub(crate) fn behind(door: Door) -> Result<Self> {
        Self::start(false, success, door)
    }

    /// Listens on a free port.
    pub(crate) fn answering(keep_bodies: bool, answer: Answer) -> Result<Self> {
        Self::start(keep_bodies, answer, Door::default())
    }

    fn start(keep_bodies: bool, answer: Answer, door: Door) -> Result<Self> {
        let noted = Arc::new(Noted {
            arrivals: Mutex::default(),
            keep_bodies,
            answer,
            door,
        });
        let app = Router::new().fallback(take).with_state(Arc::clone(&noted));
        let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        listener.set_nonblocking(true)?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener)?;
                tokio::select! {
                    served = axum::serve(listener, app) => served,
                    _ = stopped => Ok(()),
                }
            })
        });
        Ok(Self {
            base_url,
            noted,
            _stop: stop,
        })
    }

    /// All arrivals so far.
    pub(crate) fn all(&self) -> Vec<Arrival> {
        self.noted.lock().clone()
    }

    /// How many arrivals there are so far.
    pub(crate) fn count(&self) -> usize {
        self.noted.lock().len()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait_for(&self, count: usize, within: Duration) -> Result<()> {
        let until = Instant::now() + within;
        while self.count() < count {
            ensure!(
                Instant::now() < until,
                "only {} requests in {within:?}",
                self.count()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Returns when the first request came that fits, behind `from` in the order of coming.
    pub(crate) async fn first(
        &self,
        from: usize,
        within: Duration,
        fits: impl Fn(&Arrival) -> bool,
    ) -> Result<Instant> {
        let until = Instant::now() + within;
        let mut next = from;
        while Instant::now() < until {
            {
                let arrivals = self.noted.lock();
                if let Some(found) = arrivals.iter().skip(next).find(|arrival| fits(arrival)) {
                    return Ok(found.at);
                }
                next = arrivals.len();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None.with_context(|| format!("the request did not come within {within:?}"))
    }
}

impl Noted {
    fn lock(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(
    State(noted): State<Arc<Noted>>,
    uri: Uri,
    request: axum::extract::Request,
) -> impl IntoResponse {
    let most = noted.door.delay.as_secs_f64();
    if most > 0.0 {
        let delay = Duration::from_secs_f64(rand::random_range(0.0..most));
        tokio::time::sleep(delay).await;
    }
    let at = Instant::now();
    // The whole body has to be read in any case, or the connection could not be used again.
    let body = axum::body::to_bytes(request.into_body(), 8 * 1024 * 1024).await;
    let body = body.unwrap_or_default();
    let mut arrivals = noted.lock();
    let let_in = has_room(&arrivals, at, noted.door.per_second);
    arrivals.push(Arrival {
        at,
        let_in,
        path: uri.path().to_owned(),
        body: if noted.keep_bodies {
            body
        } else {
            Bytes::new()
        },
    });
    drop(arrivals);
    let (status, body) = if let_in {
        (noted.answer)(uri.path())
    } else {
        (StatusCode::TOO_MANY_REQUESTS, TOO_MANY)
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body)
}

/// Whether the second before this instant holds fewer requests that were let in than the limit.
fn has_room(arrivals: &[Arrival], at: Instant, per_second: Option<usize>) -> bool {
    let Some(limit) = per_second else {
        return true;
    };
    let lately = |arrival: &&Arrival| at.saturating_duration_since(arrival.at) < SECOND;
    // Requests come nearly in order: far behind the limit none can be of this second.
    let last = arrivals.iter().rev().take(20 * limit);
    last.filter(lately).filter(|arrival| arrival.let_in).count() < limit
}
