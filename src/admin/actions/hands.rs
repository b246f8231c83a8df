//! Carries actions out: short ones at once, long ones in a task of their own.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::latest::{About, BROKEN_OFF, Going, Latest};
use super::turn::Turn;
use crate::admin::login::Door;
use crate::admin::refusal::{Refusal, Why};
use crate::operators::{Safety, action, pending_in};
use crate::outbox::{Action, Operations, OrderScope, OutboxError};

/// The time limit of a look that is necessary, and of a short action.
const WITHIN: Duration = Duration::from_secs(20);

/// The time limit of a count that may be left out of an answer.
const COUNTING: Duration = Duration::from_secs(10);

/// After this time a long action's request is answered: the action goes on. The page then asks for
/// its progress.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Everything that actions are carried out with. Cheap to clone.
#[derive(Clone)]
pub(in crate::admin) struct Hands {
    pub(super) door: Door,
    pub(super) operations: Arc<dyn Operations>,
    pub(super) safety: Safety,
    host: String,
    /// The turn of the long actions.
    acting: Turn,
    pub(super) latest: Latest,
    /// The turn of looks that may read much of the outbox. They use the courier's connections. A
    /// look keeps its one to the end, even when nobody waits any longer.
    looking: Turn,
}

impl Hands {
    pub(in crate::admin) fn new(
        door: Door,
        operations: Arc<dyn Operations>,
        safety: Safety,
        host: String,
    ) -> Self {
        Self {
            door,
            operations,
            safety,
            host,
            acting: Turn::new(),
            latest: Latest::default(),
            looking: Turn::new(),
        }
    }

    /// Returns an action that a user of the page begins now.
    pub(super) fn action(&self, name: &'static str, user: &str, selection: &str) -> Action {
        let who = format!("{user} (status page)");
        action(name, &self.host, &who, selection)
    }

    /// Runs a long action, one at a time, and returns its result, or that it goes on.
    pub(super) async fn long<F>(
        &self,
        about: About,
        work: impl FnOnce(Arc<Going>) -> F + Send + 'static,
    ) -> Result<Value, Refusal>
    where
        F: Future<Output = Result<Value, OutboxError>> + Send + 'static,
    {
        let said = "another action is under way; try again when it has ended";
        let (latest, (tell, id)) = (self.latest.clone(), oneshot::channel());
        let begun = self.acting.begin(async move {
            let going = Arc::new(latest.begin(about));
            tell.send(going.id()).ok();
            let result = work(Arc::clone(&going)).await;
            going.end(result.as_ref().cloned().map_err(ToString::to_string));
            result
        });
        let told = begun.ok_or_else(|| Refusal::new(StatusCode::CONFLICT, Why::Busy, said))?;
        let id = id.await.map_err(|_| broken_off())?;
        match timeout(ANSWER_WITHIN, told).await {
            Ok(Ok(result)) => result.map_err(|error| failed(&error)),
            Ok(Err(_)) => Err(broken_off()),
            Err(_) => Ok(json!({"under_way": id})),
        }
    }

    /// Runs a look that may read much, one at a time.
    pub(super) async fn look<T, F>(&self, work: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, OutboxError>> + Send + 'static,
    {
        let said = "another look is under way; try again when it has ended";
        let begun = self.looking.begin(work);
        let told = begun.ok_or_else(|| Refusal::new(StatusCode::CONFLICT, Why::Looking, said))?;
        match timeout(WITHIN, told).await {
            Ok(Ok(result)) => result.map_err(|error| failed(&error)),
            Ok(Err(_)) => Err(broken_off()),
            Err(_) => Err(late(Why::LateLook)),
        }
    }

    /// Returns how many contacts are pending in the scope; `None`: the count takes too long.
    pub(super) async fn pending(&self, scope: &OrderScope) -> Option<u64> {
        let (operations, scope) = (Arc::clone(&self.operations), scope.clone());
        let count = async move { pending_in(&*operations, &scope).await };
        timeout(COUNTING, self.look(count)).await.ok()?.ok()
    }

    /// Whether a scope with so many pending contacts has, or had, any. If the database does not tell,
    /// it counts as known.
    pub(super) async fn knows(&self, scope: &OrderScope, pending: Option<u64>) -> bool {
        if pending != Some(0) {
            return true;
        }
        let known = seen_soon(self.operations.knows(scope)).await;
        known.unwrap_or(true)
    }
}

/// Returns the result of a short action, if it comes in time.
pub(super) async fn soon<T>(
    call: impl Future<Output = Result<T, OutboxError>>,
) -> Result<T, Refusal> {
    within(call, Why::Late).await
}

/// The same for a short look.
pub(super) async fn seen_soon<T>(
    call: impl Future<Output = Result<T, OutboxError>>,
) -> Result<T, Refusal> {
    within(call, Why::LateLook).await
}

async fn within<T>(
    call: impl Future<Output = Result<T, OutboxError>>,
    why: Why,
) -> Result<T, Refusal> {
    let result = timeout(WITHIN, call).await.map_err(|_| late(why))?;
    result.map_err(|error| failed(&error))
}

fn late(why: Why) -> Refusal {
    let said = format!("no answer of the database within {} s", WITHIN.as_secs());
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, why, said)
}

fn failed(error: &OutboxError) -> Refusal {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Why::Database,
        error.to_string(),
    )
}

fn broken_off() -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        Why::BrokenOff,
        BROKEN_OFF,
    )
}
