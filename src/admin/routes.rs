//! What is answered where.

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

/// What every answer says to a browser: show it as what it is, keep it to yourself, load nothing.
/// The status page alone has another policy.
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

/// Everything that is answered by a server of these names. `hands`: what users may act with.
/// `viewers`: those who may look; `None`: all may.
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

/// The same for those alone who may ask, with what every answer says.
pub(super) fn guarded(names: Names, viewers: Option<Viewers>, mut app: Router) -> Router {
    if let Some(viewers) = viewers {
        app = app.layer(middleware::from_fn_with_state(viewers, login::admit));
    }
    app.layer(middleware::from_fn_with_state(names, guard))
}

/// Turns foreign hosts away, and adds what every answer says.
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
