//! The reading of a reply, which yields the verdict on the batch.

use super::closing::{Closing, unconfirmed};
use super::import;
use super::outcome::Outcome;
use super::reason::WaitReason;
use super::refusal::{Refusal, may_have_gone_on, refused};
use super::reply::{Answer, Reply};
use super::rules::Rules;
use super::success;
use super::trouble;
use super::wait::Wait;
use super::words::words;
use crate::batch::Batch;
use crate::platform::wire::Document;

/// The decision about a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The batch is closed: rows are settled, and the rest goes into smaller batches.
    Close(Closing),
    /// The same batch is sent again later.
    Wait(Wait),
}

impl Verdict {
    /// Returns why the lane waits, if it does. It may wait though the batch is closed, which must not be sent
    /// again.
    pub const fn wait(&self) -> Option<&Wait> {
        match self {
            Self::Wait(wait) => Some(wait),
            Self::Close(closing) => closing.because.as_ref(),
        }
    }

    /// Returns the outcome as one word for programs.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Wait(Wait { reason, .. })
            | Self::Close(Closing {
                because: Some(Wait { reason, .. }),
                ..
            }) => reason.as_str(),
            Self::Close(closing) => closing.outcome.as_str(),
        }
    }
}

/// Reads the reply to a batch.
pub fn read(batch: &Batch, reply: &Reply, rules: &Rules) -> Verdict {
    let verdict = match reply {
        Reply::NotSent(why) => wait(WaitReason::Unreachable, why, false),
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
    let words = words(batch, answer);
    if is_server_error(answer) {
        return wait(WaitReason::ServerError, &words, true);
    }
    let document = answer.document.as_ref();
    let is_success = |document| is_success(batch, document);
    let is_import = (200..=299).contains(&answer.http) && document.is_some_and(is_success);
    // An answer that claims a success and a refusal at once proves nothing.
    if document.is_some_and(|document| claims_success(document, rules)) && !is_import {
        return wait(WaitReason::Unreadable, &words, true);
    }
    // A list of failures says that rows were looked at, so those beside it may be in.
    let was_read = document.is_some_and(|document| may_have_gone_on(batch, document));
    let has_others = |document| !import::lists_all(batch, document);
    let gone_on = !is_import && was_read && document.is_some_and(has_others);
    if let Some(wait) = not_now(answer, &words, gone_on, rules) {
        return wait;
    }
    let says_trouble =
        |document: &Document| document.failures.is_empty() && trouble::is_told(&document.message);
    if !is_import && !answer.says(413) && document.is_some_and(says_trouble) {
        return wait(WaitReason::ServerError, &words, true);
    }
    let is_accepted = (200..=299).contains(&answer.http);
    let is_unreadable = |document| {
        let tells = !is_accepted || tells_of_a_failure(batch, document);
        !is_import && (is_garbled(document) || !tells)
    };
    if document.map_or(answer.is_garbled && !is_redirect(answer), is_unreadable) {
        return wait(WaitReason::Unreadable, &words, true);
    }
    // Whether a refusal is the platform's judgement of what was sent. Any other code may be about
    // the account, and an answer that is not the platform's JSON is not known to be its own. The HTTP
    // status tells no more than that it is a refusal.
    let refusal = Refusal {
        outcome: Outcome::Refused,
        words: &words,
        said: document.map_or("", |document| &document.message),
        judges_the_row: matches!(answer.code(), Some(400 | 422)),
    };
    if answer.says(413) {
        let too_large = Refusal {
            outcome: Outcome::TooLarge,
            judges_the_row: false,
            ..refusal
        };
        return Verdict::Close(match document {
            Some(document) if was_read => import::read_refusal(batch, document, &too_large, rules),
            _ => refused(batch, &too_large, rules),
        });
    }
    match (answer.http, document) {
        (_, Some(document)) if is_import => Verdict::Close(import::read(batch, document, rules)),
        // The request was carried out, and its result is elsewhere.
        (303, _) => wait(WaitReason::Redirected, &words, true),
        _ if is_redirect(answer) => wait(WaitReason::Redirected, &words, gone_on),
        (_, Some(document)) => {
            Verdict::Close(import::read_refusal(batch, document, &refusal, rules))
        }
        (400 | 422, None) => Verdict::Close(refused(batch, &refusal, rules)),
        _ => wait(WaitReason::Unreadable, &words, true),
    }
}

/// Whether the platform, or somebody in front of it, failed or did not wait for the end: what was sent may
/// be carried out all the same. The numbers below 500 are Request Timeout, Too Early and Client Closed
/// Request.
fn is_server_error(answer: &Answer) -> bool {
    let is_one = |number| matches!(number, 408 | 425 | 499..=599);
    is_one(i64::from(answer.http)) || answer.code().is_some_and(is_one)
}

fn is_redirect(answer: &Answer) -> bool {
    (300..=399).contains(&answer.http)
}

/// Whether nobody can read what a refusal without a list says, as in another encoding.
fn is_garbled(document: &Document) -> bool {
    document.failures.is_empty() && document.message.contains('\u{fffd}')
}

/// Reads an answer for which no row is to blame, so that a lane, a user or everybody waits. Nothing was
/// delivered, unless the platform has `gone_on` behind bad rows.
fn not_now(answer: &Answer, words: &str, gone_on: bool, rules: &Rules) -> Option<Verdict> {
    if answer.says(429) {
        return Some(Verdict::Wait(Wait {
            reason: WaitReason::RateLimited,
            message: words.to_owned(),
            maybe_delivered: gone_on,
            retry_after: answer.retry_after,
        }));
    }
    let is_turned_away = TURNED_AWAY.contains(&answer.http) || answer.http == 400 && answer.is_page;
    if answer.document.is_none() && is_turned_away {
        return Some(wait(WaitReason::Blocked, words, gone_on));
    }
    for (number, reason) in [
        (401, WaitReason::Unauthorized),
        (403, WaitReason::Forbidden),
        (404, WaitReason::NotFound),
    ] {
        if answer.says(number) {
            return Some(wait(reason, words, gone_on));
        }
    }
    let is_lanes = answer
        .code()
        .is_some_and(|code| rules.lane_codes.contains(&code));
    let mut markers = rules.lane_markers.iter();
    let says_so = answer.says(422) && markers.any(|marker| words.contains(marker));
    (is_lanes || says_so).then(|| wait(WaitReason::TaskRunning, words, gone_on))
}

/// Without the platform's JSON, these are the answers of a firewall or a proxy before it, or of a server
/// that did not know what to do with the request. So is 400 with a page for people.
const TURNED_AWAY: [u16; 16] = [
    402, 403, 405, 406, 407, 410, 411, 414, 415, 417, 418, 421, 426, 428, 431, 451,
];

/// Whether the document reports a success. One that counts nothing and lists nothing has to say so: a page
/// for a login or a captcha may come with the code of a success.
fn is_success(batch: &Batch, document: &Document) -> bool {
    let message = document.message.trim();
    let counts = document.task_number_count.is_some() || !document.failures.is_empty();
    let status = document.status.as_deref();
    let is_documented = document.has_message || status.is_some();
    let is_told = is_documented
        && (message.is_empty() || success::is_told(message) && success::is_of_all(message, batch));
    document.code == 200
        && document.success != Some(false)
        && status.is_none_or(says_success)
        && (counts || is_told)
}

/// Whether a refusal under the HTTP status of a success is told as one: by a status, by the code of a refusal in
/// HTTP, or by words or a list. Programs with other codes than the documented ones have 0 or 1 for a success, and
/// these have to tell of a failure, unless the list of failures names every row.
fn tells_of_a_failure(batch: &Batch, document: &Document) -> bool {
    let status = document.status.as_deref();
    let says_so =
        document.success == Some(false) || status.is_some_and(success::is_status_of_failure);
    says_so
        || match document.code {
            400..=499 => true,
            0 | 1 => {
                success::has_words_of_failure(&document.message)
                    || import::lists_all(batch, document)
            }
            _ => !document.message.trim().is_empty() || !document.failures.is_empty(),
        }
}

/// Whether any part of the document says that rows were imported. The words alone say nothing where the code
/// says that they have to wait: they may ask for the success of something else first.
fn claims_success(document: &Document, rules: &Rules) -> bool {
    let waits =
        matches!(document.code, 401 | 403 | 404 | 429) || rules.lane_codes.contains(&document.code);
    (200..=299).contains(&document.code)
        || document.success == Some(true)
        || document
            .status
            .as_deref()
            .is_some_and(success::is_status_of_success)
        || document.task_number_count.unwrap_or(0) > 0
        || !waits && success::is_claimed(&success::without_conditions(&document.message))
}

fn says_success(status: &str) -> bool {
    status.trim().eq_ignore_ascii_case("success")
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
