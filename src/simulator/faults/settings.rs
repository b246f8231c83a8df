//! The settings of the faults: one value under the same keys everywhere.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::FaultsError;
use super::kind::Fault;
use super::rows::RowFaults;
use super::style::{
    AnswerStyle, MaskStyle, RefusalBody, RefusalStyle, RetryAfter, RunningSays, SizeLimits,
};

/// Everything that can be made to go wrong. The default is a platform without faults, whose answers
/// look as on its page.
///
/// Every key may be left out and then has its default; an unknown key is refused. Durations are
/// written `"50ms"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// How long every answer takes. The import is done before the wait: who stops waiting has lost
    /// the answer, not the import.
    #[serde(with = "humantime_serde")]
    pub latency: Duration,
    /// Up to so much longer, evenly spread.
    #[serde(with = "humantime_serde")]
    pub latency_jitter: Duration,

    // The probability of each `Fault`.
    pub error_before: f64,
    pub error_after: f64,
    pub reset_before: f64,
    pub reset_after: f64,
    pub silence_before: f64,
    pub silence_after: f64,
    pub too_many_requests: f64,
    pub task_running: f64,
    pub garbled: f64,
    pub cut_off: f64,
    pub not_json: f64,
    pub oversized: f64,
    pub contradictory: f64,
    pub redirected: f64,

    /// The statuses of errors; each error has one of them, by the dice.
    pub error_statuses: Vec<u16>,
    /// Errors come under HTTP 200, and only the `code` in their JSON says what they are.
    pub error_under_200: bool,
    /// How 429 says when to come again.
    pub retry_after: RetryAfter,
    /// When that is. Told in whole seconds, rounded up.
    #[serde(with = "humantime_serde")]
    pub retry_after_wait: Duration,
    /// How long a task goes on running after a request met `task_running`. Other faults in force
    /// stop all of them.
    #[serde(with = "humantime_serde")]
    pub task_running_for: Duration,
    /// In which words a task is running.
    pub task_running_says: RunningSays,

    /// All requests are answered 401, as if the token were no longer good.
    pub token_off: bool,
    /// Users for whom the token may not act: 403.
    pub forbidden_users: Vec<String>,
    /// A firewall before the platform turns away requests that hold one of these texts.
    pub firewall_words: Vec<String>,
    /// How it does: with a page under this status, or under 302 with a redirect.
    pub firewall_status: u16,
    /// Tasks that do not exist: 404.
    pub unknown_tasks: Vec<String>,
    /// Tasks that are running until other faults are in force.
    pub running_tasks: Vec<String>,

    /// The faults of single numbers.
    pub rows: RowFaults,
    /// How numbers are masked.
    pub mask: MaskStyle,
    /// How the answer to an import is written.
    pub answer: AnswerStyle,
    /// How a request is refused because of its numbers.
    pub refusal: RefusalStyle,
    /// The limits of a request's size.
    pub limits: SizeLimits,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            latency_jitter: Duration::ZERO,
            error_before: 0.0,
            error_after: 0.0,
            reset_before: 0.0,
            reset_after: 0.0,
            silence_before: 0.0,
            silence_after: 0.0,
            too_many_requests: 0.0,
            task_running: 0.0,
            garbled: 0.0,
            cut_off: 0.0,
            not_json: 0.0,
            oversized: 0.0,
            contradictory: 0.0,
            redirected: 0.0,
            error_statuses: vec![500],
            error_under_200: false,
            retry_after: RetryAfter::Seconds,
            retry_after_wait: Duration::from_secs(1),
            task_running_for: Duration::ZERO,
            task_running_says: RunningSays::Code6007,
            token_off: false,
            forbidden_users: Vec::new(),
            firewall_words: Vec::new(),
            firewall_status: 403,
            unknown_tasks: Vec::new(),
            running_tasks: Vec::new(),
            rows: RowFaults::default(),
            mask: MaskStyle::default(),
            answer: AnswerStyle::default(),
            refusal: RefusalStyle::default(),
            limits: SizeLimits::default(),
        }
    }
}

