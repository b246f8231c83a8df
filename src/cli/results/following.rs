//! Reading results round by round, so that each comes at least once and none twice without need.
//!
//! A row can be seen only after its commit, and by then rows that ended later may have been seen. So a
//! round reads behind the last row, and every now and then again what ended a little before it; rows
//! that were handed out already are passed over.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::{ContactResult, Operations, OutboxError, ResultCursor, ResultsFrom};

/// How many rows are asked for at once.
const PAGE: u32 = 1_000;

/// How often what came late is looked for: so many times while it could come.
const LOOKS: u32 = 6;

/// What has been handed out.
pub(super) struct Following {
    overlap: Duration,
    /// Where the first round begins.
    begin: ResultsFrom,
    began: Instant,
    /// The one that ended last.
    last: Option<(i64, ResultCursor)>,
    /// Those that ended so shortly before the last one that they will be read again.
    handed: BTreeSet<(i64, i64)>,
    looked: Instant,
}

impl Following {
    pub(super) fn new(begin: ResultsFrom, overlap: Duration) -> Self {
        Self {
            overlap,
            begin,
            began: Instant::now(),
            last: None,
            handed: BTreeSet::new(),
            looked: Instant::now(),
        }
    }

    /// Hands out all rows that are there now and were not handed out before, in their order.
    pub(super) async fn round(
        &mut self,
        operations: &dyn Operations,
        mut hand: impl FnMut(&ContactResult) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut from = self.from();
        loop {
            let page = operations.results(&from, PAGE).await?;
            for result in &page {
                if self.is_new(result) {
                    hand(result)?;
                    self.note(result);
                }
            }
            match page.last() {
                Some(last) if page.len() >= PAGE as usize => {
                    from = ResultsFrom::Behind(last.cursor());
                }
                _ => return Ok(()),
            }
        }
    }

    fn from(&mut self) -> ResultsFrom {
        let Some((_, last)) = &self.last else {
            // What has ended since the beginning is among it, however long that is ago.
            return match &self.begin {
                ResultsFrom::Ago(age) => ResultsFrom::Ago(*age + self.began.elapsed()),
                begin => begin.clone(),
            };
        };
        if self.looked.elapsed() < self.overlap / LOOKS {
            return ResultsFrom::Behind(last.clone());
        }
        self.looked = Instant::now();
        ResultsFrom::Before(last.finished_at.clone(), self.overlap)
    }

    fn is_new(&self, result: &ContactResult) -> bool {
        !self.handed.contains(&(result.finished, result.id.0))
    }

    fn note(&mut self, result: &ContactResult) {
        self.handed.insert((result.finished, result.id.0));
        let latest = self
            .last
            .as_ref()
            .is_none_or(|(last, _)| *last <= result.finished);
        if !latest {
            return;
        }
        self.last = Some((result.finished, result.cursor()));
        let overlap = i64::try_from(self.overlap.as_micros()).unwrap_or(i64::MAX);
        // A second more: SQLite has milliseconds, and cuts them off.
        let kept = result
            .finished
            .saturating_sub(overlap)
            .saturating_sub(1_000_000);
        while self.handed.first().is_some_and(|first| first.0 < kept) {
            self.handed.pop_first();
        }
    }
}

/// Whether the same may succeed a little later.
pub(super) fn passes(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<OutboxError>()
        .is_some_and(OutboxError::is_transient)
}
