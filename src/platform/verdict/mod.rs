//! The verdict: what one answer of the platform, or its absence, says about a batch.
//!
//! A pure function from (batch as sent, what came back) to a value; it does no I/O. Its neighbours
//! are the client, which brings the answer, and the courier, which acts on the verdict.
//! `docs/answers.md` is this module in prose, and each test here names the line that it proves.
//!
//! It guarantees: no row is settled without evidence in the answer, none as `succeeded` that the
//! answer names as refused, and a batch that cannot be sent twice is never asked to be.

mod attribution;
mod import;

use std::time::Duration;

use super::mask;
use super::wire::Document;
use crate::batch::Batch;
use crate::contact::ContactId;
use crate::settlement::{FailKind, Final, RowOutcome};

/// What came back for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An HTTP response, read to its end.
    Answer(Answer),
    /// The request surely did not reach the platform (no connection, DNS, TLS); why.
    NotSent(String),
    /// There is no token to send it with; why.
    NoToken(String),
    /// The request went out and no whole answer came back; why.
    Lost(String),
}

/// An HTTP response of the platform, or of something in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub http: u16,
    /// `Retry-After`, as a time from now.
    pub retry_after: Option<Duration>,
    /// The body, if it is the documented JSON.
    pub document: Option<Document>,
}

/// The codes and words by which answers are told apart: the settings `platform.lane_codes`,
/// `platform.lane_markers`, `platform.duplicate_markers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Codes that mean: the task is running and must be paused by its owner.
    pub lane_codes: Vec<i64>,
    /// Parts of a 422 message that mean the same.
    pub lane_markers: Vec<String>,
    /// Parts of a cause that mean: the number is already in the task.
    pub duplicate_markers: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        Self {
            lane_codes: vec![6007],
            lane_markers: words(&["请先停止任务", "请先暂停任务"]),
            duplicate_markers: words(&["重复", "已存在"]),
        }
    }
}

/// What is to be done about a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The batch is closed: rows are settled, and the rest goes into smaller batches.
    Close(Closing),
    /// The same batch is sent again later.
    Wait(Wait),
}

/// The end of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// What happened, for the journal, the log and the metrics.
    pub outcome: Outcome,
    /// The platform's words, or ours.
    pub answer: String,
    /// Rows that are final.
    pub settled: Vec<RowOutcome>,
    /// Rows that smaller batches have to find out about; never the whole of a single-row batch.
    pub unsettled: Vec<ContactId>,
    /// Whether the unsettled rows may be on the platform already.
    pub maybe_delivered: bool,
    /// The batch was closed because it must not be sent again, but nothing is well: the lane waits
    /// as if it had been postponed.
    pub because: Option<Wait>,
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The platform took it, and its answer accounts for every row.
    Imported,
    /// The platform took it, but its answer leaves rows open.
    Unaccounted,
    /// The platform refused the request.
    Refused,
    /// The platform refused the request as too large.
    TooLarge,
    /// It may have been delivered and must not be sent again.
    Unconfirmed,
    /// It was not delivered within `retry.give_up_after`.
    GivenUp,
    /// All of its rows have been deleted or settled by others.
    Vanished,
    /// Part of a batch that was refused; asking about its own parts says more, so it was not sent.
    TakenApart,
}

impl Outcome {
    /// Those that an answer can have by itself. The others come of what was known before.
    pub const OF_REQUESTS: [Self; 4] = [
        Self::Imported,
        Self::Unaccounted,
        Self::Refused,
        Self::TooLarge,
    ];

    /// One word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Unaccounted => "unaccounted",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Unconfirmed => "unconfirmed",
            Self::GivenUp => "given_up",
            Self::Vanished => "vanished",
            Self::TakenApart => "taken_apart",
        }
    }
}

/// Why the same batch is sent again, and who has to wait meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What is the matter.
    pub reason: WaitReason,
    /// The platform's words, or ours; never a number or a token.
    pub message: String,
    /// Whether this send may have reached the platform.
    pub maybe_delivered: bool,
    /// How long the platform asks us to wait.
    pub retry_after: Option<Duration>,
}

