//! Words that say the same: they differ only by what belongs to one request or one row. That is a number,
//! a time, or the id by which the platform finds the request in its log.

use std::iter::Peekable;
use std::str::Chars;

/// Returns the words with `#` in place of each run of letters and digits that holds a digit or a star, and
/// of each value behind a label such as `traceId=`, whatever it is.
pub fn without_ids(words: &str) -> String {
    let words = without_labelled(words);
    let mut text = String::with_capacity(words.len());
    let mut chars = words.chars().peekable();
    while let Some(c) = chars.next() {
        if !is_of_id(c) {
            text.push(c);
            continue;
        }
        push_without_ids(&mut text, &run(c, &mut chars));
    }
    text
}

/// Adds a run of letters and digits to a text: whole ids and parts that are ids as `#`.
fn push_without_ids(text: &mut String, run: &str) {
    let is_hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    let is_uuid = run.contains('-') && is_id(run) && run.split('-').all(is_hex);
    let parts = if is_uuid {
        vec![run]
    } else {
        run.split_inclusive(['-', '_']).collect()
    };
    for part in parts {
        let name = part.trim_end_matches(['-', '_']);
        if !is_id(name) {
            text.push_str(name);
        } else if !text.ends_with('#') {
            text.push('#');
        }
        text.push_str(&part[name.len()..]);
    }
}

/// Whether a run of letters and digits is an id: it holds a digit or a star, or is hexadecimal and longer
/// than any word.
fn is_id(run: &str) -> bool {
    const LONGEST_WORD: usize = 7;
    run.contains(|c: char| c.is_ascii_digit() || c == '*')
        || run.len() > LONGEST_WORD && run.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn is_of_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*')
}

/// Takes the rest of a run out of the text.
fn run(first: char, chars: &mut Peekable<Chars<'_>>) -> String {
    let mut run = String::from(first);
    while let Some(c) = chars.next_if(|c| is_of_id(*c)) {
        run.push(c);
    }
    run
}

/// Returns the words with `#` in place of each value behind the label of a request's id.
pub fn without_labelled(words: &str) -> String {
    // The same length in bytes, so that places in the one are places in the other.
    let lower = words.to_ascii_lowercase();
    let (mut text, mut done, mut at) = (String::with_capacity(words.len()), 0, 0);
    while let Some(c) = lower[at..].chars().next() {
        let Some(value) = labelled(&lower, at) else {
            at += c.len_utf8();
            continue;
        };
        text.push_str(&words[done..value.0]);
        text.push('#');
        (done, at) = (value.1, value.1);
    }
    text.push_str(&words[done..]);
    text
}

/// Returns where the value behind the label at this place begins and ends, if one stands there.
fn labelled(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = &text[at..];
    let behind = |label: &&str| rest.strip_prefix(*label);
    let is_apart = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    let chinese = CHINESE.iter().find_map(behind);
    let short = || SHORT.iter().find_map(behind).filter(|_| is_apart);
    let after = chinese.or_else(|| LATIN.iter().find_map(behind).or_else(short))?;
    let value = after.trim_start_matches(|c: char| c.is_whitespace() || is_divider(c));
    let divided = after[..after.len() - value.len()].contains(['=', ':', '：']);
    let end = value.find(|c: char| {
        let ends = !c.is_ascii() || c.is_whitespace() || "[](){},;|\"'".contains(c);
        // Without a divider, nothing but letters and digits is the value.
        ends || !divided && !is_of_id(c)
    });
    let length = end.unwrap_or(value.len());
    let begin = text.len() - value.len();
    (length > 0 && (divided || chinese.is_some())).then_some((begin, begin + length))
}

/// What stands between a label and its value.
fn is_divider(c: char) -> bool {
    "=:：#\"'[(（【".contains(c)
}

/// Labels that may be the end of a longer word, as `x-request-id` and `sofaTraceId`.
const LATIN: [&str; 12] = [
    "traceid",
    "trace_id",
    "trace-id",
    "trace id",
    "requestid",
    "request_id",
    "request-id",
    "request id",
    "reqid",
    "req_id",
    "logid",
    "log_id",
];

/// Labels that stand alone.
const SHORT: [&str; 8] = ["rid", "tid", "sn", "uuid", "ulid", "guid", "trace", "nonce"];

/// Labels that may stand right before the value.
const CHINESE: [&str; 14] = [
    "流水号",
    "流水號",
    "请求号",
    "請求號",
    "请求id",
    "请求标识",
    "追踪号",
    "追踪id",
    "跟踪号",
    "跟踪id",
    "链路id",
    "日志号",
    "日志id",
    "事务号",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_belongs_to_one_request_or_row_is_left_out() {
        for (words, without) in [
            ("号码 130***1211 不在任务范围", "号码 # 不在任务范围"),
            ("余额不足 [traceId=abcDEF]", "余额不足 [traceId=#]"),
            ("requestId: \"a/b+c==\", bad", "requestId: \"#\", bad"),
            ("流水号abc，余额不足", "流水号#，余额不足"),
            ("请求号错误", "请求号错误"),
            ("grid: left", "grid: left"),
            ("the request id is missing", "the request id is missing"),
            ("bad-format, deadline", "bad-format, deadline"),
            ("ERR1_INVALID_FORMAT", "#_INVALID_FORMAT"),
            ("130***1111-invalid", "#-invalid"),
            ("流水号：ABC余额不足", "流水号：#余额不足"),
            ("traceId=a1|空号", "traceId=#|空号"),
            ("trace：空号", "trace：空号"),
            ("traceId=5f0c1d2e-aaaa-bbbb-cccc-0123456789ab", "traceId=#"),
            ("id 5f0c1d2e-aaaa-bbbb-cccc-0123456789ab", "id #"),
            ("traceId=", "traceId="),
            ("", ""),
        ] {
            assert_eq!(without_ids(words), without, "{words}");
        }
    }

    proptest! {
        #[test]
        fn any_words_are_answered(words in "(\\PC|traceId|[=:]|流水号|İ){0,30}") {
            without_ids(&words);
        }
    }
}
