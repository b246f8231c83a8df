//! What words say about a number, or about the platform.

use super::*;

const ELSEWHERE: &[&str] = &[
    "号码已存在于公海",
    "号码已存在于黑名单",
    "手机号已存在于其他任务",
    "号码重复提交,请稍后再试",
    // The place stands in a sentence of its own.
    "号码已存在，归属其他任务",
    "手机号已存在，请到公海中领取",
    "号码重复，该号码在黑名单中，未导入任务",
    "号码已存在；客户库中已有该客户",
    "号码重复。该号码正在其他任务中拨打",
    "导入失败，号码已存在，所属任务：春节回访",
    "Duplicate entry, 号码已存在, belongs to another task",
    "号码已存在 crm",
    "CRM客户池中号码已存在",
    "其他任务中号码已存在,请检查",
    // Brackets, colons and the like do not part a place from what is said of it.
    "号码已存在（黑名单）",
    "号码已存在(公海)",
    "号码已存在【黑名单】",
    "号码已存在：公海",
    "号码重复/其他任务",
    "黑名单：号码已存在",
    "公海-号码已存在",
    "CRM_号码已存在",
    "[CRM] 号码已存在",
    "黑名单、公海：号码已存在",
    // Nobody knows all places, and all that may come twice.
    "号码已存在于私海",
    "号码已存在于免打扰名单",
    "号码已存在于禁呼名单",
    "号码已存在于历史任务",
    "号码已存在于回收站",
    "号码已存在于blacklist",
    "号码已存在于另一个任务",
    "手机号已存在于其他账号",
    "手机号已存在(客户库)",
    "号码已存在DNC",
    "号码重复呼叫次数超限",
    "号码重复拨打受限",
    "号码重复外呼频次限制",
    "号码重复率过高",
    "非号码重复",
    // The number of another task.
    "号码已存在于任务2",
    "号码已存在（任务1024）",
    "号码重复：任务 3",
    "号码已存在于任务20259999",
    "号码已存在于任务２",
    "号码已存在于任务A",
    "重复号码过滤异常",
    "请确认号码已存在",
    "号码已存在，在3个任务中",
    "格式(提交)号码重复:提交",
];

#[test]
fn a_marker_may_hold_all_that_the_platform_says() {
    // [already elsewhere], [duplicate]
    let with = |markers: &[&str], cause| {
        let rules = Rules {
            duplicate_markers: markers.iter().map(|marker| (*marker).to_owned()).collect(),
            ..Rules::default()
        };
        let reply = imported(Some(2), &[("130***1111", cause)]);
        match read(&three(), &reply, &rules) {
            Verdict::Close(closing) => ends(&closing)[0].1.to_owned(),
            wait @ Verdict::Wait(_) => panic!("{wait:?}"),
        }
    };
    for (marker, cause, end) in [
        ("公海号码已存在", "公海号码已存在", "duplicate"),
        ("公海号码已存在", "在公海号码已存在于私海", "rejected"),
        ("号码已存在。", "号码已存在。", "duplicate"),
        ("号码已存在。", "公海:号码已存在。", "rejected"),
        (
            "already there, skipped",
            "Number already there, skipped!",
            "duplicate",
        ),
        ("already there", "The number is already there", "duplicate"),
        (
            "already there",
            "already there on the blacklist",
            "rejected",
        ),
    ] {
        assert_eq!(with(&[marker], cause), end, "{marker}: {cause}");
    }
}

#[test]
fn a_number_that_is_already_elsewhere_is_not_in_the_task() {
    // [already elsewhere]
    for cause in ELSEWHERE {
        let reply = imported(Some(2), &[("130***1111", cause)]);
        assert_eq!(
            ends(&closed(&three(), &reply))[0],
            (1, "rejected"),
            "{cause}"
        );
        let again = closed(&sent_before(three()), &reply);
        assert_eq!(ends(&again)[0], (1, "unconfirmed"), "{cause}");
        if cause.contains("稍后") {
            // [server error]: without a list it asks for another try.
            assert!(waiting(&sent_before(one()), &error(422, cause)).maybe_delivered);
            continue;
        }
        let alone = closed(&sent_before(one()), &error(422, cause));
        assert_eq!(ends(&alone), [(1, "unconfirmed")], "{cause}");
    }
    // [duplicate]
    for cause in [
        "号码已存在于任务中",
        "号码重复。请勿重复提交",
        "号码重复:130***1111",
        "提交的号码重复",
        "不在黑名单，号码重复",
        "不在黑名单;号码重复",
        "导入失败：第3行的号码重复",
        "该任务中号码已存在(已跳过)",
        "Task error: 号码重复 (row 3)",
    ] {
        let reply = imported(Some(2), &[("130***1111", cause)]);
        assert_eq!(
            ends(&closed(&three(), &reply))[0],
            (1, "duplicate"),
            "{cause}"
        );
    }
}

