//! The reply: the result of one request.

use std::time::Duration;

use crate::platform::wire::{self, Document};

/// The result of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP response, read to its end.
    Answer(Answer),
    /// The request surely did not reach the platform (no connection, DNS, TLS), for this reason.
    NotSent(String),
    /// The request went out and no whole answer came back, for this reason.
    Lost(String),
}

impl Reply {
    /// Whether it is an answer whose HTTP status and code in the JSON tell of a success.
    pub fn is_success(&self) -> bool {
        let Self::Answer(answer) = self else {
            return false;
        };
        (200..300).contains(&answer.http) && answer.code() == Some(200)
    }

    /// Whether it counts rows as taken by this request.
    pub fn counts_rows(&self) -> bool {
        let Self::Answer(answer) = self else {
            return false;
        };
        let document = answer.document.as_ref();
        document.is_some_and(|document| document.task_number_count > Some(0))
    }
}

/// An HTTP response of the platform, or of something in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub http: u16,
    /// `Retry-After`, as a time from now.
    pub retry_after: Option<Duration>,
    /// The body, if it is the documented JSON.
    pub document: Option<Document>,
    /// Whether it is not, and looks as if it was meant to be.
    pub is_garbled: bool,
    /// Whether it is a page for people, or empty.
    pub is_page: bool,
}

impl Answer {
    /// Reads the body of a response.
    pub fn new(http: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let document = wire::decode(body);
        let is_garbled = document.is_none() && wire::is_garbled(body);
        Self {
            http,
            retry_after,
            document,
            is_garbled,
            is_page: wire::is_page(body),
        }
    }

    /// The code in the JSON.
    pub(super) fn code(&self) -> Option<i64> {
        self.document.as_ref().map(|document| document.code)
    }

    /// Whether the HTTP status or the code in the JSON is this one.
    pub(super) fn says(&self, number: i64) -> bool {
        i64::from(self.http) == number || self.code() == Some(number)
    }
}