impl Wait {
    /// Every row of a batch was refused with the same words.
    pub fn all_refused(words: &str) -> Self {
        let words = shortened(&mask::mask_within(words));
        let reason = WaitReason::AllRefused;
        Self {
            reason,
            message: format!("{words}{}", reason.advice()),
            maybe_delivered: false,
            retry_after: None,
        }
    }
}

/// Why a batch waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitReason {
    /// No connection: surely not delivered.
    Unreachable,
    /// Sent, and no whole answer.
    AnswerLost,
    /// 5xx.
    ServerError,
    /// An answer that is not the documented JSON.
    Unreadable,
    /// A redirect; none is followed.
    Redirected,
    /// 429.
    RateLimited,
    /// 401: the token is not accepted; or there is none that could be sent.
    Unauthorized,
    /// 403: not allowed for this user.
    Forbidden,
    /// 404: no such user or task.
    NotFound,
    /// The task is running and must be paused by its owner.
    TaskRunning,
    /// Every row of a batch was refused with the same words.
    AllRefused,
}

/// Who waits with the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Its lane.
    Lane,
    /// All lanes of its user.
    User,
    /// Everybody.
    Platform,
}

impl WaitReason {
    /// Those for which a batch is sent again: all but the one that is about a whole lane.
    pub const OF_BATCHES: [Self; 10] = [
        Self::Unreachable,
        Self::AnswerLost,
        Self::ServerError,
        Self::Unreadable,
        Self::Redirected,
        Self::RateLimited,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::TaskRunning,
    ];

    /// One word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::AnswerLost => "answer_lost",
            Self::ServerError => "server_error",
            Self::Unreadable => "unreadable",
            Self::Redirected => "redirected",
            Self::RateLimited => "rate_limited",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::TaskRunning => "task_running",
            Self::AllRefused => "all_refused",
        }
    }

    /// What a person can do about it, to be put behind the platform's words.
    const fn advice(self) -> &'static str {
        match self {
            Self::Unauthorized => "; check platform.token or platform.token_file",
            Self::Forbidden => "; the token may not act for this user_id",
            Self::NotFound => "; check user_id, task_id and platform.base_url",
            Self::TaskRunning => "; pause the task on the platform, sending then goes on by itself",
            Self::AllRefused => {
                "; every row of a batch was refused with these words, so something may be wrong \
                 with all of them, the task or the account; sending goes on slowly by itself"
            }
            Self::Redirected => "; redirects are not followed, correct platform.base_url",
            _ => "",
        }
    }

    /// Who waits.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Unauthorized | Self::RateLimited => Scope::Platform,
            Self::Forbidden => Scope::User,
            _ => Scope::Lane,
        }
    }

    /// Whether the request counts as an attempt: after a 429 the platform never looked at it.
    pub const fn counts_as_attempt(self) -> bool {
        !matches!(self, Self::RateLimited)
    }

    /// Whether time until `retry.give_up_after` runs. It stands still while a person has to act.
    pub const fn runs_out(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::AnswerLost
                | Self::ServerError
                | Self::Unreadable
                | Self::Redirected
        )
    }
}

impl Verdict {
    /// What came back, in one word for programs.
    pub const fn outcome(&self) -> &'static str {
        match self {
            // The latter is closed because it must not be sent again.
            Self::Wait(wait)
            | Self::Close(Closing {
                because: Some(wait),
                ..
            }) => wait.reason.as_str(),
            Self::Close(closing) => closing.outcome.as_str(),
        }
    }
}