const PERHAPS_THERE: &[&str] = &[
    "重复",
    "已存在",
    "任务中已存在该号码",
    "号码在任务中已存在",
    "该号码已在任务中",
    "号码已经在任务中",
    "任务内号码已重复",
    "号碼重複",
    "已导入过",
    "已被导入",
    "已添加",
    "号码已经添加到任务",
    "该任务已有此号码",
    "号码不存在异常,任务内已重复",
    "号码已被占用",
    "号码冲突",
    "该号码已拨打过",
    "号码已使用",
    "已分配",
    "號碼已錄入",
    "已是任务号码",
    "此号码在任务中",
    "已包含该号码",
    "号码已提交",
    "数据已入库",
    "唯一性校验失败",
    "CONFLICT",
    "unique key",
    // Words that say nothing.
    "导入失败",
    "未知错误",
    "\u{fffd}\u{fffd}\u{fffd}ظ\u{fffd}",
    "Number exists",
    "number already in task",
    "DUPLICATE NUMBER",
    // The row may be what filled the limit, or be called already.
    "任务号码数量超过上限",
    "该号码今日导入次数已达上限",
    "触发频次限制",
    "号码24小时内呼叫过",
    "号码正在呼叫中",
    "号码异常，请勿频繁导入",
    // Words of a program about any input.
    "The given data was invalid.",
    "给定的数据无效",
    "参数校验失败",
    "号码不可用",
    "号码已去重",
    "重号",
    "号码撞单",
    "同一号码只能导入一次",
    "该号码之前导入过",
    "號碼重覆",
    "號碼已經在任務中",
    "phone in use",
    "号码正在外呼中",
    "24小时内已外呼",
    "通话中",
    "写入失败",
    "处理失败",
    "系統錯誤",
    // The number stands there in one way or another.
    "号码任务内排重",
    "该号码已收录",
    "号码已入任务",
    "已被其他坐席领取",
    "客户已被锁定",
    "已登记",
    "已注册",
    "已创建",
    "已推送",
    "查重未通过",
    "判重",
    "号码相同",
    "号码无效，已收录",
    "已有该号码，请输入有效的号码",
    "已有该手机号，请更换正确的手机号",
    "号码格式正确，已下发",
    "已归属他人",
    // Nobody knows all such words, and these may be of the task or the request.
    "坏",
    "号码异常",
    "任务停用",
    "任务无效",
    "话术不存在",
    "token无效",
    "客户被领走",
    "不允许导入",
    "in our list",
    "see information",
    // A second import, the task, the request or the user.
    "号码不支持再次导入",
    "不支持多次添加",
    "不支持二次导入",
    "不符合导入规则",
    "任务状态不正确",
    "任务状态不支持导入",
    "任務狀態不正確",
    "任务已经停机",
    "任务正在运行，不支持添加",
    "invalid task",
    "Invalid task status",
    "参数不正确",
    "参数不合法",
    "invalid parameter",
    "请求格式不正确",
    "invalid request",
    "用户无效",
    "invalid user",
    "phone number not valid for user",
    "话术不支持",
    "线路不支持",
    "当前状态不支持导入",
    "任务类型不支持导入号码",
    "该时间段不支持导入",
    "不支持导入",
    "系统停机维护中",
    "服务停机升级",
    "用户已注销",
    "企业已注销",
    "帐号已注销",
    "非法用户",
    "无效用户",
    "数据格式错误",
    "JSON格式错误",
    "IP地址不合法",
    "会话无效",
    "套餐不支持",
    "非法访问",
    "用戶無效",
    "話術不支持",
    "線路不支持",
    "請求格式不正確",
    "Task is not valid",
    "task not supported",
    "java.lang.IllegalStateException: task is stopped",
    "Illegal state: the task is finished",
    "user is not valid",
    "invalid session",
    "Unsupported Media Type",
    "The number of the task is invalid",
    "不存在",
    "does not exist",
    // Another sentence says more.
    "号码格式错误，任务已结束",
    "空号。该号码之前导入过",
];

