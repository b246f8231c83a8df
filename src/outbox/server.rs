//! Connecting to a database that is a server.

use std::path::Path;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection};

use super::OutboxError;
use crate::address::{self, Address, DatabaseKind, Distance, Parameters, Tls};

/// How long to wait for a connection: long enough for a busy server, short enough for a person who
/// waits for the error message.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection by itself: its error says what is wrong, a pool's only that time is up.
pub(super) async fn connect<C: Connection>(
    options: &C::Options,
    translate: impl Fn(sqlx::Error) -> OutboxError,
) -> Result<C, OutboxError> {
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(connection) => connection.map_err(translate),
        Err(_) => Err(OutboxError::Lost(format!(
            "no connection within {} seconds",
            CONNECT_TIMEOUT.as_secs()
        ))),
    }
}

/// Says goodbye to the server. How that goes does not matter, for all that was asked is answered by
/// then: over TLS a server may hang up in the middle of it.
pub(super) async fn part(connection: impl Connection) {
    connection.close().await.ok();
}

/// The failure of a call that was given up.
pub(super) fn too_slow(limit: Duration) -> OutboxError {
    OutboxError::Lost(format!(
        "no answer within {}",
        humantime::format_duration(limit)
    ))
}

/// How many transactions of the recorder run at once: half of the connections are for reading,
/// leasing and heartbeats, and more than four writers only wait for one another.
pub(super) fn writers(max_connections: u32) -> usize {
    usize::try_from(max_connections / 2)
        .unwrap_or(1)
        .clamp(1, 4)
}

/// A host as the resolver wants it: an IPv6 address stands in brackets in an address only.
pub(super) fn without_brackets(host: &str) -> String {
    host.trim_matches(['[', ']']).to_owned()
}

/// Where a server is, for people.
pub(super) fn place(socket: Option<&Path>, host: &str, port: u16) -> String {
    match socket {
        Some(socket) => socket.display().to_string(),
        None if host.contains(':') => format!("[{host}]:{port}"),
        None => format!("{host}:{port}"),
    }
}

/// How far a server is.
pub(super) fn distance(socket: Option<&Path>, host: &str) -> Distance {
    socket.map_or_else(|| Distance::of(host), |_| Distance::Socket)
}

/// How the way to a server of an address has to be secured.
pub(super) fn tls(
    address: &Address,
    kind: DatabaseKind,
    distance: Distance,
) -> Result<Tls, OutboxError> {
    let failed = |why: String| OutboxError::Failed(why);
    let stated = Parameters::read(&address.url, kind).map_err(|error| failed(error.to_string()))?;
    let names_authority = stated.names_authority || address.ca_file.is_some();
    address::in_force(address.tls, stated.tls, names_authority, (kind, distance))
        .map_err(|error| failed(error.to_string()))
}
