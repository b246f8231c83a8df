//! Answers that claim a success in a shape of their own, and refusals that only name one.

use serde_json::json;

use super::*;

#[test]
fn a_refusal_that_tells_of_a_success_too_may_have_been_an_import() {
    // [unreadable]
    for (code, words) in [
        (422, "导入完成，成功2，失败1"),
        (0, "成功3条，失败0条"),
        (0, "成功3条失败0条"),
        (0, "Imported 3 failed 0"),
        (0, "2/3 imported, 1 failed"),
        (7001, "号码导入任务成功，写入公海失败"),
        (0, "成功3条 重复0条 失败0条"),
        (0, "3 imported 0 failed"),
        (422, "2条成功，1条失败"),
        (0, "成功导入号码数为2，失败1"),
        (0, "成功【2】条，失败【1】条"),
        (0, "inserted 2, failed 1"),
        (0, "2 ok, 1 failed"),
        (0, "created: 2, failed: 1"),
        (0, "失败1条，成功2条"),
        (0, "2 of 3 contacts imported, 1 failed"),
    ] {
        let wait = waiting(&three(), &error(code, words));
        let found = (wait.reason, wait.maybe_delivered);
        assert_eq!(found, (WaitReason::Unreadable, true), "{words}");
    }
}

#[test]
fn a_success_in_another_shape_than_documented_may_have_been_an_import() {
    // [unreadable]
    for body in [
        r#"{"success":true,"message":"","code":0,"result":null}"#,
        r#"{"code":1,"msg":"操作成功","data":null}"#,
        r#"{"code":0,"msg":"ok"}"#,
        r#"{"code":0,"message":"OK!"}"#,
        r#"{"code":0,"message":null,"errmsg":"done"}"#,
        r#"{"errcode":0,"errmsg":"ok"}"#,
        r#"{"ret":0,"msg":"ok"}"#,
        r#"{"code":0}"#,
        r#"{"code":1,"data":[]}"#,
        r#"{"code":0,"msg":"处理完毕"}"#,
        r#"{"code":20000,"message":"","data":null}"#,
        r#"{"code":10000,"data":[]}"#,
        r#"{"code":1000}"#,
        r#"{"code":0,"msg":"已提交，请等待审核"}"#,
        r#"{"code":0,"msg":"已加入队列，请勿重复提交"}"#,
        r#"{"code":1,"msg":"已全部导入，无异常"}"#,
        r#"{"code":"0","msg":"请求已接收"}"#,
        r#"{"code":10000,"msg":"操作成功"}"#,
        r#"{"code":7001,"success":true,"message":"余额不足"}"#,
        r#"{"code":7001,"status":"ok","message":"m"}"#,
        r#"{"code":200,"msg":"操作成功","data":null}"#,
        r#"{"code":200,"status":"success","msg":"请先登录"}"#,
        r#"{"code":200,"success":false,"status":"success","message":"导入成功","data":[]}"#,
    ] {
        let wait = waiting(&three(), &answer(200, body));
        let found = (wait.reason, wait.maybe_delivered);
        assert_eq!(found, (WaitReason::Unreadable, true), "{body}");
        let closing = closed(&unsafe_to_resend(three()), &answer(200, body));
        assert!(ends(&closing).iter().all(|(_, end)| *end == "unconfirmed"));
    }
}

