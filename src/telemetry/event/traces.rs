//! Events of the export of spans to a collector.

use tracing::{debug, info, warn};

use super::target::TRACES;
use crate::telemetry::metrics::{DROPPED, EXPORTED, METRICS};

/// Spans have reached the collector.
pub struct SpansExported {
    pub spans: u64,
}

impl SpansExported {
    pub fn emit(&self) {
        METRICS
            .spans
            .with_label_values(&[EXPORTED])
            .inc_by(self.spans);
    }
}

/// Spans will never reach the collector: there was no room for them, or it refused them.
pub struct SpansDropped {
    pub spans: u64,
}

impl SpansDropped {
    /// Counts them. The log reports them when the collector is back, or at the end.
    pub fn emit(&self) {
        METRICS
            .spans
            .with_label_values(&[DROPPED])
            .inc_by(self.spans);
    }
}

/// The courier stops, and spans are left, or were dropped without a report.
pub struct SpansLost {
    pub spans: u64,
}

impl SpansLost {
    pub fn emit(&self) {
        let spans = self.spans;
        warn!(target: TRACES, spans, "spans are lost that the collector has not taken");
    }
}

/// Reports when the collector goes away or falls behind, and when that is over, once each.
#[derive(Debug, Default)]
pub struct CollectorWatch {
    trouble: Option<Trouble>,
    dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Away,
    Behind,
}

impl CollectorWatch {
    /// Notes that the collector took a request. `dropped` spans were dropped since the last one;
    /// `idle`: none wait.
    pub fn takes(&mut self, dropped: u64, idle: bool) {
        self.dropped += dropped;
        match self.trouble {
            Some(Trouble::Away) => {}
            Some(Trouble::Behind) if idle && dropped == 0 => {}
            None if dropped > 0 => {
                self.trouble = Some(Trouble::Behind);
                warn!(target: TRACES,
                    "the collector of traces is too slow; spans are dropped, delivery goes on"
                );
                return;
            }
            Some(Trouble::Behind) | None => return,
        }
        self.trouble = None;
        let dropped = std::mem::take(&mut self.dropped);
        info!(target: TRACES, dropped, "the collector of traces takes all spans again");
    }

    /// Notes that the collector did not take a request.
    pub fn fails(&mut self, error: &str) {
        if self.trouble == Some(Trouble::Away) {
            debug!(target: TRACES, error, "the collector of traces still takes no spans");
        } else {
            self.trouble = Some(Trouble::Away);
            warn!(target: TRACES, error, "the collector of traces takes no spans; delivery goes on");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_falls_behind_has_caught_up_when_nothing_waits_and_nothing_was_dropped() {
        let mut watch = CollectorWatch::default();
        watch.takes(0, true);
        assert_eq!(watch.trouble, None);
        watch.takes(3, false);
        assert_eq!(watch.trouble, Some(Trouble::Behind));
        for (dropped, idle) in [(0, false), (2, true)] {
            watch.takes(dropped, idle);
            assert_eq!(watch.trouble, Some(Trouble::Behind));
        }
        assert_eq!(watch.dropped, 5);
        watch.takes(0, true);
        assert_eq!((watch.trouble, watch.dropped), (None, 0));
    }

    #[test]
    fn a_collector_that_was_away_is_back_with_the_first_spans_that_it_takes() {
        let mut watch = CollectorWatch::default();
        watch.fails("it answers HTTP 503");
        watch.fails("it answers HTTP 503");
        assert_eq!(watch.trouble, Some(Trouble::Away));
        watch.takes(9, false);
        assert_eq!((watch.trouble, watch.dropped), (None, 0));
    }
}
