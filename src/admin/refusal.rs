//! Refusals: why a request was not carried out, for the page and for programs.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A request that is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    code: StatusCode,
    why: Why,
    /// One line.
    error: String,
}

/// The reasons of refusals. The page has a text for each in the reader's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    NoUser,
    TooMany,
    NoSession,
    NoViewer,
    Busy,
    Looking,
    NoLane,
    NoId,
    BadUser,
    /// It is not said which are meant, or in several ways.
    NoChoice,
    NoKind,
    NoTime,
    LongReason,
    Foreign,
    Unreadable,
    Slow,
    /// The database returned an error.
    Database,
    /// The database returned nothing in time.
    Late,
    /// The same for a look, which changes nothing.
    LateLook,
    BrokenOff,
}

impl Why {
    #[cfg(test)]
    pub(super) const ALL: [Self; 20] = [
        Self::NoUser,
        Self::TooMany,
        Self::NoSession,
        Self::NoViewer,
        Self::Busy,
        Self::Looking,
        Self::NoLane,
        Self::NoId,
        Self::BadUser,
        Self::NoChoice,
        Self::NoKind,
        Self::NoTime,
        Self::LongReason,
        Self::Foreign,
        Self::Unreadable,
        Self::Slow,
        Self::Database,
        Self::Late,
        Self::LateLook,
        Self::BrokenOff,
    ];

    /// The word for programs and for the page.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::NoUser => "no_user",
            Self::TooMany => "too_many",
            Self::NoSession => "no_session",
            Self::NoViewer => "no_viewer",
            Self::Busy => "busy",
            Self::Looking => "looking",
            Self::NoLane => "no_lane",
            Self::NoId => "no_id",
            Self::BadUser => "bad_user",
            Self::NoChoice => "no_choice",
            Self::NoKind => "no_kind",
            Self::NoTime => "no_time",
            Self::LongReason => "long_reason",
            Self::Foreign => "foreign",
            Self::Unreadable => "unreadable",
            Self::Slow => "slow",
            Self::Database => "database",
            Self::Late => "late",
            Self::LateLook => "late_look",
            Self::BrokenOff => "broken_off",
        }
    }
}

impl Refusal {
    pub(super) fn new(code: StatusCode, why: Why, error: impl Into<String>) -> Self {
        let error = error.into();
        Self { code, why, error }
    }

    /// The request makes no sense.
    pub(super) fn wrong(why: Why, error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = self.error.replace('\n', " ");
        let body = json!({"reason": self.why.as_str(), "error": error});
        (self.code, Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_text_for_every_reason_in_both_languages() {
        let script = include_str!("page/actions.js");
        let texts: Vec<&str> = script.split("refused: {").skip(1).collect();
        assert_eq!(texts.len(), 2);
        for (text, language) in texts.into_iter().zip(["en", "zh"]) {
            let text = text.split("\n    },").next().unwrap_or_default();
            for why in Why::ALL {
                let key = why.as_str();
                let is_there = [" ", "\n"]
                    .iter()
                    .any(|before| text.contains(&format!("{before}{key}: ")));
                assert!(is_there, "{language} lacks {key}");
            }
        }
    }
}
