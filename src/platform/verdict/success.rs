//! The words of a success: whether a message says that something was done, and that it was all.

use super::tally;
use crate::batch::Batch;

/// Whether a message says that something was done.
pub(super) fn is_told(message: &str) -> bool {
    let message = message.to_lowercase();
    message.trim() == "ok" || says(&message, &DONE) && !says(&message, &NOT_DONE)
}

/// Whether nothing in a message of success says that some of the rows were left out.
pub(super) fn is_of_all(message: &str, batch: &Batch) -> bool {
    let lower = format!(" {} ", message.to_lowercase());
    tally::is_of_all(message, batch) && !says(&lower, &LEFT_OUT)
}

/// Returns a message without the words of a success that is asked for.
pub(super) fn without_conditions(message: &str) -> String {
    let mut message = message.to_lowercase();
    for condition in CONDITIONS {
        message = message.replace(condition, "");
    }
    match message.split_once("only") {
        Some((before, behind)) => before.to_owned() + &behind.replace("accepted", ""),
        None => message,
    }
}

fn says(message: &str, words: &[&str]) -> bool {
    words.iter().any(|word| message.contains(word))
}

const DONE: [&str; 11] = [
    "成功",
    "success",
    "imported",
    "accepted",
    "导入完成",
    "导入任务完成",
    "操作完成",
    "处理完成",
    "提交完成",
    "已接收",
    "已受理",
];

const NOT_DONE: [&str; 13] = [
    "失败",
    "失敗",
    "不成功",
    "未成功",
    "未能成功",
    "没有成功",
    "沒有成功",
    "fail",
    "unsuccess",
    "not ",
    "n't ",
    "n’t ",
    "error",
];

const LEFT_OUT: [&str; 44] = [
    "zero",
    "部分",
    "未能",
    "未导入",
    "未導入",
    "未全部",
    "除外",
    "其余",
    "其餘",
    "排除",
    "剔除",
    "过滤",
    "過濾",
    "跳过",
    "跳過",
    "忽略",
    "去重",
    "重复",
    "重複",
    "无效",
    "無效",
    "拒绝",
    "拒絕",
    "异常",
    "異常",
    "错误",
    "錯誤",
    "无法",
    "無法",
    "不能",
    "稍后",
    "稍後",
    "审核",
    "審核",
    " no ",
    " none ",
    " some ",
    "partial",
    "skip",
    "ignored",
    "filtered",
    "duplicate",
    "invalid",
    "reject",
];

/// Words of a success that is still to come.
const CONDITIONS: [&str; 6] = [
    "成功后再",
    "成功後再",
    "成功后才",
    "成功後才",
    "成功才",
    "成功之后再",
];
