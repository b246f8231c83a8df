//! The meaning of MySQL's and MariaDB's errors for the courier.
//!
//! Their messages quote values ("Duplicate entry '…' for key"), and a value may be a customer's
//! number. So when the table refuses a row, only the name of the rule or of the column is passed
//! on, and numbers in all other words are masked.

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

use super::cluster::Undone;
use crate::mask::mask_within;
use crate::outbox::error::{breaks, other_schema};
use crate::outbox::network::translate_server;
use crate::outbox::{OutboxError, fitness, schema};

/// The remedy for a user whose password needs TLS.
pub(super) const PASSWORD_NEEDS_TLS: &str = "without TLS the server takes this user's password only \
    while it remembers the user, which ends when it restarts; turn TLS on (at the server, and no \
    ssl-mode=DISABLED in the address), or give the user another kind of password";

/// Why a server takes no writes whose binary log holds statements.
pub(super) const LOGS_STATEMENTS: &str = "takes no writes of the courier's, because its binlog_format is STATEMENT; \
    set it to ROW or MIXED";

/// Translates an error, whatever the call was.
pub(super) fn translate(error: sqlx::Error) -> OutboxError {
    match error {
        // The driver's words name a feature of itself.
        sqlx::Error::Configuration(source) if source.to_string().contains("RSA") => {
            OutboxError::Failed(PASSWORD_NEEDS_TLS.into())
        }
        sqlx::Error::AnyDriverError(error) if error.is::<Undone>() => {
            OutboxError::Conflict(error.to_string())
        }
        error => translate_server(error, translate_number),
    }
}

/// Whether the user lacks a right to a table, or to one of its columns. (For a user without any
/// right, the server reports a missing table in the same way.)
pub(super) fn is_denied(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error
            .try_downcast_ref::<MySqlDatabaseError>()
            .is_some_and(|error| matches!(error.number(), 1142 | 1143))
    })
}

/// The words of a proxy whose server lets nobody in, or that finds no primary. A proxy makes its
/// connection for a statement, so the statement fails, and not the login. While the courier works, this
/// passes: passwords change here and there at different moments.
pub(super) fn refused_login(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    let number = number(error);
    (is_refused_login(number) || matches!(number, 2003 | 9001)).then(|| error.to_string())
}

/// Whether the server does not let this user in.
fn is_refused_login(number: u16) -> bool {
    matches!(
        number,
        // A wrong password, another kind of login; no such database; a host that is locked out, or has no
        // right to come.
        1045 | 1698 | 1049 | 1129 | 1130
        // A locked account (MySQL, MariaDB); too many wrong passwords; a password that has expired.
        | 3118 | 4151 | 4150 | 1820 | 1862
    )
}

/// Whether the server allows no more connections, of all, of this user, or of this user in an hour.
pub(super) fn allows_no_more(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| matches!(number(error), 1040 | 1203 | 1226))
}

fn number(error: &dyn DatabaseError) -> u16 {
    error
        .try_downcast_ref::<MySqlDatabaseError>()
        .map_or(0, MySqlDatabaseError::number)
}

fn translate_number(error: &dyn DatabaseError) -> OutboxError {
    let message = mask_within(error.message());
    meaning(number(error), error.code().as_deref(), message)
}

/// What an error of this number and SQLSTATE means.
fn meaning(number: u16, sqlstate: Option<&str>, message: String) -> OutboxError {
    match number {
        1046 => OutboxError::Failed(
            "the address names no database; write mysql://USER:PASSWORD@HOST/NAME".into(),
        ),
        1146 => OutboxError::Schema(schema::UNMIGRATED.into()),
        1054 => other_schema(&message),
        // ProxySQL's, where a transaction and a statement in it belong to two groups of servers.
        9006 => fitness::splits_reads(&message),
        1153 => OutboxError::Failed(format!("{message}; raise max_allowed_packet at the server")),
        // The wait for a lock took too long.
        1205 => OutboxError::Locked(message),
        // ER_BINLOG_STMT_MODE_AND_ROW_ENGINE
        1665 => OutboxError::ReadOnly(format!("the server {LOGS_STATEMENTS}")),
        // The server, or what its sessions begin with, is read-only.
        1290 | 1836 | 1792 => OutboxError::ReadOnly(message),
        // On the database, a table, a column, a routine, or as administrator.
        1044 | 1142 | 1143 | 1227 | 1370 => OutboxError::Denied(message),
        // The disk or a table is full.
        1021 | 1114 => OutboxError::Full(message),
        number if lacks_room(number, &message) => OutboxError::Full(message),
        number if is_refused_login(number) => OutboxError::LoginRefused(message),
        number if is_conflict(number) => OutboxError::Conflict(message),
        number if is_over(number) => OutboxError::Lost(message),
        number if passes(number) => OutboxError::Unavailable(message),
        // A rule of the table; 4025 is MariaDB's number, and another error's on MySQL.
        1062 | 3819 => breaks(&last_name(&message)),
        // An app's foreign key.
        1451 | 1452 => breaks(constraint(&message)),
        4025 if sqlstate == Some("23000") => breaks(first_name(&message)),
        // A column that must not be null, or has no default.
        1048 | 1364 => OutboxError::Refused(format!(
            "the column {} must not be null",
            first_name(&message)
        )),
        // MySQL reports it by HY000, MariaDB by 22007.
        1366 => refused_value(&message),
        _ => match sqlstate.and_then(|code| code.get(..2)) {
            Some("22" | "23") => refused_value(&message),
            Some("40") => OutboxError::Conflict(message),
            Some("08") => OutboxError::Lost(message),
            _ => OutboxError::Failed(message),
        },
    }
}