/// Reads what came back for a batch.
pub fn read(batch: &Batch, reply: &Reply, rules: &Rules) -> Verdict {
    let verdict = match reply {
        Reply::NotSent(why) => wait(WaitReason::Unreachable, why, false),
        Reply::NoToken(why) => wait(WaitReason::Unauthorized, why, false),
        Reply::Lost(why) => wait(WaitReason::AnswerLost, why, true),
        Reply::Answer(answer) => read_answer(batch, answer, rules),
    };
    match verdict {
        Verdict::Wait(wait) if wait.maybe_delivered && !batch.options.resend_is_safe() => {
            let mut closing = unconfirmed(batch, &wait.message);
            closing.because = Some(wait);
            Verdict::Close(closing)
        }
        verdict => verdict,
    }
}

fn read_answer(batch: &Batch, answer: &Answer, rules: &Rules) -> Verdict {
    let code = answer.document.as_ref().map(|document| document.code);
    let says = |number: i64| i64::from(answer.http) == number || code == Some(number);
    let words = words(answer);
    let server_error = 500..=599;
    if server_error.contains(&i64::from(answer.http))
        || code.is_some_and(|code| server_error.contains(&code))
    {
        return wait(WaitReason::ServerError, &words, true);
    }
    if says(429) {
        return Verdict::Wait(Wait {
            reason: WaitReason::RateLimited,
            message: words,
            maybe_delivered: false,
            retry_after: answer.retry_after,
        });
    }
    for (number, reason) in [
        (401, WaitReason::Unauthorized),
        (403, WaitReason::Forbidden),
        (404, WaitReason::NotFound),
    ] {
        if says(number) {
            return wait(reason, &words, false);
        }
    }
    if code.is_some_and(|code| rules.lane_codes.contains(&code))
        || says(422)
            && rules
                .lane_markers
                .iter()
                .any(|marker| words.contains(marker))
    {
        return wait(WaitReason::TaskRunning, &words, false);
    }
    // Whether a refusal is the platform's judgement of what was sent. Any other code may be about
    // the account, and an answer that is not the platform's JSON is not known to be its own.
    let refusal = Refusal {
        outcome: Outcome::Refused,
        words: &words,
        judges_the_row: answer.document.is_some() && (says(400) || says(422)),
    };
    if says(413) {
        let too_large = Refusal {
            outcome: Outcome::TooLarge,
            judges_the_row: false,
            ..refusal
        };
        return Verdict::Close(refused(batch, &too_large, rules));
    }
    match (answer.http, &answer.document) {
        (200..=299, Some(document)) if is_success(document) => {
            Verdict::Close(import::read(batch, document, rules))
        }
        (300..=399, _) => wait(WaitReason::Redirected, &words, false),
        // A code of success in an answer that is none says nothing that we may act on.
        (_, Some(document)) if !(200..=299).contains(&document.code) => {
            Verdict::Close(import::read_refusal(batch, document, &refusal, rules))
        }
        (400 | 422, None) => Verdict::Close(refused(batch, &refusal, rules)),
        _ => wait(WaitReason::Unreadable, &words, true),
    }
}

fn is_success(document: &Document) -> bool {
    document.code == 200 && document.status.as_deref() != Some("error")
}

fn wait(reason: WaitReason, message: &str, maybe_delivered: bool) -> Verdict {
    let message = format!("{message}{}", reason.advice());
    Verdict::Wait(Wait {
        reason,
        message,
        maybe_delivered,
        retry_after: None,
    })
}

/// The answer in words for the journal and the log: any number in it is masked, and it is short.
fn words(answer: &Answer) -> String {
    let http = answer.http;
    let said = match &answer.document {
        None => format!("HTTP {http} without the documented JSON"),
        Some(document) if document.message.is_empty() => {
            format!("HTTP {http}, code {}", document.code)
        }
        Some(document) => format!("{} {}", document.code, mask::mask_within(&document.message)),
    };
    shortened(&said)
}

/// How much of the platform's words is kept; the longest documented one has 20 characters.
const LONGEST_WORDS: usize = 500;

fn shortened(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_WORDS)
        .collect()
}

