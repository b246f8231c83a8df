//! Whether the database takes the courier's writes.

use super::check::Check;
use crate::address::DatabaseKind;
use crate::outbox::{OutboxError, Trial};

/// Judges a trial, with so many couriers alive.
pub(super) fn check(trial: &Trial, kind: Option<DatabaseKind>, couriers: usize) -> Check {
    let name = "writing";
    match trial {
        Trial::Passed => Check::ok(name, "what a courier writes was written, and undone"),
        // Another courier works, so this user only looks.
        Trial::OnlyReads if couriers > 0 => {
            Check::ok(name, "this user may only read, which is enough to look")
        }
        Trial::OnlyReads => Check::warning(
            name,
            "this user may only read, which is enough to look and not to `run`",
            "grant the courier's user what the README names under Grants",
        ),
        Trial::Failed(error) => Check::failed(name, error.apart().0, remedy(error, kind)),
    }
}

/// The remedy when the database takes no writes.
fn remedy(error: &OutboxError, kind: Option<DatabaseKind>) -> &str {
    let file = kind == Some(DatabaseKind::Sqlite);
    match error {
        OutboxError::ReadOnly(_) if file => FILE,
        OutboxError::ReadOnly(_) => {
            "a standby? Set database.url to the primary, or let this server be written"
        }
        OutboxError::Denied(_) => "grant this user what the README names under Grants",
        OutboxError::Full(_) | OutboxError::Unfit { .. } => error.apart().1.unwrap_or_default(),
        _ if file => "is its disk full, or does another program keep it locked?",
        _ => "is its disk full? See the database's own log",
    }
}

/// The remedy for an SQLite file.
pub(super) const FILE: &str =
    "let this user write the file and its folder, on a file system that is not read-only";

/// Whether the database takes no writes, not even heartbeats, so that silence says nothing about
/// couriers. (A user that may only read proves nothing: couriers may have a user of their own.)
pub(super) fn is_in_vain(trial: &Trial) -> bool {
    matches!(trial, Trial::Failed(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(trial: &Trial, kind: DatabaseKind, couriers: usize) -> String {
        check(trial, Some(kind), couriers).to_string()
    }

    #[test]
    fn what_keeps_a_courier_from_writing_is_told_with_what_to_do() {
        let failed = |error: fn(String) -> OutboxError| Trial::Failed(error("its words".into()));
        let (server, file) = (DatabaseKind::Postgres, DatabaseKind::Sqlite);
        for (trial, kind, line) in [
            (
                failed(OutboxError::ReadOnly),
                server,
                "FAILED   writing     the database is read-only: its words; a standby? Set \
                 database.url to the primary, or let this server be written",
            ),
            (
                failed(OutboxError::ReadOnly),
                file,
                "FAILED   writing     the database is read-only: its words; let this user write the \
                 file and its folder, on a file system that is not read-only",
            ),
            (
                failed(OutboxError::Denied),
                server,
                "FAILED   writing     the database's user lacks a right: its words; grant this user \
                 what the README names under Grants",
            ),
        ] {
            assert_eq!(said(&trial, kind, 0), line);
        }
        let busy = said(&failed(OutboxError::Unavailable), file, 0);
        assert!(busy.contains("is its disk full"), "{busy}");
        assert_eq!(
            said(&failed(OutboxError::Full), file, 0),
            "FAILED   writing     the database takes no writes: its words; make room on its disk"
        );
    }

    #[test]
    fn whatever_keeps_writes_out_keeps_heartbeats_out() {
        for error in [
            OutboxError::ReadOnly,
            OutboxError::Unavailable,
            OutboxError::Locked,
        ] {
            assert!(is_in_vain(&Trial::Failed(error("its words".into()))));
        }
        assert!(!is_in_vain(&Trial::Passed) && !is_in_vain(&Trial::OnlyReads));
    }

    #[test]
    fn who_only_looks_is_right_where_somebody_else_works() {
        let looking = |couriers| check(&Trial::OnlyReads, None, couriers);
        assert!(looking(1).todo.is_none());
        assert!(looking(0).todo.is_some_and(|todo| todo.contains("Grants")));
    }
}
