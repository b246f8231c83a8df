//! The weather on the platform: all of its faults at once, in styles that change.

use std::time::Duration;

use contact_courier::simulator::{
    AnswerStyle, CountStyle, DataStyle, FailListStyle, Faults, MaskStyle, RefusalBody,
    RefusalStyle, RetryAfter, RowFaults, RunningSays, SizeLimits, SuffixStyle,
};

use super::seed::Dice;
use crate::world::Lane;

/// Returns faults that one request in four meets.
fn stormy() -> Faults {
    Faults {
        latency: Duration::from_millis(1),
        latency_jitter: Duration::from_millis(5),
        error_before: 0.02,
        error_after: 0.03,
        reset_before: 0.02,
        reset_after: 0.03,
        silence_before: 0.005,
        silence_after: 0.01,
        too_many_requests: 0.01,
        task_running: 0.01,
        garbled: 0.02,
        cut_off: 0.02,
        not_json: 0.01,
        oversized: 0.01,
        contradictory: 0.02,
        redirected: 0.01,
        error_statuses: vec![500, 502, 503, 599],
        ..Faults::default()
    }
}

/// Returns some weather in which no lane is turned away.
pub(super) fn some(dice: &mut Dice) -> Faults {
    let answer = AnswerStyle {
        data: dice.one_of(&[DataStyle::Object, DataStyle::Object, DataStyle::EmptyList]),
        counts: dice.one_of(&[
            CountStyle::Numbers,
            CountStyle::Strings,
            CountStyle::Floats,
            CountStyle::Absent,
        ]),
        // Not `Never`: without the failed rows, nobody can tell the truth about them.
        fail_list: dice.one_of(&[
            FailListStyle::Always,
            FailListStyle::NullIfEmpty,
            FailListStyle::AbsentIfEmpty,
        ]),
        extra_fields: dice.once_in(2),
    };
    Faults {
        error_under_200: dice.once_in(2),
        retry_after: dice.one_of(&[RetryAfter::Seconds, RetryAfter::Date, RetryAfter::None]),
        retry_after_wait: dice.one_of(&[Duration::ZERO, Duration::from_secs(1)]),
        task_running_for: Duration::from_millis(dice.below(300)),
        task_running_says: dice.one_of(&[RunningSays::Code6007, RunningSays::Code422]),
        rows: rows(answer),
        mask: mask(dice),
        answer,
        refusal: refusal(dice),
        limits: limits(dice),
        ..stormy()
    }
}

/// Returns some weather in which one user, one task and another task are turned away.
pub(super) fn some_turned_away(dice: &mut Dice, lanes: &[Lane]) -> Faults {
    Faults {
        forbidden_users: vec![dice.one_of(lanes).0],
        unknown_tasks: vec![dice.one_of(lanes).1],
        running_tasks: vec![dice.one_of(lanes).1],
        ..some(dice)
    }
}

/// Returns faults that turn everybody away, in one of the possible ways.
pub(super) fn all_turned_away(way: usize, lanes: &[Lane]) -> Faults {
    let users = || lanes.iter().map(|lane| lane.0.clone()).collect();
    let tasks = || lanes.iter().map(|lane| lane.1.clone()).collect();
    let mut faults = stormy();
    match way % 5 {
        0 => faults.token_off = true,
        1 => faults.forbidden_users = users(),
        2 => faults.unknown_tasks = tasks(),
        3 => faults.firewall_words = vec!["phone".into()],
        _ => faults.running_tasks = tasks(),
    }
    faults
}

/// A number that is dropped without a word is only noticed if there are counts. A number on the
/// blacklist stays there: the platform does not change its mind.
fn rows(answer: AnswerStyle) -> RowFaults {
    let is_told = answer.counts != CountStyle::Absent && answer.data == DataStyle::Object;
    RowFaults {
        dropped: if is_told { 0.004 } else { 0.0 },
        uncounted: if is_told { 0.004 } else { 0.0 },
        blacklisted: 0.005,
    }
}

fn mask(dice: &mut Dice) -> MaskStyle {
    let shown = |dice: &mut Dice| usize::try_from(dice.below(6)).unwrap();
    let usual = MaskStyle {
        suffix: dice.one_of(&[
            SuffixStyle::Included,
            SuffixStyle::Kept,
            SuffixStyle::Hidden,
        ]),
        ..MaskStyle::default()
    };
    match dice.below(5) {
        0 => MaskStyle {
            whole: true,
            ..usual
        },
        1 => MaskStyle {
            first: shown(dice),
            last: shown(dice),
            stars: shown(dice),
            ..usual
        },
        _ => usual,
    }
}

/// Most of the time, bad numbers stop only requests that ask for it.
fn refusal(dice: &mut Dice) -> RefusalStyle {
    let body = match dice.below(8) {
        0 => RefusalBody::Text,
        1..3 => RefusalBody::Message,
        _ => RefusalBody::List,
    };
    RefusalStyle {
        ignore_skip_error: dice.once_in(8),
        status: match body {
            RefusalBody::Text => dice.one_of(&[400, 422]),
            _ => dice.one_of(&[200, 400, 422]),
        },
        body,
    }
}

/// Any single row is small enough.
fn limits(dice: &mut Dice) -> SizeLimits {
    let usual = SizeLimits::default();
    match dice.below(6) {
        0 => SizeLimits { rows: 30, ..usual },
        1 => SizeLimits {
            bytes: 8_192,
            ..usual
        },
        _ => usual,
    }
}
