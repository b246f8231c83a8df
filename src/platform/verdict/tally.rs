//! The tally: the numbers in a message of success that count rows, and whether they count all of them.
//!
//! A platform that took `0/3` may still call it a success. Other numbers are no counts: a date, a version, an
//! id, the name of a task.

use std::ops::Range;

use super::words::numbers;
use crate::batch::Batch;
use crate::mask;

/// Whether no number in a message counts other rows than all of the batch.
pub(super) fn is_of_all(message: &str, batch: &Batch) -> bool {
    let text = plain(message);
    let rows = batch.contacts.len().to_string();
    let moments = moments(&text);
    numbers(&text).all(|at| {
        let is_moment = moments.iter().any(|moment| moment.contains(&at.start));
        let number = Number::of(&text, at);
        if number.is_percent() {
            let is_all = number.digits == "100" || number.before.ends_with("100.");
            return is_all || !number.is_rate_of_success();
        }
        if is_moment || number.is_masked() || number.digits == rows {
            return true;
        }
        let is_no_count = || {
            let is_long = number.digits.len() > LONGEST_COUNT;
            let is_other = number.is_code() || number.is_id(batch.lane.task_id());
            is_long || is_other || number.is_version() || number.is_measure()
        };
        !number.counts_rows() && (is_no_count() || !number.may_count())
    })
}

/// Whether a number in a message of a refusal counts fewer rows than the batch has.
pub(super) fn counts_a_part(message: &str, batch: &Batch) -> bool {
    let text = plain(message);
    let is_of_a_part = |at| {
        let number = Number::of(&text, at);
        let rows: Option<usize> = number.digits.parse().ok();
        let is_fewer = rows.is_some_and(|rows| (1..batch.contacts.len()).contains(&rows));
        is_fewer && number.counts_rows() && !number.is_ordinal() && !number.counts_others()
    };
    numbers(&text).any(is_of_a_part)
}

/// Whether a message counts rows that were done beside others that failed, as `成功2条，失败1条` or `2/3 imported,
/// 1 failed`. Its end tells whether numbers stand before their words, or behind them.
pub(super) fn counts_done_and_failed(message: &str) -> bool {
    let text = plain(message);
    let last_number = numbers(&text).map(|at| at.start).last();
    let words = DONE.iter().chain(&FAILED);
    let last_word = words.filter_map(|word| text.rfind(word)).max();
    let all = || numbers(&text).map(|at| Number::of(&text, at));
    let is_of = |number: &Number<'_>, words: &[&str]| {
        let is_beside = if last_number > last_word {
            number.stands_behind(words)
        } else {
            number.stands_before(words)
        };
        is_beside && number.digits.len() <= LONGEST_COUNT
    };
    let is_done = |number: Number<'_>| !number.is_zero() && is_of(&number, &DONE);
    all().any(is_done) && all().any(|number| is_of(&number, &FAILED))
}

/// Whether a part of a message counts nothing somewhere, as `0/3 imported`.
pub(super) fn counts_none(message: &str) -> bool {
    let text = plain(message);
    numbers(&text).any(|at| {
        let number = Number::of(&text, at);
        let counts = number.counts_rows() || number.is_announced() || number.is_of_done();
        number.is_zero() && (counts || number.is_in_fraction())
    })
}

/// A longer number is an id or a date.
const LONGEST_COUNT: usize = 6;

/// A number and the text around it.
struct Number<'a> {
    before: &'a str,
    digits: &'a str,
    behind: &'a str,
}

impl<'a> Number<'a> {
    fn of(text: &'a str, at: Range<usize>) -> Self {
        Self {
            before: &text[..at.start],
            behind: &text[at.end..],
            digits: &text[at],
        }
    }

    /// Whether a word for rows stands behind it.
    fn counts_rows(&self) -> bool {
        begins_with(self.behind.trim_start(), &COUNTED)
    }

    /// Whether it is the place of a row, as in `第2条`.
    fn is_ordinal(&self) -> bool {
        self.before.trim_end().ends_with('第')
    }