/// A refusal of a request as a whole.
struct Refusal<'a> {
    outcome: Outcome,
    words: &'a str,
    /// Whether a row that is refused so alone is known not to be in the task.
    judges_the_row: bool,
}

/// The request was refused as a whole: ask about smaller batches until the row that is to blame
/// stands alone.
fn refused(batch: &Batch, refusal: &Refusal<'_>, rules: &Rules) -> Closing {
    let (settled, unsettled) = match batch.contacts.as_slice() {
        [contact] => {
            let contact = contact.id;
            let end = refused_alone(batch, refusal, rules);
            (vec![RowOutcome { contact, end }], Vec::new())
        }
        _ => (Vec::new(), batch.contact_ids()),
    };
    Closing {
        outcome: refusal.outcome,
        answer: refusal.words.to_owned(),
        settled,
        unsettled,
        maybe_delivered: false,
        because: None,
    }
}

/// How a row ends whose request was refused and carried nothing else.
fn refused_alone(batch: &Batch, refusal: &Refusal<'_>, rules: &Rules) -> Final {
    match refusal_of_row(batch, refusal.words, rules) {
        Final::Failed {
            kind: FailKind::Rejected,
            cause,
        } if batch.maybe_delivered && !refusal.judges_the_row => Final::Failed {
            kind: FailKind::Unconfirmed,
            cause: shortened(&format!(
                "may or may not be in the task: an earlier answer was lost, and the last one does \
                 not tell: {cause}"
            )),
        },
        end => end,
    }
}

/// How a row ends that the platform refused with this cause. "Already there" is what success looks
/// like when an earlier send may have arrived.
fn refusal_of_row(batch: &Batch, cause: &str, rules: &Rules) -> Final {
    let duplicate = rules
        .duplicate_markers
        .iter()
        .any(|marker| cause.contains(marker));
    match (duplicate, batch.maybe_delivered) {
        (true, true) => Final::Succeeded,
        (true, false) => Final::Failed {
            kind: FailKind::Duplicate,
            cause: shortened(cause),
        },
        (false, _) => Final::Failed {
            kind: FailKind::Rejected,
            cause: shortened(cause),
        },
    }
}

/// Every row of a batch that may have been delivered and must not be sent again.
pub fn unconfirmed(batch: &Batch, why: &str) -> Closing {
    let cause = format!(
        "may or may not be in the task: {why}; not sent again, for with number_add_suffix=true a \
         second send could call the person twice"
    );
    close_all(batch, Outcome::Unconfirmed, FailKind::Unconfirmed, &cause)
}

/// A part of a refused batch whose own parts are asked about instead.
pub fn taken_apart(batch: &Batch) -> Closing {
    Closing {
        outcome: Outcome::TakenApart,
        answer: "part of a batch that was refused; its own parts are sent instead".into(),
        settled: Vec::new(),
        unsettled: batch.contact_ids(),
        maybe_delivered: false,
        because: None,
    }
}

/// Every row of a batch that was tried for longer than `retry.give_up_after`.
pub fn give_up(batch: &Batch, why: &str) -> Closing {
    if batch.maybe_delivered {
        let cause = format!("may or may not be in the task: gave up asking again; last: {why}");
        return close_all(batch, Outcome::GivenUp, FailKind::Unconfirmed, &cause);
    }
    let cause = format!("not delivered: gave up after retry.give_up_after; last: {why}");
    close_all(batch, Outcome::GivenUp, FailKind::Expired, &cause)
}

fn close_all(batch: &Batch, outcome: Outcome, kind: FailKind, cause: &str) -> Closing {
    let cause = shortened(cause);
    let end = Final::Failed {
        kind,
        cause: cause.clone(),
    };
    let settled = batch
        .contacts
        .iter()
        .map(|c| RowOutcome {
            contact: c.id,
            end: end.clone(),
        })
        .collect();
    Closing {
        outcome,
        answer: cause,
        settled,
        unsettled: Vec::new(),
        maybe_delivered: false,
        because: None,
    }
}

#[cfg(test)]
mod tests;
