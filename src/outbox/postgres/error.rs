//! The meaning of PostgreSQL's errors for the courier.
//!
//! Only an error's one-line message is passed on, never its detail: "Failing row contains (…)"
//! would carry a customer's number. Numbers in the message are masked: it may quote a value.

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::mask::mask_within;
use crate::outbox::error::{breaks, other_schema};
use crate::outbox::network::translate_server;
use crate::outbox::{OutboxError, fitness, schema};

/// Translates an error, whatever the call was.
pub(super) fn translate(error: sqlx::Error) -> OutboxError {
    translate_server(error, translate_sqlstate)
}

/// Whether the user lacks a right.
pub(super) fn is_denied(error: &sqlx::Error) -> bool {
    has_code(error, "42501")
}

/// The words of a pooler whose server lets nobody in: a wrong password, no such user or database. A pooler
/// makes its connection for a statement, so the statement fails, and not the login. While the courier
/// works, this passes: passwords change here and there at different moments.
pub(super) fn refused_login(error: &sqlx::Error) -> Option<String> {
    ["28P01", "28000", "3D000"]
        .into_iter()
        .any(|code| has_code(error, code))
        .then(|| error.to_string())
}

/// Whether the server, or a pooler, allows no more connections, of all, of this role, or to this database.
pub(super) fn allows_no_more(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| is_one_too_many(&error.code().unwrap_or_default(), error.message()))
}

/// Whether one connection more is refused while the others work. Poolers say so by a code for anything: the
/// words are those of `PgBouncer` and of Supavisor.
fn is_one_too_many(code: &str, message: &str) -> bool {
    let words = match code {
        "53300" => return true,
        "08P01" => ["(max_client_conn)", "client connections exceeded"],
        "XX000" => ["max clients reached", "Max client connections reached"],
        _ => return false,
    };
    words.iter().any(|words| message.contains(words))
}

/// Whether another session has the lock.
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    has_code(error, "55P03")
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| error.code().as_deref() == Some(code))
}

fn translate_sqlstate(error: &dyn DatabaseError) -> OutboxError {
    let code = error.code().unwrap_or_default();
    let message = mask_within(error.message());
    if is_outdated(error) {
        return OutboxError::Lost(message);
    }
    let meant = meaning(&code, error.constraint(), message);
    if ends_connection(error) {
        at_the_end(&code, meant)
    } else {
        meant
    }
}

/// Whether the session knows the statement from before its table was changed. The session would refuse it for
/// ever, and a new one does not. The server's words are in its own language, the name of its routine is not.
fn is_outdated(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.is_some_and(|error| error.routine() == Some("RevalidateCachedQuery"))
}

