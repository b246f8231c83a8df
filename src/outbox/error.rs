//! Failures of the database, in the courier's words.

use std::time::Duration;

/// How long to wait for a connection: long enough for a busy server, short enough for a person who
/// waits for the error message.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The remedy for a full disk.
const MAKE_ROOM: &str = "make room on its disk";

/// The remedy for a missing right.
const GET_RIGHTS: &str = "the README names the rights of each user under Grants; `contact-courier \
    migrate` is for the owner of the tables";

/// A failure of our own side. An expected outcome (another courier has the lane, a write came too
/// late) is a value, not an error.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The database says that it cannot do it now; trying again may help.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The database cannot be reached, or the connection broke; trying again on another connection
    /// may help.
    #[error("the database does not answer: {0}")]
    Lost(String),
    /// The disk of the database has no room left. Trying again may help, when somebody has made room.
    #[error("the database takes no writes: {0}; {todo}", todo = MAKE_ROOM)]
    Full(String),
    /// The folder of an SQLite file is not there. It may come: a disk may be mounted later.
    #[error("there is no folder {0}; make it, or correct the address")]
    NoFolder(String),
    /// The server lets this user not in: a wrong password, no such user or database.
    #[error("the server refused the login: {0}")]
    LoginRefused(String),
    /// The server cannot show that it is the right one, or speaks no TLS. Trying again may help:
    /// the server may get another certificate.
    #[error("the way to the database is not secure: {0}")]
    Untrusted(String),
    /// All connections were in use, or none could be made.
    #[error("no database connection within {} s", CONNECT_TIMEOUT.as_secs())]
    NoConnection,
    /// Another session has locked a row for longer than we wait; trying again may help.
    #[error("another session keeps a row locked: {0}")]
    Locked(String),
    /// Another transaction was first, on this server or on another node of its cluster. Nothing of
    /// ours was done, and the same call is likely to succeed at once.
    #[error("other transactions were first, again and again: {0}")]
    Conflict(String),
    /// The server or the file takes no writes: a primary that has become a standby, a file without
    /// the right to write. Trying again may help.
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    /// The database would take contacts, but would not let the courier do its work.
    #[error("{found}; {todo}")]
    Unfit {
        /// The fault.
        found: String,
        /// The remedy.
        todo: String,
    },
    /// The schema is not the one that this program needs.
    #[error("{0}")]
    Schema(String),
    /// The database's user may not do this.
    #[error("the database's user lacks a right: {0}; {todo}", todo = GET_RIGHTS)]
    Denied(String),
    /// The database refused a row: the rule, in the database's words.
    #[error("the database refused the row: {0}")]
    Refused(String),
    /// The database reported no error and did not write.
    #[error(
        "rows of {table} stay as they were ({rows}), and the database reported no error; remove the \
         row policy, trigger or proxy that keeps the courier from writing them"
    )]
    Unwritten {
        /// The table.
        table: &'static str,
        /// The number of its rows.
        rows: usize,
    },
    /// Anything else; trying again would not help.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl OutboxError {
    /// Returns the fault without the remedy that stands behind it, and the remedy if there is one.
    pub fn apart(&self) -> (String, Option<&str>) {
        let remedy = match self {
            Self::Full(_) => MAKE_ROOM,
            Self::Denied(_) => GET_RIGHTS,
            Self::Unfit { todo, .. } => todo,
            _ => return (self.to_string(), None),
        };
        let said = self.to_string();
        let found = said.strip_suffix(remedy).unwrap_or(&said);
        (found.trim_end_matches("; ").to_owned(), Some(remedy))
    }

    /// The same as an outage: what the server at this place says while a connection to it is made. A courier
    /// that works had connections before and waits for the next one, whatever the reason is: a right that was
    /// taken away for a moment, a locked account, a password that has changed on one side only. The
    /// connections that there are may work all the same, so they are not lost.
    pub(super) fn into_outage(self, place: &str) -> Self {
        let why = match self {
            error if error.is_transient() => return error,
            Self::LoginRefused(why) | Self::Denied(why) | Self::Failed(why) => why,
            error => error.to_string(),
        };
        Self::Unavailable(format!("no new connection is allowed: {why} ({place})"))
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::Lost(_)
            | Self::Untrusted(_)
            | Self::NoConnection
            | Self::Full(_)
            | Self::NoFolder(_)
            | Self::ReadOnly(_)
            | Self::Locked(_)
            | Self::Conflict(_) => true,
            Self::Unfit { .. }
            | Self::LoginRefused(_)
            | Self::Schema(_)
            | Self::Denied(_)
            | Self::Refused(_)
            | Self::Unwritten { .. }
            | Self::Failed(_) => false,
        }
    }
}

