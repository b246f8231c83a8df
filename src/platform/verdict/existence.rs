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
    /// Words that tell what is wrong with the number itself, so that it is nowhere.
    BadNumber,
    /// Other words. Nobody knows all words for a number that is there.
    NotSaid,
}

/// Words that may mean "there already", whatever stands around them: a number that the platform has may
/// be one too many, or be called at this moment.
const PERHAPS: [&str; 54] = [
    "再次",
    "多次",
    "二次",
    "上限",
    "超限",
    "限制",
    "频",
    "次数",
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
    "排重",
    "查重",
    "判重",
    "重号",
    "重號",
    "重覆",
    "撞单",
    "同一",
    "相同",
    "之前",
    "导入过",
    "導入過",
    "重复",
    "重複",
    "存在",
    "在任务",
    "入任务",
    "入库",
    "占用",
    "佔用",
    "冲突",
    "衝突",
    "唯一",
    "锁定",
    "鎖定",
    "领取",
    "領取",
    "收录",
    "已",
    "EXIST",
    "DUPLICATE",
    "ALREADY",
    "REPEAT",
    "CONFLICT",
    "UNIQUE",
];

/// Words that hold one of these and say the opposite.
const NOT_THERE: [&str; 17] = [
    "已在黑名单",
    "已加入黑名单",
    "不存在",
    "不在",
    "未在",
    // The number works no more.
    "已停",
    "已关机",
    "已關機",
    "已注销",
    "已註銷",
    "已失效",
    "已销号",
    "已銷號",
    "已过期",
    "已過期",
    "已欠费",
    "已拉黑",
];

/// The same in English.
const NOT_EXIST: [&str; 4] = ["NOT EXIST", "N'T EXIST", "NON-EXIST", "NONEXIST"];

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
    } else if tells_of_a_bad_number(words) {
        Existence::BadNumber
    } else {
        Existence::NotSaid
    }
}

/// A comma ends one, too. Brackets and colons do not: they may hold a place.
fn ends_sentence(c: char) -> bool {
    ",.;!?，。；！？".contains(c)
}

/// Whether words may mean "there already". Words that cannot be read, or are none, may mean anything.
fn may_mean_there(words: &str) -> bool {
    if words.contains('\u{fffd}') || !words.contains(char::is_alphanumeric) {
        return true;
    }
    let mut words = normal(words);
    for not_there in NOT_THERE.iter().chain(&NOT_EXIST) {
        words = words.replace(not_there, "");
    }
    let mut all = PERHAPS.iter().chain(&NO_CAUSE);
    all.any(|word| words.contains(word))
}

/// Returns words in capitals, with one sign for "task" and one word for "already".
fn normal(words: &str) -> String {
    let words = words.to_uppercase().replace("任務", "任务");
    ["已经", "已經", "已被"]
        .iter()
        .fold(words, |words, already| words.replace(already, "已"))
}

/// Whether words tell what is wrong with a number, whoever has it.
fn tells_of_a_bad_number(words: &str) -> bool {
    let words = normal(words).replace("INFORM", "");
    let without_place = words.replace("不在任务", "");
    if ABOUT_ALL.iter().any(|all| words.contains(all))
        || OF_OTHERS.iter().any(|other| without_place.contains(other))
    {
        return false;
    }
    let has = |list: &[&str]| list.iter().any(|word| words.contains(word));
    let of_number = |number: &&str| {
        let mut faults = OF_A_NUMBER.iter();
        faults.any(|fault| words.contains(&format!("{number}{fault}")))
    };
    has(&BAD) || NUMBERS.iter().any(of_number) || has(&IN_LATIN) && has(&NOT_EXIST)
}

/// Words about the task or the account: the task may have ended since the last send.
const ABOUT_ALL: [&str; 22] = [
    "任务无",
    "无效任务",
    "无效的任务",
    "任务ID",
    "令牌",
    "TOKEN",
    "签名",
    "权限",
    "登录",
    "非法请求",
    "非法操作",
    "任务已",
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

/// What else may be wrong: with the task, the request, the user or what the robot says.
const OF_OTHERS: [&str; 17] = [
    "任务状态",
    "任务狀態",
    "任务正",
    "PARAM",
    "参数",
    "參數",
    "请求",
    "用户无效",
    "用户不",
    "用户状态",
    "话术",
    "线路",
    "INVALID TASK",
    "TASK STATUS",
    "REQUEST",
    "FOR USER",
    "INVALID USER",
];

/// Words for a number in whose writing something is wrong, that is out of use, or on the blacklist.
const BAD: [&str; 62] = [
    "正确的手机",
    "正确的号码",
    "正确的电话",
    "有效的手机",
    "有效的号码",
    "11位",
    "特殊字符",
    "VALID PHONE",
    "VALID MOBILE",
    "注销",
    "11 DIGITS",
    "INCORRECT PHONE",
    "WRONG NUMBER",
    "格式",
    "不正确",
    "不正確",
    "无效",
    "無效",
    "空号",
    "空號",
    "停机",
    "停機",
    "关机",
    "關機",
    "销号",
    "銷號",
    "位数",
    "位數",
    "长度",
    "長度",
    "非法",
    "错误的号码",
    "错误号码",
    "错号",
    "不合法",
    "不规范",
    "不規範",
    "不支持",
    "黑名单",
    "黑名單",
    "拉黑",
    "不是手机",
    "不是电话",
    "不是号码",
    "不是有效",
    "非手机",
    "不在任务",
    "INVALID",
    "MALFORMED",
    "FORMAT",
    "BLACKLIST",
    "BLACK LIST",
    "NOT A VALID",
    "NOT VALID",
    "NOT A PHONE",
    "NOT A MOBILE",
    "ILLEGAL",
    "LENGTH",
    "TOO SHORT",
    "TOO LONG",
    "UNSUPPORTED",
    "NOT SUPPORTED",
];

/// Words for a number.
const NUMBERS: [&str; 9] = [
    "号码",
    "號碼",
    "手机号",
    "手機號",
    "手机",
    "手機",
    "电话",
    "電話",
    "被叫",
];

/// Faults that are a number's only right behind one of these.
const OF_A_NUMBER: [&str; 18] = [
    "不能为空",
    "填写错误",
    "输入错误",
    "不存在",
    "错误",
    "錯誤",
    "有误",
    "有誤",
    "不对",
    "不對",
    "失效",
    "已失效",
    "停用",
    "已停用",
    "注销",
    "已注销",
    "註銷",
    "已註銷",
];

/// Words for a number beside "does not exist".
const IN_LATIN: [&str; 3] = ["NUMBER", "PHONE", "MOBILE"];
