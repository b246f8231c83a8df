//! The fault: whether words tell what is wrong with a number itself, whoever has it.
//!
//! The same words may be about something else: `任务无效`, `不支持导入`, `服务停机升级`, `invalid session`.
//! Nobody knows all that may be wrong, so a fault counts only where nothing else is said than what is
//! harmless beside it.

use super::neutral::BESIDE_A_FAULT;
use super::words::{all_sentences, simplified};

/// Whether words tell of a number's fault, and of nothing else.
pub(super) fn is_told(words: &str) -> bool {
    let words = normal(words);
    let is_readable = !words.contains('\u{fffd}');
    // Whatever is asked for, the number may be there.
    let is_there = words.contains("已有") || words.contains("已经有");
    let says_no_more = |sentence: &str| BESIDE_A_FAULT.is_all_beside(&FAULTS, sentence);
    is_readable
        && !is_there
        && FAULTS.iter().any(|fault| words.contains(fault))
        && all_sentences(&words, says_no_more)
}

/// Returns words in capitals and simplified characters, with one word for a number in each language.
fn normal(words: &str) -> String {
    let words = simplified(words).to_uppercase().replace('’', "'");
    let words = NUMBERS
        .iter()
        .fold(words, |words, number| words.replace(number, "号码"));
    LATIN_NUMBERS
        .iter()
        .fold(words, |words, number| words.replace(number, "NUMBER"))
}

/// Words for a number, the longest first.
const NUMBERS: [&str; 8] = [
    "手机号码",
    "电话号码",
    "被叫号码",
    "手机号",
    "电话号",
    "手机",
    "电话",
    "被叫",
];

/// The same, in the order in which they are put together to one.
const LATIN_NUMBERS: [&str; 5] = [
    "TELEPHONE",
    "PHONE",
    "MOBILE",
    "NUMBER NUMBER",
    "NUMBER NUMBER",
];

/// Words for a number in whose writing something is wrong, that is out of use, or on the blacklist. Those that
/// anything may have stand with the word for a number.
const FAULTS: [&str; 75] = [
    "格式",
    "不正确",
    "请输入正确",
    "请输入有效",
    "正确的号码",
    "有效的号码",
    "不是有效",
    "不是号码",
    "非号码",
    "无效",
    "非法",
    "不合法",
    "不规范",
    "不支持",
    "特殊字符",
    "位数",
    "11位",
    "长度",
    "过长",
    "过短",
    "太长",
    "太短",
    "错号",
    "错误号码",
    "错误的号码",
    "号码错误",
    "号码填写错误",
    "号码输入错误",
    "号码有误",
    "号码不对",
    "号码为空",
    "号码不能为空",
    "空号",
    "停机",
    "关机",
    "销号",
    "注销",
    "号码停用",
    "号码已停用",
    "号码失效",
    "号码已失效",
    "号码不存在",
    "不在任务",
    "拉黑",
    "黑名单",
    "黑名单用户",
    "黑名单客户",
    "加入黑名单",
    "系统黑名单",
    "平台黑名单",
    "全局黑名单",
    "INVALID",
    "MALFORMED",
    "ILLEGAL",
    "UNSUPPORTED",
    "NOT SUPPORTED",
    "NOT VALID",
    "NOT A VALID",
    "NOT A NUMBER",
    "VALID NUMBER",
    "WRONG NUMBER",
    "INCORRECT NUMBER",
    "FORMAT",
    "LENGTH",
    "TOO SHORT",
    "TOO LONG",
    "11 DIGITS",
    "BLACKLIST",
    "BLACKLISTED",
    "BLACK LIST",
    "NUMBER DOES NOT EXIST",
    "NUMBER DOES NOT EXIST IN THE TASK",
    "NUMBER DOESN'T EXIST",
    "NON-EXISTENT NUMBER",
    "NONEXISTENT NUMBER",
];
