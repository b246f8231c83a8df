//! The words of a success: whether a message says that something was done, and that it was all.

use super::tally;
use super::words::{ends_sentence, simplified};
use crate::batch::Batch;

/// Whether a message says that something was done.
pub(super) fn is_told(message: &str) -> bool {
    let message = message.to_lowercase();
    message.trim() == "ok" || says(&message, &DONE) && !says(&message, &NOT_DONE)
}

/// Whether a message of any answer says that something was done, be it in a word that an answer of success
/// needs more than, or beside something that failed: by counts of both, or because it begins with it.
pub(super) fn is_claimed(message: &str) -> bool {
    let bare = message.trim_matches(|c: char| !c.is_alphanumeric());
    is_told(message)
        || BARE.iter().any(|word| bare.eq_ignore_ascii_case(word))
        || begins_with_an_import(message)
        || tally::counts_done_and_failed(&simplified(message))
}

fn begins_with_an_import(message: &str) -> bool {
    let text = simplified(message).to_lowercase();
    let clause = text.split(ends_sentence).next().unwrap_or_default();
    let is_other = says(clause, &NOT_DONE) || says(clause, &HEDGED) || tally::counts_none(clause);
    says(clause, &IMPORTED) && !is_other
}

/// Whether a message tells that something went wrong, or has to be done first. One that also tells that
/// something was done or begun, or asks to wait for its end, does not: some of the rows may be in.
pub(super) fn has_words_of_failure(message: &str) -> bool {
    let mut message = format!(" {} ", simplified(message).to_lowercase());
    if says(&message, &BEGUN) {
        return false;
    }
    let is_awaited = message.contains("等待");
    for harmless in NO_FAILURE {
        message = message.replace(harmless, "");
    }
    says(&message, &NOT_DONE) || !is_awaited && says(&message, &FAILURE)
}

/// Whether a `status` is one of a success, as the platform or another program writes it.
pub(super) fn is_status_of_success(status: &str) -> bool {
    let status = status.trim().to_lowercase();
    matches!(status.as_str(), "ok" | "true") || status.starts_with("succe")
}

/// Whether a `status` is one of a failure.
pub(super) fn is_status_of_failure(status: &str) -> bool {
    let status = status.trim().to_lowercase();
    status == "false" || status.starts_with("err") || status.starts_with("fail")
}

/// Whether nothing in a message of success says that some of the rows were left out.
pub(super) fn is_of_all(message: &str, batch: &Batch) -> bool {
    let lower = format!(" {} ", simplified(message).to_lowercase());
    let is_less = says(&lower, &PART) || says(&lower, &LEFT_OUT) || is_still_to_come(&lower);
    tally::is_of_all(message, batch) && !is_less
}

/// Whether a message of success says that the import is not done yet. Calls come later anyway.
fn is_still_to_come(message: &str) -> bool {
    says(message, &TO_COME) || says(message, &LATER) && !says(message, &AFTERWARDS)
}

