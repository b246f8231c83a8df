//! A platform that notes when each request came in, and takes everything unless told otherwise.
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

/// Success; which counts a platform gives is its own business.
const ANSWER: &str = r#"{"code":200,"status":"success","message":"号码导入任务成功","data":[]}"#;

/// What the platform answers to a path: a status, and a body of JSON.
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
}

impl Arrivals {
    /// Listens on a free port, and takes everything.
    pub(crate) fn listen(keep_bodies: bool) -> Result<Self> {
        Self::answering(keep_bodies, success)
    }

    /// Listens on a free port.
    pub(crate) fn answering(keep_bodies: bool, answer: Answer) -> Result<Self> {
        let noted = Arc::new(Noted {
            arrivals: Mutex::default(),
            keep_bodies,
            answer,
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

    /// All so far.
    pub(crate) fn all(&self) -> Vec<Arrival> {
        self.noted.lock().clone()
    }

    /// How many there are so far.
    pub(crate) fn count(&self) -> usize {
        self.noted.lock().len()
    }

    /// Waits until so many have come.
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

    /// When the first of them came that is behind `from` in the order of coming and fits.
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
    let at = Instant::now();
    // The whole body has to be read in any case, or the connection could not be used again.
    let body = axum::body::to_bytes(request.into_body(), 8 * 1024 * 1024).await;
    let body = body.unwrap_or_default();
    noted.lock().push(Arrival {
        at,
        path: uri.path().to_owned(),
        body: if noted.keep_bodies {
            body
        } else {
            Bytes::new()
        },
    });
    let (status, body) = (noted.answer)(uri.path());
    (status, [(header::CONTENT_TYPE, "application/json")], body)
}
