//! Logging in and out.

use axum::extract::{Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::door::Door;
use super::request::json as read;
use crate::admin::refusal::{Refusal, Why};
use crate::telemetry::event::{LogInRefused, LoggedIn};

/// The routes for logging in and out, and for asking whether one is logged in.
pub(in crate::admin) fn router(door: Door) -> Router {
    Router::new()
        .route("/api/login", post(log_in))
        .route("/api/logout", post(log_out))
        .route("/api/session", get(look))
        .with_state(door)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    user: String,
    password: String,
}

async fn log_in(State(door): State<Door>, request: Request) -> Result<impl IntoResponse, Refusal> {
    let is_secure = door.is_secure(request.headers());
    let LogIn { user, password } = door.hear(read(request)).await?;
    let place = door.place()?;
    let Some(keys) = door.enter(place, user.clone(), password).await else {
        // An unknown name may be a password.
        let user = if door.knows(&user) { &user } else { "unknown" };
        LogInRefused { user }.emit();
        let said = "this is not a user with its password";
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, Why::NoUser, said));
    };
    LoggedIn { user: &user }.emit();
    let cookie = cookie(door.cookie(), &keys.id, is_secure);
    let body = Json(json!({"user": user, "token": keys.token}));
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), body))
}

async fn log_out(
    State(door): State<Door>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Refusal> {
    door.user(&headers)?;
    door.leave(&headers);
    let gone = format!(
        "{}; Max-Age=0",
        cookie(door.cookie(), "", door.is_secure(&headers))
    );
    let body = Json(json!({"user": null}));
    Ok((AppendHeaders([(SET_COOKIE, gone)]), body))
}

async fn look(State(door): State<Door>, headers: HeaderMap) -> impl IntoResponse {
    Json(json!({"user": door.looking(&headers)}))
}

/// Makes a cookie that the browser sends back to us alone, never to scripts, and never with a
/// request that another site has caused.
fn cookie(name: &str, id: &str, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict{secure}")
}
