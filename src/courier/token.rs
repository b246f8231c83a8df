//! What a new token ends: the holds of lanes that the old one was refused for.
//!
//! A courier that starts takes its token for a new one; one that runs is told by the platform's
//! client when the token file has changed.

use std::time::Duration;

use tokio::time::Instant;

use super::context::Context;
use crate::outbox::{Outbox, OutboxError};
use crate::platform::client::Platform;
use crate::platform::verdict::WaitReason;
use crate::telemetry::event::{DatabaseWork, TokenChanged};

/// Between tries while the database is away.
const RETRY: Duration = Duration::from_secs(1);

/// Tries at start: a deadlock with another courier is soon over, an outage is not.
const TRIES: u32 = 3;

/// Lets all lanes go that wait for another token. Answers how many those were.
async fn lift_holds(outbox: &dyn Outbox) -> Result<u64, OutboxError> {
    let mut lanes = 0;
    for reason in [WaitReason::Unauthorized, WaitReason::Forbidden] {
        lanes += outbox.lift_holds(reason.as_str()).await?;
    }
    Ok(lanes)
}

/// The token may be another one than that which was refused before this courier started.
pub(super) async fn at_start(outbox: &dyn Outbox) -> Result<(), OutboxError> {
    for _ in 1..TRIES {
        match lift_holds(outbox).await {
            Err(error) if error.is_transient() => tokio::time::sleep(RETRY).await,
            lifted => return lifted.map(|_| ()),
        }
    }
    lift_holds(outbox).await.map(|_| ())
}

/// Ends the pauses that wait for a token whenever it changes.
pub(super) async fn follow(context: &Context) {
    let platform = &context.dispatcher.platform;
    loop {
        Platform::token_changed(&**platform).await;
        let lanes = loop {
            let asked = Instant::now();
            let lifted = lift_holds(&*context.outbox).await;
            context.watch.note(DatabaseWork::Token, asked, &lifted);
            if let Ok(lanes) = lifted {
                break lanes;
            }
            tokio::time::sleep(RETRY).await;
        };
        context.token_changed();
        TokenChanged { lanes }.emit();
    }
}
