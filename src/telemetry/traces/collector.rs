//! The collector: one request with spans over HTTP.
//!
//! Only this module and `platform` speak HTTP to the outside. It shares nothing with the platform's
//! client, above all not the token.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use prost::bytes::Bytes;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use crate::http::{self, Way, WayError};
use crate::visible;

/// The time limit of a request: the same as in OpenTelemetry's own exporters.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const MAX_BODY: usize = 64 * 1024;

/// The most characters of a collector's words that are kept.
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

/// The result of a request that the collector did not refuse.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The collector took all spans.
    Whole,
    /// The collector took a part of the spans.
    Partly {
        /// The number of spans that it did not take.
        rejected: u64,
        why: String,
    },
}

/// The collector did not take a request.
#[derive(Debug)]
pub(super) struct Refused {
    /// Whether the collector might take the same request later.
    pub(super) is_transient: bool,
    /// The reason, for people.
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

/// Returns `/v1/traces` below the endpoint, unless the endpoint already points there.
fn address(endpoint: &Url) -> Url {
    let mut address = endpoint.clone();
    let path = endpoint.path().trim_end_matches('/');
    if !path.ends_with("/v1/traces") {
        address.set_path(&format!("{path}/v1/traces"));
    }
    address
}

/// Reads an answer that is not a refusal. An unreadable answer counts as taken.
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