/// Words that tell what is wrong with the number itself.
const ABOUT_THE_NUMBER: &[&str] = &[
    "格式不正确。",
    "号码不存在",
    "号码不在任务中",
    "空号",
    "number does not exist",
    "The number doesn't exist",
    "non-existent number",
    "号码在黑名单中。",
    "手机号位数错误",
    "号码长度不对",
    "非法号码",
    "号码错误",
    "错误的号码",
    "手机号不合法",
    "不支持的号段",
    "号码已停机",
    "号码已注销",
    "不是手机号",
    "invalid number",
    "Malformed phone",
    "not a valid mobile",
    "wrong format",
    "blacklisted",
    "用户号码格式错误",
    "用户手机号无效",
    "被叫用户停机",
    "number does not exist in the task",
    // What an app is asked to mend.
    "请输入正确的手机号",
    "请输入有效的手机号码",
    "请输入正确的号码",
    "请输入正确的电话",
    "手机号必须为11位",
    "号码不能为空",
    "手机号填写错误",
    "号码输入错误",
    "包含特殊字符",
    "phone must be 11 digits",
    "must be a valid phone number",
    "must be a valid mobile",
    "incorrect phone number",
    "wrong number",
    // It is out of use, or on the blacklist.
    "号码已经停机",
    "号码已经注销",
    "號碼已經註銷",
    "号码已被注销",
    "已被注销",
    "已被拉黑",
    "已在黑名单",
    "已加入黑名单",
    "号码13000001111在黑名单中。",
    "130***1111 格式不正确",
    "號碼格式錯誤",
    "手機號碼無效",
    "导入失败：手机号格式错误，请检查后重试",
    "Invalid phone number (row 3)",
    "number is blacklisted",
    "The phone number is too short.",
    "空号，已过滤",
];

/// Returns how the first of three rows ends that is listed with a cause.
fn end_listed(batch: &Batch, cause: &str) -> String {
    let closing = closed(batch, &imported(Some(2), &[("130***1111", cause)]));
    ends(&closing)[0].1.to_owned()
}

/// Returns how a row ends that is refused alone with a cause, in a task that has taken another row since.
fn end_alone(batch: Batch, cause: &str) -> String {
    let batch = Batch {
        taken_since: true,
        ..batch
    };
    let closing = closed(&batch, &error(422, cause));
    ends(&closing)[0].1.to_owned()
}

