//! The existence: whether the platform's words say that a number is there already, and where.

use std::ops::Range;

use super::rules::Rules;

/// What words say about a number that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existence {
    InTheTask,
    /// In a list of the platform's, or a request that came twice.
    Elsewhere,
    /// Words without a marker that may mean one of these.
    Perhaps,
    NotSaid,
}

/// Places other than the task: a blacklist, the pool of customers, another task.
const PLACES: [&str; 6] = ["黑名单", "公海", "客户池", "CRM", "其他任务", "其它任务"];

/// Behind a duplicate marker: what came twice is an operation.
const OPERATIONS: [&str; 3] = ["提交", "请求", "操作"];

/// Words that may mean "there already", whatever stands around them.
const PERHAPS: [&str; 15] = [
    "重复",
    "重複",
    "存在",
    "已在",
    "已有",
    "已导入",
    "已添加",
    "已加入",
    "已录入",
    "已写入",
    "已上传",
    "EXIST",
    "DUPLICATE",
    "ALREADY",
    "REPEAT",
];

/// Words that hold one of these and say the opposite.
const NOT_THERE: [&str; 5] = ["不存在", "NOT EXIST", "N'T EXIST", "NON-EXIST", "NONEXIST"];

pub(super) fn existence(words: &str, rules: &Rules) -> Existence {
    let mut found = None;
    for marker in &rules.duplicate_markers {
        let mut from = 0;
        // The sentence that was looked at last, and whether it tells another place.
        let mut sentence = (0..0, false);
        while let Some(at) = words[from..].find(marker.as_str()) {
            let at = from + at..from + at + marker.len();
            if at.start < sentence.0.start || at.end > sentence.0.end {
                let range = around(words, &at, ends_sentence);
                let is_elsewhere = names_a_place(&words[range.clone()]);
                sentence = (range, is_elsewhere);
            }
            let clause = around(words, &at, ends_clause);
            if !sentence.1 && !is_of_an_operation(&words[at.end..clause.end]) {
                return Existence::InTheTask;
            }
            found = Some(Existence::Elsewhere);
            // No clause is looked at twice, however often a marker stands in it.
            from = clause.end;
        }
    }
    let perhaps = || may_mean_there(words).then_some(Existence::Perhaps);
    found.or_else(perhaps).unwrap_or(Existence::NotSaid)
}

/// The part of the words around a marker that reaches from one end to the next.
fn around(words: &str, marker: &Range<usize>, is_end: impl Fn(char) -> bool) -> Range<usize> {
    let begins = words[..marker.start].rfind(&is_end).unwrap_or(0);
    let ends = words[marker.end..].find(&is_end);
    begins..ends.map_or(words.len(), |end| marker.end + end)
}

/// A place also counts in brackets, or with a colon, behind what it is said of, or in front of it.
fn ends_sentence(c: char) -> bool {
    ",.;!?，。；！？".contains(c)
}

fn ends_clause(c: char) -> bool {
    c.is_ascii_punctuation() || "，。；、：！？（）".contains(c)
}

fn names_a_place(sentence: &str) -> bool {
    let sentence = sentence.to_uppercase();
    PLACES.iter().any(|place| sentence.contains(place))
}

fn is_of_an_operation(behind: &str) -> bool {
    OPERATIONS.iter().any(|word| behind.contains(word))
}

fn may_mean_there(words: &str) -> bool {
    let mut words = words
        .to_uppercase()
        .replace("已经", "已")
        .replace("已被", "已");
    for not_there in NOT_THERE {
        words = words.replace(not_there, "");
    }
    PERHAPS.iter().any(|word| words.contains(word))
}