    /// Whether it counts something else than rows, as in `2个任务`.
    fn counts_others(&self) -> bool {
        let behind = self.behind.trim_start().strip_prefix(['个', '個']);
        behind.is_some_and(|behind| begins_with(behind.trim_start(), &OTHERS))
    }

    /// Whether it may count rows by where it stands.
    fn may_count(&self) -> bool {
        self.is_zero() || self.is_in_fraction() || self.is_announced() || self.is_of_done()
    }

    fn is_zero(&self) -> bool {
        self.digits.bytes().all(|digit| digit == b'0')
    }

    fn is_percent(&self) -> bool {
        self.behind.trim_start().starts_with('%')
    }

    /// Whether a word for the part that was done stands before it.
    fn is_rate_of_success(&self) -> bool {
        let value = |c: char| c.is_whitespace() || c.is_ascii_digit() || ".:=为是".contains(c);
        let label = self.before.trim_end_matches(value);
        ["率", "成功", "导入", "success", "imported", "rate"]
            .iter()
            .any(|word| label.ends_with(word))
    }

    /// Whether it is a part of `2/3`.
    fn is_in_fraction(&self) -> bool {
        let is_digit = |c: char| c.is_ascii_digit();
        let behind = self.behind.trim_start().strip_prefix('/');
        let before = self.before.trim_end().strip_suffix('/');
        behind.is_some_and(|text| text.trim_start().starts_with(is_digit))
            || before.is_some_and(|text| text.trim_end().ends_with(is_digit))
    }

    /// Whether a word stands before it that announces a count, as in `success: 2` or `success (2)`.
    fn is_announced(&self) -> bool {
        let is_in_brackets = self.behind.trim_start().starts_with(')');
        let signs =
            |c: char| c.is_whitespace() || ":=,-[".contains(c) || c == '(' && is_in_brackets;
        let mut label = self.before.trim_end_matches(signs);
        while let Some(shorter) = NUMBER_OF.iter().find_map(|word| label.strip_suffix(word)) {
            label = shorter;
        }
        let mut announcing = ANNOUNCING.iter().chain(&DONE_TO_ROWS);
        announcing.any(|word| label.ends_with(word))
    }

    /// Whether it is the number of what was done, as in `2 msisdns imported`.
    fn is_of_done(&self) -> bool {
        let words = self.behind.split_whitespace().take(3);
        let mut words = words.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        !self.follows(&["job", "batch", "no"]) && words.any(|word| DONE_TO_ROWS.contains(&word))
    }

    /// Whether one of these words stands before it, as in `成功导入2条` or `success: 2`, and does not say the opposite.
    fn stands_behind(&self, words: &[&str]) -> bool {
        let signs =
            |c: char| c.is_whitespace() || ":=-([【为是数量条号码导入添加写入提交".contains(c);
        let label = self.before.trim_end_matches(signs);
        let before = words.iter().find_map(|word| label.strip_suffix(word));
        before.is_some_and(|before| !before.trim_end().ends_with(NEGATIVE))
    }

    /// Whether one of these words stands behind it, as in `2条成功`, `2/3 imported` or `2 contacts added`.
    fn stands_before(&self, words: &[&str]) -> bool {
        let signs = |c: char| c.is_whitespace() || ")]】".contains(c);
        let mut rest = self.behind.trim_start_matches(signs);
        if let Some(total) = rest.strip_prefix('/').or_else(|| rest.strip_prefix("of ")) {
            rest = total.trim_start_matches(|c: char| c.is_ascii_digit() || c.is_whitespace());
        } else if self.before.trim_end().ends_with('/') || self.before.ends_with("of ") {
            return false;
        }
        let counted = COUNTED.iter().find_map(|word| rest.strip_prefix(word));
        let rest = counted.unwrap_or(rest).trim_start_matches(['s', ' ']);
        words.iter().any(|word| rest.starts_with(word))
    }

    /// Whether it is the code of a success, repeated in words.
    fn is_code(&self) -> bool {
        self.digits == "200"
            && (self.follows(&["code", "http", "status", "状态码", "返回码", "代码"])
                || self.behind.trim_start().starts_with("ok")
                || !self.before.contains(char::is_alphanumeric))
    }

