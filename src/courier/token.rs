//! A new token ends the holds of the lanes that the old one was refused for.
//!
//! A courier takes its token for a new one when it starts. While it runs, the platform's client
//! tells it when the token file has changed.

use std::time::Duration;

use tokio::time::Instant;

use super::context::Context;
use super::watch::DatabaseWork;
use crate::outbox::{Outbox, OutboxError};
use crate::platform::client::Platform;
use crate::platform::verdict::WaitReason;
use crate::telemetry::event::TokenChanged;

/// Between tries while the database is away.
const RETRY: Duration = Duration::from_secs(1);

/// Ends the holds of all lanes that wait for another token, which may have been changed while no
/// courier ran. Returns how many lanes that were.
pub(super) async fn lift_holds(outbox: &dyn Outbox) -> Result<u64, OutboxError> {
    let mut lanes = 0;
    for reason in [WaitReason::Unauthorized, WaitReason::Forbidden] {
        lanes += outbox.lift_holds(reason.as_str()).await?;
    }
    Ok(lanes)
}

/// Ends the pauses that wait for a token whenever it changes.
pub(super) async fn follow(context: &Context) {
    let platform = &context.platform;
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
