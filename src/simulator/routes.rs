//! The HTTP side: the platform's two paths, and the simulator's own under `/simulator`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRef, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body::Frame;
use tokio_util::sync::CancellationToken;

use super::faults::{Faults, RetryAfter, SizeLimits};
use super::ledger::TaskRoute;
use super::platform::{Answer, Platform};
use super::tcp::Wire;
use super::wire::{self, Complaint};
use crate::host::Names;

/// The parts that all handlers share.
#[derive(Clone)]
struct Site {
    platform: Arc<Platform>,
    stop: CancellationToken,
}

impl FromRef<Site> for Arc<Platform> {
    fn from_ref(site: &Site) -> Self {
        Self::clone(&site.platform)
    }
}

type Shared = State<Arc<Platform>>;

/// Returns every path of the simulator. `stop` ends answers that would never end by themselves. The
/// simulator's own paths answer only to these names.
pub(super) fn router(platform: Arc<Platform>, names: Names, stop: CancellationToken) -> Router {
    Router::new()
        .route(
            "/agent-api/user/{user_id}/task/{task_id}/number",
            post(add_numbers),
        )
        .route("/agent-api/token", get(token))
        .route("/simulator/state", get(state))
        .route("/simulator/totals", get(totals))
        .route("/simulator/faults", get(faults).post(set_faults))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(SizeLimits::MAX_BYTES))
        .layer(middleware::from_fn_with_state(names, guard))
        .with_state(Site { platform, stop })
}

/// Keeps web pages from the simulator's own paths. The platform's paths answer to any name.
async fn guard(State(names): State<Names>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.map(|host| host.to_str().unwrap_or_default());
    if request.uri().path().starts_with("/simulator") && !names.may_ask(host) {
        let why = "the simulator does not answer to that name; ask by an IP address, or start it with --host NAME";
        return json(StatusCode::MISDIRECTED_REQUEST, wire::error(421, why));
    }
    next.run(request).await
}

async fn add_numbers(
    State(site): State<Site>,
    ConnectInfo(connection): ConnectInfo<Wire>,
    Path(route): Path<TaskRoute>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match &body {
        Err(_) => Err(Complaint::TooLarge),
        Ok(_) if !is_json(&headers) => Err(Complaint::ContentType),
        Ok(body) => Ok(body.as_ref()),
    };
    let reply = site
        .platform
        .add_numbers(&route, authorization(&headers), body);
    if !reply.after.is_zero() {
        tokio::time::sleep(reply.after).await;
    }
    match reply.answer {
        Answer::Silence => site.stop.cancelled().await,
        Answer::Reset | Answer::CutOff(_) => {
            if let Err(error) = connection.reset_at_end() {
                tracing::warn!(%error, "the simulator can only close a connection it was to reset");
            }
        }
        _ => {}
    }
    respond(reply.answer)
}

async fn token(State(platform): Shared, headers: HeaderMap) -> Response {
    respond(platform.check_token(authorization(&headers)))
}

async fn state(State(platform): Shared) -> Response {
    Json(platform.state()).into_response()
}

async fn totals(State(platform): Shared) -> Response {
    Json(platform.totals()).into_response()
}

async fn faults(State(platform): Shared) -> Response {
    Json(&*platform.faults()).into_response()
}

/// Puts other faults in force and returns them.
async fn set_faults(State(platform): Shared, headers: HeaderMap, body: Bytes) -> Response {
    // A web page may send other types without asking first.
    if !is_json(&headers) {
        let why = "send it with the header content-type: application/json";
        return json(StatusCode::UNSUPPORTED_MEDIA_TYPE, wire::error(415, why));
    }
    let read = serde_json::from_slice::<Faults>(&body).map_err(|e| e.to_string());
    let set = read.and_then(|faults| {
        platform
            .set_faults(faults.clone())
            .map(|()| faults)
            .map_err(|e| e.to_string())
    });
    match set {
        Ok(faults) => Json(faults).into_response(),
        Err(why) => json(StatusCode::BAD_REQUEST, wire::error(400, &why)),
    }
}

async fn not_found(State(platform): Shared) -> Response {
    respond(platform.unknown_route(404))
}

async fn method_not_allowed(State(platform): Shared) -> Response {
    respond(platform.unknown_route(405))
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Json { status, body } => {
            // `platform` names only valid statuses.
            json(StatusCode::from_u16(status).unwrap_or_default(), body)
        }
        Answer::Later { form, wait, body } => {
            let mut response = json(StatusCode::TOO_MANY_REQUESTS, body);
            if let Some(value) = retry_after(form, wait) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            response
        }
        Answer::Text {
            status,
            content_type,
            body,
        } => {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Answer::Redirect => {
            let elsewhere = [(header::LOCATION, "/elsewhere")];
            (StatusCode::FOUND, elsewhere).into_response()
        }
        Answer::CutOff(body) => {
            let mut response = Response::new(Body::new(Broken::after(&body)));
            let length = HeaderValue::from(body.len());
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, length);
            response
        }
        Answer::Reset | Answer::Silence => Response::new(Body::new(Broken::at_once())),
    }
}

/// Returns the header that says when to come again, if the answer has one. A date is in whole
/// seconds, so both forms round up.
fn retry_after(form: RetryAfter, wait: Duration) -> Option<HeaderValue> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    match form {
        RetryAfter::Seconds => Some(seconds.into()),
        RetryAfter::Date => {
            #[expect(
                clippy::disallowed_methods,
                reason = "the header tells a time of the host's clock, and nothing goes by it here"
            )]
            let now = SystemTime::now();
            let then = now.checked_add(Duration::from_secs(seconds.saturating_add(1)))?;
            HeaderValue::try_from(httpdate::fmt_http_date(then)).ok()
        }
        RetryAfter::None => None,
    }
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (status, content_type, body).into_response()
}

/// A body that fails, at once or after its first half.
///
/// If it fails before the first byte, the server has not yet flushed the head. It drops both and
/// ends the connection, so the client sees its request end without any answer.
struct Broken {
    half: Option<Bytes>,
    flush: bool,
}

impl Broken {
    fn at_once() -> Self {
        Self {
            half: None,
            flush: false,
        }
    }

    fn after(body: &[u8]) -> Self {
        Self {
            half: Some(Bytes::copy_from_slice(&body[..body.len() / 2])),
            flush: true,
        }
    }
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if self.flush {
            // While there is nothing more to send, the server sends what it has.
            self.flush = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}
