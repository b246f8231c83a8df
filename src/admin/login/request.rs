//! Requests that change something: whether the page itself made them, and their content.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::admin::refusal::{Refusal, Why};

/// The name of the cookie of a listener. Browsers send a cookie to all ports of its host: with a name
/// for each port, the sessions of several couriers stand beside each other.
pub(super) fn cookie_of(port: u16) -> String {
    format!("courier_session_{port}")
}

/// The header with the token.
const TOKEN: &str = "x-courier-token";

/// The largest body that is read: more than any of our requests has.
const LARGEST: usize = 256 * 1024;

/// How long a request may take to arrive.
const WITHIN: Duration = Duration::from_secs(5);

/// Refuses requests that a browser sends for a page from elsewhere.
pub(in crate::admin) async fn refuse_foreign(request: Request, next: Next) -> Response {
    if request.method() != Method::GET && is_foreign(request.headers()) {
        let said = "a page from elsewhere asked for this; use the status page itself";
        return Refusal::new(StatusCode::FORBIDDEN, Why::Foreign, said).into_response();
    }
    next.run(request).await
}

/// Whether a page of another origin made the request. Browsers send `Sec-Fetch-Site`. If they do
/// not, because the connection is not secure, they send the origin. Other programs send neither.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| Some(headers.get(name)?.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return site != "same-origin";
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return false;
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_none() || host != text(HOST.as_str())
}

/// Whether the browser has loaded the page by TLS, according to its headers.
pub(super) fn is_secure(headers: &HeaderMap) -> bool {
    let origin = headers.get(ORIGIN);
    origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// The session's id.
pub(super) fn session<'a>(headers: &'a HeaderMap, cookie: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == cookie).then_some(value)
    })
}

/// User and password, as basic authentication has them.
pub(super) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let given = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, given) = given.split_once(' ')?;
    let given = STANDARD.decode(given.trim()).ok()?;
    let given = String::from_utf8(given).ok()?;
    let (name, password) = given.split_once(':')?;
    let is_basic = scheme.eq_ignore_ascii_case("basic");
    is_basic.then(|| (name.to_owned(), password.to_owned()))
}

/// The session's token.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    headers.get(TOKEN)?.to_str().ok()
}

/// Reads the request's body as JSON. No form of a page can send that type.
pub(in crate::admin) async fn json<T: DeserializeOwned>(request: Request) -> Result<T, Refusal> {
    let is_json = |value: &str| value.split(';').next().map(str::trim) == Some("application/json");
    let kind = request.headers().get(CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.to_str().is_ok_and(is_json)) {
        let said = "send it as application/json";
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Why::Unreadable,
            said,
        ));
    }
    let body = timeout(WITHIN, to_bytes(request.into_body(), LARGEST)).await;
    let body = body.map_err(|_| {
        let said = format!("the request did not arrive within {} s", WITHIN.as_secs());
        Refusal::new(StatusCode::REQUEST_TIMEOUT, Why::Slow, said)
    })?;
    let body = body.map_err(|_| {
        let said = format!("the request is cut off, or longer than {LARGEST} bytes");
        Refusal::wrong(Why::Unreadable, said)
    })?;
    // The error quotes no value of ours, except an unknown name.
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::wrong(Why::Unreadable, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_page_itself_is_told_from_pages_from_elsewhere() {
        let host = ("host", "10.0.0.1:9464");
        for (more, foreign) in [
            (vec![], false),
            (vec![("sec-fetch-site", "same-origin")], false),
            (vec![("sec-fetch-site", "same-site")], true),
            (vec![("sec-fetch-site", "cross-site")], true),
            (vec![("sec-fetch-site", "none")], true),
            (vec![("origin", "http://10.0.0.1:9464")], false),
            (vec![("origin", "https://10.0.0.1:9464")], false),
            (vec![("origin", "http://10.0.0.1:9465")], true),
            (vec![("origin", "http://10.0.0.1")], true),
            (vec![("origin", "http://evil.example")], true),
            (vec![("origin", "null")], true),
            (vec![("origin", "")], true),
        ] {
            let mut all = more.clone();
            all.push(host);
            assert_eq!(is_foreign(&headers(&all)), foreign, "{more:?}");
        }
        let both = [
            ("origin", "https://courier.example"),
            ("sec-fetch-site", "same-origin"),
        ];
        // A proxy in between uses another name for the host.
        assert!(!is_foreign(&headers(&[both[0], both[1], host])));
        assert!(is_secure(&headers(&both)) && !is_secure(&headers(&[host])));
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        for (cookie, id) in [
            ("courier_session_9464=abc", Some("abc")),
            ("a=b; courier_session_9464=abc;c=d", Some("abc")),
            (
                "courier_session_9465=def; courier_session_9464=abc",
                Some("abc"),
            ),
            ("courier_session_9465=def", None),
            ("xcourier_session_9464=abc", None),
            ("courier_session_9464", None),
            ("", None),
        ] {
            let headers = headers(&[("cookie", cookie)]);
            assert_eq!(session(&headers, &cookie_of(9464)), id, "{cookie}");
        }
        let two = headers(&[("cookie", "a=b")]);
        assert_eq!((session(&two, &cookie_of(9464)), token(&two)), (None, None));
        assert_eq!(token(&headers(&[("x-courier-token", "t")])), Some("t"));
    }
}
