//! Doing it: short actions at once, long ones in a task of their own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::admin::login::Door;
use crate::admin::refusal::Refusal;
use crate::lock::lock;
use crate::operators::{Safety, action};
use crate::outbox::{Action, Operations, OutboxError};

/// Counting may take so long, and so may a short action.
const WITHIN: Duration = Duration::from_secs(20);

/// After so long a long action is answered with: it goes on.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What actions are done with. Cheap to clone.
#[derive(Clone)]
pub(in crate::admin) struct Hands {
    pub(super) door: Door,
    pub(super) operations: Arc<dyn Operations>,
    pub(super) safety: Safety,
    host: String,
    /// Free while no long action runs.
    free: Arc<Semaphore>,
    /// The long actions. They end with the last of these hands.
    tasks: Arc<Mutex<JoinSet<()>>>,
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
            free: Arc::new(Semaphore::new(1)),
            tasks: Arc::default(),
        }
    }

    /// An action that a user of the page begins now.
    pub(super) fn action(&self, name: &'static str, user: &str, selection: &str) -> Action {
        let who = format!("{user} (status page)");
        action(name, &self.host, &who, selection)
    }

    /// Does something long, one at a time, and answers with what became of it, or that it goes on.
    pub(super) async fn long<F>(&self, work: F) -> Result<Value, Refusal>
    where
        F: Future<Output = Result<Value, OutboxError>> + Send + 'static,
    {
        let permit = Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            let said = "another action is under way; try again when it has ended";
            Refusal::new(StatusCode::CONFLICT, "busy", said)
        })?;
        let (tell, told) = oneshot::channel();
        {
            let mut tasks = lock(&self.tasks);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(async move {
                let result = work.await;
                drop(permit);
                // Whoever asked may be gone; the history tells of it.
                tell.send(result).ok();
            });
        }
        match timeout(ANSWER_WITHIN, told).await {
            Ok(Ok(result)) => result.map_err(|error| failed(&error)),
            Ok(Err(_)) => Err(broken_off()),
            Err(_) => Ok(json!({"under_way": true})),
        }
    }
}

/// The answer of the database, if it comes in time.
pub(super) async fn soon<T>(
    call: impl Future<Output = Result<T, OutboxError>>,
) -> Result<T, Refusal> {
    let Ok(result) = timeout(WITHIN, call).await else {
        let said = format!("no answer of the database within {} s", WITHIN.as_secs());
        return Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, "database", said));
    };
    result.map_err(|error| failed(&error))
}

fn failed(error: &OutboxError) -> Refusal {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "database",
        error.to_string(),
    )
}

fn broken_off() -> Refusal {
    let said = "it was broken off; `history` tells how far it came";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "database", said)
}
