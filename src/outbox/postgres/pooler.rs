//! Whether a pooler is between the program and the server, and whether prepared statements follow their
//! connection through it.
//!
//! Where they do not, the server may carry out what another connection prepared by the same name, and the
//! driver does not bear its answer. So nothing else is prepared here before that is known.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Result, Row as _};
use tokio::time::timeout;
use uuid::Uuid;

use super::statements::{BACKEND, BACKEND_OF_TRANSACTION};
use crate::outbox::servers::Servers;

/// How long a second session of a pooler's is waited for.
const SECOND_SESSION: Duration = Duration::from_secs(2);

/// How often to look for a pooler in between. Each look is a few round trips, and most servers have none.
const LOOKS: usize = 2;

/// How often to look whether a pooler loses statements: it may have more than one session at hand.
const LOOKS_FOR_LOSS: usize = 5;

/// What is between the program and the server.
#[derive(Debug)]
pub(super) enum Pooler {
    /// Nothing that can be seen.
    Unseen,
    /// One that hands transactions of different connections to one session of the server.
    OfTransactions,
    /// The same, and prepared statements do not follow their connection: why this is known.
    LosesStatements(String),
}

impl Pooler {
    /// Looks for one.
    pub(super) async fn find(servers: &Servers<sqlx::Postgres>) -> Result<Self> {
        if servers.max_connections() < 2 {
            return Ok(Self::Unseen);
        }
        let mut one = servers.acquire().await?;
        let Some(mut another) = servers.another().await? else {
            return Ok(Self::Unseen);
        };
        if !share_a_session(&mut one, &mut another).await? {
            return Ok(Self::Unseen);
        }
        let (marker, of_another) = (Marker::new(), Marker::new());
        for _ in 0..LOOKS_FOR_LOSS {
            let first = marker.carry_out(&mut one).await?;
            let mut tx = another.begin().await?;
            // By the same name, if both are new.
            let clash = of_another.ask(&mut tx).await?;
            // The transaction holds its session now, so this has to run in another one.
            let again = timeout(SECOND_SESSION, marker.carry_out(&mut one)).await;
            tx.rollback().await?;
            let Ok(again) = again else {
                // There is no other session, so nothing can get lost between two. Nobody reads the answer of
                // this one any more.
                drop(one.detach());
                return Ok(clash.map_or(Self::OfTransactions, Self::LosesStatements));
            };
            let again = again?;
            if let Some(lost) = first.lost.or(clash).or(again.lost) {
                return Ok(Self::LosesStatements(lost));
            }
            if first.session != again.session {
                break;
            }
        }
        Ok(Self::OfTransactions)
    }
}

/// Whether one session of the server works for both connections, or several for one.
async fn share_a_session(one: &mut PgConnection, another: &mut PgConnection) -> Result<bool> {
    let [mut of_one, mut of_another] = [HashSet::new(), HashSet::new()];
    for _ in 0..LOOKS {
        for _ in 0..2 {
            of_one.insert(backend(BACKEND, one).await?);
        }
        of_another.insert(backend(BACKEND_OF_TRANSACTION, another).await?);
        if of_one.len() > 1 || of_another.len() > 1 || !of_one.is_disjoint(&of_another) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process of the server that works for a connection now, by one of the statements that ask for it.
async fn backend(ask: &'static str, session: &mut PgConnection) -> Result<i32> {
    let told = sqlx::raw_sql(ask).fetch_one(session).await?;
    told.try_get(0)
}

/// A prepared statement that nobody else has, so that its answer tells it from others.
struct Marker(String);

/// How a marker was carried out.
struct CarriedOut {
    /// The server's session.
    session: i32,
    /// Why the statement must have got lost, if it did.
    lost: Option<String>,
}

impl Marker {
    fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// Has a connection carry it out, and prepare it if that is the first time.
    async fn carry_out(&self, session: &mut PgConnection) -> Result<CarriedOut> {
        let mut tx = session.begin().await?;
        let (session, lost) = (backend(BACKEND, &mut tx).await?, self.ask(&mut tx).await?);
        tx.rollback().await?;
        Ok(CarriedOut { session, lost })
    }

    async fn ask(&self, session: &mut PgConnection) -> Result<Option<String>> {
        let statement = format!("SELECT '{}'", self.0);
        let answer: Result<String> = sqlx::query_scalar(AssertSqlSafe(statement))
            .fetch_one(session)
            .await;
        match answer {
            Ok(answer) => Ok((answer != self.0).then(another_statement)),
            Err(sqlx::Error::Database(error)) if tells_of_loss(&*error) => {
                Ok(Some(error.message().to_owned()))
            }
            Err(error) if is_another_answer(&error) => Ok(Some(another_statement())),
            // A server that restarts, say: nothing is known about its statements.
            Err(error) => Err(error),
        }
    }
}

fn tells_of_loss(error: &dyn DatabaseError) -> bool {
    is_loss(&error.code().unwrap_or_default(), error.message())
}

/// Whether an error is that of a session of the server which does not know the statement, or knows another
/// one by its name.
fn is_loss(code: &str, message: &str) -> bool {
    match code {
        // invalid_sql_statement_name, duplicate_prepared_statement
        "26000" | "42P05" => true,
        // The other statement takes parameters. Poolers say other things by this code.
        "08P01" => message.starts_with("bind message"),
        _ => false,
    }
}

/// Whether there is no row, or one without our text.
fn is_another_answer(error: &sqlx::Error) -> bool {
    use sqlx::Error::{ColumnDecode, ColumnIndexOutOfBounds, Decode, RowNotFound};
    matches!(
        error,
        RowNotFound | ColumnIndexOutOfBounds { .. } | ColumnDecode { .. } | Decode(_)
    )
}

fn another_statement() -> String {
    "another statement was carried out".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lost_statement_is_taken_for_one() {
        let bind = "bind message supplies 0 parameters, but prepared statement \"s\" requires 1";
        for (code, message) in [("26000", ""), ("42P05", ""), ("08P01", bind)] {
            assert!(is_loss(code, message), "{code} {message}");
        }
        for (code, message) in [
            ("08P01", "server conn crashed?"),
            ("08P01", "query_wait_timeout"),
            (
                "57P01",
                "terminating connection due to administrator command",
            ),
            ("57014", "canceling statement due to statement timeout"),
            (
                "25P03",
                "terminating connection due to idle-in-transaction timeout",
            ),
            ("53200", "out of memory"),
            ("XX000", "unable to read data from DB node 0"),
        ] {
            assert!(!is_loss(code, message), "{code} {message}");
        }
    }

    #[test]
    fn an_answer_without_our_text_is_told_from_none() {
        assert!(is_another_answer(&sqlx::Error::RowNotFound));
        assert!(is_another_answer(&sqlx::Error::Decode("no text".into())));
        assert!(!is_another_answer(&sqlx::Error::PoolTimedOut));
        assert!(!is_another_answer(&sqlx::Error::WorkerCrashed));
    }
}
