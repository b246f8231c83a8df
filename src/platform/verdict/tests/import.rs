//! Answers of success, and their counts.

use serde_json::json;

use super::*;

#[test]
fn a_success_with_a_fail_list_settles_every_row_with_its_own_cause() {
    // [success], [whose failure]
    let reply = imported(
        Some(1),
        &[("132***3333", "格式不正确。"), ("13100002222", "号码重复")],
    );
    let closing = closed(&three(), &reply);
    assert_eq!(
        ends(&closing),
        [(1, "succeeded"), (2, "duplicate"), (3, "rejected")]
    );
    assert_eq!(cause(&closing, 3), "格式不正确。");
    assert_eq!(closing.outcome, Outcome::Imported);
}

#[test]
fn absent_counts_and_an_empty_data_array_add_up() {
    // [counts absent]
    let all = [(1, "succeeded"), (2, "succeeded"), (3, "succeeded")];
    assert_eq!(ends(&closed(&three(), &imported(None, &[]))), all);
    let bare = answer(
        200,
        r#"{"code":"200","status":"success","message":"","data":[]}"#,
    );
    assert_eq!(ends(&closed(&three(), &bare)), all);
    for said in OF_ALL {
        let body = json!({"code": 200, "message": said, "data": []});
        let told = answer(200, &body.to_string());
        assert_eq!(ends(&closed(&three(), &told)), all, "{said}");
    }
}

/// Messages of a success that tell that all of three rows are in.
const OF_ALL: &[&str] = &[
    "",
    "导入成功",
    "导入任务完成",
    "OK",
    "Success",
    "3 numbers imported",
    "成功导入3条",
    "任务【双11回访】号码导入成功",
    "导入成功，等待外呼",
    // Other numbers than those of rows.
    "导入成功 3/3",
    "导入成功：３，总数：３",
    "导入成功 2026-11-25 10:20:30",
    "2026/11/25 10:20 导入成功",
    "2026年11月25日导入成功",
    "imported at 2026-11-25T10:20:30.123+08:00",
    "导入成功，批次号：20261125102030",
    "导入成功，任务ID：88",
    "2.0任务导入成功",
    "v2 import success",
    "success, code 200",
    "200 OK, imported",
    "导入成功，耗时35ms",
    "导入成功，耗时2s，共3条",
    "导入成功，耗时1分2秒",
    "导入成功，2天内外呼",
    "导入成功，2.0任务",
    "导入成功，成功数：3",
    "成功，3天内外呼",
    "imported, took 2 min",
    "任务双11回访导入成功",
    "任务[双11回访]导入成功",
    "任务（1125活动）导入成功",
    "第2批导入成功",
    "job #42 accepted",
    "导入成功，剩余额度900，余额88元",
    "导入成功 2026-11-25 10:20:30 +0800",
    "导入成功，用时 2 秒",
    "导入成功 [traceId=7f3a9c1e]",
    "导入成功 (550e8400-e29b-41d4-a716-446655440000)",
    "号码130***1211导入成功",
    "零售任务导入成功",
    "导入成功，成功率100%",
    "导入成功，成功率100.00%",
    "导入成功，请到后台查看",
    "导入成功，已排队外呼",
    "导入成功，外呼任务排队中",
    "导入成功，结果异步通知",
    "Contacts imported, calls queued",
    "导入成功，当前任务进度12%",
    "导入成功，剩余额度80%",
];

/// Messages of a success that do not tell that all of three rows are in.
const OF_A_PART: &[&str] = &[
    "号码未能成功导入",
    "成功導入0筆，失敗3筆",
    "共3条，成功0条",
    "成功导入1条，过滤2条重复号码",
    "部分号码导入成功",
    "No numbers were imported",
    "0 of 3 numbers imported",
    "Numbers can't be imported",
    "提交成功，等待审核",
    "导入成功：0/3",
    "导入成功：0，总数：3",
    "success: 0, total: 3",
    "imported 2/3",
    "导入成功 2 / 3",
    "导入成功：０／３",
    "导入成功【0/3】",
    "导入成功【成功0，共3】",
    "成功零条",
    "导入成功：零",
    "success0",
    "Successfully imported: zero",
    "2026-11-25 10:20:30 导入成功 0",
    "导入成功 200",
    "任务导入成功(2)",
    "号码导入任务成功【0条】",
    "导入成功【新增0】",
    "本批次0条，导入成功",
    "导入批次：0/3，导入成功",
    "2 msisdns imported",
    "导入成功，成功数：2",
    "导入成功，成功数：2，总数：3",
    "导入成功，有效号码2",
    "导入成功，入库数2",
    "导入成功，成功号码数：2",
    "导入成功[2]",
    "导入成功，2",
    "success, rows=2",
    "success, affected: 2",
    "请求成功，号码未写入任务",
    "请求成功，号码未添加",
    "操作成功，但任务已停止，号码暂不导入",
    "导入成功，黑名单号码已拦截",
    "导入成功，黑名單號碼已攔截",
    "导入成功，个别号码格式不正确",
    "导入成功，空号已移除",
    "导入成功，超限号码不导入",
    "导入成功，另有号码已存在",
    "import success, except 2",
    "success, rest dropped",
    "号码导入公海成功",
    "0 msisdns",
    // It is still to come.
    "提交成功，正在后台导入",
    "号码提交成功，排队中",
    "提交成功，異步處理中",
    "accepted, processing in background",
    "提交成功，排队等待导入",
    "提交成功，正在入库",
    "accepted, will be imported later",
    "导入完成，成功率66%",
    "导入成功，成功率 66.7％",
];

