//! The HTTP side: the platform's two paths, and the simulator's own under `/simulator`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body::Frame;

use super::faults::Faults;
use super::ledger::TaskRoute;
use super::platform::{Answer, Platform};
use super::wire::{self, Complaint};

/// Far more than 100 rows with all their variables need.
const MAX_BODY: usize = 8 * 1024 * 1024;

type Shared = State<Arc<Platform>>;

/// Every path of the simulator.
pub(super) fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .route(
            "/agent-api/user/{user_id}/task/{task_id}/number",
            post(add_numbers),
        )
        .route("/agent-api/token", get(token))
        .route("/simulator/state", get(state))
        .route("/simulator/totals", get(totals))
        .route("/simulator/faults", post(set_faults))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(platform)
}

async fn add_numbers(
    State(platform): Shared,
    Path(route): Path<TaskRoute>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match &body {
        Err(_) => Err(Complaint::TooLarge),
        Ok(_) if !is_json(&headers) => Err(Complaint::ContentType),
        Ok(body) => Ok(body.as_ref()),
    };
    let reply = platform.add_numbers(&route, authorization(&headers), body);
    if !reply.after.is_zero() {
        tokio::time::sleep(reply.after).await;
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

/// Puts other faults in force and answers with them.
async fn set_faults(State(platform): Shared, body: Bytes) -> Response {
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
            // Every status that `platform` names is one.
            json(StatusCode::from_u16(status).unwrap_or_default(), body)
        }
        Answer::Later(body) => {
            let mut response = json(StatusCode::TOO_MANY_REQUESTS, body);
            let one_second = HeaderValue::from_static("1");
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, one_second);
            response
        }
        Answer::Reset => Response::new(Body::new(Broken)),
    }
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (status, content_type, body).into_response()
}

/// A body that fails before its first byte. The server has not flushed the head by then; it drops
/// both and closes the connection, so the client sees its request end without any answer.
struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}
