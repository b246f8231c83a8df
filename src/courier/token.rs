//! A new token ends the holds of the lanes for which the old one was refused.
//!
//! A courier takes its token for a new one when it starts. While it runs, the platform's client
//! tells it when the token file holds another token, and when the file cannot be used.

use std::time::Duration;

use tokio::time::Instant;

use super::context::Context;
use super::watch::DatabaseWork;
use crate::outbox::{Outbox, OutboxError};
use crate::platform::client::Platform;
use crate::platform::token::TokenNews;
use crate::platform::verdict::WaitReason;
use crate::telemetry::event::{TokenChanged, TokenFileUnusable, TokenFileUsableAgain};

/// The time between tries while the database is away.
const RETRY: Duration = Duration::from_secs(1);

/// Ends the holds of all lanes that wait for another token: it may have changed while no courier
/// ran. Returns how many lanes there were.
pub(super) async fn lift_holds(outbox: &dyn Outbox) -> Result<u64, OutboxError> {
    let mut lanes = 0;
    for reason in [WaitReason::Unauthorized, WaitReason::Forbidden] {
        lanes += outbox.lift_holds(reason.as_str()).await?;
    }
    Ok(lanes)
}

/// Ends the holds that wait for a token whenever it changes, and logs when the file cannot be used.
pub(super) async fn follow(context: &Context) {
    let platform = &context.platform;
    loop {
        match Platform::token_news(&**platform).await {
            TokenNews::Changed => take(context).await,
            TokenNews::Unusable(why) => TokenFileUnusable { why: &why }.emit(),
            TokenNews::UsableAgain => TokenFileUsableAgain.emit(),
        }
    }
}

/// Frees the lanes and gates that wait for another token.
async fn take(context: &Context) {
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
