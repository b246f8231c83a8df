//! Reads results round by round, so that each comes at least once and none twice without need.
//!
//! A row can be seen only after its commit, and by then rows that ended later may have been seen.
//! So a round reads the rows behind the last one. Every now and then it reads again the rows that
//! ended a little before the last one; rows that were handed out already are skipped.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::{ContactResult, Operations, OutboxError, ResultCursor, ResultsFrom};

/// How many rows are read at once.
const PAGE: u32 = 1_000;

/// How many times within the overlap a round looks for late rows.
const LOOKS: u32 = 6;

/// The rows that were handed out.
pub(super) struct Following {
    overlap: Duration,
    /// Where the first round begins.
    begin: ResultsFrom,
    began: Instant,
    /// The handed-out row that ended last.
    last: Option<(i64, ResultCursor)>,
    /// Handed-out rows that ended so shortly before the last one that they will be read again.
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
            // This includes everything that has ended since the beginning, however long ago that
            // was.
            return match &self.begin {
                ResultsFrom::Ago(age) => ResultsFrom::Ago(age.saturating_add(self.began.elapsed())),
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
        // A second more, because SQLite keeps only milliseconds and cuts the rest off.
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
