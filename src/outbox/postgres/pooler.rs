//! Whether a pooler is between the program and the server, and whether prepared statements follow their
//! connection through it.
//!
//! Where they do not, the server may carry out what another connection prepared by the same name, and the
//! driver does not bear its answer. So nothing else is prepared here before that is known.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Result, Row as _};
use tokio::time::timeout;
use uuid::Uuid;

use super::statements::BACKEND;
use crate::outbox::servers::Servers;

/// How long a second session of a pooler's is waited for.
const SECOND_SESSION: Duration = Duration::from_secs(2);

/// How often to look for a pooler in between: it may have more than one session at hand.
const LOOKS: usize = 5;

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
        for _ in 0..LOOKS {
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

    pub(super) fn is_seen(&self) -> bool {
        !matches!(self, Self::Unseen)
    }
}

/// Whether one session of the server works for both connections, or several for one.
async fn share_a_session(one: &mut PgConnection, another: &mut PgConnection) -> Result<bool> {
    for _ in 0..LOOKS {
        let [first, next] = [backend(one).await?, backend(one).await?];
        let mut tx = another.begin().await?;
        let other = backend(&mut tx).await?;
        tx.rollback().await?;
        if first != next || next == other {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The process of the server that works for a connection now.
async fn backend(session: &mut PgConnection) -> Result<i32> {
    let told = sqlx::raw_sql(BACKEND).fetch_one(session).await?;
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
        let (session, lost) = (backend(&mut tx).await?, self.ask(&mut tx).await?);
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
            Err(sqlx::Error::Database(error)) => Ok(Some(error.message().to_owned())),
            Err(error @ (sqlx::Error::Io(_) | sqlx::Error::Tls(_))) => Err(error),
            Err(_) => Ok(Some(another_statement())),
        }
    }
}

fn another_statement() -> String {
    "another statement was carried out".into()
}
