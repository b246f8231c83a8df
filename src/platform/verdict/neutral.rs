//! Neutral words: those that may stand beside a duplicate marker and change nothing of its meaning.
//!
//! All other words may: `号码已存在` says that the number is in the task, `号码已存在（黑名单）` that it is in
//! another place, `号码重复拨打` that something else came twice. Nobody knows all such words, so the
//! ones that are harmless are listed, and not the others.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Chinese text has no blanks, so these are taken out of it one after the other, the longest first.
const CHINESE: &str = "\
    该 此 这个 的 了 在 于 为 是 被 已 已经 内 中 里 有 请 与 和 第 行 条 个 \
    不在黑名单 任务 任務 本任务 该任务 当前任务 同一任务 任务列表 号码 號碼 手机 手机号 手机号码 电话 电话号码 数据 \
    存在 重复 重複 已有 导入 导入失败 添加 添加失败 加入 录入 写入 上传 \
    失败 错误 异常 操作失败 请求失败 提交失败 提交的 系统提示 失败原因 原因 提示 检测到 发现 \
    跳过 忽略 过滤 去除 去重 自动 无法 不能 不可 无需 请勿重复提交 请勿重复添加 请勿重复导入 请勿 请检查 请核对 请核实 请更换 请修改 \
    修改 更换 核实 确认 后 再试 重试 将 本次 本行";

/// Words of letters, which stand alone.
const LATIN: &str = "A ALREADY DUPLICATE DUPLICATED ENTRY ERROR EXIST EXISTED EXISTS FAILED IGNORED IN IS \
    ITEM LINE MOBILE NUMBER NUMBERS OF PHONE REPEATED ROW SKIPPED TASK THE THIS";

/// The words of [`CHINESE`] by their first character, the longest first.
static BY_FIRST: LazyLock<HashMap<char, Vec<&'static str>>> = LazyLock::new(|| {
    let mut words: Vec<&str> = CHINESE.split_whitespace().collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut by_first: HashMap<char, Vec<&str>> = HashMap::new();
    for word in words {
        let first = word.chars().next().unwrap_or_default();
        by_first.entry(first).or_default().push(word);
    }
    by_first
});

/// A longer sentence says more, whatever it says. In bytes.
const LONGEST_SENTENCE: usize = 256;

/// Whether a sentence has nothing but these markers, neutral words, numbers and signs.
pub(super) fn says_nothing_else(sentence: &str, markers: &[&str]) -> bool {
    if sentence.len() > LONGEST_SENTENCE {
        return false;
    }
    let mut rest = sentence;
    while let Some(c) = rest.chars().next() {
        let marker = markers.iter().find(|marker| rest.starts_with(**marker));
        let before = &sentence[..sentence.len() - rest.len()];
        let neutral = marker
            .map(|marker| marker.len())
            .or_else(|| of_a_number(before, rest))
            .or_else(|| neutral_at(rest, c))
            .filter(|_| !is_of_a_task(before, rest));
        let Some(length) = neutral.filter(|length| *length > 0) else {
            return false;
        };
        rest = &rest[length..];
    }
    true
}

/// Longer letters behind a number's `_` are no suffix.
const LONGEST_SUFFIX: usize = 8;

/// Returns the length of the letters that this text begins with, if they belong to a quoted number: what
/// hides its middle (`130xxxx1211`), or a suffix (`13012121211_ab`).
fn of_a_number(before: &str, text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_alphabetic());
    let letters = &text[..end.unwrap_or(text.len())];
    let is_of_one = |c: char| c.is_ascii_digit() || "*xX".contains(c);
    let is_beside = before.ends_with(is_of_one) || text[letters.len()..].starts_with(is_of_one);
    let hides = is_beside && letters.chars().all(|c| "xX".contains(c));
    let number = before.strip_suffix('_');
    let is_suffix =
        letters.len() <= LONGEST_SUFFIX && number.is_some_and(|number| number.ends_with(is_of_one));
    (!letters.is_empty() && (hides || is_suffix)).then_some(letters.len())
}

/// Whether the text begins with the number of a task: digits behind that word. A phone number there has
/// its middle hidden, for one in full was taken out before.
fn is_of_a_task(before: &str, text: &str) -> bool {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    // Most places hold none.
    if digits == 0 || text[digits..].starts_with(['*', 'x', 'X']) {
        return false;
    }
    let word = before
        .trim_end_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase();
    let names = ["任务", "任務", "task", "于", "於"];
    names.iter().any(|name| word.ends_with(name))
}

/// Returns the length of the neutral text that this one begins with.
fn neutral_at(text: &str, first: char) -> Option<usize> {
    if first.is_ascii_alphabetic() {
        let end = text.find(|c: char| !c.is_ascii_alphabetic());
        let word = &text[..end.unwrap_or(text.len())];
        let mut words = LATIN.split_whitespace();
        return words
            .any(|neutral| neutral.eq_ignore_ascii_case(word))
            .then_some(word.len());
    }
    if !first.is_alphabetic() {
        return Some(first.len_utf8());
    }
    let words = BY_FIRST.get(&first)?;
    let word = words.iter().find(|word| text.starts_with(**word))?;
    Some(word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_be_quoted_in_any_form() {
        let markers = ["号码已存在", "手机号已存在"];
        for neutral in [
            "手机号已存在:13006xxxx60",
            "手机号已存在:130XXXX0060",
            "手机号已存在:xxxx7",
            "号码已存在:130***0060_ab",
            "13012121211_z 号码已存在",
            "号码已存在于任务：130***1211",
            "任务中第3行号码已存在",
            "号码已存在",
        ] {
            assert!(says_nothing_else(neutral, &markers), "{neutral}");
        }
        for more in [
            "号码已存在_crm",
            "号码已存在:xxx",
            "号码已存在:13006xxxx60在黑名单",
            "号码已存在:13012121211_blacklisted",
            "号码已存在:13012121211 crm",
            "号码已存在于任务2",
            "号码已存在（任务 1024）",
            "号码已存在于 1024",
            "号码已存在 task#7",
        ] {
            assert!(!says_nothing_else(more, &markers), "{more}");
        }
    }
}
