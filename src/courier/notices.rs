//! Notices new contacts, so that their lanes do not wait for the next search.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::context::Context;
use super::search::SEARCH_SHARE;
use crate::contact::Lane;

/// Of the new contacts, the lanes of at most this many are looked at.
const MOST_NEWS: i64 = 1_000;

/// The contacts that were noticed so far.
pub(super) struct Notices {
    /// The greatest id of a contact that was noticed.
    newest: Option<i64>,
    /// When to ask for the newest id next, even if a rest ends before.
    due: Instant,
}

impl Notices {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            newest: None,
            due: now,
        }
    }

    /// Begins with the contacts that are there already.
    pub(super) async fn begin(&mut self, context: &Context) {
        if context.notice_interval.is_some() {
            self.newest = context.outbox.newest().await.ok();
        }
    }

    /// Waits until there are contacts that were not noticed yet, and returns the greatest id. Never
    /// returns while `delivery.notice_interval` is off.
    pub(super) fn next(&self, context: Arc<Context>) -> impl Future<Output = i64> + use<> {
        let Self { newest, due } = *self;
        async move {
            let Some(interval) = context.notice_interval else {
                return pending().await;
            };
            sleep_until(due).await;
            loop {
                let asked = Instant::now();
                match context.outbox.newest().await {
                    Ok(found) if Some(found) != newest => return found,
                    Ok(_) => sleep(pause_after(asked, interval)).await,
                    // The search reports the trouble.
                    Err(_) => sleep(context.poll_interval).await,
                }
            }
        }
    }

    /// Asks for new contacts, if it is time. Returns the greatest id if there are any.
    pub(super) async fn ask(&mut self, context: &Context) -> Option<i64> {
        let asked = Instant::now();
        let interval = context.notice_interval.filter(|_| self.due <= asked)?;
        match context.outbox.newest().await {
            Ok(newest) if self.newest != Some(newest) => Some(newest),
            // The search reports the trouble.
            Ok(_) | Err(_) => {
                self.due = Instant::now() + pause_after(asked, interval);
                None
            }
        }
    }

    /// Returns the lanes of the contacts up to `newest` that were not noticed yet.
    pub(super) async fn lanes(&mut self, newest: i64, context: &Context) -> Vec<Lane> {
        let noticed = self.newest.replace(newest).unwrap_or(newest);
        let behind = noticed.max(newest.saturating_sub(MOST_NEWS));
        let asked = Instant::now();
        let lanes = context.outbox.newest_lanes(behind, newest).await;
        let interval = context.notice_interval.unwrap_or_default();
        self.due = Instant::now() + pause_after(asked, interval);
        // The search reports the trouble.
        lanes.unwrap_or_default()
    }
}

/// Returns how long to wait now after a question asked at `asked`, so that questions are an interval apart
/// and take a bounded share of the time. If an app has inserted very many rows and not committed
/// them, the database walks over all of them.
fn pause_after(asked: Instant, interval: Duration) -> Duration {
    let took = asked.elapsed();
    interval.saturating_sub(took).max(took * (SEARCH_SHARE - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn questions_are_an_interval_apart_and_take_a_bounded_share_of_the_time() {
        let millis = Duration::from_millis;
        for (took, pause) in [(0, 20), (1, 19), (4, 16), (10, 40), (100, 400)] {
            let asked = Instant::now();
            tokio::time::advance(millis(took)).await;
            assert_eq!(pause_after(asked, millis(20)), millis(pause), "{took} ms");
        }
    }
}
