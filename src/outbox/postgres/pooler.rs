//! Whether a pooler is between the program and the server.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::statements::BACKEND;
use crate::outbox::servers::Servers;

/// How long a second session of a pooler's is waited for.
const SECOND_SESSION: Duration = Duration::from_secs(2);

/// How often to look for a pooler in between: it may have more than one session at hand.
const LOOKS: usize = 5;

/// Whether a pooler hands transactions of different connections to one session of the server.
/// `false`: no sign of it. Fails if prepared statements do not follow their connection.
pub(super) async fn is_pooled(servers: &Servers<sqlx::Postgres>) -> sqlx::Result<bool> {
    if servers.max_connections() < 2 {
        return Ok(false);
    }
    let mut one = servers.acquire().await?;
    let Some(mut another) = servers.another().await? else {
        return Ok(false);
    };
    for _ in 0..LOOKS {
        let [first, next] = [backend(&mut one).await?, backend(&mut one).await?];
        if first != next {
            return Ok(true);
        }
        let mut tx = another.begin().await?;
        let other = backend(&mut tx).await?;
        if next == other {
            // The transaction holds that session now, so this has to run in another one.
            let again = timeout(SECOND_SESSION, backend(&mut one)).await;
            match again {
                Ok(answered) => {
                    answered?;
                }
                // There is no other session, so nothing can get lost between two. Nobody reads the
                // answer of this one any more.
                Err(_) => drop(one.detach()),
            }
            tx.rollback().await?;
            return Ok(true);
        }
        tx.rollback().await?;
    }
    Ok(false)
}

/// The process of the server that works for a connection now.
async fn backend(session: &mut PgConnection) -> sqlx::Result<i32> {
    sqlx::query_scalar(BACKEND).fetch_one(session).await
}
