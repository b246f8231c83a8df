//! The verdict, line by line of `docs/answers.md`; the names in brackets are that page's.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::batch::{Batch, BatchId, Composed};
use crate::contact::{Contact, ContactId, Lane, OutboxRow, RequestDefaults, Suffix};
use crate::platform::wire;
use crate::settlement::Final;

fn batch_of(numbers: &[&str]) -> Batch {
    let contact = |(number, id): (&&str, i64)| {
        let row = OutboxRow {
            id,
            phone: (*number).into(),
            ..OutboxRow::default()
        };
        Contact::check(row, &RequestDefaults::default()).unwrap()
    };
    let contacts: Vec<Contact> = numbers.iter().zip(1..).map(contact).collect();
    let composed = Composed {
        options: contacts[0].options.clone(),
        contacts,
    };
    Batch::new(BatchId::generate(), Lane::new("u", "t").unwrap(), composed)
}

fn three() -> Batch {
    batch_of(&["13000001111", "13100002222", "13200003333"])
}

fn one() -> Batch {
    batch_of(&["13000001111"])
}

fn sent_before(batch: Batch) -> Batch {
    Batch {
        maybe_delivered: true,
        ..batch
    }
}

fn unsafe_to_resend(mut batch: Batch) -> Batch {
    batch.options.suffix = Suffix::Platform;
    batch
}

fn answer(http: u16, body: &str) -> Reply {
    let document = wire::decode(body.as_bytes());
    Reply::Answer(Answer {
        http,
        retry_after: None,
        document,
    })
}

fn error(code: i64, message: &str) -> Reply {
    answer(
        200,
        &json!({"code": code, "status": "error", "message": message, "data": []}).to_string(),
    )
}

fn imported(count: Option<u64>, failures: &[(&str, &str)]) -> Reply {
    let list: Vec<_> = failures
        .iter()
        .map(|(n, c)| json!({"fail_data": n, "fail_cause": c}))
        .collect();
    let body = json!({
        "code": 200, "status": "success", "message": "号码导入任务成功",
        "data": {"taskNumberCount": count, "fail_datas": list},
    });
    answer(200, &body.to_string())
}

fn verdict(batch: &Batch, reply: &Reply) -> Verdict {
    read(batch, reply, &Rules::default())
}

fn closed(batch: &Batch, reply: &Reply) -> Closing {
    match verdict(batch, reply) {
        Verdict::Close(closing) => closing,
        Verdict::Wait(wait) => panic!("waits: {wait:?}"),
    }
}

fn waiting(batch: &Batch, reply: &Reply) -> Wait {
    match verdict(batch, reply) {
        Verdict::Wait(wait) => wait,
        Verdict::Close(closing) => panic!("closed: {closing:?}"),
    }
}

/// Returns short words for the ends of the rows, in the order of their ids.
fn ends(closing: &Closing) -> Vec<(i64, &str)> {
    let mut ends: Vec<(i64, &str)> = closing
        .settled
        .iter()
        .map(|row| match &row.end {
            Final::Succeeded => (row.contact.0, "succeeded"),
            Final::Failed { kind, .. } => (row.contact.0, kind.as_str()),
        })
        .collect();
    ends.sort_unstable();
    ends
}