impl Faults {
    /// Refuses a value that is not a probability, a sum above 1, and settings that no platform
    /// could have.
    pub fn check(&self) -> Result<(), FaultsError> {
        let requests = self.chances().map(|(key, _, value)| (key, value));
        sum(&requests, FaultsError::MoreThanOne)?;
        sum(&self.rows.chances(), FaultsError::MoreThanOneRow)?;
        let is_error = |status: &&u16| (500..600).contains(*status);
        if self.error_statuses.is_empty() {
            return Err(FaultsError::NoStatus);
        }
        if let Some(other) = self.error_statuses.iter().find(|s| !is_error(s)) {
            return Err(FaultsError::NotAnError(*other));
        }
        if !(300..600).contains(&self.firewall_status) {
            return Err(FaultsError::NoFirewall(self.firewall_status));
        }
        match (self.refusal.status, self.refusal.body) {
            (200, RefusalBody::Text) => return Err(FaultsError::TextUnder200),
            (200 | 400 | 422, _) => {}
            (other, _) => return Err(FaultsError::NotARefusal(other)),
        }
        if self.limits.rows == 0 {
            return Err(FaultsError::NoRows);
        }
        if !(1..=SizeLimits::MAX_BYTES).contains(&self.limits.bytes) {
            return Err(FaultsError::Bytes(self.limits.bytes));
        }
        Ok(())
    }

    /// Returns every fault with its key and its probability, in the order in which the dice are
    /// read.
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

    /// Returns the fault for a roll in `0..1`.
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

/// Refuses a value that is not a probability, and a sum above 1.
fn sum(
    chances: &[(&'static str, f64)],
    too_much: impl FnOnce(f64) -> FaultsError,
) -> Result<(), FaultsError> {
    let mut sum = 0.0;
    for &(fault, value) in chances {
        if !(0.0..=1.0).contains(&value) {
            return Err(FaultsError::NotAProbability { fault, value });
        }
        sum += value;
    }
    // Ten times 0.1 is a little more than 1 in binary.
    if sum > 1.0 + 1e-9 {
        return Err(too_much(sum));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_probability_is_refused_by_name() {
        for value in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let faults = Faults {
                task_running: value,
                ..Faults::default()
            };
            let said = faults.check().unwrap_err().to_string();
            assert!(
                said.starts_with("task_running must be a probability"),
                "{said}"
            );
        }
    }

    #[test]
    fn probabilities_that_add_up_to_more_than_one_are_refused() {
        let faults = Faults {
            error_before: 0.6,
            error_after: 0.6,
            ..Faults::default()
        };
        assert_eq!(faults.check(), Err(FaultsError::MoreThanOne(1.2)));
        let rows = RowFaults {
            dropped: 0.6,
            uncounted: 0.6,
            ..RowFaults::default()
        };
        let faults = Faults {
            rows,
            ..Faults::default()
        };
        assert_eq!(faults.check(), Err(FaultsError::MoreThanOneRow(1.2)));
    }

    #[test]
    fn an_unknown_key_is_refused_and_absent_keys_have_their_defaults() {
        let faults: Faults = serde_json::from_str(
            r#"{"latency":"50ms","garbled":0.5,"mask":{"last":2},"rows":{"dropped":0.1}}"#,
        )
        .unwrap();
        assert_eq!(faults.latency, Duration::from_millis(50));
        assert!(faults.error_after.abs() < f64::EPSILON);
        assert_eq!((faults.mask.first, faults.mask.last), (3, 2));
        assert_eq!(
            serde_json::from_str::<Faults>("{}").unwrap(),
            Faults::default()
        );
        for (wrong, key) in [
            (r#"{"gargled":0.5}"#, "unknown field `gargled`"),
            (r#"{"rows":{"droped":0.5}}"#, "unknown field `droped`"),
            (
                r#"{"answer":{"counts":"words"}}"#,
                "unknown variant `words`",
            ),
        ] {
            let said = serde_json::from_str::<Faults>(wrong)
                .unwrap_err()
                .to_string();
            assert!(said.contains(key), "{said}");
        }
    }

    #[test]
    fn what_no_platform_could_answer_is_refused_with_its_key() {
        for (wrong, key) in [
            (
                r#"{"error_statuses":[]}"#,
                "error_statuses must not be empty",
            ),
            (
                r#"{"error_statuses":[404]}"#,
                "between 500 and 599, not 404",
            ),
            (r#"{"refusal":{"status":404}}"#, "refusal.status must be"),
            (r#"{"refusal":{"body":"text"}}"#, "needs refusal.status"),
            (r#"{"limits":{"rows":0}}"#, "limits.rows"),
            (
                r#"{"limits":{"bytes":9999999}}"#,
                "between 1 and 8388608, not 9999999",
            ),
            (
                r#"{"rows":{"dropped":2}}"#,
                "rows.dropped must be a probability",
            ),
        ] {
            let faults: Faults = serde_json::from_str(wrong).unwrap();
            let said = faults.check().unwrap_err().to_string();
            assert!(said.contains(key), "{wrong}: {said}");
        }
    }

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
