//! The collector: one request with spans over HTTP.
//!
//! The one place beside `platform` that speaks HTTP to the outside: it shares nothing with the
//! platform's client, above all not the token.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use prost::bytes::Bytes;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use crate::http::{self, Way, WayError};
use crate::visible;

/// How long a collector may take for a request: what OpenTelemetry's own exporters grant.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const MAX_BODY: usize = 64 * 1024;

/// How much of a collector's words is kept.
const LONGEST_WORDS: usize = 200;

/// Answers after which the same request may be sent again, by the protocol.
const TRANSIENT: [u16; 4] = [429, 502, 503, 504];

/// The client of the collector could not be built.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client for traces.endpoint: {0}")]
pub struct CollectorError(#[from] WayError);

/// A collector that takes OTLP over HTTP.
pub(super) struct Collector {
    client: Client,
    address: Url,
    way: Way,
}

/// What a collector did with a request that it did not refuse.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It took all of it.
    Whole,
    /// It took a part.
    Partly {
        /// Spans that it did not take.
        rejected: u64,
        why: String,
    },
}

/// The collector did not take a request.
#[derive(Debug)]
pub(super) struct Refused {
    /// Whether it might take the same one later.
    pub(super) is_transient: bool,
    /// Why, for people.
    pub(super) why: String,
}

impl Collector {
    pub(super) fn new(endpoint: &Url, way: Way) -> Result<Self, CollectorError> {
        let client = way
            .client(endpoint)?
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|error| WayError::SetUp(http::chain(error)))?;
        Ok(Self {
            client,
            address: address(endpoint),
            way,
        })
    }

    /// Sends a request once.
    pub(super) async fn post(&self, request: Bytes) -> Result<Taken, Refused> {
        let sent = self
            .client
            .post(self.address.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(request)
            .send();
        let answer = sent.await.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Refused {
                is_transient: TRANSIENT.contains(&status.as_u16()),
                why: format!("it answers HTTP {}", status.as_u16()),
            });
        }
        let body = http::body(answer, MAX_BODY).await;
        Ok(read(&body.map_err(|error| self.unreachable(error))?))
    }

    fn unreachable(&self, error: reqwest::Error) -> Refused {
        Refused {
            is_transient: true,
            why: self.way.explain(error),
        }
    }
}

/// `/v1/traces` below the endpoint, unless that is where it points.
fn address(endpoint: &Url) -> Url {
    let mut address = endpoint.clone();
    let path = endpoint.path().trim_end_matches('/');
    if !path.ends_with("/v1/traces") {
        address.set_path(&format!("{path}/v1/traces"));
    }
    address
}

/// What an answer says that is no refusal. One that cannot be read says nothing against it.
fn read(body: &[u8]) -> Taken {
    let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    match answer.partial_success {
        Some(partly) if partly.rejected_spans > 0 => Taken::Partly {
            rejected: partly.rejected_spans.unsigned_abs(),
            why: partly
                .error_message
                .chars()
                .filter(|c| !visible::acts(*c))
                .take(LONGEST_WORDS)
                .collect(),
        },
        _ => Taken::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    #[test]
    fn spans_go_below_the_endpoint_unless_it_is_their_place_already() {
        for (endpoint, place) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            ("https://x/otlp/", "https://x/otlp/v1/traces"),
            ("https://x/v1/traces", "https://x/v1/traces"),
        ] {
            let endpoint = Url::parse(endpoint).unwrap();
            assert_eq!(address(&endpoint).as_str(), place);
        }
    }

    #[test]
    fn an_answer_may_leave_out_a_part_and_whatever_cannot_be_read_leaves_out_none() {
        let says = |rejected_spans| {
            let partial_success = Some(ExportTracePartialSuccess {
                rejected_spans,
                error_message: "too\nold".into(),
            });
            read(&ExportTraceServiceResponse { partial_success }.encode_to_vec())
        };
        let why = "tooold".into();
        assert_eq!(says(3), Taken::Partly { rejected: 3, why });
        assert_eq!(says(0), Taken::Whole);
        assert_eq!(read(b""), Taken::Whole);
        assert_eq!(read(b"{}"), Taken::Whole);
    }
}