/// Whether a file beside the tables, such as a temporary one, finds no room: it cannot be made (1) or written
/// (3), or the disk is full (20). The number of the system's error is ENOSPC in the words of MySQL, and in those
/// of MariaDB.
fn lacks_room(number: u16, message: &str) -> bool {
    let no_space = || {
        ["OS errno 28 ", "Errcode: 28 "]
            .iter()
            .any(|words| message.contains(words))
    };
    number == 20 || matches!(number, 1 | 3) && no_space()
}

/// Another transaction was first, and all of this one is undone.
fn is_conflict(number: u16) -> bool {
    matches!(
        number,
        // A deadlock, which Galera also reports when another node's transaction came first; a row
        // that has changed meanwhile (MariaDB); another member of the group was first; a failed
        // COMMIT; a statement that another node's transaction, or a person, has broken off.
        1213 | 1020 | 3101 | 1180 | 1317
    )
}

/// Whether an error passes by itself, or when somebody has made room.
fn passes(number: u16) -> bool {
    matches!(
        number,
        // Too many connections, of all or of this user; limits of the user; no memory, no threads.
        1040 | 1203 | 1226 | 1037 | 1038 | 1041 | 1135
        // Too many prepared statements, of all sessions.
        | 1461
        // The engine could not read or write, nor could the binary log be written.
        | 1026 | 1030 | 1598
        // Too many locks or transactions; a table has changed.
        | 1206 | 1637 | 1412 | 1615
        // A member of a group cannot commit now, or its wait before a read takes too long.
        | 3092 | 3100 | 3796 | 3797 | 3798 | 3799
        // A statement took too long.
        | 1969 | 3024
    )
}

/// Whether an error ends the connection, or makes its server useless for now.
fn is_over(number: u16) -> bool {
    matches!(
        number,
        // The server shuts down, goes offline, is not there, is not yet part of its cluster.
        1053 | 1077 | 1078 | 1079 | 3032 | 3168 | 1047
        // The connection was killed, or was silent for too long.
        | 1927 | 3169 | 4031
        // The connection broke.
        | 1152 | 1154..=1161 | 1184
        // ProxySQL's: it reaches no server, the server has gone, or lags too far behind.
        | 9001 | 9002 | 9004 | 9005
        // A client's own numbers. No server reports them, but a proxy does when it has lost its
        // server (2013, 2006).
        | 2000..=2999
    )
}

/// What stands around names and values in a message.
const QUOTES: [char; 2] = ['\'', '`'];

/// A value that its column cannot hold. Where no column is named, the last that a message quotes is the value.
fn refused_value(message: &str) -> OutboxError {
    let words = message.split(QUOTES).next().unwrap_or_default();
    OutboxError::Refused(if message.ends_with(QUOTES) || words == message {
        words.trim_end_matches([':', ' ']).to_owned()
    } else {
        format!("the column {} cannot hold the value", last_name(message))
    })
}

