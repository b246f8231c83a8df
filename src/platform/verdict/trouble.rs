//! The trouble: whether the words of a refusal tell that the platform was in trouble, and did not judge what
//! was sent.
//!
//! It may have gone on by itself, or have failed behind the import.

use super::fault;
use super::words::{ends_sentence, simplified};

/// Whether words say so: time ran out, something is broken or out of service, or another try is asked for. What
/// is wrong with a number is none, whatever is asked for beside that.
pub(super) fn is_told(message: &str) -> bool {
    if fault::is_told(message) {
        return false;
    }
    let words = simplified(message).to_lowercase().replace("稍后", "稍候");
    let names_a_number = NUMBERS.iter().any(|number| words.contains(number));
    let lasts = names_a_number || LASTING.iter().any(|cause| words.contains(cause));
    let soon = SOON.iter().filter(|_| !lasts);
    let words = soon.fold(words, |words, soon| words.replace(soon, "稍候"));
    let words = CERTAIN
        .iter()
        .fold(words, |words, certain| words.replace(certain, ""));
    let bare = words.trim_matches(|c: char| !c.is_alphanumeric());
    let has = |list: &[&str]| list.iter().any(|word| words.contains(word));
    let is_in = |part: &&str| {
        let mut parts = words.split(part).skip(1);
        parts.any(|behind| OUT_OF_ORDER.iter().any(|fault| behind.starts_with(fault)))
    };
    let is_under_way = |part: &str| {
        UNDER_WAY
            .iter()
            .any(|words| part.trim_end().ends_with(words))
    };
    has(&TROUBLE)
        || words.split(ends_sentence).any(is_under_way)
        || !bare.contains(ends_sentence) && LAST.iter().any(|last| bare.ends_with(last))
        || has(&TOO_OFTEN) && !names_a_number
        || PARTS.iter().any(is_in)
        || NO_CAUSE.contains(&bare)
}

/// Words for another try after some time, and not after something else.
const SOON: [&str; 6] = ["秒后再", "秒后重", "钟后再", "钟后重", "会儿再", "片刻后"];

/// Words of a cause that lasts, whatever is said of another try.
const LASTING: [&str; 11] = [
    "余额",
    "充值",
    "账号",
    "账户",
    "帐号",
    "上限",
    "锁定",
    "客户",
    "用户",
    "联系人",
    "任务",
];

/// Words at the end of a sentence about what is not done yet.
const UNDER_WAY: [&str; 4] = ["导入中", "写入中", "提交中", "排队中"];

/// Words behind which no cause is told.
const LAST: [&str; 3] = ["调用失败", "调用异常", "调用出错"];

/// Words that hold one of the others, and after which nothing is carried out: the time of a task or a session is
/// over, something else has to be done first, or no other try is asked for.
const CERTAIN: [&str; 27] = [
    "任务已超时",
    "登录已超时",
    "登录超时",
    "登陆超时",
    "会话已超时",
    "会话超时",
    "授权超时",
    "session timeout",
    "session timed out",
    "后重试",
    "后再试",
    "后再重试",
    "后重新提交",
    "请勿重试",
    "不要重试",
    "无需重试",
    "不再重试",
    "重试次数",
    "and retry",
    "then retry",
    "not retry",
    "n't retry",
    "retry limit",
    // How often a number may be called.
    "呼叫频率",
    "拨打频率",
    "外呼频率",
    "通话频率",
];

/// Words of a trouble.
const TROUBLE: [&str; 78] = [
    "超时",
    "逾时",
    "无响应",
    "未响应",
    "没有响应",
    "繁忙",
    "频繁",
    "稍候",
    "重试",
    "重新提交",
    "正在导入",
    "正在处理",
    "处理中",
    "已断开",
    "连接断开",
    "连接失败",
    "连接异常",
    "连接错误",
    "未知错误",
    "未知异常",
    "内部错误",
    "内部异常",
    "开小差",
    "暂不可用",
    "暂时不可用",
    "维护中",
    "正在维护",
    "停机维护",
    "升级中",
    "正在升级",
    "停机升级",
    "限流",
    "流控",
    "timeout",
    "time-out",
    "timed out",
    "deadline exceeded",
    "too many",
    "rate limit",
    "freq out of limit",
    "throttl",
    "qps",
    "try again",
    "try later",
    "retry",
    "please wait",
    "busy",
    "unavailable",
    "maintenance",
    "internal server",
    "internal error",
    "unknown error",
    "server error",
    "system error",
    "system exception",
    "service exception",
    "nullpointer",
    "deadlock",
    "connection reset",
    "connection refused",
    "connection closed",
    "reset by peer",
    "hang up",
    "econnre",
    "etimedout",
    ": eof",
    "unexpected eof",
    "failed to respond",
    "prematurely closed",
    "context cancel",
    "maximum execution time",
    "broken pipe",
    "empty reply",
    "gone away",
    "lost connection",
    "upstream",
    "no healthy",
    "bad gateway",
];

/// Words of a limit of requests, unless a number is named: it may be called too often, too.
const TOO_OFTEN: [&str; 3] = ["频率", "过快", "太快"];

const NUMBERS: [&str; 4] = ["号码", "手机", "被叫", "电话"];

/// Parts of a platform.
const PARTS: [&str; 10] = [
    "系统",
    "服务",
    "服务器",
    "接口",
    "网络",
    "网关",
    "数据库",
    "平台",
    "后台",
    "程序",
];

/// Words right behind one of these.
const OUT_OF_ORDER: [&str; 14] = [
    "无应答",
    "未应答",
    "异常",
    "错误",
    "出错",
    "报错",
    "故障",
    "忙",
    "不可用",
    "不稳定",
    "维护",
    "升级",
    "崩溃",
    "宕机",
];

/// What a program says that does not know its own trouble, if it says no more.
const NO_CAUSE: [&str; 2] = ["请求处理失败", "请求失败"];