#[test]
fn an_answer_that_tells_of_a_failure_alone_is_a_refusal() {
    // [refused]
    for (http, body) in [
        (200, r#"{"code":1,"msg":"任务不存在"}"#),
        (200, r#"{"code":0,"message":"余额不足"}"#),
        (200, r#"{"code":0,"errmsg":"no such task"}"#),
        (200, r#"{"code":1,"msg":"每次最多导入100条数据"}"#),
        (200, r#"{"code":1,"msg":"账户已冻结"}"#),
        (200, r#"{"code":1,"msg":"task has ended"}"#),
        (200, r#"{"code":1,"msg":"bad request"}"#),
        (200, r#"{"code":400,"message":"","data":[]}"#),
        (200, r#"{"code":422,"message":null}"#),
        (200, r#"{"code":1,"message":"请先登录"}"#),
        (200, r#"{"code":1,"status":"error","message":""}"#),
        (200, r#"{"code":0,"success":false,"message":""}"#),
        (200, r#"{"code":7001,"msg":"?"}"#),
        (200, r#"{"code":0,"msg":"成功0条，失败3条"}"#),
        (200, r#"{"code":1,"msg":"0/3 imported, 3 failed"}"#),
        (200, r#"{"code":1,"msg":"导入失败，请充值成功再导入"}"#),
        (200, r#"{"code":1,"msg":"导入失败，没有号码导入成功"}"#),
        (200, r#"{"code":1,"msg":"导入失败，成功数量为0"}"#),
        (200, r#"{"code":1,"msg":"0成功，3失败"}"#),
        (
            400,
            r#"{"code":422,"msg":"导入失败，实名认证成功方可导入"}"#,
        ),
        (400, r#"{"code":7001,"msg":"鉴权成功，余额不足，导入失败"}"#),
        (
            400,
            r#"{"code":422,"msg":"Import failed, no contacts were imported"}"#,
        ),
        (
            400,
            r#"{"code":422,"msg":"Validation failed. Accepted formats: +86"}"#,
        ),
        (
            400,
            r#"{"code":422,"msg":"Import failed, 3 contacts not imported"}"#,
        ),
        (200, r#"{"code":1,"msg":"餘額過低"}"#),
        (400, r#"{"code":7001,"message":""}"#),
    ] {
        let closing = closed(&three(), &answer(http, body));
        let told = (closing.outcome, closing.maybe_delivered);
        assert_eq!(told, (Outcome::Refused, false), "{body}");
    }
    let words = closed(&three(), &answer(200, r#"{"code":1,"msg":"任务不存在"}"#)).answer;
    assert_eq!(words, "1 任务不存在");
}

#[test]
fn a_failure_that_counts_or_names_other_successes_is_a_refusal() {
    // [refused]
    for words in [
        "共3条成功0条失败3条",
        "总数3 成功0 失败3",
        "失败:3 成功:0",
        "total:3 success:0 fail:3",
        "failed 3 succeeded 0",
        "3 contacts 0 imported 3 failed",
        "0 of 3 imported, 3 failed",
        "未成功3条，失败3条",
        "导入失败，今日已成功导入5000条，已达上限",
        "导入失败，该号码已成功导入",
        "操作失败，任务已导入完成，不能继续添加",
        "导入失败，一次最多成功导入100条",
        "Import failed, nothing imported",
        "Import failed, number already imported",
        "Import failed, up to 100 contacts accepted per request",
        "Validation failed, 11 digits accepted",
    ] {
        let closing = closed(&three(), &error(422, words));
        let told = (closing.outcome, closing.maybe_delivered);
        assert_eq!(told, (Outcome::Refused, false), "{words}");
    }
}

#[test]
fn a_success_of_another_program_that_asks_for_patience_is_no_refusal() {
    let told = |code: i64, words: &str| {
        let body = json!({"code": code, "msg": words}).to_string();
        verdict(&three(), &answer(200, &body))
    };
    for code in [0, 1] {
        // [unreadable]
        for words in [
            "已导入，请查看",
            "已添加，部分失败",
            "号码已录入，请到任务中查看",
            "导入完毕，请查看结果",
            "请求已处理，请查看导入记录",
            "已入队，无需重复提交",
            "审核中，请等待，不要关闭页面",
            "导入需要几分钟",
            "queued, do not send again",
            "numbers appended",
            "recommended",
            "已全部导入，无异常",
            "已导入，审核不通过的号码将无法呼叫",
            "提交完毕，请耐心等待",
            "请等待",
            "请查看",
            "请勿重复提交",
            "无重复",
            "非常感谢",
            "已入隊，請勿關閉",
        ] {
            let verdict = told(code, words);
            let wait = verdict
                .wait()
                .unwrap_or_else(|| panic!("{words}: {verdict:?}"));
            let found = (wait.reason, wait.maybe_delivered);
            assert_eq!(found, (WaitReason::Unreadable, true), "{words}");
        }
        // [refused]
        for words in [
            "导入失败，请等待",
            "请登录",
            "非常抱歉，余额不足",
            "只能导入本地号码",
            "需要先登录",
            "任务已终止",
            "task has ended",
            "task deleted",
            "账号被封",
        ] {
            assert_eq!(told(code, words).outcome(), "refused", "{words}");
        }
    }
}

#[test]
fn words_of_a_success_that_is_a_condition_are_a_refusal() {
    // [token], [task running], [refused]
    for (code, words, reason) in [
        (401, "请登录成功后再操作", WaitReason::Unauthorized),
        (6007, "任务启动成功，请先停止任务", WaitReason::TaskRunning),
    ] {
        let wait = waiting(&three(), &error(code, words));
        assert_eq!((wait.reason, wait.maybe_delivered), (reason, false));
    }
    for (code, words) in [
        (422, "Only mainland mobile numbers are accepted"),
        (7001, "余额不足，请充值成功后再导入"),
    ] {
        let closing = closed(&unsafe_to_resend(three()), &error(code, words));
        assert_eq!((closing.settled, closing.maybe_delivered), (vec![], false));
    }
}
