//! Repeats at once a call that lost against another transaction.
//!
//! On a server that is a deadlock, now and then. On a cluster whose nodes all take writes, it is
//! how the nodes agree: of two transactions that write the same row on two nodes, one is committed.
//! The other one learns, at its end or before, that nothing of it was written. In both cases the
//! whole call is repeated. The caller sees an error only after too many tries.

use std::time::Duration;

use super::OutboxError;

/// Waits before each further try. One of two colliding transactions always gets through, so the
/// waits are short.
const WAITS: [Duration; 8] = [
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// Repeats the call until no other transaction gets in its way, or until the tries are used up.
pub(super) async fn retried<T, F>(call: impl Fn() -> F) -> Result<T, OutboxError>
where
    F: Future<Output = Result<T, OutboxError>>,
{
    for wait in WAITS {
        match call().await {
            Err(OutboxError::Conflict(_)) => tokio::time::sleep(wait).await,
            answer => return answer,
        }
    }
    call().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn after(conflicts: usize) -> (usize, Result<(), OutboxError>) {
        let tries = Cell::new(0);
        let answer = retried(|| async {
            tries.set(tries.get() + 1);
            if tries.get() > conflicts {
                Ok(())
            } else {
                Err(OutboxError::Conflict("deadlock".into()))
            }
        })
        .await;
        (tries.get(), answer)
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_hears_of_a_conflict_that_passes() {
        let (tries, answer) = after(5).await;
        assert!(answer.is_ok());
        assert_eq!(tries, 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflict_that_does_not_pass_is_told_within_a_second() {
        let began = tokio::time::Instant::now();
        let (tries, answer) = after(100).await;
        assert!(answer.unwrap_err().is_transient());
        assert_eq!(tries, WAITS.len() + 1);
        assert!(began.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn other_errors_are_told_at_once() {
        let tries = Cell::new(0);
        let answer: Result<(), _> = retried(|| async {
            tries.set(tries.get() + 1);
            Err(OutboxError::Unavailable("away".into()))
        })
        .await;
        assert!(answer.is_err());
        assert_eq!(tries.get(), 1);
    }
}
