//! Lanes that are held: on hold by themselves, or paused one by one, with contacts that are due.

use std::time::Duration;

use serde::Serialize;

use super::columns::{seconds, to_total};
use crate::outbox::rows::{Columns, to_count};
use crate::outbox::span::to_duration;

/// A lane on hold, or one that an operator has paused by itself, with contacts that are due.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HeldLane {
    pub user_id: String,
    pub task_id: String,
    /// One word for programs: `task_running`, `unauthorized`, `server_error` …
    pub reason: String,
    /// The platform's words, or ours.
    pub message: String,
    /// How long it has been on hold for this reason.
    #[serde(rename = "held_seconds", serialize_with = "seconds")]
    pub held_for: Duration,
    /// How long until it is tried again; zero: as soon as a courier comes to it. What keeps back its user
    /// or all counts, too.
    #[serde(rename = "next_try_in_seconds", serialize_with = "seconds")]
    pub next_try_in: Duration,
    /// It is not tried before somebody resumes: a pause without an end is in its way.
    pub until_resumed: bool,
    pub failures: u32,
    pub pending: u64,
}

pub(in crate::outbox) fn held_lane(row: &impl Columns) -> HeldLane {
    HeldLane {
        user_id: row.text("user_id").unwrap_or_default(),
        task_id: row.text("task_id").unwrap_or_default(),
        reason: row.text("reason").unwrap_or_default(),
        message: row.text("message").unwrap_or_default(),
        held_for: to_duration(row.seconds("held_for")),
        next_try_in: to_duration(row.seconds("next_try_in")),
        until_resumed: false,
        failures: to_count(row.integer("failures")),
        pending: to_total(row, "pending"),
    }
}