/// Returns the last name in quotes, without the table that may stand before it. Values come earlier
/// in a message than the name of the rule, and may hold quotes themselves.
fn last_name(message: &str) -> String {
    let mut parts = message.rsplitn(3, QUOTES);
    parts.next();
    let name = parts.next().unwrap_or_default();
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

/// Returns the first name in quotes.
fn first_name(message: &str) -> &str {
    message.split(QUOTES).nth(1).unwrap_or_default()
}

/// Returns the name of the constraint in what a message quotes of a table's definition.
fn constraint(message: &str) -> &str {
    let named = message.split_once("CONSTRAINT ");
    named.map_or("", |(_, named)| first_name(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_was_refused_only_the_name_is_told() {
        for (message, name) in [
            (
                "Duplicate entry 'order' for key '13912345678' for key 'idempotency_key_is_unique'",
                "idempotency_key_is_unique",
            ),
            (
                "Duplicate entry 'k' for key 'contact_outbox.idempotency_key_is_unique'",
                "idempotency_key_is_unique",
            ),
            (
                "Check constraint 'sex_is_0_1_or_2' is violated.",
                "sex_is_0_1_or_2",
            ),
            ("Data too long for column 'name' at row 1", "name"),
            (
                "Incorrect datetime value: '139' for column `shop`.`contact_outbox`.`not_before` at row 1",
                "not_before",
            ),
        ] {
            assert_eq!(last_name(message), name);
        }
        let message = "Cannot delete or update a parent row: a foreign key constraint fails \
            (`shop`.`orders`, CONSTRAINT `order_has_a_contact` FOREIGN KEY (`contact`) REFERENCES \
            `contact_outbox` (`id`))";
        assert_eq!(constraint(message), "order_has_a_contact");
        let message = "CONSTRAINT `sex_is_0_1_or_2` failed for `shop`.`contact_outbox`";
        assert_eq!(first_name(message), "sex_is_0_1_or_2");
    }

    #[test]
    fn a_value_is_not_told_where_no_column_is_named() {
        for (number, sqlstate, message, told) in [
            (
                1292,
                "22007",
                "Truncated incorrect DOUBLE value: '12345'",
                "Truncated incorrect DOUBLE value",
            ),
            (
                1690,
                "22003",
                "BIGINT value is out of range in '(12345 + `shop`.`orders`.`n`)'",
                "BIGINT value is out of range in",
            ),
            (
                1366,
                "HY000",
                "Incorrect integer value: '12345' for column 'digits' at row 1",
                "the column digits cannot hold the value",
            ),
            (1644, "22000", "hands off", "hands off"),
        ] {
            let said = meaning(number, Some(sqlstate), message.into()).to_string();
            assert_eq!(said, format!("the database refused the row: {told}"));
        }
    }

    /// The kind of error that a number and SQLSTATE become.
    fn kind(number: u16, sqlstate: &str) -> &'static str {
        meaning(number, Some(sqlstate), "words".into()).kind()
    }

    #[test]
    fn each_number_has_its_meaning() {
        for (numbers, sqlstate, meant) in [
            (&[1290, 1836][..], "HY000", "read-only"),
            (&[1792], "25006", "read-only"),
            (&[1665], "HY000", "read-only"),
            (&[1213], "40001", "conflict"),
            (&[1020, 1180, 3101], "HY000", "conflict"),
            (&[1317], "70100", "conflict"),
            (&[1205], "HY000", "locked"),
            (&[1047, 1053], "08S01", "lost"),
            (&[1927], "70100", "lost"),
            (&[1152, 1154, 1157, 1161], "HY000", "lost"),
            (&[3032, 3168, 3169, 4031], "HY000", "lost"),
            (&[1040], "08004", "unavailable"),
            (&[1203, 1226], "42000", "unavailable"),
            (&[1030, 1461, 1598, 3024, 3100], "HY000", "unavailable"),
            (&[20, 1021, 1114], "HY000", "full"),
            (&[1045, 1049, 1698], "28000", "refused login"),
            (&[3118, 4150, 4151, 1820, 1862], "HY000", "refused login"),
            (&[1044, 1142, 1143, 1227], "42000", "denied"),
            (&[1062, 4025], "23000", "refused"),
            (&[3819], "HY000", "refused"),
            (&[1406], "22001", "refused"),
            (&[1146], "42S02", "schema"),
            (&[1054], "42S22", "schema"),
            (&[1064, 1046, 1153], "42000", "failed"),
            (&[1999, 3000], "HY000", "failed"),
        ] {
            for number in numbers {
                assert_eq!(kind(*number, sqlstate), meant, "{number}");
            }
        }
    }

    #[test]
    fn a_temporary_file_without_room_is_a_full_disk() {
        for (number, words, meant) in [
            (1, "(OS errno 28 - No space left on device)", "full"),
            (3, "(OS errno 28 - No space left on device)", "full"),
            (3, "(Errcode: 28 \"No space left on device\")", "full"),
            (1, "(OS errno 13 - Permission denied)", "failed"),
        ] {
            let words = format!("Error writing file '/tmp/MYfd=42' {words}");
            let told = meaning(number, Some("HY000"), words);
            assert_eq!(told.kind(), meant, "{told}");
        }
    }

    #[test]
    fn a_proxy_that_has_lost_its_server_has_refused_nothing() {
        for number in [2000, 2003, 2006, 2013, 2026, 2999, 9001, 9002, 9004, 9005] {
            assert_eq!(kind(number, "HY000"), "lost", "{number}");
        }
    }
}
