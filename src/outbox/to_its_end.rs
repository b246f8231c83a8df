//! A future that comes to its end even if its caller goes away.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Awaits a future. If the caller goes away before its end, a task of its own carries it on. Until then
/// it costs no task and no change of threads.
pub(super) async fn to_its_end<F>(future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    ToItsEnd(Some(Box::pin(future))).await
}

struct ToItsEnd<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

impl<F> Future for ToItsEnd<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = self.0.as_mut() else {
            return Poll::Pending;
        };
        let polled = future.as_mut().poll(context);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<F> Drop for ToItsEnd<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        // Without a runtime nothing can go on.
        if let (Some(future), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_when_its_caller_has_gone_away() {
        let (done, is_done) = oneshot::channel();
        let work = to_its_end(async move {
            sleep(Duration::from_secs(5)).await;
            done.send(7).ok();
        });
        assert!(timeout(Duration::from_secs(1), work).await.is_err());
        assert_eq!(is_done.await, Ok(7));
    }

    #[tokio::test]
    async fn its_end_comes_to_a_caller_who_waits() {
        assert_eq!(to_its_end(async { 7 }).await, 7);
    }
}
