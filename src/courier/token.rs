//! A new token ends the holds of the lanes that the old one was refused for.
//!
//! A courier takes its token for a new one when it starts. While it runs, the platform's client
//! tells it when the token file holds another one, and when it cannot be used.

use std::time::Duration;

use tokio::time::Instant;

use super::context::Context;
use super::watch::DatabaseWork;
use crate::outbox::{Outbox, OutboxError};
use crate::platform::client::Platform;
use crate::platform::token::TokenNews;
use crate::platform::verdict::WaitReason;
use crate::telemetry::event::{TokenChanged, TokenFileUnusable, TokenFileUsableAgain};

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

/// Ends the pauses that wait for a token whenever it changes, and tells of a file that cannot be used.
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

/// Lets go what waits for another token.
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
