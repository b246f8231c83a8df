//! The door: everything that decides whether somebody may act.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};

use super::checks::{Checks, Place};
use super::request::{cookie_of, is_secure, session, token};
use super::sessions::{Keys, Sessions};
use super::users_file::UsersFile;
use crate::admin::refusal::{Refusal, Why};
use crate::admin::seats::Seats;

/// The most log-ins that may be arriving at once.
const ARRIVING: usize = 16;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Door(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    users: UsersFile,
    /// The name of the sessions' cookie.
    cookie: String,
    /// Whether the listener speaks TLS itself.
    has_tls: bool,
    sessions: Sessions,
    checks: Checks,
    /// The seats of the log-ins that are arriving.
    seats: Seats,
}

impl Door {
    /// The door of the listener on this port.
    pub(in crate::admin) fn new(users: UsersFile, port: u16, has_tls: bool) -> Self {
        Self(Arc::new(Parts {
            users,
            cookie: cookie_of(port),
            has_tls,
            sessions: Sessions::default(),
            checks: Checks::default(),
            seats: Seats::new(ARRIVING),
        }))
    }

    /// Follows the file of the users. Does not end.
    pub(in crate::admin) async fn follow(&self) {
        self.0.users.follow().await;
    }

    /// Returns the user for whom a request acts.
    pub(in crate::admin) fn user(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        self.seen(headers, true).ok_or_else(no_session)
    }

    /// The same for a request that only looks, which does not keep a session alive.
    pub(in crate::admin) fn looks(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        self.looking(headers).ok_or_else(no_session)
    }

    pub(super) fn looking(&self, headers: &HeaderMap) -> Option<String> {
        self.seen(headers, false)
    }

    /// The name of the sessions' cookie.
    pub(super) fn cookie(&self) -> &str {
        &self.0.cookie
    }

    /// Whether the browser has loaded the page by TLS, from us or from a proxy.
    pub(super) fn is_secure(&self, headers: &HeaderMap) -> bool {
        self.0.has_tls || is_secure(headers)
    }

    fn seen(&self, headers: &HeaderMap, acts: bool) -> Option<String> {
        let (id, token) = (session(headers, self.cookie())?, token(headers)?);
        let users = self.0.users.users();
        self.0.sessions.user(id, token, &users, acts)
    }

    /// Reads a log-in as it arrives. A slow client gives way to others, so that it can block
    /// neither the places of log-ins nor all connections.
    pub(super) async fn hear<T>(
        &self,
        arrives: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let seat = self.0.seats.take().await;
        tokio::select! {
            biased;
            said = arrives => said,
            () = seat.gives_way.cancelled() => Err(too_many()),
        }
    }

    /// Returns a place for a log-in.
    pub(super) fn place(&self) -> Result<Place, Refusal> {
        self.0.checks.place().ok_or_else(too_many)
    }

    /// Begins a session, if this is the user's password.
    pub(super) async fn enter(&self, place: Place, name: String, password: String) -> Option<Keys> {
        let users = self.0.users.users();
        let right = place
            .check(Arc::clone(&users), name.clone(), password)
            .await;
        right
            .then(|| self.0.sessions.begin(&name, &users))
            .flatten()
    }

    /// Whether there is a user of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.users.users().hash(name).is_some()
    }

    pub(super) fn leave(&self, headers: &HeaderMap) {
        if let Some(id) = session(headers, self.cookie()) {
            self.0.sessions.end(id);
        }
    }
}

fn no_session() -> Refusal {
    let said = "log in first: there is no session, or it is over";
    Refusal::new(StatusCode::UNAUTHORIZED, Why::NoSession, said)
}

fn too_many() -> Refusal {
    let said = "too many log-ins at once; try again in a few seconds";
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, Why::TooMany, said)
}
