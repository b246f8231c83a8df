//! The routes.

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::actions::{self, Hands};
use super::login::{self, Door, Viewers, refuse_foreign};
use super::page::page;
use super::status::Sources;
use crate::host::Names;
use crate::telemetry::metrics;

const NOT_FOUND: &str = "not found; there are /, /metrics, /healthz and /readyz\n";

const FOREIGN_HOST: &str = "this server does not answer to that name; name it in admin.hosts, or ask \
    by an IP address\n";

/// The headers of every answer. They tell a browser to keep the declared type, to keep the answer
/// to itself, and to load nothing. Only the status page has another policy.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Serves all routes for a server of these names. `hands`: for the users' actions. `viewers`: the
/// clients that may look; `None`: all may.
pub(super) fn router(
    names: Names,
    viewers: Option<Viewers>,
    sources: Sources,
    hands: Option<(Door, Hands)>,
) -> Router {
    let mut app = Router::new()
        .route("/", get(page))
        .route("/api/status", get(status))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .fallback(|| async { (StatusCode::NOT_FOUND, NOT_FOUND) })
        .with_state(sources);
    if let Some((door, hands)) = hands {
        let acting = login::router(door).merge(actions::router(hands));
        app = app.merge(acting.layer(middleware::from_fn(refuse_foreign)));
    }
    guarded(names, viewers, app)
}

/// Serves only clients that may ask, and adds the headers of every answer.
pub(super) fn guarded(names: Names, viewers: Option<Viewers>, mut app: Router) -> Router {
    if let Some(viewers) = viewers {
        app = app.layer(middleware::from_fn_with_state(viewers, login::admit));
    }
    app.layer(middleware::from_fn_with_state(names, guard))
}

/// Refuses foreign hosts, and adds the headers of every answer.
async fn guard(State(names): State<Names>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.map(|host| host.to_str().unwrap_or_default());
    let mut response = if names.may_ask(host) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, FOREIGN_HOST).into_response()
    };
    protect(response.headers_mut());
    response
}

fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

pub(super) async fn metrics() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        metrics::render(),
    )
}

async fn status(State(sources): State<Sources>) -> Response {
    match sources.status() {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn health(State(sources): State<Sources>) -> impl IntoResponse {
    let health = sources.health();
    (health.code(), Json(health))
}

async fn ready(State(sources): State<Sources>) -> impl IntoResponse {
    let ready = sources.ready();
    (ready.code(), Json(ready))
}