#[test]
fn words_that_may_mean_there_do_not_reject_a_row_that_may_have_arrived() {
    // [perhaps already there], [about the task]
    let mut wrong = Vec::new();
    for cause in PERHAPS_THERE {
        assert_eq!(end_listed(&three(), cause), "rejected", "{cause}");
        if end_listed(&sent_before(three()), cause) != "unconfirmed" {
            wrong.push(cause);
        }
        let tells_no_judgement = [
            "\u{fffd}",
            "频繁",
            "未知错误",
            "系統錯誤",
            "系统停机",
            "服务停机",
        ];
        if tells_no_judgement.iter().any(|words| cause.contains(words)) {
            // [unreadable], [server error]: without a list nobody can tell what was refused.
            assert!(waiting(&one(), &error(422, cause)).maybe_delivered);
            continue;
        }
        assert_eq!(end_alone(one(), cause), "rejected", "{cause}");
        if end_alone(sent_before(one()), cause) != "unconfirmed" {
            wrong.push(cause);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn words_about_the_number_itself_reject_a_row_that_may_have_arrived() {
    // [perhaps already there]
    let ends_of = |cause: &str| {
        [
            end_listed(&three(), cause),
            end_listed(&sent_before(three()), cause),
            end_alone(sent_before(one()), cause),
        ]
    };
    let is_judged = |cause: &&&str| ends_of(cause).iter().all(|end| end == "rejected");
    let wrong: Vec<&&str> = ABOUT_THE_NUMBER
        .iter()
        .filter(|cause| !is_judged(cause))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn words_may_quote_the_number_and_the_task_of_the_row() {
    // [duplicate], [already elsewhere]
    let in_task = |task: &str| Batch {
        lane: crate::contact::Lane::new("u", task).unwrap(),
        ..three()
    };
    let end = |batch: &Batch, cause: &str| {
        let closing = closed(batch, &imported(Some(2), &[("130***1111", cause)]));
        ends(&closing)[0].1.to_owned()
    };
    for cause in [
        "该号码已存在于任务[1024]",
        "号码已存在于任务：8613000001111",
    ] {
        assert_eq!(end(&in_task("1024"), cause), "duplicate", "{cause}");
    }
    assert_eq!(end(&in_task("102"), "号码已存在于任务[1024]"), "rejected");
    assert_eq!(end(&in_task("1"), "号码已存在于任务11"), "rejected");
}

const OF_A_BROKEN_PLATFORM: &[&str] = &[
    "系统异常，请联系管理员",
    "系统错误",
    "系統異常",
    "系统内部错误",
    "服务器内部错误",
    "服务异常",
    "服务不可用",
    "导入失败，请重试",
    "服务器异常，请重试",
    "请重新提交",
    "请求处理失败",
    "未知错误",
    "网络异常",
    "Internal Server Error",
    "Unknown error",
    "please retry",
    "java.net.SocketException: Connection reset",
    "Broken pipe",
    "MySQL server has gone away",
    "Lost connection to MySQL server during query",
    "upstream connect error or disconnect/reset before headers",
    "no healthy upstream",
    "触发限流",
    "接口调用频率超限",
    "QPS超限",
    "请求过快",
    "請求過快",
    "rate limit exceeded",
    "api freq out of limit",
    "系统维护中",
    "系统升级中",
    "任务服务未响应",
    "接口无应答",
    "服务调用失败",
    "socket hang up",
    "read ECONNRESET",
    "read tcp 10.0.0.1:80: EOF",
    "upstream prematurely closed connection",
    "The target server failed to respond",
    "context canceled",
    "Maximum execution time of 30 seconds exceeded",
    "异步导入中，请到任务详情查看",
    "导入中",
    "操作太快，请3秒后再试",
    "请10分钟后重试",
    "系統維護",
];

/// Words of a refusal whose cause lasts, or is the number.
const OF_ANOTHER_CAUSE: &[&str] = &[
    "号码格式错误，请修改后重试",
    "手机号格式不正确，请重试",
    "余额不足，请充值后重试",
    "余额不足，请勿重试",
    "充值成功后重试",
    "号码呼叫太快",
    "该号码24小时内已呼叫，请24小时后再试",
    "接口调用失败：余额不足",
    "调用失败，任务不存在",
    "任务进行中",
    "please reconnect your account",
    "余额不足，接口调用失败",
    "任务不存在，调用失败",
    "该电话24小时内已呼叫，请24小时后再试",
    "电话呼叫太快",
    "余额不足，请充值5分钟后再试",
    "账号已锁定，请30分钟后重试",
    "异步导入未开通",
    "任务已结束",
    "号码呼叫频率超限",
    "该号码频率过高",
    "系统检测到号码格式错误",
    "号码不可用",
    "线路不可用",
    "套餐不支持，请升级",
    "导入失败",
    "操作失败",
    "服务已到期",
    "空号",
    "号码在黑名单中",
    "任务不存在，请登录后重试",
];

#[test]
fn a_refusal_of_a_broken_platform_may_have_been_delivered() {
    // [server error]
    for words in OF_A_BROKEN_PLATFORM {
        for code in [10001, 422, 1] {
            let wait = waiting(&three(), &error(code, words));
            let found = (wait.reason, wait.maybe_delivered);
            assert_eq!(found, (WaitReason::ServerError, true), "{code} {words}");
        }
        let closing = closed(&unsafe_to_resend(three()), &error(10001, words));
        assert!(ends(&closing).iter().all(|(_, end)| *end == "unconfirmed"));
    }
    // [refused]
    for words in OF_ANOTHER_CAUSE {
        let closing = closed(&one(), &error(422, words));
        assert_eq!(ends(&closing), [(1, "rejected")], "{words}");
        assert!(!closed(&three(), &error(422, words)).maybe_delivered);
    }
    // [too large]: it is certain what to do, whatever else is said.
    let reply = error(413, "too many numbers, please retry");
    assert_eq!(closed(&three(), &reply).outcome, Outcome::TooLarge);
}
