//! What holds of any answer.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;

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
