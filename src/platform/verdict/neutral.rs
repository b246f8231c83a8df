//! Neutral words: those that may stand beside a duplicate marker, or beside the fault of a number, and
//! change nothing of its meaning.
//!
//! All other words may: `号码已存在` says that the number is in the task, `号码已存在（黑名单）` that it is in
//! another place, `号码重复拨打` that something else came twice. Nobody knows all such words, so the
//! ones that are harmless are listed, and not the others.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Words that are harmless beside others.
pub(super) struct Neutral {
    /// Chinese text has no blanks, so these are taken out of it one after the other. By their first
    /// character, the longest first.
    chinese: HashMap<char, Vec<&'static str>>,
    /// Words of letters, which stand alone.
    latin: Vec<&'static str>,
}

/// Beside a duplicate marker.
pub(super) static BESIDE_A_MARKER: LazyLock<Neutral> =
    LazyLock::new(|| Neutral::of([CHINESE, OF_A_MARKER], [LATIN, LATIN_OF_A_MARKER]));

/// Beside a fault of a number, in simplified characters and capitals.
pub(super) static BESIDE_A_FAULT: LazyLock<Neutral> =
    LazyLock::new(|| Neutral::of([CHINESE, OF_A_FAULT], [LATIN, LATIN_OF_A_FAULT]));

const CHINESE: &str = "\
    该 此 这个 的 了 在 于 为 是 被 内 中 里 有 请 与 和 第 行 条 个 \
    号码 號碼 手机 手机号 手机号码 电话 电话号码 \
    导入失败 添加失败 失败 错误 异常 操作失败 提交失败 系统提示 失败原因 原因 提示 检测到 发现 \
    跳过 忽略 过滤 去除 自动 无法 不能 不可 无需 请检查 请核对 请核实 请更换 请修改 \
    修改 更换 核实 确认 后 再试 重试 将 本次 本行 已 已经";

const OF_A_MARKER: &str = "\
    不在黑名单 任务 任務 本任务 该任务 当前任务 同一任务 任务列表 数据 存在 重复 重複 已有 \
    导入 添加 加入 录入 写入 上传 请求失败 提交的 去重 请勿重复提交 请勿重复添加 请勿重复导入 请勿";

/// No word for a task, a user or an import: each of them may have the same faults.
const OF_A_FAULT: &str = "\
    已被 必须 必须为 必须是 应 应为 应该 输入 填写 重新 包含 含有 字符 不对 有误 不足 不够 不符 不符合 要求 或 \
    号段 虚拟 用户号码 号码用户 客户号码 命中 属于 系统检测到 未导入 无法导入 不能导入 未导入任务 无法导入任务";

const LATIN: &str = "A ENTRY ERROR FAILED IGNORED IN IS ITEM LINE MOBILE NUMBER NUMBERS OF PHONE ROW SKIPPED \
    THE THIS";

const LATIN_OF_A_MARKER: &str = "ALREADY DUPLICATE DUPLICATED EXIST EXISTED EXISTS REPEATED TASK";

const LATIN_OF_A_FAULT: &str =
    "AN AND ARE BAD BE CHECK ENTER HAS INCORRECT IT MUST ON OR PLEASE SHOULD WRONG";

/// A longer sentence says more, whatever it says. In bytes.
const LONGEST_SENTENCE: usize = 256;

