//! Requests that were refused.

use serde_json::json;

use super::*;

#[test]
fn too_large_and_refusals_without_a_list_go_into_smaller_batches() {
    // [too large], [refused]
    for (reply, outcome) in [
        (answer(413, "<html>"), Outcome::TooLarge),
        (error(422, "手机号格式错误"), Outcome::Refused),
        (error(7001, "?"), Outcome::Refused),
        (answer(400, "bad request"), Outcome::Refused),
    ] {
        let closing = closed(&three(), &reply);
        assert_eq!(
            (closing.outcome, closing.maybe_delivered),
            (outcome, false),
            "{reply:?}"
        );
        assert_eq!((closing.settled.len(), closing.unsettled.len()), (0, 3));
    }
}

#[test]
fn a_single_row_that_is_refused_alone_fails_with_those_words() {
    // [refused]
    let closing = closed(&one(), &error(422, "手机号格式错误"));
    assert_eq!(ends(&closing), [(1, "rejected")]);
    assert_eq!(cause(&closing, 1), "422 手机号格式错误");
}

#[test]
fn a_row_that_may_have_arrived_is_rejected_alone_only_by_a_judgement_of_what_was_sent() {
    // [refused after a lost answer]
    for (reply, if_the_task_takes, if_not) in [
        (error(422, "手机号格式错误"), "rejected", "unconfirmed"),
        (error(400, "手机号格式错误"), "rejected", "unconfirmed"),
        (error(422, "号码有误"), "rejected", "unconfirmed"),
        (error(422, "任务已结束"), "unconfirmed", "unconfirmed"),
        (error(422, "号码重复"), "succeeded", "succeeded"),
        (error(7001, "余额不足"), "unconfirmed", "unconfirmed"),
        (answer(400, "bad request"), "unconfirmed", "unconfirmed"),
        (answer(422, "bad request"), "unconfirmed", "unconfirmed"),
        (answer(413, "<html>"), "unconfirmed", "unconfirmed"),
        (error(413, "请求数据过大"), "unconfirmed", "unconfirmed"),
    ] {
        for (taken_since, end) in [(true, if_the_task_takes), (false, if_not)] {
            let batch = Batch {
                taken_since,
                ..sent_before(one())
            };
            let closing = closed(&batch, &reply);
            assert_eq!(ends(&closing), [(1, end)], "{taken_since} {reply:?}");
        }
    }
    let named = json!({"code": 422, "message": "x", "data": {"fail_datas":
        [{"fail_data": "130***1111", "fail_cause": "格式不正确。"}]}});
    let closing = closed(&sent_before(one()), &answer(200, &named.to_string()));
    assert_eq!(ends(&closing), [(1, "rejected")], "it is named");
    let closing = closed(&sent_before(one()), &error(7001, "余额不足"));
    assert!(cause(&closing, 1).ends_with("does not tell: 7001 余额不足"));
    let closing = closed(&one(), &error(7001, "余额不足"));
    assert_eq!(ends(&closing), [(1, "rejected")], "it never went before");
}

#[test]
fn words_about_the_request_are_not_words_about_the_number() {
    // [duplicate], [duplicate after a lost answer], [refused after a lost answer]
    let hasty = "操作过于频繁,请勿重复提交";
    for code in [10021, 422] {
        // [server error]
        assert!(waiting(&one(), &error(code, hasty)).maybe_delivered);
    }
    for (code, words) in [(10021, "号码重复"), (7, "任务已存在")] {
        let closing = closed(&sent_before(one()), &error(code, words));
        assert_eq!(ends(&closing), [(1, "unconfirmed")], "{code} {words}");
        let closing = closed(&one(), &error(code, words));
        assert_eq!(ends(&closing), [(1, "rejected")], "{code} {words}");
    }
    let listed = imported(Some(2), &[("130***1111", hasty)]);
    assert_eq!(ends(&closed(&three(), &listed))[0], (1, "rejected"));
    // [perhaps already there]: the earlier send may be what came first.
    assert_eq!(
        ends(&closed(&sent_before(three()), &listed))[0],
        (1, "unconfirmed")
    );
}

