//! A step of the search that is under way: a question to the database for lanes.
//!
//! It may take long, where many lanes are on hold. So it is a task of its own, and the scout puts lanes to
//! work meanwhile.

use std::collections::HashSet;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::contact::Lane;
use crate::outbox::{LanePage, LaneQuery, Outbox, OutboxError};

/// The lanes that a step has found.
pub(super) type Page = Result<LanePage, OutboxError>;

pub(super) struct Step {
    page: AbortOnDropHandle<Page>,
    pub(super) asked: Instant,
    /// Lanes that were at work meanwhile: the page may tell how they were before.
    worked: HashSet<Lane>,
    /// Whether holds may have ended meanwhile that the page tells of.
    pub(super) is_overtaken: bool,
}

impl Step {
    pub(super) fn begin(outbox: &Arc<dyn Outbox>, query: LaneQuery) -> Self {
        let outbox = Arc::clone(outbox);
        let page = tokio::spawn(async move { outbox.find_lanes(&query).await });
        Self {
            page: AbortOnDropHandle::new(page),
            asked: Instant::now(),
            worked: HashSet::new(),
            is_overtaken: false,
        }
    }

    /// Notes that a lane was at work while the step was under way.
    pub(super) fn has_worked(&mut self, lane: &Lane) {
        self.worked.insert(lane.clone());
    }

    /// Whether a lane may be other than the page tells.
    pub(super) fn may_have_changed(&self, lane: &Lane) -> bool {
        self.worked.contains(lane)
    }
}

/// Resolves when the step ends; never, if none is under way.
pub(super) async fn page_of(step: &mut Option<Step>) -> Page {
    let Some(step) = step else {
        return pending().await;
    };
    match (&mut step.page).await {
        Ok(page) => page,
        Err(panicked) => resume_unwind(panicked.into_panic()),
    }
}
