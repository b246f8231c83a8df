//! The routes of actions. A client that has not logged in is turned away before anything is read.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::hands::{Hands, seen_soon, soon};
use super::latest::{About, Going};
use super::orders::{CancelBody, PauseBody, RequeueBody, ResumeBody};
use crate::admin::login::json as read;
use crate::admin::refusal::Refusal;
use crate::operators::{Cancellation, Paused, Resumption, resume as resume_lanes};
use crate::outbox::Cancelled;

type Answer = Result<Json<Value>, Refusal>;

/// All actions.
pub(in crate::admin) fn router(hands: Hands) -> Router {
    Router::new()
        .route("/api/pause", post(pause))
        .route("/api/resume", post(resume))
        .route("/api/cancel", post(cancel))
        .route("/api/requeue", post(requeue))
        .route("/api/action", get(latest))
        .with_state(hands)
}

/// Returns the long action that is under way, or the last one. This request does not keep a session
/// alive.
async fn latest(State(hands): State<Hands>, headers: HeaderMap) -> Answer {
    hands.door.looks(&headers)?;
    Ok(Json(json!({"action": hands.latest.told()})))
}

/// Returns the user and the request's content.
async fn asked<T: DeserializeOwned>(
    hands: &Hands,
    request: Request,
) -> Result<(String, T), Refusal> {
    let user = hands.door.user(request.headers())?;
    Ok((user, read(request).await?))
}

async fn pause(State(hands): State<Hands>, request: Request) -> Answer {
    let (user, body): (_, PauseBody) = asked(&hands, request).await?;
    let dry_run = body.dry_run;
    let order = body.order()?;
    let operations = &*hands.operations;
    if dry_run {
        let there = seen_soon(Paused::find(operations, &order.scope)).await?;
        let pending = hands.pending(&order.scope).await;
        let known = hands.knows(&order.scope, pending).await;
        let told = json!({
            "scope": order.scope, "pending": pending, "known": known, "dry_run": true,
            "replaces": there.within, "still_paused_by": there.wider,
        });
        return Ok(Json(told));
    }
    let action = hands.action("pause", &user, &order.in_words());
    let before = seen_soon(Paused::find(operations, &order.scope)).await?;
    soon(order.carry_out(operations, &action)).await?;
    // The pause is in force: it is done, even if the count fails.
    let pending = hands.pending(&order.scope).await;
    Ok(Json(order.json(pending, before.replaced(&order.scope))))
}

async fn resume(State(hands): State<Hands>, request: Request) -> Answer {
    let (user, body): (_, ResumeBody) = asked(&hands, request).await?;
    let dry_run = body.dry_run;
    let scope = body.scope()?;
    let operations = &*hands.operations;
    if dry_run {
        let there = seen_soon(Paused::find(operations, &scope)).await?;
        let pending = hands.pending(&scope).await;
        let known = hands.knows(&scope, pending).await;
        let told = json!({
            "scope": scope, "pending": pending, "known": known, "dry_run": true,
            "pauses": there.within, "still_paused_by": there.wider,
        });
        return Ok(Json(told));
    }
    let action = hands.action("resume", &user, &scope.to_string());
    let resumed: Resumption = soon(resume_lanes(operations, &scope, &action)).await?;
    Ok(Json(resumed.json(&scope)))
}

async fn cancel(State(hands): State<Hands>, request: Request) -> Answer {
    let (user, body): (_, CancelBody) = asked(&hands, request).await?;
    let dry_run = body.dry_run;
    let (chosen, reason) = body.chosen()?;
    let (which, operations) = (chosen.clone(), hands.operations.clone());
    let plan = async move { Cancellation::plan(&which, &*operations).await };
    let plan = hands.look(plan).await?;
    if dry_run || plan.tally().pending == 0 {
        let told = plan.tally().json(&Cancelled::default(), dry_run);
        return Ok(Json(told));
    }
    let action = hands.action("cancel", &user, &chosen.in_words());
    let operations = hands.operations.clone();
    let about = About {
        action: "cancel",
        user,
        which: chosen.in_words(),
        total: plan.tally().pending,
    };
    let work = |going: Arc<Going>| async move {
        let mut tell = |more| going.advance(more);
        let done = plan
            .carry_out(&*operations, &action, reason.as_ref(), &mut tell)
            .await?;
        Ok(plan.tally().json(&done, false))
    };
    hands.long(about, work).await.map(Json)
}

async fn requeue(State(hands): State<Hands>, request: Request) -> Answer {
    let (user, body): (_, RequeueBody) = asked(&hands, request).await?;
    let dry_run = body.dry_run;
    let requeue = body.requeue(&hands.safety)?;
    let (which, operations) = (requeue.clone(), hands.operations.clone());
    let tally = async move { which.count(&*operations).await };
    let tally = hands.look(tally).await?;
    if dry_run || tally.to_requeue == 0 {
        return Ok(Json(tally.json(0, dry_run)));
    }
    let action = hands.action("requeue", &user, &requeue.in_words());
    let operations = hands.operations.clone();
    let about = About {
        action: "requeue",
        user,
        which: requeue.in_words(),
        total: tally.to_requeue,
    };
    let work = |going: Arc<Going>| async move {
        let mut tell = |more| going.advance(more);
        let done = requeue.carry_out(&*operations, &action, &mut tell).await?;
        Ok(tally.json(done, false))
    };
    hands.long(about, work).await.map(Json)
}
