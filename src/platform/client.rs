//! The client: one attempt to deliver one batch over HTTP.
//!
//! It encodes, sends, reads the answer within its limits, and returns a [`Reply`]. The verdict
//! decides what the reply means, and the courier whether to try again. It guarantees: the token
//! goes to the configured base URL alone (no redirect is followed), and neither a slow nor an
//! endless answer can hold it longer than the timeout or fill the memory.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Response;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use url::Url;

pub use super::connections::ClientOptions;
use super::connections::Connections;
use super::token::{TokenNews, TokenSource};
use super::verdict::{Answer, Reply};
use super::wire;
use crate::batch::Batch;
pub use crate::http::Way;
use crate::http::{self, WayError};

/// The content type that is sent, and wanted.
const JSON: &str = "application/json";

/// No compression: an answer is short, and without this header any coding would do (RFC 9110, 12.5.3).
const PLAIN: &str = "identity";

/// No answer makes us wait longer than this, whatever its `Retry-After` says.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// The place to which batches are delivered.
#[async_trait]
pub trait Platform: Send + Sync + 'static {
    /// Sends the batch once and returns the result. Any failure on the way is a [`Reply`], too;
    /// there is no error.
    async fn deliver(&self, batch: &Batch) -> Reply;

    /// Resolves when there is news of the token. If the token has changed, refused requests may be
    /// tried again.
    async fn token_news(&self) -> TokenNews {
        std::future::pending().await
    }
}

/// The HTTP client could not be built or used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS or the connection pool could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    SetUp(#[from] WayError),
    /// No path can be appended to the base URL.
    #[error("platform.base_url {0} cannot be a base: give one like https://host.example")]
    BaseUrl(Url),
}

/// The platform over HTTP.
pub struct HttpPlatform {
    connections: Connections,
    base_url: Url,
    token: TokenSource,
}

impl HttpPlatform {
    pub fn new(options: &ClientOptions, token: TokenSource) -> Result<Self, ClientError> {
        if options.base_url.cannot_be_a_base() {
            return Err(ClientError::BaseUrl(options.base_url.clone()));
        }
        let connections = Connections::new(options.clone());
        Ok(Self {
            connections: connections?,
            base_url: options.base_url.clone(),
            token,
        })
    }

    /// Returns the URL of the call for the batch's lane. Lane ids need no escaping (see
    /// [`Lane`](crate::contact::Lane)).
    fn address(&self, batch: &Batch) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            let (user, task) = (batch.lane.user_id(), batch.lane.task_id());
            path.pop_if_empty()
                .extend(["agent-api", "user", user, "task", task, "number"]);
        }
        url
    }

    /// Asks the platform whether it accepts the token: `GET {base_url}/agent-api/token`.
    pub async fn ask_about_token(&self) -> Reply {
        let bearer = self.token.bearer();
        let mut url = self.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["agent-api", "token"]);
        }
        let asked = self.connections.kept().get(url);
        let asked = asked
            .header(AUTHORIZATION, bearer.clone())
            .header(ACCEPT, JSON)
            .header(ACCEPT_ENCODING, PLAIN);
        self.came_back(asked.send().await, &bearer).await
    }

    /// Reads the result of a request with this token.
    async fn came_back(&self, sent: reqwest::Result<Response>, bearer: &HeaderValue) -> Reply {
        match sent {
            Ok(response) => {
                self.connections.heed(response.headers());
                self.read(response, bearer).await
            }
            // Only these two errors prove that not a byte of the request was sent.
            Err(e) if e.is_connect() || e.is_builder() => {
                Reply::NotSent(self.connections.explain(e))
            }
            Err(e) => Reply::Lost(self.connections.explain(e)),
        }
    }

    async fn read(&self, response: Response, bearer: &HeaderValue) -> Reply {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        match http::body(response, wire::LONGEST_BODY).await {
            Ok(body) => answer(status, retry_after, &body, token_in(bearer)),
            Err(e) => Reply::Lost(self.connections.explain(e)),
        }
    }
}

#[async_trait]
impl Platform for HttpPlatform {
    async fn deliver(&self, batch: &Batch) -> Reply {
        let body = match wire::encode(batch) {
            Ok(body) => body,
            Err(e) => return Reply::NotSent(format!("the request cannot be encoded: {e}")),
        };
        let bearer = self.token.bearer();
        let id = batch.id.to_string();
        let client = if batch.options.resend_is_safe() {
            self.connections.kept()
        } else {
            self.connections.fresh().clone()
        };
        let sent = client
            .post(self.address(batch))
            .header(AUTHORIZATION, bearer.clone())
            .header(CONTENT_TYPE, JSON)
            .header(ACCEPT, JSON)
            .header(ACCEPT_ENCODING, PLAIN)
            .header("X-Request-Id", &id)
            .header("Idempotency-Key", &id)
            .body(body)
            .send()
            .await;
        self.came_back(sent, &bearer).await
    }

    async fn token_news(&self) -> TokenNews {
        self.token.news().await
    }
}

/// Makes a reply of an answer. The platform may quote the token in its words, which are kept, shown
/// and logged, so the token is taken out here.
fn answer(http: u16, retry_after: Option<Duration>, body: &[u8], token: Option<&str>) -> Reply {
    let mut answer = Answer::new(http, retry_after, body);
    if let (Some(document), Some(token)) = (&mut answer.document, token) {
        document.hide(token);
    }
    Reply::Answer(answer)
}

/// Returns the token of a request, unless it is so short that it may stand in words by chance.
fn token_in(bearer: &HeaderValue) -> Option<&str> {
    let token = bearer.to_str().ok()?.strip_prefix("Bearer ")?;
    (token.len() >= SHORTEST_TOKEN).then_some(token)
}

const SHORTEST_TOKEN: usize = 4;

/// Reads `Retry-After`, in seconds or as a date. A date is measured against the answer's own
/// `Date`, because two hosts may disagree about the time.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = httpdate::parse_http_date(headers.get("date")?.to_str().ok()?).ok()?;
    Some(
        until
            .duration_since(now)
            .unwrap_or_default()
            .min(LONGEST_RETRY_AFTER),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_token_that_the_platform_quotes_is_taken_out_of_all_of_its_words() {
        let body = r#"{"code": 401, "message": "token s3cret-token 无效",
            "data": {"taskNumberCount": 0, "fail_datas":
                [{"fail_data": "911***8179", "fail_cause": "not for s3cret\u002dtoken"}]}}"#;
        let bearer = HeaderValue::from_static("Bearer s3cret-token");
        let Reply::Answer(answer) = answer(401, None, body.as_bytes(), token_in(&bearer)) else {
            panic!("an answer");
        };
        let document = answer.document.unwrap();
        assert_eq!(document.message, "token *** 无效");
        assert_eq!(document.failures[0].cause, "not for ***");
        assert_eq!(document.failures[0].number, "911***8179");
        assert_eq!(token_in(&HeaderValue::from_static("Bearer abc")), None);
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date_by_the_servers_own_clock() {
        let seconds = headers(&[("retry-after", "120")]);
        assert_eq!(retry_after(&seconds), Some(Duration::from_mins(2)));
        let date = headers(&[
            ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),
            ("date", "Wed, 21 Oct 2015 07:27:30 GMT"),
        ]);
        assert_eq!(retry_after(&date), Some(Duration::from_secs(30)));
        let forever = headers(&[("retry-after", "18446744073709551615")]);
        assert_eq!(retry_after(&forever), Some(LONGEST_RETRY_AFTER));
        assert_eq!(retry_after(&headers(&[("retry-after", "soon")])), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