/// The failure of a call, before the database's words are translated.
#[derive(Debug)]
pub(super) enum SqlError {
    /// The database reported an error.
    Database(sqlx::Error),
    /// The database reported nothing: see [`OutboxError::Unwritten`].
    Unwritten { table: &'static str, rows: usize },
    /// The error is translated already.
    Told(OutboxError),
}

impl SqlError {
    /// Translates the failure into the courier's words; `translate` knows the database's own
    /// errors.
    pub(super) fn translated(self, translate: fn(sqlx::Error) -> OutboxError) -> OutboxError {
        match self {
            Self::Database(error) => translate(error),
            Self::Unwritten { table, rows } => OutboxError::Unwritten { table, rows },
            Self::Told(error) => error,
        }
    }
}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<OutboxError> for SqlError {
    fn from(error: OutboxError) -> Self {
        Self::Told(error)
    }
}

/// The tables that the courier writes all day.
pub(super) const CONTACTS: &str = "contact_outbox";
pub(super) const BATCHES: &str = "delivery_batch";
pub(super) const LANES: &str = "delivery_lane";
pub(super) const INSTANCES: &str = "courier_instance";

/// Fails if fewer rows of a table were written than there are to write.
pub(super) fn all_written(
    table: &'static str,
    wanted: usize,
    written: impl TryInto<usize>,
) -> Result<(), SqlError> {
    none_unwritten(
        table,
        wanted.saturating_sub(written.try_into().unwrap_or(0)),
    )
}

/// Fails if rows of a table are still as they were.
pub(super) fn none_unwritten(
    table: &'static str,
    rows: impl TryInto<usize>,
) -> Result<(), SqlError> {
    match rows.try_into().unwrap_or(usize::MAX) {
        0 => Ok(()),
        rows => Err(SqlError::Unwritten { table, rows }),
    }
}

/// A constraint that was broken; constraints are named as the rule that they keep.
pub(super) fn breaks(rule: &str) -> OutboxError {
    OutboxError::Refused(format!("it breaks the rule {rule}"))
}

/// A table or column of ours is not what this program expects.
pub(super) fn other_schema(message: &str) -> OutboxError {
    OutboxError::Schema(format!(
        "the database's schema is not this program's ({message}): run `contact-courier migrate`"
    ))
}

#[cfg(test)]
impl OutboxError {
    /// The kind of error, as tests of what servers say name it.
    pub(in crate::outbox) fn kind(&self) -> &'static str {
        match self {
            Self::ReadOnly(_) => "read-only",
            Self::Lost(_) => "lost",
            Self::Unavailable(_) => "unavailable",
            Self::Full(_) => "full",
            Self::LoginRefused(_) => "refused login",
            Self::Conflict(_) => "conflict",
            Self::Locked(_) => "locked",
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
            Self::Schema(_) => "schema",
            Self::Unfit { .. } => "unfit",
            Self::Failed(_) => "failed",
            other => panic!("no server says this: {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_lets_nobody_in_is_an_outage_in_its_own_words() {
        let words = "permission denied for database";
        for refused in [
            OutboxError::LoginRefused(words.into()),
            OutboxError::Denied(words.into()),
            OutboxError::Failed(words.into()),
            OutboxError::Schema(words.into()),
        ] {
            let outage = refused.into_outage("db1:5432");
            assert_eq!(outage.kind(), "unavailable");
            let told = "the database does not answer: no new connection is allowed: permission \
                denied for database (db1:5432)";
            assert_eq!(outage.to_string(), told);
        }
        let full = OutboxError::Unavailable("too many clients".into());
        assert_eq!(full.into_outage("db1:5432").kind(), "unavailable");
    }
}
