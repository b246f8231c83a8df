//! The part that our HTTP clients share: the platform's, that of a collector of traces, and the one
//! that asks a courier of this host whether it lives.
//!
//! They share no client, and so neither a connection nor a token.

use std::error::Error;

use reqwest::{Client, ClientBuilder, Response, redirect};

/// A client that follows no redirect and tries nothing again by itself.
pub(crate) fn client() -> ClientBuilder {
    // Another part of the process may have chosen a provider already; any will do.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    Client::builder()
        .user_agent(concat!("contact-courier/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
}

/// The body of an answer; nothing of one that is longer than `most` bytes.
pub(crate) async fn body(mut answer: Response, most: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(Vec::new());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost cause of an error, such as `Connection refused (os error 111)`.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// An error with its causes in one line, without the address: reqwest keeps what people need in the
/// innermost.
pub(crate) fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !line.contains(&cause_text) {
            line.push_str(": ");
            line.push_str(&cause_text);
        }
        source = cause.source();
    }
    line
}