/// Whether whoever said this has closed the connection with it.
fn ends_connection(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

/// What an error means that has ended the connection. A proxy that loses its server says so by any code
/// (XX000), and what was under way may have been done.
fn at_the_end(code: &str, meant: OutboxError) -> OutboxError {
    match meant {
        // A login with a setting that the server does not know, or whose value is none. No row is there yet.
        OutboxError::Failed(message) | OutboxError::Refused(message)
            if ["22", "42"].iter().any(|class| code.starts_with(class)) =>
        {
            OutboxError::Failed(message)
        }
        OutboxError::Failed(message) if refuses_login(&message) => {
            OutboxError::LoginRefused(message)
        }
        OutboxError::Failed(message) | OutboxError::Refused(message) => OutboxError::Lost(message),
        OutboxError::Unavailable(message) if !is_one_too_many(code, &message) => {
            OutboxError::Lost(message)
        }
        meant => meant,
    }
}

/// What an error of this SQLSTATE means, and of this constraint if one was broken.
fn meaning(code: &str, constraint: Option<&str>, message: String) -> OutboxError {
    match code {
        code if is_one_too_many(code, &message) => OutboxError::Unavailable(message),
        // undefined_table, undefined_column, invalid_schema_name
        "42P01" => OutboxError::Schema(schema::UNMIGRATED.into()),
        "42703" | "3F000" => other_schema(&message),
        // invalid_sql_statement_name, duplicate_prepared_statement
        "26000" | "42P05" => fitness::loses_statements(&message),
        // protocol_violation, feature_not_supported: a pooler's words
        "08P01" | "0A000" if message.contains("startup parameter") => {
            fitness::refuses_settings(&message)
        }
        // The words of Amazon's RDS Proxy.
        "08P01" | "0A000" if message.contains("command-line options") => {
            fitness::takes_no_options(&message)
        }
        "08P01" | "0A000" if message.contains("statement pooling") => {
            fitness::no_transactions(&message)
        }
        // lock_not_available
        "55P03" => OutboxError::Locked(message),
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => OutboxError::Conflict(message),
        // read_only_sql_transaction: a standby, or a primary that has become one.
        "25006" => OutboxError::ReadOnly(message),
        // insufficient_privilege
        "42501" => OutboxError::Denied(message),
        // disk_full
        "53100" => OutboxError::Full(message),
        // invalid_authorization_specification, invalid_password, invalid_catalog_name
        "28000" | "28P01" | "3D000" => OutboxError::LoginRefused(message),
        // admin_shutdown, crash_shutdown, cannot_connect_now; idle_session_timeout,
        // idle_in_transaction_session_timeout, transaction_timeout
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => OutboxError::Lost(message),
        code => match code.get(..2) {
            Some("08") => OutboxError::Lost(message),
            // Other rollbacks, resources, cancelled statements, the system.
            Some("40" | "53" | "57" | "58") => OutboxError::Unavailable(message),
            // A rule of the table, or a value that its column cannot hold.
            Some("23") => constraint.map_or(OutboxError::Refused(message), breaks),
            Some("22") => OutboxError::Refused(message),
            _ => OutboxError::Failed(message),
        },
    }
}

/// Whether a server or a proxy says without a code of its own that it lets nobody in: the words of
/// PostgreSQL about a database that is closed, and of Supavisor.
fn refuses_login(message: &str) -> bool {
    [
        "not currently accepting connections",
        "Tenant or user not found",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, PgConnection};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// The kind of error that an SQLSTATE becomes.
    fn kind(code: &str) -> &'static str {
        meaning(code, None, "words".into()).kind()
    }

    #[test]
    fn each_sqlstate_has_its_meaning() {
        for (codes, meant) in [
            (&["25006"][..], "read-only"),
            (&["40001", "40P01"], "conflict"),
            (&["55P03"], "locked"),
            (&["57P01", "57P02", "57P03", "57P05"], "lost"),
            (&["25P03", "25P04", "08006", "08P01"], "lost"),
            (&["40003", "53300", "57014", "58030"], "unavailable"),
            (&["53100"], "full"),
            (&["28000", "28P01", "3D000"], "refused login"),
            (&["42501"], "denied"),
            (&["23505", "23514", "22001"], "refused"),
            (&["42P01", "42703", "3F000"], "schema"),
            (&["26000", "42P05"], "unfit"),
            (&["42601", "0A000", "XX000", ""], "failed"),
        ] {
            for code in codes {
                assert_eq!(kind(code), meant, "{code}");
            }
        }
    }

    /// The kind of error that an SQLSTATE becomes when the connection ends with it.
    fn kind_at_the_end(code: &str) -> &'static str {
        at_the_end(code, meaning(code, None, "words".into())).kind()
    }

    #[test]
    fn whatever_ends_the_connection_is_an_outage_but_for_a_refused_login() {
        for (codes, meant) in [
            (
                &["XX000", "XX001", "58000", "55000", "0A000", ""][..],
                "lost",
            ),
            (&["57P01", "57014", "53200", "08P01", "23505"], "lost"),
            (&["28000", "28P01", "3D000"], "refused login"),
            (&["53300"], "unavailable"),
            (&["53100"], "full"),
            (&["42501"], "denied"),
            (&["42704", "42601", "22023"], "failed"),
            (&["26000"], "unfit"),
        ] {
            for code in codes {
                assert_eq!(kind_at_the_end(code), meant, "{code}");
            }
        }
    }

    #[test]
    fn a_pooler_that_takes_no_more_clients_has_ended_no_connection() {
        for (code, words) in [
            ("08P01", "no more connections allowed (max_client_conn)"),
            (
                "08P01",
                "client connections exceeded (max_db_client_connections)",
            ),
            ("XX000", "Max client connections reached"),
            (
                "XX000",
                "MaxClientsInSessionMode: max clients reached - in Session mode max clients are \
                 limited to pool_size",
            ),
        ] {
            let told = at_the_end(code, meaning(code, None, words.into()));
            assert_eq!(told.kind(), "unavailable", "{words}");
        }
    }

    /// What a server says to a login, translated.
    async fn said_to_a_login(severity: &str, code: &str) -> OutboxError {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let fields = format!("S{severity}\0V{severity}\0C{code}\0Mwords\0\0");
        let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
        let told = [b"E", &length[..], fields.as_bytes()].concat();
        let saying = tokio::spawn(async move {
            let (mut client, _) = server.accept().await.unwrap();
            let mut asked = [0; 1024];
            assert!(client.read(&mut asked).await.unwrap() > 0);
            client.write_all(&told).await.unwrap();
        });
        let url = format!("postgres://me:pw@127.0.0.1:{port}/shop?sslmode=disable");
        let error = PgConnection::connect(&url).await.unwrap_err();
        saying.await.unwrap();
        translate(error)
    }

    #[tokio::test]
    async fn the_severity_tells_whether_the_connection_has_ended() {
        for (severity, code, meant) in [
            ("ERROR", "XX000", "failed"),
            ("FATAL", "XX000", "lost"),
            ("PANIC", "XX000", "lost"),
            ("FATAL", "28P01", "refused login"),
            ("FATAL", "53300", "unavailable"),
        ] {
            let told = said_to_a_login(severity, code).await;
            assert_eq!(told.kind(), meant, "{severity} {code}");
        }
    }

    #[test]
    fn a_proxy_that_takes_no_options_is_told_with_what_to_do() {
        let words = "RDS Proxy currently doesn't support command-line options.";
        let told = meaning("0A000", None, words.into());
        assert_eq!(told.kind(), "unfit");
        let told = told.to_string();
        assert!(
            told.contains(words) && told.contains("the server's own address"),
            "{told}"
        );
    }

    #[test]
    fn of_a_broken_rule_only_the_name_is_told() {
        let told = meaning("23514", Some("sex_is_0_1_or_2"), "Failing row".into());
        let words = "the database refused the row: it breaks the rule sex_is_0_1_or_2";
        assert_eq!(told.to_string(), words);
    }
}
