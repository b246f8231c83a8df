//! Why something was not done, for the page and for programs.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A request that is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    code: StatusCode,
    /// In a word: the page says it in the reader's language.
    reason: &'static str,
    /// In a line.
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

    /// What was sent makes no sense.
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