#[test]
fn a_refusal_with_a_list_fails_those_rows_and_asks_again_for_the_others() {
    // [refused with a list]
    let body = json!({"code": 422, "status": "error", "message": "x", "data": {
        "fail_datas": [{"fail_data": "131***2222", "fail_cause": "格式不正确。"}]}});
    let mut strict = three();
    strict.options.skip_error = false;
    let closing = closed(&strict, &answer(200, &body.to_string()));
    assert_eq!(ends(&closing), [(2, "rejected")]);
    assert_eq!(closing.unsettled, [ContactId(1), ContactId(3)]);
    assert!(!closing.maybe_delivered);
}

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

#[test]
fn where_bad_numbers_are_skipped_a_refusal_with_a_list_does_not_tell_of_the_others() {
    // [refused with a list]
    let list = |count: Option<u64>| {
        let listed = json!([{"fail_data": "131***2222", "fail_cause": "格式不正确"}]);
        let data = json!({"taskNumberCount": count, "fail_datas": listed});
        let body = json!({"code": 422, "status": "error", "message": "m", "data": data});
        answer(200, &body.to_string())
    };
    let closing = closed(&three(), &list(None));
    assert_eq!(ends(&closing), [(2, "rejected")]);
    assert!(closing.maybe_delivered);
    let closing = closed(&unsafe_to_resend(three()), &list(None));
    let doubtful = [(1, "unconfirmed"), (2, "rejected"), (3, "unconfirmed")];
    assert_eq!(ends(&closing), doubtful);
    assert!(!closed(&three(), &list(Some(0))).maybe_delivered);
    let mut strict = three();
    strict.options.skip_error = false;
    assert!(!closed(&strict, &list(None)).maybe_delivered);
}

#[test]
fn an_entry_that_names_nobody_does_not_judge_a_row_that_may_have_arrived() {
    // [refused after a lost answer], [about the task]
    let listed_as = |number: &str, cause: &str| {
        let list = json!([{"fail_data": number, "fail_cause": cause}]);
        let data = json!({"fail_datas": list});
        let body = json!({"code": 422, "status": "error", "message": "m", "data": data});
        answer(200, &body.to_string())
    };
    let listed = |number| listed_as(number, "任务已结束");
    for nobody in ["", "***", "15599998888", "155***8888"] {
        let closing = closed(&sent_before(one()), &listed(nobody));
        assert_eq!(ends(&closing), [(1, "unconfirmed")], "{nobody}");
        let closing = closed(&one(), &listed(nobody));
        assert_eq!(ends(&closing), [(1, "rejected")], "{nobody}");
    }
    for named in ["130***1111", "13000001111", "+86 130 0000 1111"] {
        for (cause, end) in [
            ("格式不正确。", "rejected"),
            // The task may have ended since the earlier send.
            ("任务已结束", "unconfirmed"),
            ("账户余额不足", "unconfirmed"),
        ] {
            let closing = closed(&sent_before(one()), &listed_as(named, cause));
            assert_eq!(ends(&closing), [(1, end)], "{named} {cause}");
        }
    }
}

