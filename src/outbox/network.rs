//! Connecting to a database that is a server.

use std::path::Path;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::{ConnectOptions, Connection, Error};
use tokio::time::{sleep, timeout};

use super::error::{CONNECT_TIMEOUT, OutboxError};
use super::server_kind::{Options, ServerKind};
use super::{fitness, schema};
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

/// How long the questions may take that a server is asked before the courier works with it.
const MEET_WITHIN: Duration = Duration::from_secs(4 * CONNECT_TIMEOUT.as_secs());

/// Limits the time of these questions: a server may fall silent between two of them.
pub(super) async fn meeting<T>(
    questions: impl Future<Output = Result<T, OutboxError>>,
) -> Result<T, OutboxError> {
    // What it takes to make a connection is large.
    limited(MEET_WITHIN, Box::pin(questions)).await
}

/// Gives a call up that is not answered within its limit.
pub(super) async fn limited<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, OutboxError>>,
) -> Result<T, OutboxError> {
    let answered = timeout(limit, call).await;
    answered.unwrap_or_else(|_| Err(too_slow(limit)))
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

/// What the drivers say of a kind of login that they do not know. Its name stands behind the words.
const UNKNOWN_LOGINS: [&str; 4] = [
    "unknown authentication plugin: ",
    "unknown authentication method: ",
    "unsupported authentication method: ",
    "unsupported SASL authentication mechanisms: ",
];

/// What the driver for MySQL says of passwords that go as they are.
const NO_CLEARTEXT: &str = "mysql_cleartext_plugin disabled";

/// Returns the kind of login that the driver does not know, if it says so.
fn unknown_login(said: &str) -> Option<&str> {
    if said.contains(NO_CLEARTEXT) {
        return Some("mysql_clear_password");
    }
    let mut kinds = UNKNOWN_LOGINS
        .iter()
        .filter_map(|words| said.split_once(words));
    kinds.next().map(|(_, kind)| match kind {
        // PostgreSQL's numbers.
        "7" => "gss",
        "9" => "sspi",
        kind => kind,
    })
}

/// Translates an error of a connection to a server; `by_code` knows the server's own errors.
pub(super) fn translate_server(
    error: Error,
    by_code: fn(&dyn DatabaseError) -> OutboxError,
) -> OutboxError {
    if let Some(why) = trust::refusal(&error, "database.ca_file") {
        return OutboxError::Untrusted(why);
    }
    if let Error::Protocol(said) = &error
        && let Some(kind) = unknown_login(said)
    {
        return fitness::unknown_login(kind);
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
    fn a_kind_of_login_that_the_driver_does_not_know_is_told_by_its_name() {
        for (words, kind) in [
            ("unknown authentication plugin: ed25519", "ed25519"),
            ("mysql_cleartext_plugin disabled", "mysql_clear_password"),
            ("unknown authentication method: 7", "gss"),
            ("unknown authentication method: 9", "sspi"),
            (
                "unsupported SASL authentication mechanisms: OAUTHBEARER",
                "OAUTHBEARER",
            ),
        ] {
            let told = translate_server(Error::Protocol(words.into()), |_| {
                OutboxError::Failed(String::new())
            });
            assert!(!told.is_transient(), "waiting does not help: {told}");
            let (found, todo) = told.apart();
            assert!(found.contains(kind), "{found}");
            assert!(todo.is_some_and(|todo| todo.contains("scram-sha-256")));
        }
        assert_eq!(unknown_login("unexpected packet"), None);
    }

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
