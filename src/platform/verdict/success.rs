//! The words of a success: whether a message says that something was done, and that it was all.

/// Whether a message says that something was done.
pub(super) fn is_told(message: &str) -> bool {
    let message = message.to_lowercase();
    message.trim() == "ok" || says(&message, &DONE) && !says(&message, &NOT_DONE)
}

/// Whether nothing in a message of success says that some of so many rows were left out.
pub(super) fn is_of_all(message: &str, rows: usize) -> bool {
    let message = format!(" {} ", message.to_lowercase());
    let mut numbers = message
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty());
    numbers.all(|digits| digits == rows.to_string()) && !says(&message, &LEFT_OUT)
}

/// Returns a message without the words of a success that is a condition, or of something else than an
/// import.
pub(super) fn without_conditions(message: &str) -> String {
    let mut message = message.to_lowercase();
    for condition in CONDITIONS {
        message = message.replace(condition, "");
    }
    if message.contains("only") {
        message = message.replace("accepted", "");
    }
    message
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

const LEFT_OUT: [&str; 41] = [
    "部分",
    "未",
    "除",
    "余",
    "过滤",
    "過濾",
    "跳过",
    "跳過",
    "忽略",
    "剔除",
    "去重",
    "重复",
    "重複",
    "无效",
    "無效",
    "拒",
    "异常",
    "異常",
    "错误",
    "錯誤",
    "无法",
    "無法",
    "不能",
    "稍后",
    "稍後",
    "待",
    "审核",
    "審核",
    " no ",
    "none",
    "zero",
    "some",
    "partial",
    "except",
    "skip",
    "ignored",
    "filtered",
    "duplicate",
    "invalid",
    "reject",
    "pending",
];

const CONDITIONS: [&str; 12] = [
    "成功后",
    "成功後",
    "成功才",
    "成功之后",
    "登录成功",
    "登陆成功",
    "登錄成功",
    "启动成功",
    "啟動成功",
    "充值成功",
    "支付成功",
    "认证成功",
];
