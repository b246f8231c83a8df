//! The answers before there is a database to work on: the courier lives, and is not ready.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::watch;

use super::login::Viewers;
use super::routes::{guarded, metrics};
use crate::host::Names;

/// Why the courier waits.
type Why = State<watch::Receiver<String>>;

/// The answer of `/healthz` and of `/readyz`, with the same names as later.
#[derive(Serialize)]
struct Waiting {
    status: &'static str,
    reason: String,
}

/// Serves all routes meanwhile.
pub(super) fn router(
    names: Names,
    viewers: Option<Viewers>,
    why: watch::Receiver<String>,
) -> Router {
    let waits = |State(why): Why| async move {
        let why = why.borrow().clone();
        let said = format!("the courier waits for its database: {why}\n");
        (StatusCode::SERVICE_UNAVAILABLE, said)
    };
    let app = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(alive))
        .route("/readyz", get(not_ready))
        .fallback(waits)
        .with_state(why);
    guarded(names, viewers, app)
}

async fn alive() -> Json<Waiting> {
    Json(Waiting {
        status: "starting",
        reason: "the courier waits for its database".into(),
    })
}

async fn not_ready(State(why): Why) -> (StatusCode, Json<Waiting>) {
    let waiting = Waiting {
        status: "starting",
        reason: why.borrow().clone(),
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(waiting))
}