fn cause(closing: &Closing, id: i64) -> &str {
    let row = closing
        .settled
        .iter()
        .find(|row| row.contact.0 == id)
        .unwrap();
    match &row.end {
        Final::Succeeded => panic!("{id} succeeded"),
        Final::Failed { cause, .. } => cause,
    }
}

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
    let reply = Reply::Answer(Answer {
        http: 429,
        retry_after: after,
        document: None,
    });
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
fn too_large_and_refusals_without_a_list_go_into_smaller_batches() {
    // [too large], [refused]
    for (reply, outcome) in [
        (answer(413, "<html>"), Outcome::TooLarge),
        (error(422, "手机号格式错误"), Outcome::Refused),
        (error(7001, "?"), Outcome::Refused),
        (answer(400, "<html>"), Outcome::Refused),
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
        (error(422, "任务已结束"), "rejected", "unconfirmed"),
        (error(422, "号码重复"), "succeeded", "succeeded"),
        (error(7001, "余额不足"), "unconfirmed", "unconfirmed"),
        (answer(400, "<html>"), "unconfirmed", "unconfirmed"),
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
    for (code, words) in [
        (10021, hasty),
        (422, hasty),
        (10021, "号码重复"),
        (7, "任务已存在"),
    ] {
        let closing = closed(&sent_before(one()), &error(code, words));
        assert_eq!(ends(&closing), [(1, "unconfirmed")], "{code} {words}");
        let closing = closed(&one(), &error(code, words));
        assert_eq!(ends(&closing), [(1, "rejected")], "{code} {words}");
    }
    let listed = imported(Some(2), &[("130***1111", hasty)]);
    assert_eq!(
        ends(&closed(&sent_before(three()), &listed))[0],
        (1, "rejected")
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
fn an_entry_that_fits_no_row_or_several_is_never_guessed() {
    // [unattributed]
    for mask in ["139***9999", "***", ""] {
        let closing = closed(&three(), &imported(Some(2), &[(mask, "坏")]));
        assert_eq!(closing.settled, [], "{mask}");
        assert_eq!(closing.unsettled.len(), 3);
        assert!(closing.maybe_delivered, "two of them are in");
    }
}

#[test]
fn what_no_entry_could_be_about_is_in_if_the_counts_say_so() {
    // [unattributed]
    let numbers = ["13000001111", "13100002222", "13111112222", "13200003333"];
    let either = ("131***2222", "坏");
    let listed = |count, failures: &[(&str, &str)]| {
        let closing = closed(&batch_of(&numbers), &imported(count, failures));
        let settled: Vec<i64> = closing.settled.iter().map(|row| row.contact.0).collect();
        let unsettled: Vec<i64> = closing.unsettled.iter().map(|contact| contact.0).collect();
        (settled, unsettled)
    };
    assert_eq!(listed(Some(3), &[either]), (vec![1, 4], vec![2, 3]));
    let first = ("130***1111", "坏");
    // Two rows are not in. One may be listed twice, and another one not at all.
    assert_eq!(
        listed(Some(2), &[either, either]),
        (vec![], vec![1, 2, 3, 4])
    );
    assert_eq!(listed(Some(2), &[either, first]), (vec![1, 4], vec![2, 3]));
    let nothing = (vec![], vec![1, 2, 3, 4]);
    for (count, failures) in [
        (None, &[either][..]),
        (Some(2), &[either]),
        // Two rows are not in. Either the same entry comes twice, or the other entry's row is
        // unknown.
        (Some(3), &[either, ("139***9999", "坏")]),
        (Some(2), &[either, ("139***9999", "坏")]),
    ] {
        assert_eq!(listed(count, failures), nothing, "{failures:?}");
    }
    // One of the two rows is listed by its number. The other entry may mean this row, or the other
    // one.
    let exact = ("13100002222", "坏");
    assert_eq!(listed(Some(2), &[either, exact]), (vec![2], vec![1, 3, 4]));
    let unsafe_one = unsafe_to_resend(batch_of(&numbers));
    let expected = [
        (1, "succeeded"),
        (2, "unconfirmed"),
        (3, "unconfirmed"),
        (4, "succeeded"),
    ];
    let closing = closed(&unsafe_one, &imported(Some(3), &[either]));
    assert_eq!(ends(&closing), expected);
}

#[test]
fn when_all_have_failed_for_one_reason_no_name_is_needed() {
    // [unattributed, all alike]
    let gone = |cause| ("***", cause);
    let alike = imported(
        Some(0),
        &[gone("坏"), ("131***2222", "号码已存在"), gone("坏")],
    );
    let closing = closed(&three(), &alike);
    assert_eq!(
        ends(&closing),
        [(1, "rejected"), (2, "duplicate"), (3, "rejected")]
    );
    assert_eq!(cause(&closing, 3), "坏");
    let there = imported(Some(0), &[gone("号码已存在"); 3]);
    let all = [(1, "succeeded"), (2, "succeeded"), (3, "succeeded")];
    assert_eq!(ends(&closed(&sent_before(three()), &there)), all);
    for not_sure in [
        imported(Some(0), &[gone("坏"), gone("坏"), gone("黑名单")]),
        imported(Some(0), &[gone("坏"), gone("坏")]),
        imported(Some(0), &[gone("坏"); 4]),
        imported(Some(1), &[gone("坏"); 3]),
        imported(None, &[gone("坏"); 3]),
    ] {
        let closing = closed(&three(), &not_sure);
        assert_eq!(closing.settled, [], "{not_sure:?}");
    }
}

#[test]
fn a_mask_could_be_any_encrypted_row_that_tells_no_mask() {
    // [unattributed], [whose failure]
    let mut batch = batch_of(&["bXk=", "Y2lwaGVy", "dGV4dA=="]);
    batch.options.encryption = true;
    let listed = imported(Some(2), &[("131***2222", "坏")]);
    let ends_of = |batch: &Batch, reply: &Reply| {
        let closing = closed(batch, reply);
        (closing.settled.len(), closing.unsettled.len())
    };
    batch.contacts[1].phone_mask = Some("131***2222".into());
    assert_eq!(ends_of(&batch, &listed), (0, 3), "two have no mask");
    batch.contacts[0].phone_mask = Some("130***1111".into());
    assert_eq!(ends_of(&batch, &listed), (0, 3), "it may be the third");
    let as_ciphertext = imported(Some(2), &[("dGV***dA==", "坏")]);
    assert_eq!(ends(&closed(&batch, &as_ciphertext))[2], (3, "rejected"));
    batch.contacts[2].phone_mask = Some("132***3333".into());
    assert_eq!(ends(&closed(&batch, &listed))[1], (2, "rejected"));
}

#[test]
fn a_mask_that_an_app_expects_for_one_row_may_be_of_another() {
    // [unattributed], [whose failure]
    let twice = imported(None, &[("130***", "号码重复"), ("130***", "号码格式错误")]);
    let mut batch = sent_before(batch_of(&["13000007021", "1300000"]));
    batch.contacts[0].phone_mask = Some("130***".into());
    assert_eq!(closed(&batch, &twice).settled, []);
    // An app's mask does not count for a number that is not encrypted.
    let mut batch = sent_before(batch_of(&["13900007021", "13100001111"]));
    batch.contacts[0].phone_mask = Some("131***1111".into());
    let listed = imported(Some(1), &[("131***1111", "号码格式错误")]);
    let expected = [(1, "succeeded"), (2, "rejected")];
    assert_eq!(ends(&closed(&batch, &listed)), expected);
    let encrypted = |masks: [&str; 2]| {
        let mut batch = sent_before(batch_of(&["bXk=", "Y2lwaGVy"]));
        batch.options.encryption = true;
        for (contact, mask) in batch.contacts.iter_mut().zip(masks) {
            contact.phone_mask = Some(mask.into());
        }
        batch
    };
    assert_eq!(
        closed(&encrypted(["130***", "130***1211"]), &twice).settled,
        []
    );
    // An app's mask may show less than the platform's. Then nobody knows whether the other mask is
    // right.
    for named in ["130***1211", "130***1211 ", "13012121211", "13012121211 "] {
        let one = imported(Some(1), &[(named, "号码格式错误")]);
        for told in ["130****", "***"] {
            for other in ["130***1211", "131***1211"] {
                let batch = encrypted([told, other]);
                assert_eq!(closed(&batch, &one).settled, [], "{named} {told} {other}");
            }
        }
    }
    // An app's mask may also show more. Such a number has the mask that is shown.
    let one = imported(Some(1), &[("130***1211", "号码格式错误")]);
    let batch = encrypted(["1301***51211", "130***1211"]);
    assert_eq!(closed(&batch, &one).settled, []);
    for told in [
        "1301***51211",
        "130***1211",
        "+86 130***1211",
        "0086130****1211",
    ] {
        let batch = encrypted([told, "131***1211"]);
        let expected = [(1, "rejected"), (2, "succeeded")];
        assert_eq!(ends(&closed(&batch, &one)), expected, "{told}");
    }
    // A name that shows nothing means no row, however vague an app's mask is.
    for named in ["", " ", "null", "N/A", "***"] {
        let one = imported(Some(1), &[(named, "号码格式错误")]);
        let batch = encrypted(["***", "131***1211"]);
        assert_eq!(closed(&batch, &one).settled, [], "{named}");
    }
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
fn a_blank_behind_a_number_gives_nobody_the_result_of_another() {
    // [whose failure]
    let batch = batch_of(&["13012121211 ", "13099990211"]);
    for (mask, row) in [("130***211 ", 1), ("130***1211", 1), ("130***0211", 2)] {
        let closing = closed(&batch, &imported(Some(1), &[(mask, "坏")]));
        let other = 3 - row;
        let mut wanted = [(row, "rejected"), (other, "succeeded")];
        wanted.sort_unstable();
        assert_eq!(ends(&closing), wanted, "{mask}");
    }
    let closing = closed(&batch, &imported(Some(1), &[("130***211", "坏")]));
    assert_eq!(closing.settled, [], "it could be both");
}

#[test]
fn in_a_batch_of_one_a_failure_can_only_be_that_row() {
    // [whose failure]
    let closing = closed(&one(), &imported(Some(0), &[("***", "黑名单")]));
    assert_eq!(cause(&closing, 1), "黑名单");
}

#[test]
fn giving_up_tells_what_surely_did_not_go_from_what_may_have() {
    // [given up]
    assert_eq!(ends(&give_up(&one(), "HTTP 502")), [(1, "expired")]);
    let closing = give_up(&sent_before(one()), "HTTP 502");
    assert_eq!(ends(&closing), [(1, "unconfirmed")]);
    assert!(cause(&closing, 1).ends_with("HTTP 502"));
}

#[test]
fn giving_up_on_a_hold_names_the_hold_and_its_words() {
    // [given up on a hold]
    let wait = waiting(&three(), &error(404, "no task"));
    let closing = give_up_on_hold(&one(), &wait);
    assert_eq!(ends(&closing), [(1, "expired")]);
    let said = cause(&closing, 1);
    assert!(
        said.contains("hold (not_found)") && said.contains("404 no task"),
        "{said}"
    );
    assert_eq!(
        expire_on_hold(&[ContactId(1)], &wait),
        closing.settled,
        "those that were not sent end alike"
    );
    let closing = give_up_on_hold(&sent_before(one()), &wait);
    assert_eq!(ends(&closing), [(1, "unconfirmed")]);
    assert!(cause(&closing, 1).contains("hold (not_found)"));
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

fn any_reply() -> impl Strategy<Value = Reply> {
    let mask = prop_oneof![
        "1[0-3]0\\*\\*\\*[123]{4}",
        "\\PC{0,12}",
        Just("13000001111".to_owned())
    ];
    let cause = prop_oneof![Just("号码重复".to_owned()), "\\PC{0,8}"];
    let list = prop::collection::vec((mask, cause), 0..5);
    let code = prop_oneof![Just(200i64), Just(422), Just(6007), 0i64..1000];
    let documented = (code, prop::option::of(0u64..5), list, 200u16..600).prop_map(
        |(code, count, list, http)| {
            let list: Vec<_> = list
                .iter()
                .map(|(n, c)| json!({"fail_data": n, "fail_cause": c}))
                .collect();
            let data = json!({"taskNumberCount": count, "fail_datas": list});
            answer(
                http,
                &json!({"code": code, "message": "x", "data": data}).to_string(),
            )
        },
    );
    let junk = (100u16..600, "\\PC{0,40}").prop_map(|(http, body)| answer(http, &body));
    prop_oneof![
        documented,
        junk,
        Just(Reply::Lost("x".into())),
        Just(Reply::NotSent("x".into()))
    ]
}

proptest! {
    #[test]
    fn whatever_comes_back_each_row_is_settled_once_or_asked_for_again(
        reply in any_reply(), single: bool, again: bool, safe: bool,
    ) {
        // [refused], [refused with a list], [shortfall], [shortfall of one],
        // [shortfall, second send unsafe], [second send unsafe]
        let mut batch = if single { one() } else { three() };
        batch.maybe_delivered = again && safe;
        if !safe { batch = unsafe_to_resend(batch); }
        let Verdict::Close(closing) = verdict(&batch, &reply) else { return Ok(()) };
        let mut rows: Vec<ContactId> = closing.settled.iter().map(|row| row.contact).collect();
        rows.extend(&closing.unsettled);
        prop_assert_eq!(rows.len(), batch.contacts.len());
        prop_assert_eq!(rows.into_iter().collect::<HashSet<_>>().len(), batch.contacts.len());
        prop_assert!(closing.unsettled.is_empty() || !single, "a single row has one reading");
        prop_assert!(safe || closing.unsettled.is_empty() || !closing.maybe_delivered,
            "what may have arrived is never sent again where that is unsafe");
    }

    #[test]
    fn success_needs_an_answer_of_success_or_a_duplicate_after_an_earlier_send(
        reply in any_reply(), again: bool,
    ) {
        // [success], [duplicate after a lost answer]
        let batch = Batch { maybe_delivered: again, ..three() };
        let Verdict::Close(closing) = verdict(&batch, &reply) else { return Ok(()) };
        let successes = closing.settled.iter().filter(|row| row.end == Final::Succeeded).count();
        let Reply::Answer(Answer { http, document: Some(document), .. }) = &reply else {
            prop_assert_eq!(successes, 0);
            return Ok(());
        };
        if !again {
            prop_assert!(successes == 0 || (200..300).contains(http) && document.code == 200);
        }
        if let (false, Some(count)) = (again, document.task_number_count) {
            let counted = usize::try_from(count).unwrap();
            prop_assert!(successes == 0 || successes == counted || counted == 3);
        }
    }
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

#[test]
fn a_number_that_is_already_elsewhere_is_not_in_the_task() {
    // [already elsewhere]
    for cause in [
        "号码已存在于公海",
        "号码已存在于黑名单",
        "手机号已存在于其他任务",
        "号码重复提交,请稍后再试",
        "号码已存在 crm",
        "CRM客户池中号码已存在",
        "其他任务中号码已存在,请检查",
    ] {
        let reply = imported(Some(2), &[("130***1111", cause)]);
        assert_eq!(
            ends(&closed(&three(), &reply))[0],
            (1, "rejected"),
            "{cause}"
        );
        let again = closed(&sent_before(three()), &reply);
        assert_eq!(ends(&again)[0], (1, "unconfirmed"), "{cause}");
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
    // [refused after a lost answer]
    let listed = |number: &str| {
        let list = json!([{"fail_data": number, "fail_cause": "任务已结束"}]);
        let data = json!({"fail_datas": list});
        let body = json!({"code": 422, "status": "error", "message": "m", "data": data});
        answer(200, &body.to_string())
    };
    for nobody in ["", "***", "15599998888", "155***8888"] {
        let closing = closed(&sent_before(one()), &listed(nobody));
        assert_eq!(ends(&closing), [(1, "unconfirmed")], "{nobody}");
        let closing = closed(&one(), &listed(nobody));
        assert_eq!(ends(&closing), [(1, "rejected")], "{nobody}");
    }
    for named in ["130***1111", "13000001111"] {
        let closing = closed(&sent_before(one()), &listed(named));
        assert_eq!(ends(&closing), [(1, "rejected")], "{named}");
    }
}

#[test]
fn two_rows_that_the_platform_may_show_alike_do_not_get_each_others_end() {
    // [whose failure]
    for (other, shown) in [
        ("+86 (0)130-1212-1211", "130***1211"),
        ("08613012121211", "130***1211"),
        ("'13012121211", "130***1211"),
        ("+8675512345678", "075***5678"),
    ] {
        let like = if shown == "130***1211" {
            "13099991211"
        } else {
            "075012345678"
        };
        let batch = batch_of(&[other, like]);
        let closing = closed(&batch, &imported(Some(1), &[(shown, "空号")]));
        let ends = ends(&closing);
        assert!(!ends.contains(&(2, "rejected")), "{other}: {ends:?}");
        assert!(!ends.contains(&(1, "succeeded")), "{other}: {ends:?}");
    }
    // [unattributed]
    let nameless = imported(None, &[("", "空号"), ("", "空号")]);
    let closing = closed(&batch_of(&["-", "13012121211"]), &nameless);
    assert!(ends(&closing).is_empty(), "{closing:?}");
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
    // [duplicate]: a part that was cut off says nothing.
    assert_eq!(ends(&closed(&three(), &reply))[0], (1, "duplicate"));
    let Reply::Answer(answer) = error(422, &cause) else {
        panic!("an answer");
    };
    assert!(answer.document.expect("the JSON").message.len() <= 4096);
}

#[test]
fn no_number_of_the_batch_stands_in_words_about_the_whole_request() {
    // [refused]
    let cipher = "U2FsdGVkX19zZWNyZXQgbnVtYmVy";
    let batch = batch_of(&[cipher, "12345", "13200003333"]);
    for message in [
        format!("号码 {cipher} 与 12345、132_0000_3333 无效"),
        // A part of a number is not recognised as that number.
        format!("{}{cipher}", "坏".repeat(480)),
        format!("{}12345", "13200003333 ".repeat(166)),
        format!("{}{cipher} 13200003333", "13200003333,".repeat(164)),
        // A removed character does not hide the number either.
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
