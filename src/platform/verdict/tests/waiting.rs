//! What waits, and with which words.

use std::time::Duration;

use serde_json::json;

use super::*;

#[test]
fn no_connection_is_surely_not_delivered() {
    // [unreachable]
    let wait = waiting(&three(), &Reply::NotSent("connection refused".into()));
    assert_eq!(
        (wait.reason, wait.maybe_delivered),
        (WaitReason::Unreachable, false)
    );
}

#[test]
fn a_lost_answer_a_5xx_and_an_unreadable_body_may_have_been_delivered() {
    // [answer lost], [server error], [unreadable]
    for (reply, reason) in [
        (Reply::Lost("timed out".into()), WaitReason::AnswerLost),
        (answer(502, "<html>"), WaitReason::ServerError),
        (error(503, "busy"), WaitReason::ServerError),
        (answer(200, "{\"code\":200,"), WaitReason::Unreadable),
        (
            answer(200, r#"{"code":200,"status":"error"}"#),
            WaitReason::Unreadable,
        ),
        (
            answer(200, r#"{"code":200,"status":"fail"}"#),
            WaitReason::Unreadable,
        ),
        (
            answer(200, r#"{"code":200,"status":""}"#),
            WaitReason::Unreadable,
        ),
        (
            answer(200, r#"{"code":422,"status":"success"}"#),
            WaitReason::Unreadable,
        ),
        (
            answer(
                200,
                r#"{"code":422,"status":"error","data":{"taskNumberCount":1}}"#,
            ),
            WaitReason::Unreadable,
        ),
        (answer(409, "<html>"), WaitReason::Unreadable),
        (answer(408, "<html>"), WaitReason::ServerError),
        (error(408, "请求超时"), WaitReason::ServerError),
        (error(425, "Too Early"), WaitReason::ServerError),
        (error(499, "client closed"), WaitReason::ServerError),
        (error(-1, "操作超时"), WaitReason::ServerError),
        (error(400, "upstream timed out"), WaitReason::ServerError),
        (error(7001, "Gateway Timeout"), WaitReason::ServerError),
    ] {
        let wait = waiting(&three(), &reply);
        assert_eq!(
            (wait.reason, wait.maybe_delivered),
            (reason, true),
            "{reply:?}"
        );
    }
}

#[test]
fn a_refusal_in_words_of_trouble_or_of_success_may_have_been_delivered() {
    // [server error], [unreadable]
    for (reply, reason) in [
        (error(10001, "服务超时"), WaitReason::ServerError),
        (error(10001, "接口调用超时"), WaitReason::ServerError),
        (error(400, "請求逾時"), WaitReason::ServerError),
        (
            error(10001, "系统繁忙，请稍后再试"),
            WaitReason::ServerError,
        ),
        (error(10_002, "上游服务无响应"), WaitReason::ServerError),
        (
            error(10021, "操作过于频繁，请稍后再试"),
            WaitReason::ServerError,
        ),
        (error(400, "Too Many Attempts."), WaitReason::ServerError),
        (error(10001, "号码导入任务超时"), WaitReason::ServerError),
        (error(10001, "系统忙，请稍候重试"), WaitReason::ServerError),
        (
            error(1, "rpc error: context deadline exceeded"),
            WaitReason::ServerError,
        ),
        (
            error(10001, "数据正在处理中，请勿重复提交"),
            WaitReason::ServerError,
        ),
        // In another encoding.
        (
            error(422, "\u{fffd}\u{fffd}\u{fffd}\u{fffd}ʱ"),
            WaitReason::Unreadable,
        ),
        // A success in its words.
        (error(0, "success"), WaitReason::Unreadable),
        (error(1, "号码导入任务成功"), WaitReason::Unreadable),
        (error(0, "导入成功后将自动外呼"), WaitReason::Unreadable),
        (
            error(1, "accepted, only later called"),
            WaitReason::Unreadable,
        ),
        // A page for people in the shape of a success.
        (
            answer(200, r#"{"code":200,"message":"请先登录","data":[]}"#),
            WaitReason::Unreadable,
        ),
        (
            answer(
                200,
                r#"{"code":200,"status":"success","message":"请完成滑块验证","data":{"captcha":"x"}}"#,
            ),
            WaitReason::Unreadable,
        ),
        (
            answer(200, r#"{"code":200,"message":"任务不存在","data":null}"#),
            WaitReason::Unreadable,
        ),
    ] {
        let wait = waiting(&three(), &reply);
        assert_eq!(
            (wait.reason, wait.maybe_delivered),
            (reason, true),
            "{reply:?}"
        );
    }
}

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
fn a_code_that_may_be_a_success_and_a_list_of_some_rows_do_not_tell_of_the_others() {
    // [unreadable]
    let list = |numbers: &[&str]| {
        let entry = |number: &&str| json!({"fail_data": number, "fail_cause": "空号"});
        let list: Vec<_> = numbers.iter().map(entry).collect();
        answer(
            200,
            &json!({"code": 0, "data": {"fail_datas": list}}).to_string(),
        )
    };
    let mut strict = three();
    strict.options.skip_error = false;
    assert!(waiting(&strict, &list(&["131***2222"])).maybe_delivered);
    let all = list(&["130***1111", "131***2222", "132***3333"]);
    let rejected = [(1, "rejected"), (2, "rejected"), (3, "rejected")];
    assert_eq!(ends(&closed(&strict, &all)), rejected);
}

#[test]
fn an_answer_that_nobody_can_read_may_have_delivered_unless_its_status_says_wait() {
    // [unreadable], [token], [blocked], [not found], [rate limited], [redirected]
    let list = r#"[{"fail_data":"131***2222","fail_cause":"空号"}]"#;
    let bodies = [
        format!(r#"{{"code":422,"status":"error","message":"m","data":{list}}}"#),
        format!(r#"{{"code":422,"status":"error","message":"m","fail_datas":{list}}}"#),
        r#"{"code":422,"message":"m","data":{"fail_datas":["131***2222"]}}"#.to_owned(),
        r#"{"code":422,"status":"error","message":"部分号"#.to_owned(),
        "{\0\"\0c\0o\0d\0e\0".to_owned(),
        "<br />\n<b>Warning</b>\n{\"code\":200,\"status\":\"success\"}".to_owned(),
    ];
    for body in bodies {
        for http in [400, 413, 422] {
            let wait = waiting(&three(), &answer(http, &body));
            let found = (wait.reason, wait.maybe_delivered);
            assert_eq!(found, (WaitReason::Unreadable, true), "{http} {body}");
        }
        for (http, reason) in [
            (401, WaitReason::Unauthorized),
            (403, WaitReason::Blocked),
            (404, WaitReason::NotFound),
            (429, WaitReason::RateLimited),
            (302, WaitReason::Redirected),
        ] {
            let wait = waiting(&unsafe_to_resend(three()), &answer(http, &body));
            assert_eq!(
                (wait.reason, wait.maybe_delivered),
                (reason, false),
                "{body}"
            );
        }
    }
    // A status that is no text is read.
    let refused = r#"{"code":422,"status":false,"message":"号码有误","data":[]}"#;
    let closing = closed(&three(), &answer(422, refused));
    assert!(!closing.maybe_delivered && closing.unsettled.len() == 3);
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

#[test]
fn what_may_have_been_delivered_and_must_not_go_twice_is_unconfirmed_at_once() {
    // [second send unsafe]
    let batch = unsafe_to_resend(three());
    for reply in [
        Reply::Lost("reset".into()),
        answer(500, ""),
        answer(200, "?"),
    ] {
        let closing = closed(&batch, &reply);
        let all = [(1, "unconfirmed"), (2, "unconfirmed"), (3, "unconfirmed")];
        assert_eq!(ends(&closing), all);
        assert!(cause(&closing, 1).contains("number_add_suffix=true"));
        let why = closing.because.expect("the lane waits all the same");
        assert!(why.maybe_delivered && why.reason.runs_out());
    }
    let wait = waiting(&batch, &Reply::NotSent("refused".into()));
    assert!(!wait.maybe_delivered, "what surely did not go may go again");
}

#[test]
fn a_429_waits_as_long_as_it_says_and_counts_no_attempt() {
    // [rate limited]
    let after = Some(Duration::from_secs(7));
    let reply = Reply::Answer(Answer::new(429, after, b""));
    let wait = waiting(&three(), &reply);
    assert_eq!(
        (wait.reason, wait.retry_after),
        (WaitReason::RateLimited, after)
    );
    assert!(!wait.maybe_delivered && !wait.reason.counts_as_attempt());
    assert_eq!(
        waiting(&three(), &error(429, "slow down")).reason,
        WaitReason::RateLimited
    );
}

#[test]
fn a_person_has_to_act_on_401_403_404_and_a_running_task() {
    // [token], [forbidden], [not found], [task running]
    for (reply, reason, scope) in [
        (answer(401, ""), WaitReason::Unauthorized, Scope::Platform),
        (
            error(401, "token"),
            WaitReason::Unauthorized,
            Scope::Platform,
        ),
        (error(403, "no"), WaitReason::Forbidden, Scope::User),
        (error(404, "任务不存在"), WaitReason::NotFound, Scope::Lane),
        (
            error(6007, "2.0任务启动中,请先停止任务"),
            WaitReason::TaskRunning,
            Scope::Lane,
        ),
        (
            error(422, "任务正在拨打中,请先暂停任务"),
            WaitReason::TaskRunning,
            Scope::Lane,
        ),
    ] {
        let wait = waiting(&three(), &reply);
        assert_eq!(
            (wait.reason, wait.reason.scope()),
            (reason, scope),
            "{reply:?}"
        );
        assert!(!wait.maybe_delivered && !wait.reason.runs_out());
    }
}

#[test]
fn a_redirect_is_not_followed_and_fails_no_row() {
    // [redirected]
    let wait = waiting(&three(), &answer(301, ""));
    assert_eq!(
        (wait.reason, wait.maybe_delivered),
        (WaitReason::Redirected, false)
    );
}

#[test]
fn a_firewall_that_forbids_stops_a_lane_and_not_its_user() {
    // [blocked], [forbidden]
    for (http, body) in [
        (403, ""),
        (403, "<html>blocked</html>"),
        (403, r#"{"error":"no"}"#),
        (400, ""),
        (
            400,
            "<html>plain HTTP request was sent to HTTPS port</html>",
        ),
        (405, "<html>blocked</html>"),
        (406, ""),
        (407, ""),
        (402, ""),
        (410, ""),
        (411, ""),
        (415, "<html>unsupported</html>"),
        (418, ""),
        (431, ""),
        (451, ""),
    ] {
        let wait = waiting(&three(), &answer(http, body));
        assert_eq!(
            (wait.reason, wait.reason.scope(), wait.maybe_delivered),
            (WaitReason::Blocked, Scope::Lane, false),
            "{http} {body}"
        );
        assert!(wait.message.contains("firewall"), "{}", wait.message);
        let unsafe_batch = unsafe_to_resend(three());
        assert_eq!(waiting(&unsafe_batch, &answer(http, body)), wait);
    }
    let of_the_platform = answer(403, r#"{"code":403,"message":"no"}"#);
    let wait = waiting(&three(), &of_the_platform);
    assert_eq!(wait.reason, WaitReason::Forbidden);
}

#[test]
fn a_row_that_fails_alone_is_rejected_only_if_it_was_surely_never_delivered() {
    // [fails alone]
    let mut batch = one();
    assert_eq!(ends(&fails_alone(&batch, "HTTP 403")), [(1, "rejected")]);
    batch.contacts[0].in_doubt = true;
    assert_eq!(ends(&fails_alone(&batch, "HTTP 403")), [(1, "unconfirmed")]);
    batch.contacts[0].in_doubt = false;
    batch.maybe_delivered = true;
    assert_eq!(ends(&fails_alone(&batch, "HTTP 500")), [(1, "unconfirmed")]);
}

#[test]
fn a_person_has_to_act_where_time_stands_still_but_for_a_limit_of_the_platform() {
    // [token], [forbidden], [not found], [task running]
    let people = [401, 403, 404].map(|http| waiting(&three(), &error(http, "")).reason);
    assert!(people.into_iter().all(WaitReason::waits_for_a_person));
    assert!(
        WaitReason::TaskRunning.waits_for_a_person() && WaitReason::AllRefused.waits_for_a_person()
    );
    for reason in WaitReason::OF_BATCHES {
        assert!(
            !(reason.waits_for_a_person() && reason.runs_out()),
            "{reason:?}"
        );
    }
    assert!(!WaitReason::RateLimited.waits_for_a_person());
}

#[test]
fn the_words_that_are_kept_of_an_answer_hold_no_number_and_no_line_break() {
    // [not found]
    let wait = waiting(&three(), &error(404, "no task\nfor 13000001111"));
    assert!(
        wait.message
            .starts_with("404 no task for 130***1111; check"),
        "{}",
        wait.message
    );
}

#[test]
fn words_without_an_end_are_read_in_part() {
    let cause = format!("{}请求", "号码重复".repeat(80_000));
    let entries: Vec<(&str, &str)> = vec![("130***1111", &cause)];
    let reply = imported(Some(2), &entries);
    let Reply::Answer(answer) = &reply else {
        panic!("an answer");
    };
    let document = answer.document.as_ref().expect("the JSON");
    assert!(document.failures[0].cause.len() <= 4096);
    // [already elsewhere]: nobody knows what was cut off.
    assert_eq!(ends(&closed(&three(), &reply))[0], (1, "rejected"));
    let Reply::Answer(answer) = error(422, &cause) else {
        panic!("an answer");
    };
    assert!(answer.document.expect("the JSON").message.len() <= 4096);
}

#[test]
fn an_answer_that_turns_everything_away_and_lists_failures_may_have_let_the_others_in() {
    // [turned away with a list]
    let listing = |http: u16, code: i64, words: &str, count: Option<u64>| {
        let list = json!([{"fail_data": "131***2222", "fail_cause": "格式不正确。"}]);
        let data = json!({"taskNumberCount": count, "fail_datas": list});
        let body = json!({"code": code, "status": "error", "message": words, "data": data});
        answer(http, &body.to_string())
    };
    for (http, code, words, reason) in [
        (429, 429, "slow", WaitReason::RateLimited),
        (200, 429, "slow", WaitReason::RateLimited),
        (401, 1, "token", WaitReason::Unauthorized),
        (200, 403, "no", WaitReason::Forbidden),
        (404, 404, "no", WaitReason::NotFound),
        (200, 6007, "请先停止任务", WaitReason::TaskRunning),
        (422, 422, "请先暂停任务", WaitReason::TaskRunning),
        (302, 1, "moved", WaitReason::Redirected),
    ] {
        let reply = listing(http, code, words, None);
        let wait = waiting(&three(), &reply);
        assert_eq!((wait.reason, wait.maybe_delivered), (reason, true));
        let closing = closed(&unsafe_to_resend(three()), &reply);
        let all = [(1, "unconfirmed"), (2, "unconfirmed"), (3, "unconfirmed")];
        assert_eq!(ends(&closing), all, "{reply:?}");
        assert_eq!(closing.because.map(|wait| wait.reason), Some(reason));
        // Nothing is in where the platform says so, or was told to stop at a bad row.
        let nothing = listing(http, code, words, Some(0));
        assert!(!waiting(&three(), &nothing).maybe_delivered);
        let mut strict = three();
        strict.options.skip_error = false;
        assert!(!waiting(&strict, &reply).maybe_delivered);
        // Nor where the list names each row.
        let mut second = three();
        second.contacts = vec![second.contacts.remove(1)];
        assert!(!waiting(&second, &reply).maybe_delivered);
        assert!(!waiting(&unsafe_to_resend(second), &reply).maybe_delivered);
    }
}

#[test]
fn a_task_or_a_session_that_has_run_out_of_time_carries_nothing_out() {
    // [refused], [token]
    let closing = closed(&one(), &error(422, "任务已超时"));
    assert_eq!(ends(&closing), [(1, "rejected")]);
    let wait = waiting(&three(), &error(401, "token timeout"));
    assert_eq!(wait.reason, WaitReason::Unauthorized);
}

#[test]
fn an_error_whose_data_is_an_empty_text_is_read_all_the_same() {
    // [task running], [token], [unreadable]
    let with = |code: i64, data: &str| {
        let body = format!(r#"{{"code":{code},"status":"error","message":"m","data":{data}}}"#);
        waiting(&three(), &answer(200, &body))
    };
    let empty = [
        r#""""#,
        "false",
        r#"{"taskNumberCount":""}"#,
        r#"{"fail_datas":""}"#,
        r#"{"taskNumberCount":false,"fail_datas":false}"#,
    ];
    for data in empty {
        for (code, reason) in [
            (6007, WaitReason::TaskRunning),
            (401, WaitReason::Unauthorized),
        ] {
            let wait = with(code, data);
            assert_eq!(
                (wait.reason, wait.maybe_delivered),
                (reason, false),
                "{data}"
            );
        }
        // A success must say what it did.
        assert_eq!(with(200, data).reason, WaitReason::Unreadable, "{data}");
    }
    for data in [r#""x""#, "true", "1", r#"["x"]"#, r#"{"fail_datas":"x"}"#] {
        assert_eq!(with(6007, data).reason, WaitReason::Unreadable, "{data}");
    }
}
