//! The existence: whether the platform's words say that a number is there already, and where.

use super::neutral::says_nothing_else;
use super::rules::Rules;

/// What words say about a number that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existence {
    InTheTask,
    /// The sentence says more than that: the number may be in a list of the platform's, or a request
    /// came twice.
    Elsewhere,
    /// Words without a marker that may mean one of these, or that mean nothing.
    Perhaps,
    NotSaid,
}

/// Words that may mean "there already", whatever stands around them: a number that the platform has may
/// be one too many, or be called at this moment.
const PERHAPS: [&str; 56] = [
    "上限",
    "超限",
    "限制",
    "频",
    "次数",
    "已达",
    "呼叫",
    "拨打",
    "撥打",
    "外呼",
    "通话",
    "通話",
    "LIMIT",
    "CALLING",
    "IN USE",
    "次數",
    "去重",
    "重号",
    "重號",
    "重覆",
    "撞单",
    "同一",
    "之前",
    "导入过",
    "導入過",
    "重复",
    "重複",
    "存在",
    "已在",
    "已有",
    "已是",
    "已导入",
    "已導入",
    "已添加",
    "已加入",
    "已录入",
    "已錄入",
    "已写入",
    "已上传",
    "已提交",
    "已包含",
    "已使用",
    "已分配",
    "入库",
    "占用",
    "佔用",
    "冲突",
    "衝突",
    "唯一",
    "在任务",
    "EXIST",
    "DUPLICATE",
    "ALREADY",
    "REPEAT",
    "CONFLICT",
    "UNIQUE",
];

/// Words that hold one of these and say the opposite.
const NOT_THERE: [&str; 7] = [
    "不存在",
    "不在",
    "未在",
    "NOT EXIST",
    "N'T EXIST",
    "NON-EXIST",
    "NONEXIST",
];

/// Words of a program that does not know its own trouble. A number that is there twice may be it.
const NO_CAUSE: [&str; 28] = [
    "给定的数据",
    "参数校验",
    "参数验证",
    "参数错误",
    "参数有误",
    "不可用",
    "DATA WAS INVALID",
    "VALIDATION",
    "导入失败",
    "導入失敗",
    "添加失败",
    "添加失敗",
    "写入失败",
    "寫入失敗",
    "保存失败",
    "提交失败",
    "处理失败",
    "處理失敗",
    "操作失败",
    "操作失敗",
    "未知错误",
    "未知錯誤",
    "系统错误",
    "系統錯誤",
    "系统异常",
    "系統異常",
    "UNKNOWN ERROR",
    "INTERNAL ERROR",
];

/// At most this many sentences are read, because no answer may cost much.
const MOST_SENTENCES: usize = 8;

pub(super) fn existence(words: &str, rules: &Rules) -> Existence {
    let markers = rules.duplicate_markers.iter();
    let markers = markers.map(|marker| marker.trim_matches(ends_sentence));
    let markers: Vec<&str> = markers.filter(|marker| !marker.is_empty()).collect();
    // Such a marker is several sentences, so nothing can stand beside it in its own.
    let mut several = markers
        .iter()
        .filter(|marker| marker.contains(ends_sentence));
    if several.any(|marker| words.contains(marker)) {
        return Existence::InTheTask;
    }
    if markers.iter().any(|marker| words.contains(marker)) {
        // The place may stand in a sentence of its own.
        let mut sentences = words.split(ends_sentence);
        let mut few = sentences.by_ref().take(MOST_SENTENCES);
        let says_no_more = few.all(|sentence| says_nothing_else(sentence, &markers));
        return if says_no_more && sentences.next().is_none() {
            Existence::InTheTask
        } else {
            Existence::Elsewhere
        };
    }
    if may_mean_there(words) {
        Existence::Perhaps
    } else {
        Existence::NotSaid
    }
}

/// A comma ends one, too. Brackets and colons do not: they may hold a place.
fn ends_sentence(c: char) -> bool {
    ",.;!?，。；！？".contains(c)
}

/// Whether words may be about the task or the account, and not about a number.
pub(super) fn may_be_about_all(words: &str) -> bool {
    let words = words.to_uppercase();
    ABOUT_ALL.iter().any(|word| words.contains(word))
}

/// Words for that.
const ABOUT_ALL: [&str; 12] = [
    "任务已",
    "任務已",
    "任务未",
    "任务不",
    "余额",
    "餘額",
    "欠费",
    "账户",
    "账号",
    "帐户",
    "BALANCE",
    "ACCOUNT",
];

/// Whether words may mean "there already". Words that cannot be read, or are none, may mean anything.
fn may_mean_there(words: &str) -> bool {
    if words.contains('\u{fffd}') || !words.contains(char::is_alphanumeric) {
        return true;
    }
    let mut words = words
        .to_uppercase()
        .replace("已经", "已")
        .replace("已經", "已")
        .replace("已被", "已")
        .replace("任務", "任务");
    for not_there in NOT_THERE {
        words = words.replace(not_there, "");
    }
    let mut all = PERHAPS.iter().chain(&NO_CAUSE);
    all.any(|word| words.contains(word))
}
