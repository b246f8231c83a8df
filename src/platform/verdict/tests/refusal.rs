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
fn a_refusal_that_tells_of_a_part_does_not_tell_of_the_others() {
    // [refused with a list]
    for words in [
        "部分号码导入失败",
        "部分失败",
        "个别号码导入失败",
        "個別號碼導入失敗",
        "3条中有1条格式不正确",
        "部分号码已导入，其余格式错误",
        "已导入2条，1条重复",
        "其中1条格式错误",
        "some numbers failed",
        "Some of the numbers are invalid",
        "partial failure",
        "2 numbers failed",
    ] {
        for code in [422, 10001] {
            let closing = closed(&three(), &error(code, words));
            assert_eq!(closing.outcome, Outcome::Refused, "{words}");
            assert_eq!((closing.settled.len(), closing.unsettled.len()), (0, 3));
            assert!(closing.maybe_delivered, "{code} {words}");
            let closing = closed(&unsafe_to_resend(three()), &error(code, words));
            let all = [(1, "unconfirmed"), (2, "unconfirmed"), (3, "unconfirmed")];
            assert_eq!(ends(&closing), all, "{code} {words}");
        }
        // A single row has no part.
        assert_eq!(ends(&closed(&one(), &error(422, words))), [(1, "rejected")]);
        // [turned away with a list]: nothing went in, whatever else there is a part of.
        let wait = waiting(&unsafe_to_resend(three()), &error(6007, words));
        assert!(!wait.maybe_delivered, "{words}");
    }
    for words in [
        "第2条号码格式错误",
        "每次最多导入100条数据",
        "3条号码格式错误",
        "手机号必须为11位",
        "您有2个任务正在运行",
        "任务已结束",
        "余额不足2元",
    ] {
        let closing = closed(&three(), &error(422, words));
        assert_eq!(closing.unsettled.len(), 3, "{words}");
        assert!(!closing.maybe_delivered, "{words}");
    }
    let body = r#"{"code":422,"message":"部分号码导入失败","data":{"taskNumberCount":0}}"#;
    assert!(!closed(&three(), &answer(200, body)).maybe_delivered);
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

#[test]
fn a_cause_may_quote_any_number_behind_a_mask() {
    // [perhaps already there]
    for number in [
        "不是号码",
        "１３０００００７０２１",
        "not a number",
        "130-0000-7021x",
    ] {
        let batch = sent_before(batch_of(&[number]));
        let letters: Vec<char> = number.chars().collect();
        for (first, last) in (0..6).flat_map(|first| (0..6).map(move |last| (first, last))) {
            let (first, last) = (letters.len().min(first), letters.len().min(last));
            let [head, tail] = [&letters[..first], &letters[letters.len() - last..]];
            let [head, tail] = [head, tail].map(|part| part.iter().collect::<String>());
            for hidden in ["***", "****", "*", "xxxx"] {
                let name = format!("{head}{hidden}{tail}");
                for cause in ["号码格式错误", "invalid number", "不是手机号"] {
                    let quoting = format!("{cause}:{name}");
                    let closing = closed(&batch, &imported(Some(0), &[(&name, &quoting)]));
                    assert_eq!(ends(&closing), [(1, "rejected")], "{number} {quoting}");
                }
            }
        }
        for more in [
            "号码格式错误:黑***名单",
            "号码已存在:xxx",
            "号码已存在（任务 #7）",
            "号码不在任务 #7",
        ] {
            let elsewhere = imported(Some(0), &[("***", more)]);
            let closing = closed(&batch, &elsewhere);
            assert_eq!(ends(&closing), [(1, "unconfirmed")], "{number} {more}");
        }
    }
}
