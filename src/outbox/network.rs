//! Connecting to a database that is a server.

use std::path::Path;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::{ConnectOptions, Connection, Error};
use tokio::time::{sleep, timeout};

use super::error::OutboxError;
use super::schema;
use super::server_kind::{Options, ServerKind};
use crate::address::{self, Address, DatabaseKind, Distance, Parameters, Tls};
use crate::trust;

/// After a refused connection, until the next one: those that were closed a moment ago may still
/// count at the server.
pub(super) const REFUSED_AGAIN: Duration = Duration::from_millis(100);

/// One connection by itself: its error says what is wrong, a pool's only that time is up. A server that
/// allows no more connections is asked again until then.
pub(super) async fn connect<D: ServerKind>(
    options: &Options<D>,
    within: Duration,
) -> Result<D::Connection, OutboxError> {
    let mut refused = None;
    let connected = timeout(within, async {
        loop {
            match options.connect().await {
                Err(error) if D::allows_no_more(&error) => refused = Some(error),
                connected => return connected,
            }
            sleep(REFUSED_AGAIN).await;
        }
    });
    match (connected.await, refused) {
        (Ok(connected), _) => connected.map_err(D::translate),
        (Err(_), Some(refused)) => Err(D::translate(refused)),
        (Err(_), None) => Err(OutboxError::Lost(format!(
            "no connection within {} seconds",
            within.as_secs()
        ))),
    }
}

/// Says goodbye to the server. How that goes does not matter, for all that was asked is answered by
/// then: over TLS a server may hang up in the middle of it.
pub(super) async fn part(connection: impl Connection) {
    connection.close().await.ok();
}

/// Carries an error that is translated already to where errors are translated.
pub(super) fn told(error: OutboxError) -> Error {
    Error::AnyDriverError(Box::new(error))
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

/// Makes the options of sessions on each of the servers of an address.
pub(super) fn each<T>(
    address: &Address,
    options: impl Fn(&str, &Address) -> Result<T, OutboxError>,
) -> Result<Vec<T>, OutboxError> {
    let hosts = address::split(&address.url);
    let hosts = hosts.map_err(|error| OutboxError::Failed(error.to_string()))?;
    hosts.iter().map(|url| options(url, address)).collect()
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
    let names_authority = stated.names_authority() || address.ca_file.is_some();
    address::in_force(address.tls, stated.tls, names_authority, (kind, distance))
        .map_err(|error| failed(error.to_string()))
}

/// What the driver says of a server that offers no TLS.
const NO_TLS: &str = "server does not support TLS";

/// What the driver for PostgreSQL says of another kind of server, whose first byte is none of
/// PostgreSQL's answers.
const NO_POSTGRES: &str = "unexpected response from SSLRequest";

/// Translates an error of a connection to a server; `by_code` knows the server's own errors.
pub(super) fn translate_server(
    error: Error,
    by_code: fn(&dyn DatabaseError) -> OutboxError,
) -> OutboxError {
    if let Some(why) = trust::refusal(&error, "database.ca_file") {
        return OutboxError::Untrusted(why);
    }
    match error {
        Error::Database(error) => by_code(&*error),
        Error::Tls(why) if why.to_string() == NO_TLS => OutboxError::Untrusted(
            "the server offers no TLS; turn it on there, or set database.tls = \"off\" where nobody \
             can be in between"
                .into(),
        ),
        Error::Protocol(why) if why.contains(NO_POSTGRES) => OutboxError::Lost(
            "this is not a PostgreSQL server; correct the scheme or the port of the address".into(),
        ),
        Error::AnyDriverError(error) => match error.downcast::<OutboxError>() {
            Ok(told) => *told,
            Err(error) => OutboxError::Failed(error.to_string()),
        },
        Error::PoolTimedOut => OutboxError::NoConnection,
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::BeginFailed => OutboxError::Lost(error.to_string()),
        Error::Migrate(error) => {
            schema::migration_failed(*error, |error| translate_server(error, by_code))
        }
        other => OutboxError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_server_behind_the_scheme_of_postgresql_is_told_as_such() {
        let words = "unexpected response from SSLRequest: 0x4a";
        let said = translate_server(Error::Protocol(words.into()), |_| {
            OutboxError::Failed(String::new())
        });
        let said = said.to_string();
        assert!(said.contains("not a PostgreSQL server"), "{said}");
    }
}