impl Neutral {
    fn of(chinese: [&'static str; 2], latin: [&'static str; 2]) -> Self {
        let words = |list: [&'static str; 2]| list.into_iter().flat_map(str::split_whitespace);
        let mut by_first: HashMap<char, Vec<&str>> = HashMap::new();
        for word in words(chinese) {
            let first = word.chars().next().unwrap_or_default();
            by_first.entry(first).or_default().push(word);
        }
        for words in by_first.values_mut() {
            words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        }
        Self {
            chinese: by_first,
            latin: words(latin).collect(),
        }
    }

    /// Whether a sentence has nothing but these markers, neutral words, numbers and signs.
    pub(super) fn is_all_beside(&self, markers: &[&str], sentence: &str) -> bool {
        if sentence.len() > LONGEST_SENTENCE {
            return false;
        }
        let mut rest = sentence;
        while let Some(c) = rest.chars().next() {
            let marker = markers.iter().filter(|marker| rest.starts_with(**marker));
            let before = &sentence[..sentence.len() - rest.len()];
            let neutral = marker
                .map(|marker| marker.len())
                .max()
                .or_else(|| of_a_number(before, rest))
                .or_else(|| self.length_at(rest, c))
                .filter(|_| !is_of_a_task(before, rest) && !is_of_the_check(before, rest));
            let Some(length) = neutral.filter(|length| *length > 0) else {
                return false;
            };
            rest = &rest[length..];
        }
        true
    }

    /// Returns the length of the neutral text that this one begins with.
    fn length_at(&self, text: &str, first: char) -> Option<usize> {
        if first.is_ascii_alphabetic() {
            let end = text.find(|c: char| !c.is_ascii_alphabetic());
            let word = &text[..end.unwrap_or(text.len())];
            let mut words = self.latin.iter();
            return words
                .any(|neutral| neutral.eq_ignore_ascii_case(word))
                .then_some(word.len());
        }
        if !first.is_alphabetic() {
            return Some(first.len_utf8());
        }
        let words = self.chinese.get(&first)?;
        let word = words.iter().find(|word| text.starts_with(**word))?;
        Some(word.len())
    }
}

/// Longer letters behind a number's `_` are no suffix.
const LONGEST_SUFFIX: usize = 8;

/// Returns the length of the letters that this text begins with, if they belong to a quoted number: what
/// hides its middle (`130xxxx1211`), or a suffix (`13012121211_ab`).
fn of_a_number(before: &str, text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_alphabetic());
    let letters = &text[..end.unwrap_or(text.len())];
    let is_digit = |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c);
    let is_of_one = |c: char| is_digit(c) || "*xX".contains(c);
    let is_beside = before.ends_with(is_of_one) || text[letters.len()..].starts_with(is_of_one);
    let hides = is_beside && letters.chars().all(|c| "xX".contains(c));
    let number = before.strip_suffix('_');
    let is_suffix =
        letters.len() <= LONGEST_SUFFIX && number.is_some_and(|number| number.ends_with(is_of_one));
    (!letters.is_empty() && (hides || is_suffix)).then_some(letters.len())
}

/// Whether the text begins with a fault of what looks for numbers that are there: `重复号码过滤异常`.
fn is_of_the_check(before: &str, text: &str) -> bool {
    const CHECKS: [&str; 6] = ["过滤", "去除", "去重", "检测", "校验", "核实"];
    const FAULTS: [&str; 3] = ["异常", "错误", "失败"];
    FAULTS.iter().any(|fault| text.starts_with(fault))
        && CHECKS.iter().any(|check| before.ends_with(check))
}

/// Whether the text begins with the number or the letter of a task, or with the number of how many there are. A
/// phone number there has its middle hidden, for one in full was taken out before.
fn is_of_a_task(before: &str, text: &str) -> bool {
    let behind = text.trim_start_matches(char::is_numeric);
    if behind.len() == text.len() {
        return is_letter_of_a_task(before, text);
    }
    if behind.starts_with(['*', 'x', 'X']) {
        return false;
    }
    let behind = behind.trim_start();
    let counted = behind.strip_prefix(['个', '個']).map(str::trim_start);
    let counts = counted.is_some_and(|counted| counted.starts_with(['任']));
    counts || ends_with_a_task(before)
}

/// Whether the text begins with a single letter that names a task. A mask may begin so, too.
fn is_letter_of_a_task(before: &str, text: &str) -> bool {
    let behind = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    text.len() - behind.len() == 1 && !behind.starts_with('*') && ends_with_a_task(before)
}

/// Whether a text ends with a word for a task.
fn ends_with_a_task(text: &str) -> bool {
    let word = text
        .trim_end_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase();
    let names = ["任务", "任務", "task", "于", "於"];
    names.iter().any(|name| word.ends_with(name))
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
            "手机号已存在:１３xxxx６０１８",
            "号码已存在:130***0060_ab",
            "13012121211_z 号码已存在",
            "号码已存在于任务：130***1211",
            "任务中第3行号码已存在",
            "号码已存在于任务：x***1211",
            "A number in the task, 号码已存在",
            "过滤：号码已存在",
            "号码已存在",
        ] {
            assert!(
                BESIDE_A_MARKER.is_all_beside(&markers, neutral),
                "{neutral}"
            );
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
            "号码已存在于任务２",
            "号码已存在于任务②",
            "号码已存在于任务A",
            "号码已存在 (task B)",
            "重复号码过滤异常",
            "号码已存在（2个任务）",
            "号码已存在，在3个任务中",
            "号码已存在（2 個任務）",
        ] {
            assert!(!BESIDE_A_MARKER.is_all_beside(&markers, more), "{more}");
        }
    }
}
