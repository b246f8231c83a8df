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