#[test]
fn no_number_of_the_batch_stands_in_words_about_the_whole_request() {
    // [refused]
    let cipher = "U2FsdGVkX19zZWNyZXQgbnVtYmVy";
    let batch = batch_of(&[cipher, "12345", "13200003333"]);
    for message in [
        format!("号码 {cipher} 与 12345、132_0000_3333 无效"),
        // Nobody can tell a number by a part of it.
        format!("{}{cipher}", "坏".repeat(480)),
        format!("{}12345", "13200003333 ".repeat(166)),
        format!("{}{cipher} 13200003333", "13200003333,".repeat(164)),
        // What is taken out does not hide it either.
        "132\u{61c}0000\u{7}3333".into(),
    ] {
        for reply in [error(422, &message), error(6007, &message)] {
            let said = match verdict(&batch, &reply) {
                Verdict::Close(closing) => closing.answer,
                Verdict::Wait(wait) => wait.message,
            };
            for told in [&cipher[..8], "12345", "32000033", "320000"] {
                assert!(!said.contains(told), "{said}");
            }
        }
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
        if cause.contains('\u{fffd}') || cause.contains("频繁") {
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

#[test]
fn a_refusal_judges_by_the_code_in_the_json_whatever_its_http_status() {
    // [refused after a lost answer], [duplicate]
    let saying = |http, code: i64, words: &str| {
        let body = json!({"code": code, "status": "error", "message": words, "data": []});
        answer(http, &body.to_string())
    };
    for (http, code, words, end) in [
        (400, 7001, "余额不足", "unconfirmed"),
        (422, 7001, "余额不足", "unconfirmed"),
        (422, 10021, "号码重复", "unconfirmed"),
        (400, 10021, "任务已结束", "unconfirmed"),
        (422, 0, "格式不正确。", "unconfirmed"),
        (400, 422, "格式不正确。", "rejected"),
        (409, 400, "格式不正确。", "rejected"),
        (400, 422, "号码重复", "succeeded"),
    ] {
        let batch = Batch {
            taken_since: true,
            ..sent_before(one())
        };
        let closing = closed(&batch, &saying(http, code, words));
        assert_eq!(ends(&closing), [(1, end)], "{http} {code} {words}");
    }
    for (http, code, end) in [(422, 10021, "rejected"), (400, 422, "duplicate")] {
        let closing = closed(&one(), &saying(http, code, "号码重复"));
        assert_eq!(ends(&closing), [(1, end)], "{http} {code}");
    }
    // JSON without a code is not the platform's.
    let batch = Batch {
        taken_since: true,
        ..sent_before(one())
    };
    for http in [400, 422] {
        let closing = closed(&batch, &answer(http, r#"{"message":"号码重复"}"#));
        assert_eq!(ends(&closing), [(1, "unconfirmed")], "{http}");
    }
}

#[test]
fn where_bad_numbers_are_skipped_a_list_that_names_nobody_does_not_tell_of_anybody() {
    // [refused with a list]
    let listed = |number: &str, count: Option<u64>| {
        let list = json!([{"fail_data": number, "fail_cause": "格式不正确。"}]);
        let data = json!({"taskNumberCount": count, "fail_datas": list});
        let body = json!({"code": 422, "status": "error", "message": "m", "data": data});
        answer(200, &body.to_string())
    };
    let mut encrypted = batch_of(&["bXk=", "Y2lwaGVy", "dGV4dA=="]);
    encrypted.options.encryption = true;
    for (batch, name) in [
        (three(), ""),
        (three(), "***"),
        (three(), "131xx?2222"),
        (three(), "139***9999"),
        (encrypted, "131***2222"),
    ] {
        let mut strict = batch.clone();
        strict.options.skip_error = false;
        let nothing_went = [
            closed(&batch, &listed(name, Some(0))),
            closed(&strict, &listed(name, None)),
            closed(&unsafe_to_resend(strict.clone()), &listed(name, None)),
        ];
        for closing in nothing_went {
            assert_eq!(closing.unsettled.len(), 3, "{name}");
            assert!(!closing.maybe_delivered, "{name}");
        }
        let closing = closed(&batch, &listed(name, None));
        assert_eq!((closing.settled.len(), closing.unsettled.len()), (0, 3));
        assert_eq!(closing.outcome, Outcome::Refused);
        assert!(closing.maybe_delivered, "{name}");
        let closing = closed(&unsafe_to_resend(batch), &listed(name, None));
        let all = [(1, "unconfirmed"), (2, "unconfirmed"), (3, "unconfirmed")];
        assert_eq!(ends(&closing), all, "{name}");
        assert_eq!(closing.unsettled, [], "{name}");
    }
    // A single row has nobody beside it.
    assert_eq!(
        ends(&closed(&one(), &listed("***", None))),
        [(1, "rejected")]
    );
}

#[test]
fn a_request_that_is_too_large_and_lists_failures_was_read() {
    // [too large], [refused with a list]
    let listing = |count: Option<u64>| {
        let list = json!([{"fail_data": "131***2222", "fail_cause": "格式不正确。"}]);
        let data = json!({"taskNumberCount": count, "fail_datas": list});
        let body = json!({"code": 413, "status": "error", "message": "m", "data": data});
        answer(413, &body.to_string())
    };
    let closing = closed(&three(), &listing(None));
    assert_eq!(ends(&closing), [(2, "rejected")]);
    assert_eq!(closing.unsettled, [ContactId(1), ContactId(3)]);
    assert!(closing.maybe_delivered);
    let closing = closed(&unsafe_to_resend(three()), &listing(None));
    let doubtful = [(1, "unconfirmed"), (2, "rejected"), (3, "unconfirmed")];
    assert_eq!(ends(&closing), doubtful);
    let closing = closed(&three(), &listing(Some(0)));
    assert_eq!(
        (closing.outcome, closing.settled),
        (Outcome::TooLarge, vec![])
    );
    assert!(!closing.maybe_delivered);
}

#[test]
fn a_row_that_was_unconfirmed_before_it_was_requeued_is_rejected_only_by_words_about_it() {
    // [refused after a lost answer], [perhaps already there], [already elsewhere], [duplicate]
    let in_doubt = |taken_since| {
        let mut batch = one();
        batch.contacts[0].in_doubt = true;
        Batch {
            taken_since,
            ..batch
        }
    };
    for (reply, if_the_task_takes, if_not) in [
        (error(422, "号码有误"), "rejected", "unconfirmed"),
        (error(422, "任务已结束"), "unconfirmed", "unconfirmed"),
        (error(7001, "余额不足"), "unconfirmed", "unconfirmed"),
        (answer(400, "bad request"), "unconfirmed", "unconfirmed"),
        (answer(413, "<html>"), "unconfirmed", "unconfirmed"),
        (error(422, "任务内已有"), "unconfirmed", "unconfirmed"),
        (error(422, "公海号码已存在"), "unconfirmed", "unconfirmed"),
        (error(422, "号码重复"), "duplicate", "duplicate"),
    ] {
        for (taken_since, end) in [(true, if_the_task_takes), (false, if_not)] {
            let closing = closed(&in_doubt(taken_since), &reply);
            assert_eq!(ends(&closing), [(1, end)], "{taken_since} {reply:?}");
        }
    }
    let listed = |number: &str, cause: &str| {
        let list = json!([{"fail_data": number, "fail_cause": cause}]);
        let body = json!({"code": 422, "message": "m", "data": {"fail_datas": list}});
        let closing = closed(&in_doubt(false), &answer(200, &body.to_string()));
        ends(&closing)[0].1.to_owned()
    };
    assert_eq!(listed("***", "任务已结束"), "unconfirmed");
    assert_eq!(listed("130***1111", "格式不正确。"), "rejected");
    // Beside others, each row has its own past.
    let mut batch = three();
    batch.contacts[0].in_doubt = true;
    let failures = [("130***1111", "已添加"), ("131***2222", "已添加")];
    let closing = closed(&batch, &imported(Some(1), &failures));
    let all = [(1, "unconfirmed"), (2, "rejected"), (3, "succeeded")];
    assert_eq!(ends(&closing), all);
    let failures = [("***", "已添加"); 3];
    let closing = closed(&batch, &imported(Some(0), &failures));
    let all = [(1, "unconfirmed"), (2, "rejected"), (3, "rejected")];
    assert_eq!(ends(&closing), all);
}