#[test]
fn a_success_that_tells_of_a_part_or_elsewhere_than_documented_is_unreadable() {
    // [unreadable], [counts absent]
    let listed = r#"[{"fail_data":"131***2222","fail_cause":"空号"}]"#;
    let done = r#""code":200,"status":"success","message":"号码导入任务成功""#;
    let mut bodies = vec![
        r#"{"code":200}"#.to_owned(),
        r#"{"code":200,"message":null,"data":[]}"#.to_owned(),
        r#"{"code":200,"data":[]}"#.to_owned(),
        r#"{"code":200,"msg":"请先登录"}"#.to_owned(),
        r#"{"code":200,"msg":"任务不存在","data":null}"#.to_owned(),
        format!(r#"{{{done},"taskNumberCount":1,"fail_datas":{listed}}}"#),
        format!(r#"{{{done},"data":{{"data":{{"fail_datas":{listed}}}}}}}"#),
        format!(r#"{{{done},"data":{{"failDatas":{listed}}}}}"#),
        format!(r#"{{{done},"data":{{"success_datas":["13000001111"]}}}}"#),
        r#"{"code":200,"message":"操作成功","data":{"success":0,"fail":2}}"#.to_owned(),
    ];
    for message in OF_A_PART {
        for status in ["", r#""status":"success","#] {
            bodies.push(format!(
                r#"{{"code":200,{status}"message":"{message}","data":[]}}"#
            ));
        }
    }
    for body in bodies {
        let wait = waiting(&three(), &answer(200, &body));
        let found = (wait.reason, wait.maybe_delivered);
        assert_eq!(found, (WaitReason::Unreadable, true), "{body}");
    }
}

#[test]
fn an_entry_with_another_number_in_full_is_not_about_the_only_row() {
    // [whose failure]
    let foreign = |count| imported(count, &[("15999998888", "空号")]);
    for count in [None, Some(1)] {
        let closing = closed(&one(), &foreign(count));
        assert_eq!(ends(&closing), [(1, "unconfirmed")], "{count:?}");
    }
    // Nor one that shows as much of another number.
    let there = |count| imported(count, &[("155***8888", "号码已存在")]);
    for count in [None, Some(0)] {
        let closing = closed(&sent_before(one()), &there(count));
        assert_eq!(ends(&closing), [(1, "unconfirmed")], "{count:?}");
    }
    for number in [
        "+8613000001111",
        "+86 130 0000 1111",
        "13000001111.0",
        "130***1111",
        "130xxxx1111",
        "86130****1111",
        "***1111",
        "***",
        "line 7",
    ] {
        let own = imported(None, &[(number, "空号")]);
        assert_eq!(ends(&closed(&one(), &own)), [(1, "rejected")], "{number}");
    }
}

#[test]
fn a_success_may_be_told_in_capitals() {
    // [success]
    for status in ["SUCCESS", "Success", " success "] {
        let body = json!({"code": 200, "status": status, "message": "", "data": []});
        let all = [(1, "succeeded"), (2, "succeeded"), (3, "succeeded")];
        assert_eq!(
            ends(&closed(&three(), &answer(200, &body.to_string()))),
            all
        );
    }
}

#[test]
fn already_there_means_success_only_when_an_earlier_send_may_have_arrived() {
    // [duplicate], [duplicate after a lost answer]
    let reply = imported(Some(2), &[("130***1111", "号码已存在")]);
    assert_eq!(ends(&closed(&three(), &reply))[0], (1, "duplicate"));
    assert_eq!(
        ends(&closed(&sent_before(three()), &reply))[0],
        (1, "succeeded")
    );
    let refused = error(422, "号码重复");
    assert_eq!(
        ends(&closed(&sent_before(one()), &refused)),
        [(1, "succeeded")]
    );
}

#[test]
fn counts_that_do_not_add_up_settle_what_is_certain_and_ask_for_the_rest() {
    // [shortfall]
    let closing = closed(&three(), &imported(Some(1), &[("131***2222", "坏")]));
    assert_eq!(ends(&closing), [(2, "rejected")]);
    assert_eq!(closing.unsettled, [ContactId(1), ContactId(3)]);
    assert!(closing.maybe_delivered);
}

#[test]
fn a_list_without_a_count_tells_nothing_of_the_others_where_the_import_may_have_ended() {
    // [shortfall]
    let strict = |mut batch: Batch| {
        batch.options.skip_error = false;
        batch
    };
    let said = |message: &str| {
        let list = json!([{"fail_data": "131***2222", "fail_cause": "坏"}]);
        let data = json!({"fail_datas": list});
        let body = json!({"code": 200, "status": "success", "message": message, "data": data});
        answer(200, &body.to_string())
    };
    let [done, failed] = ["号码导入任务成功", "导入失败，请修改"].map(said);
    for (batch, reply) in [(strict(three()), &done), (three(), &failed)] {
        let closing = closed(&batch, reply);
        assert_eq!(ends(&closing), [(2, "rejected")]);
        assert!(closing.maybe_delivered && closing.unsettled.len() == 2);
        let closing = closed(&unsafe_to_resend(batch), reply);
        assert_eq!(ends(&closing)[0], (1, "unconfirmed"));
    }
    // [success], [counts absent]
    for reply in [done, said("部分号码导入失败")] {
        assert_eq!(ends(&closed(&three(), &reply))[0], (1, "succeeded"));
    }
}

#[test]
fn a_shortfall_that_cannot_be_asked_about_is_unconfirmed() {
    // [shortfall, second send unsafe], [shortfall of one]
    let reply = imported(Some(1), &[("131***2222", "坏")]);
    let closing = closed(&unsafe_to_resend(three()), &reply);
    assert_eq!(
        ends(&closing),
        [(1, "unconfirmed"), (2, "rejected"), (3, "unconfirmed")]
    );
    assert_eq!(
        ends(&closed(&one(), &imported(Some(0), &[]))),
        [(1, "unconfirmed")]
    );
}

#[test]
fn a_row_that_is_counted_and_listed_is_not_certain_to_be_either() {
    // [counted and listed]
    let listed = [("131***2222", "CRM 写入失败")];
    let closing = closed(&three(), &imported(Some(3), &listed));
    assert_eq!(
        ends(&closing),
        [(1, "succeeded"), (3, "succeeded")],
        "all are in"
    );
    assert_eq!(closing.unsettled, [ContactId(2)]);
    assert!(closing.maybe_delivered);
    let two = [("131***2222", "坏"), ("132***3333", "坏")];
    for (count, list) in [(2, &two[..]), (7, &listed[..]), (3, &[("***", "坏")][..])] {
        let closing = closed(&three(), &imported(Some(count), list));
        assert_eq!(
            (closing.settled.len(), closing.unsettled.len()),
            (0, 3),
            "{count}"
        );
    }
    let alone = imported(Some(1), &[("130***1111", "坏")]);
    assert_eq!(ends(&closed(&one(), &alone)), [(1, "unconfirmed")]);
    let closing = closed(&unsafe_to_resend(three()), &imported(Some(3), &listed));
    assert_eq!(
        ends(&closing),
        [(1, "succeeded"), (2, "unconfirmed"), (3, "succeeded")]
    );
    let there = imported(Some(3), &[("131***2222", "号码重复")]);
    let all = [(1, "succeeded"), (2, "succeeded"), (3, "succeeded")];
    assert_eq!(ends(&closed(&sent_before(three()), &there)), all);
}

#[test]
fn a_success_under_the_status_of_a_refusal_may_have_been_an_import() {
    // [unreadable]
    let counted = |code: i64, status: &str| {
        let data = json!({"taskNumberCount": 2});
        json!({"code": code, "status": status, "message": "m", "data": data}).to_string()
    };
    for (http, code, status) in [
        (429, 200, "success"),
        (429, 429, "error"),
        (401, 200, "success"),
        (403, 403, "error"),
        (404, 404, "error"),
        (413, 413, "error"),
        (302, 200, "success"),
        (200, 6007, "error"),
        (200, 429, "success"),
        (422, 422, "error"),
    ] {
        let reply = answer(http, &counted(code, status));
        let wait = waiting(&three(), &reply);
        let told = (wait.reason, wait.maybe_delivered);
        assert_eq!(told, (WaitReason::Unreadable, true), "{http} {code}");
        let closing = closed(&unsafe_to_resend(three()), &reply);
        assert!(ends(&closing).iter().all(|(_, end)| *end == "unconfirmed"));
    }
}

#[test]
fn see_other_tells_that_the_import_was_carried_out() {
    // [redirected]
    for (http, marked) in [(302, false), (303, true), (307, false)] {
        let wait = waiting(&three(), &answer(http, ""));
        let told = (wait.reason, wait.maybe_delivered);
        assert_eq!(told, (WaitReason::Redirected, marked), "{http}");
    }
}