    /// Whether a word for an id stands before it. A task is named by its own id.
    fn is_id(&self, task: &str) -> bool {
        let is_latin = self.label().strip_suffix("id").is_some_and(|before| {
            // No part of a longer word, such as "valid".
            !before.ends_with(|c: char| c.is_ascii_alphabetic())
        });
        let is_task = self.digits == task && self.follows(&["任务", "任務", "task"]);
        is_latin || is_task || self.follows(&["编号", "編號", "批次号", "单号", "任务号"])
    }

    /// Whether it is what a mask shows of a number.
    fn is_masked(&self) -> bool {
        self.before.ends_with('*') || self.behind.starts_with('*')
    }

    /// Whether it is a part of a version, such as `v2` or `2.0`.
    fn is_version(&self) -> bool {
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let marked = self.before.strip_suffix('v');
        let is_marked = marked.is_some_and(|rest| !rest.ends_with(char::is_alphanumeric));
        let before = self.before.strip_suffix('.');
        let behind = self.behind.strip_prefix('.');
        is_marked
            || before.is_some_and(|rest| is_digit(rest.chars().next_back()))
            || behind.is_some_and(|rest| is_digit(rest.chars().next()))
    }

    /// Whether a unit of time or of money stands behind it.
    fn is_measure(&self) -> bool {
        let behind = self.behind.trim_start();
        let latin = behind.split(|c: char| !c.is_ascii_alphabetic()).next();
        begins_with(behind, &UNITS) || latin.is_some_and(|unit| LATIN_UNITS.contains(&unit))
    }

    fn follows(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.label().ends_with(word))
    }

    /// The text before it without the signs between.
    fn label(&self) -> &str {
        self.before.trim_end_matches(|c: char| !c.is_alphanumeric())
    }
}

fn begins_with(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.starts_with(word))
}

/// Words behind a number of rows.
const COUNTED: [&str; 14] = [
    "条", "條", "个", "個", "笔", "筆", "行", "名", "号码", "號碼", "number", "row", "contact",
    "of ",
];

/// What else is counted with 个.
const OTHERS: [&str; 9] = [
    "任务", "任務", "参数", "字段", "坐席", "并发", "线路", "账号", "用户",
];

/// Words before a number of rows, beside [`DONE_TO_ROWS`].
const ANNOUNCING: [&str; 22] = [
    "rows", "affected", "成功", "导入", "導入", "新增", "写入", "寫入", "添加", "入库", "有效",
    "共", "总数", "總數", "总计", "合计", "数量", "条数", "success", "total", "count", "of",
];

/// Words of what was done to a number of rows, beside it.
const DONE: [&str; 11] = [
    "成功",
    "success",
    "successful",
    "imported",
    "succeeded",
    "added",
    "accepted",
    "inserted",
    "created",
    "saved",
    "ok",
];

/// The same for what was not.
const FAILED: [&str; 4] = ["失败", "failed", "fail", "failures"];

/// Ends of a text that turn the next word into its opposite.
const NEGATIVE: [char; 4] = ['未', '不', '没', '非'];

/// Words between such a word and its number.
const NUMBER_OF: [&str; 4] = ["数", "數", "号码", "號碼"];

/// Words behind a number of rows and what they are called.
const DONE_TO_ROWS: [&str; 8] = [
    "imported",
    "added",
    "accepted",
    "inserted",
    "created",
    "taken",
    "succeeded",
    "saved",
];

const UNITS: [&str; 11] = [
    "毫秒", "秒", "分", "小时", "小時", "时", "天", "日", "年", "月", "元",
];

const LATIN_UNITS: [&str; 9] = [
    "ms", "s", "sec", "seconds", "min", "minutes", "h", "hours", "days",
];

/// Returns a message in small letters and ASCII digits, without ids in it.
fn plain(message: &str) -> String {
    let message = mask::without_labelled(&message.to_lowercase());
    let wide = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '〇' => '0',
        c => c,
    };
    let message: String = message.chars().map(wide).collect();
    with_zeros(&without_long_ids(&message))
}

