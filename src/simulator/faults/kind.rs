//! What may befall a request: one fault at most.

use super::Faults;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// HTTP 500 (or another of `error_statuses`), nothing imported.
    ErrorBefore,
    /// HTTP 500 (or another of `error_statuses`), but the import is done.
    ErrorAfter,
    /// The connection is reset without a byte of an answer, nothing imported.
    ResetBefore,
    /// The connection is reset without a byte of an answer, but the import is done.
    ResetAfter,
    /// No answer ever comes and the connection stays open, nothing imported.
    SilenceBefore,
    /// No answer ever comes and the connection stays open, but the import is done.
    SilenceAfter,
    /// HTTP 429, with or without `Retry-After`, nothing imported.
    TooManyRequests,
    /// The task is running (code 6007, or 422 in other words), nothing imported. With
    /// `task_running_for` it goes on running, and all of its requests are answered so.
    TaskRunning,
    /// HTTP 200 with half of the JSON, as if that were all; the import is done.
    Garbled,
    /// HTTP 200, and the connection is reset in the middle of the JSON; the import is done.
    CutOff,
    /// HTTP 200 with the HTML page of a proxy in place of the JSON; the import is done.
    NotJson,
    /// HTTP 200 with JSON of two mebibytes, most of it blanks; the import is done.
    Oversized,
    /// HTTP 200 and code 200 beside the status "error"; the import is done.
    Contradictory,
    /// HTTP 302 to another place, nothing imported.
    Redirected,
}

impl Faults {
    /// Every fault with its key and its probability, in the order in which the dice are read.
    pub(super) fn chances(&self) -> [(&'static str, Fault, f64); 14] {
        [
            ("error_before", Fault::ErrorBefore, self.error_before),
            ("error_after", Fault::ErrorAfter, self.error_after),
            ("reset_before", Fault::ResetBefore, self.reset_before),
            ("reset_after", Fault::ResetAfter, self.reset_after),
            ("silence_before", Fault::SilenceBefore, self.silence_before),
            ("silence_after", Fault::SilenceAfter, self.silence_after),
            (
                "too_many_requests",
                Fault::TooManyRequests,
                self.too_many_requests,
            ),
            ("task_running", Fault::TaskRunning, self.task_running),
            ("garbled", Fault::Garbled, self.garbled),
            ("cut_off", Fault::CutOff, self.cut_off),
            ("not_json", Fault::NotJson, self.not_json),
            ("oversized", Fault::Oversized, self.oversized),
            ("contradictory", Fault::Contradictory, self.contradictory),
            ("redirected", Fault::Redirected, self.redirected),
        ]
    }

    /// The fault that a roll in `0..1` means.
    pub(super) fn pick(&self, roll: f64) -> Option<Fault> {
        let mut edge = 0.0;
        for (_, fault, chance) in self.chances() {
            edge += chance;
            if roll < edge {
                return Some(fault);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_fault_gets_its_own_share_of_the_rolls(
            weights in proptest::array::uniform15(0.0..1.0f64),
            roll in 0.0..1.0f64,
        ) {
            let sum: f64 = weights.iter().sum::<f64>() + 1e-9;
            let share = weights.map(|w| w / sum);
            let faults = Faults {
                error_before: share[0],
                error_after: share[1],
                reset_before: share[2],
                reset_after: share[3],
                silence_before: share[4],
                silence_after: share[5],
                too_many_requests: share[6],
                task_running: share[7],
                garbled: share[8],
                cut_off: share[9],
                not_json: share[10],
                oversized: share[11],
                contradictory: share[12],
                redirected: share[13],
                ..Faults::default()
            };
            prop_assert_eq!(faults.check(), Ok(()));
            let nth = faults.pick(roll).map_or(14, |hit| {
                faults.chances().iter().position(|(_, fault, _)| *fault == hit).unwrap()
            });
            let below: f64 = share[..nth].iter().sum();
            prop_assert!(below <= roll + 1e-9);
            prop_assert!(nth == 14 || roll < below + share[nth] + 1e-9);
        }
    }
}
