//! A new token ends the holds of the lanes for which the old one was refused. So does the old one, once
//! the platform takes it again.
//!
//! A courier takes its token for a new one when it starts. While it runs, the platform's client
//! tells it when the token file holds another token, and when the file cannot be used.

use std::time::Duration;

use tokio::time::Instant;

use super::context::Context;
use super::overtaken::WAIT_FOR_A_TOKEN;
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
    for reason in WAIT_FOR_A_TOKEN {
        lanes += outbox.lift_holds(reason.as_str()).await?;
    }
    Ok(lanes)
}

/// Ends the holds that wait for a token whenever it changes, and logs when the file cannot be used.
pub(super) async fn follow(context: &Context) {
    let platform = &context.platform;
    loop {
        let news = tokio::select! {
            news = Platform::token_news(&**platform) => news,
            () = context.token_taken_again.notified() => {
                taken_again(context).await;
                continue;
            }
        };
        match news {
            TokenNews::Changed => take(context).await,
            TokenNews::Unusable(why) => TokenFileUnusable { why: &why }.emit(),
            TokenNews::UsableAgain => TokenFileUsableAgain.emit(),
        }
    }
}

/// Frees the lanes and gates that wait for another token.
async fn take(context: &Context) {
    let lanes = insist(context, async || lift_holds(&*context.outbox).await).await;
    context.token_changed();
    TokenChanged { lanes }.emit();
}

/// Frees the lanes that were held because of the token, which one of them has found to be good. Their
/// holds would go on telling people to renew it.
async fn taken_again(context: &Context) {
    let reason = WaitReason::Unauthorized.as_str();
    insist(context, async || context.outbox.lift_holds(reason).await).await;
    context.freed.send_replace(());
}

/// Lifts holds, again and again while the database is away. Returns how many lanes there were.
async fn insist(context: &Context, lift: impl AsyncFn() -> Result<u64, OutboxError>) -> u64 {
    loop {
        let asked = Instant::now();
        let lifted = lift().await;
        context.watch.note(DatabaseWork::Token, asked, &lifted);
        if let Ok(lanes) = lifted {
            return lanes;
        }
        tokio::time::sleep(RETRY).await;
    }
}
