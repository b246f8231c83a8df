//! Refusals: why a request was not carried out, for the page and for programs.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A request that is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    code: StatusCode,
    /// One word; the page says it in the reader's language.
    reason: &'static str,
    /// One line.
    error: String,
}

impl Refusal {
    pub(super) fn new(code: StatusCode, reason: &'static str, error: impl Into<String>) -> Self {
        let error = error.into();
        Self {
            code,
            reason,
            error,
        }
    }

    /// The request makes no sense.
    pub(super) fn wrong(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "wrong", error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = self.error.replace('\n', " ");
        let body = json!({"reason": self.reason, "error": error});
        (self.code, Json(body)).into_response()
    }
}