/// Whether a message of a refusal tells that it is about some of the rows alone.
pub(super) fn is_of_a_part(message: &str, batch: &Batch) -> bool {
    let lower = format!(" {} ", simplified(message).to_lowercase());
    says(&lower, &PART) || tally::counts_a_part(message, batch)
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

/// Words for an import that was done.
const IMPORTED: [&str; 13] = [
    "导入成功",
    "导入任务成功",
    "成功导入",
    "添加成功",
    "成功添加",
    "写入成功",
    "提交成功",
    "导入完成",
    "导入任务完成",
    "已受理",
    "已接收",
    "imported",
    "import succe",
];

/// Words of a clause that tells when that will be, that it is not, or that it was before.
const HEDGED: [&str; 16] = [
    "没", "无", "未", "不", "方可", "即可", "后", "才", "请", "需", "须", "必", "如", "已有",
    "最多", "no ",
];

/// Messages of a success that say no more.
const BARE: [&str; 9] = [
    "ok",
    "okay",
    "done",
    "succ",
    "完成",
    "已完成",
    "处理完毕",
    "请求完成",
    "执行完成",
];

/// Words that hold one of [`FAILURE`] and tell of none.
const NO_FAILURE: [&str; 20] = [
    "请求",
    "請求",
    "无误",
    "無誤",
    "请耐心",
    "請耐心",
    "请查看",
    "請查看",
    "请勿重复",
    "請勿重複",
    "无异常",
    "無異常",
    "无重复",
    "無重複",
    "非常",
    // Of the time that an import takes.
    "需要几",
    "需要一",
    "需要时间",
    "0 deleted",
    "no error",
];

/// Words that tell that something was done or begun, whatever else went wrong. A number that is there already
/// is told of by some of them, too: then nobody knows what became of the others.
const BEGUN: [&str; 17] = [
    "已提交",
    "已导入",
    "已導入",
    "已添加",
    "已加入队列",
    "已加入任务",
    "已写入",
    "已寫入",
    "已录入",
    "已錄入",
    "已入队",
    "已入库",
    "已处理",
    "已處理",
    "已全部",
    "完毕",
    " queued",
];

/// Words of which a message about a failure has one, beside [`NOT_DONE`].
const FAILURE: [&str; 82] = [
    "最多",
    "只能",
    "需要",
    "冻结",
    "删除",
    "终止",
    "到期",
    "封",
    "暂停",
    "大于",
    "少于",
    "bad ",
    "disabled",
    "suspend",
    "frozen",
    "locked",
    " ended",
    "deleted",
    "too ",
    "不",
    "未",
    "无",
    "無",
    "没",
    "沒",
    "错",
    "錯",
    "误",
    "誤",
    "异常",
    "異常",
    "拒",
    "禁",
    "非",
    "超",
    "限",
    "缺",
    "空",
    "满",
    "过期",
    "過期",
    "失效",
    "重复",
    "重複",
    "存在",
    "冲突",
    "衝突",
    "格式",
    "黑名单",
    "黑名單",
    "余额",
    "欠费",
    "停",
    "请",
    "請",
    "结束",
    "結束",
    "关闭",
    "锁",
    "占用",
    "频",
    "invalid",
    "illegal",
    "no ",
    "non",
    "denied",
    "missing",
    "exceed",
    "must",
    "required",
    "refuse",
    "reject",
    "forbid",
    "expire",
    "exist",
    "duplicate",
    "limit",
    "insufficient",
    "unauthorized",
    "unknown",
    "unable",
    "wrong",
];

/// Words for some of the rows.
const PART: [&str; 6] = ["部分", "个别", "其余", "其中", " some ", "partial"];

/// Words for rows that were left out of a success.
const LEFT_OUT: [&str; 41] = [
    "zero",
    "未",
    "不",
    "仅",
    "除外",
    "另有",
    "排除",
    "剔除",
    "过滤",
    "跳过",
    "忽略",
    "拦截",
    "屏蔽",
    "丢弃",
    "移除",
    "去重",
    "重复",
    "已存在",
    "无效",
    "空号",
    "黑名单",
    "格式",
    "公海",
    "停止",
    "拒绝",
    "异常",
    "错误",
    "无法",
    "稍后",
    "审核",
    " no ",
    " none ",
    "skip",
    "except",
    "ignored",
    "filtered",
    "dropped",
    "duplicate",
    "invalid",
    "reject",
    "warning",
];

/// Words of an import that is not done yet.
const TO_COME: [&str; 14] = [
    "正在导入",
    "正在处理",
    "正在写入",
    "正在入库",
    "入库中",
    "导入中",
    "处理中",
    "待导入",
    "排队导入",
    "后台处理",
    "异步导入",
    "异步处理",
    "will be",
    "being imported",
];

/// Words of something that is not done yet.
const LATER: [&str; 8] = [
    "排队",
    "后台",
    "异步",
    "queued",
    "pending",
    "processing",
    "in progress",
    "background",
];

/// Words of what comes behind an import.
const AFTERWARDS: [&str; 9] = [
    "外呼", "呼叫", "拨打", "结果", "记录", "查看", "通知", "call", "dial",
];

/// Words of a success that is still to come.
const CONDITIONS: [&str; 7] = [
    "成功后重",
    "成功后再",
    "成功後再",
    "成功后才",
    "成功後才",
    "成功才",
    "成功之后再",
];
