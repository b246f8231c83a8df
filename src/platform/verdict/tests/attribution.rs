//! Which row an entry of the fail list means.

use super::*;

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
    // Two are not in. It may be that one is listed twice, and another one not at all.
    assert_eq!(
        listed(Some(2), &[either, either]),
        (vec![], vec![1, 2, 3, 4])
    );
    assert_eq!(listed(Some(2), &[either, first]), (vec![1, 4], vec![2, 3]));
    let nothing = (vec![], vec![1, 2, 3, 4]);
    for (count, failures) in [
        (None, &[either][..]),
        (Some(2), &[either]),
        // Two are not in, and it is the same entry twice, or nobody knows whose the other one is.
        (Some(3), &[either, ("139***9999", "坏")]),
        (Some(2), &[either, ("139***9999", "坏")]),
    ] {
        assert_eq!(listed(count, failures), nothing, "{failures:?}");
    }
    // One of the two is listed by its number. The other entry may be about it, or about the other one.
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
    let all = [(1, "duplicate"), (2, "duplicate"), (3, "duplicate")];
    assert_eq!(ends(&closed(&three(), &there)), all);
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
    let with_letters = imported(Some(2), &[("131xxxx2222", "坏")]);
    assert_eq!(ends_of(&batch, &with_letters), (0, 3));
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
    // What an app says of a number that is there to be seen does not count.
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
    // An app may tell less than the platform shows. Then nobody knows whether the other mask is right.
    for named in ["130***1211", "130***1211 ", "13012121211", "13012121211 "] {
        let one = imported(Some(1), &[(named, "号码格式错误")]);
        for told in ["130****", "***"] {
            for other in ["130***1211", "131***1211"] {
                let batch = encrypted([told, other]);
                assert_eq!(closed(&batch, &one).settled, [], "{named} {told} {other}");
            }
        }
    }
    // Or more: such a number has the mask that is shown.
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
    // What names nothing is nobody's, however vague a mask is.
    for named in ["", " ", "null", "N/A", "***"] {
        let one = imported(Some(1), &[(named, "号码格式错误")]);
        let batch = encrypted(["***", "131***1211"]);
        assert_eq!(closed(&batch, &one).settled, [], "{named}");
    }
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
fn two_rows_that_the_platform_may_show_alike_do_not_get_each_others_end() {
    // [whose failure]
    for (other, shown) in [
        ("+86 (0)130-1212-1211", "130***1211"),
        ("08613012121211", "130***1211"),
        ("'13012121211", "130***1211"),
        ("+8675512345678", "075***5678"),
        ("13012121211,13099998888", "130***1211"),
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
fn no_row_succeeds_that_is_neither_named_nor_counted() {
    // [unattributed, all alike]
    let there = |rows| imported(Some(0), &vec![("***", "号码已存在"); rows]);
    let closing = closed(&sent_before(three()), &there(3));
    assert_eq!(closing.settled, []);
    assert_eq!(closing.unsettled.len(), 3);
    assert!(closing.maybe_delivered);
    let closing = closed(&unsafe_to_resend(sent_before(three())), &there(3));
    assert!(ends(&closing).iter().all(|(_, end)| *end == "unconfirmed"));
    // Alone, it can be meant and no other.
    let closing = closed(&sent_before(one()), &there(1));
    assert_eq!(ends(&closing), [(1, "succeeded")]);
}

#[test]
fn a_row_with_two_causes_is_not_known_to_be_either_after_a_lost_answer() {
    // [listed twice]
    let [bad, there] = [
        ("130***1111", "格式不正确。"),
        ("13000001111", "号码重复。"),
    ];
    for (list, new, again) in [
        ([bad, bad], "rejected", "rejected"),
        ([bad, there], "rejected", "unconfirmed"),
        ([there, bad], "duplicate", "unconfirmed"),
        ([there, there], "duplicate", "succeeded"),
    ] {
        let reply = imported(Some(2), &list);
        let closing = closed(&three(), &reply);
        assert_eq!(ends(&closing)[0], (1, new), "{list:?}");
        assert_eq!(cause(&closing, 1), list[0].1);
        let closing = closed(&sent_before(three()), &reply);
        assert_eq!(ends(&closing)[0], (1, again), "{list:?}");
        assert_eq!(ends(&closing)[1..], [(2, "succeeded"), (3, "succeeded")]);
    }
    let closing = closed(&sent_before(three()), &imported(Some(2), &[bad, there]));
    let said = cause(&closing, 1);
    assert!(said.ends_with("格式不正确。; 号码重复。"), "{said}");
    let closing = closed(&sent_before(one()), &imported(Some(0), &[bad, there]));
    assert_eq!(ends(&closing), [(1, "unconfirmed")]);
}

#[test]
fn what_stands_before_an_extension_may_be_the_whole_number() {
    // [unattributed]
    for extension in ["转8001", "-8001", "(2)", " ext 12"] {
        let batch = batch_of(&[&format!("13012121211{extension}"), "13099991211"]);
        let closing = closed(&batch, &imported(Some(1), &[("130***1211", "空号")]));
        assert_eq!(ends(&closing), [], "{extension}");
        assert_eq!(closing.unsettled.len(), 2);
    }
}