/// Returns a text with a `0` for each 零 that counts something.
fn with_zeros(text: &str) -> String {
    let mut parts = text.split('零');
    let mut zeros = parts.next().unwrap_or_default().to_owned();
    for behind in parts {
        let next = behind.trim_start();
        let counts = !next.starts_with(char::is_alphanumeric) || begins_with(next, &COUNTED);
        zeros.push(if counts { '0' } else { '零' });
        zeros.push_str(behind);
    }
    zeros
}

/// Returns a text without runs in which letters and digits take turns more often than in any word.
fn without_long_ids(text: &str) -> String {
    const MOST_TURNS: usize = 2;
    let is_of_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut rest = text;
    let mut without = String::with_capacity(text.len());
    while let Some(begin) = rest.find(is_of_id) {
        let (before, run) = rest.split_at(begin);
        let (run, behind) = run.split_at(run.find(|c| !is_of_id(c)).unwrap_or(run.len()));
        let signs: Vec<u8> = run.bytes().filter(u8::is_ascii_alphanumeric).collect();
        let turns = signs
            .windows(2)
            .filter(|two| two[0].is_ascii_digit() != two[1].is_ascii_digit());
        without.push_str(before);
        without.push_str(if turns.count() > MOST_TURNS { " " } else { run });
        rest = behind;
    }
    without + rest
}

/// Returns where dates and times stand.
fn moments(text: &str) -> Vec<Range<usize>> {
    let moment = |at: Range<usize>| {
        let rest = &text[at.start..];
        let lengths = SHAPES.iter().filter_map(|shape| length(rest, shape));
        let length = lengths.max()?;
        // Parts of a second.
        let end = rest[length..].strip_prefix(['.', ',']).map(|parts| {
            let digits = parts.find(|c: char| !c.is_ascii_digit());
            length + 1 + digits.unwrap_or(parts.len())
        });
        let has_parts = rest[..length].matches(':').count() == 2;
        let end = end.filter(|_| has_parts).unwrap_or(length);
        Some(at.start..at.start + end)
    };
    numbers(text).filter_map(moment).collect()
}

/// How dates and times are written: `Y` is a year, `N` one or two digits, `M` two digits below 60.
const SHAPES: [&str; 10] = [
    "Y-N-N",
    "Y/N/N",
    "Y.N.N",
    "Y年N月N日",
    "Y年N月",
    "N月N日",
    "N:M",
    "N:M:M",
    "N时M分",
    "N时M分M秒",
];

/// Returns how long the part of the text is that has this shape, if it begins with one.
fn length(text: &str, shape: &str) -> Option<usize> {
    let mut at = 0;
    for sign in shape.chars() {
        let rest = &text[at..];
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let fits = match sign {
            'Y' => digits == 4 && begins_with(rest, &["19", "20"]),
            'N' => (1..=2).contains(&digits),
            'M' => digits == 2 && rest.starts_with(|c| ('0'..'6').contains(&c)),
            sign => rest.starts_with(sign),
        };
        at += match sign {
            'Y' | 'N' | 'M' => digits,
            sign => sign.len_utf8(),
        };
        if !fits {
            return None;
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_of_a_message_that_count_nothing_are_known() {
        assert_eq!(without_long_ids("成功0of3 7f3a9c1e v2"), "成功0of3   v2");
        assert_eq!(with_zeros("零售 零条"), "零售 0条");
        for (text, length) in [
            ("2026-11-25 10", Some(10)),
            ("10:20:30.123 ", Some(12)),
            ("2/3", None),
            ("0:3", None),
        ] {
            let found = moments(text).first().map(|moment| moment.end);
            assert_eq!(found, length, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_message_is_answered(message in "(\\PC|[0-9:./-]|[零【】年月日]){0,40}") {
            let text = plain(&message);
            moments(&text);
            let all = numbers(&text).map(|at| Number::of(&text, at));
            all.for_each(|number| {
                number.is_code();
                number.is_id("1");
                number.is_version();
            });
        }
    }
}
