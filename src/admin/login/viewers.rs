//! Viewers: clients that may look, by basic authentication, as scrapers use it. They may not act.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::checks::Checks;
use super::request::basic;
use super::users_file::UsersFile;
use crate::admin::refusal::Refusal;
use crate::lock::lock;
use crate::telemetry::event::ViewerRefused;

/// How many names with right passwords are remembered.
const MOST_ADMITTED: usize = 64;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Viewers(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    file: UsersFile,
    /// Separate from the users' checks, so that guessing here keeps no operator from logging in.
    checks: Checks,
    /// Digests of names with right passwords, with the hashes that they were checked against.
    admitted: Mutex<HashMap<[u8; 32], String>>,
}

impl Viewers {
    pub(in crate::admin) fn new(file: UsersFile) -> Self {
        Self(Arc::new(Parts {
            file,
            checks: Checks::default(),
            admitted: Mutex::default(),
        }))
    }

    /// Follows their file. Does not end.
    pub(in crate::admin) async fn follow(&self) {
        self.0.file.follow().await;
    }

    /// Whether this is a viewer with its password. A right password is not checked again until the
    /// viewer's line changes: scrapers send it each time, and a check is costly on purpose.
    async fn admit(&self, name: String, password: String) -> Result<bool, Refusal> {
        let viewers = self.0.file.users();
        // No name of a viewer holds a colon.
        let given: [u8; 32] = Sha256::digest(format!("{name}:{password}")).into();
        let hash = viewers.hash(&name).map(str::to_owned);
        if hash.is_some() && lock(&self.0.admitted).get(&given) == hash.as_ref() {
            return Ok(true);
        }
        let place = self.0.checks.place().ok_or_else(|| {
            let said = "too many passwords to check at once; try again in a few seconds";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too_many", said)
        })?;
        if !place.check(viewers, name.clone(), password).await {
            // An unknown name may be a password.
            let viewer = hash.map_or_else(|| "unknown".to_owned(), |_| name);
            ViewerRefused { viewer: &viewer }.emit();
            return Ok(false);
        }
        let mut admitted = lock(&self.0.admitted);
        if admitted.len() >= MOST_ADMITTED {
            admitted.clear();
        }
        admitted.extend(hash.map(|hash| (given, hash)));
        Ok(true)
    }
}

/// Lets only viewers through. Health checks are answered to everybody, because the program that
/// restarts the courier has no password; only viewers are told why it is not ready.
pub(in crate::admin) async fn admit(
    State(viewers): State<Viewers>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if path == "/healthz" {
        return next.run(request).await;
    }
    let Some((name, password)) = basic(request.headers()) else {
        if path == "/readyz" {
            return without_reason(next.run(request).await.status());
        }
        return asked();
    };
    match viewers.admit(name, password).await {
        Ok(true) => next.run(request).await,
        Ok(false) => asked(),
        Err(refusal) => refusal.into_response(),
    }
}

fn without_reason(code: StatusCode) -> Response {
    let status = if code.is_success() {
        "ready"
    } else {
        "unready"
    };
    (code, Json(json!({"status": status}))).into_response()
}

fn asked() -> Response {
    let said = "give a viewer of admin.viewers_file and its password, by basic authentication";
    let mut response = Refusal::new(StatusCode::UNAUTHORIZED, "no_viewer", said).into_response();
    let realm = HeaderValue::from_static("Basic realm=\"contact-courier\", charset=\"UTF-8\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, realm);
    response
}
