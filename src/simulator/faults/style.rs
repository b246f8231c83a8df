//! How the platform's answers look, and what it takes: nothing here is left to chance.

use serde::{Deserialize, Serialize};

/// How 429 says when to come again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// `Retry-After: 1`.
    #[default]
    Seconds,
    /// `Retry-After: Wed, 21 Oct 2015 07:28:00 GMT`.
    Date,
    /// Not at all.
    None,
}

/// The platform's two ways to say that a task is running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunningSays {
    /// Code 6007: `2.0任务启动中,请先停止任务`.
    #[default]
    Code6007,
    /// Code 422: `任务正在拨打中,请先暂停任务`.
    Code422,
}

/// How a number in the list of failures is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskStyle {
    /// Nothing is masked: the number is shown whole.
    pub whole: bool,
    /// How many characters are shown at the start.
    pub first: usize,
    /// How many characters are shown at the end.
    pub last: usize,
    /// How many stars stand for what is hidden; 0: as many as characters are hidden.
    pub stars: usize,
    /// The place of a suffix in a mask.
    pub suffix: SuffixStyle,
}

impl Default for MaskStyle {
    /// As on the platform's page: `911***8179`.
    fn default() -> Self {
        Self {
            whole: false,
            first: 3,
            last: 4,
            stars: 3,
            suffix: SuffixStyle::Included,
        }
    }
}

/// The forms of a suffix in a mask, for `13012121211_a1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuffixStyle {
    /// The suffix counts as a part of the number: `130***1_a1`.
    #[default]
    Included,
    /// The number is masked and the suffix stands behind it: `130***1211_a1`.
    Kept,
    /// The number is masked and the suffix is left out: `130***1211`.
    Hidden,
}

/// How the answer to an import is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerStyle {
    /// The form of `data`.
    pub data: DataStyle,
    /// The form of `taskNumberCount` and `crmCustomerCount`.
    pub counts: CountStyle,
    /// The form of `fail_datas`.
    pub fail_list: FailListStyle,
    /// Adds fields that no page of the platform knows, on every level.
    pub extra_fields: bool,
}

/// The form of `data` in the answer to an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataStyle {
    /// An object.
    #[default]
    Object,
    /// `[]` if no number is listed as failed, else an object.
    EmptyList,
}

/// The form of the counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountStyle {
    /// `3`.
    #[default]
    Numbers,
    /// `"3"`.
    Strings,
    /// `3.0`.
    Floats,
    /// Left out.
    Absent,
}

/// The form of the list of failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailListStyle {
    /// Always there.
    #[default]
    Always,
    /// `null` if it is empty.
    NullIfEmpty,
    /// Left out if it is empty.
    AbsentIfEmpty,
    /// Left out always: who failed is not told.
    Never,
}

/// How a request is refused as a whole because of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefusalStyle {
    /// One bad number refuses the request, whatever its `skip_error` says.
    pub ignore_skip_error: bool,
    /// The HTTP status of refusals: 200 (the code is 422), 400 or 422.
    pub status: u16,
    /// The body of a refusal.
    pub body: RefusalBody,
}

impl Default for RefusalStyle {
    fn default() -> Self {
        Self {
            ignore_skip_error: false,
            status: 200,
            body: RefusalBody::Message,
        }
    }
}

/// The body of a refusal because of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalBody {
    /// The first cause, with `data: []`.
    #[default]
    Message,
    /// The same with the list of bad numbers.
    List,
    /// A line of plain text, no JSON.
    Text,
}

/// The limits of a request's size; a larger one is answered with HTTP 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SizeLimits {
    /// The most numbers in a request. More than 100 are refused in any case.
    pub rows: usize,
    /// The most bytes in a request, at most eight mebibytes.
    pub bytes: usize,
}

impl SizeLimits {
    /// The most bytes that the server takes at all: far more than 100 rows with all their
    /// variables need.
    pub(in crate::simulator) const MAX_BYTES: usize = 8 * 1024 * 1024;
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self {
            rows: 100,
            bytes: Self::MAX_BYTES,
        }
    }
}
