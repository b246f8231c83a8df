//! The JSON of the platform's page 批量添加号码: the request as it goes out, the answer as it comes in.
//! Answers are read leniently where the platform is known to vary (numbers as strings, `data` as
//! `[]`, an absent fail list), and strictly where a guess could settle a row wrongly.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::batch::{Batch, MAX_BATCH};
use crate::contact::{Component, Contact, CustomVar, Suffix};

/// Returns the request body of a batch.
pub fn encode(batch: &Batch) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Body::of(batch))
}

#[expect(clippy::struct_excessive_bools, reason = "the page's own switches")]
#[derive(Serialize)]
struct Body<'a> {
    ignore_crm: bool,
    skip_error: bool,
    number_add_suffix: bool,
    encryption: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_user_id: Option<&'a str>,
    data: Vec<Number<'a>>,
}

impl<'a> Body<'a> {
    fn of(batch: &'a Batch) -> Self {
        let options = &batch.options;
        // The page's table lists the sub account per number, its first example puts it beside
        // `data`; a batch is uniform in it, so it goes into both places.
        let sub_user_id = options.sub_user_id.as_deref();
        Self {
            ignore_crm: options.ignore_crm,
            skip_error: options.skip_error,
            number_add_suffix: options.suffix == Suffix::Platform,
            encryption: options.encryption,
            sub_user_id,
            data: batch
                .contacts
                .iter()
                .map(|c| Number::of(c, sub_user_id))
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct Number<'a> {
    phone: &'a str,
    sort: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sex: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    industry_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grade_id: Option<i64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    components: &'a [Component],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    custom_vars: &'a [CustomVar],
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    control_select_robot: Option<&'a str>,
}

impl<'a> Number<'a> {
    fn of(contact: &'a Contact, sub_user_id: Option<&'a str>) -> Self {
        Self {
            phone: contact.phone.expose(),
            sort: contact.sort,
            name: contact.name.as_deref(),
            email: contact.email.as_deref(),
            company: contact.company.as_deref(),
            sex: contact.sex,
            source_id: contact.source_id,
            industry_id: contact.industry_id,
            grade_id: contact.grade_id,
            components: &contact.components,
            custom_vars: &contact.custom_vars,
            extra: contact.extra.as_deref(),
            sub_user_id,
            control_select_robot: contact.control_select_robot.as_deref(),
        }
    }
}

/// An answer of the documented shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The platform's own code, beside the HTTP status.
    pub code: i64,
    /// `success` or `error`.
    pub status: Option<String>,
    /// The platform's words for the whole request.
    pub message: String,
    /// Whether they stand where they are documented, be they empty.
    pub has_message: bool,
    /// What a field `success` says, which is not documented.
    pub success: Option<bool>,
    /// `taskNumberCount`: how many numbers went into the task.
    pub task_number_count: Option<u64>,
    /// `fail_datas`: the numbers that did not go into the task, each with its cause.
    pub failures: Vec<Failure>,
}

/// One entry of the fail list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `fail_data`: the number, usually masked.
    pub number: String,
    /// `fail_cause`: the platform's words for this number.
    pub cause: String,
}

impl Document {
    /// Takes a secret out of the platform's words.
    pub(super) fn hide(&mut self, secret: &str) {
        let causes = self.failures.iter_mut().map(|failure| &mut failure.cause);
        for words in causes.chain([&mut self.message]) {
            if words.contains(secret) {
                *words = words.replace(secret, HIDDEN);
            }
        }
    }
}

/// The text in place of a secret.
const HIDDEN: &str = "***";

/// The longest body that is read: 100 failures take some 20 KB. In bytes.
pub(super) const LONGEST_BODY: usize = 1024 * 1024;

/// Reads a body. Returns `None` if it is not the documented JSON, or too long.
pub fn decode(body: &[u8]) -> Option<Document> {
    if body.len() > LONGEST_BODY {
        return None;
    }
    let Value::Object(mut top) = parse(body)? else {
        return None;
    };
    let code = integer(top.get("code")?)?;
    let says = |key: &&str| {
        top.get(*key)
            .is_some_and(|value| !value.is_null() && !is_blank(value))
    };
    if DOCUMENTED.iter().any(says) {
        return None;
    }
    let status = match top.remove("status") {
        None | Some(Value::Null) => None,
        Some(Value::Array(_) | Value::Object(_)) => return None,
        Some(status) => Some(text(status)),
    };
    let (has_message, message) = message(&mut top);
    let mut document = Document {
        code,
        status,
        has_message,
        message,
        success: top.get("success").and_then(flag),
        ..Document::default()
    };
    let is_error = !(200..=299).contains(&code);
    let is_nothing = |value: &Value| is_error && is_blank(value);
    match top.remove("data") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) if list.is_empty() => {}
        Some(Value::Object(mut data)) => {
            data.retain(|_, value| !is_nothing(value));
            let is_documented = DOCUMENTED.iter().any(|key| data.contains_key(*key));
            if !is_error && !data.is_empty() && !is_documented {
                return None;
            }
            read_data(&mut document, data)?;
        }
        Some(data) if is_nothing(&data) => {}
        Some(_) => return None,
    }
    Some(document)
}

/// Takes the platform's words for the whole request out of the answer, and whether they stand where they are
/// documented. Where they do not, programs have other keys for them.
fn message(top: &mut Map<String, Value>) -> (bool, String) {
    let mut said = |key: &&str| top.remove(*key).filter(|message| !message.is_null());
    let documented = said(&"message");
    let has_message = documented.is_some();
    let documented = documented.map(words).unwrap_or_default();
    if !documented.trim().is_empty() {
        return (has_message, documented);
    }
    let mut others = UNDOCUMENTED.iter().filter_map(said).map(words);
    let other = others.find(|words| !words.trim().is_empty());
    (has_message, other.unwrap_or(documented))
}

/// Keys of other programs for the words.
const UNDOCUMENTED: [&str; 7] = [
    "msg",
    "errmsg",
    "errMsg",
    "err_msg",
    "error_msg",
    "errorMsg",
    "errorMessage",
];

/// Reads what stands for yes or no.
fn flag(value: &Value) -> Option<bool> {
    match text(value.clone()).to_lowercase().trim() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// The keys of `data`. What an answer says elsewhere, or by other keys alone, nobody can tell.
const DOCUMENTED: [&str; 3] = ["taskNumberCount", "crmCustomerCount", "fail_datas"];

/// Whether a body that cannot be read looks like an answer of the platform's all the same: it was cut or
/// compressed, is in another encoding, or says what it says in another shape.
pub fn is_garbled(body: &[u8]) -> bool {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    // No answer may cost much, so the beginning of a long one has to do.
    let parsed = (body.len() <= LONGEST_DOCUMENT).then(|| parse(body));
    match parsed.flatten() {
        Some(Value::Object(top)) => top.get("code").and_then(integer).is_some(),
        Some(_) => false,
        None => {
            let text = without_marks(body);
            text.starts_with(b"{") || text.starts_with(GZIP) || text.iter().take(2).any(|b| *b == 0)
        }
    }
}

/// Longer than any documented answer. In bytes.
const LONGEST_DOCUMENT: usize = 64 * 1024;

/// Whether a value stands for nothing, as PHP writes it. A success has to say more than that.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Bool(said) => !said,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// Parses the JSON of a body. Byte order marks are skipped. A mask may be cut through the middle of
/// a character; the half at its end becomes a replacement character.
fn parse(body: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(without_marks(body));
    let parsed = serde_json::from_str(&text);
    parsed
        .or_else(|_| serde_json::from_str(&without_half_characters(&text)))
        .ok()
}

/// Returns a body without the byte order marks and blanks before it: each file of a program in PHP may
/// have left one.
fn without_marks(body: &[u8]) -> &[u8] {
    let mut text = body.trim_ascii_start();
    while let Some(rest) = text.strip_prefix(b"\xef\xbb\xbf") {
        text = rest.trim_ascii_start();
    }
    text
}

/// Returns a JSON text in which each escape of half a character (`\ud83d`) is replaced by that of
/// the replacement character.
fn without_half_characters(text: &str) -> String {
    let half = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (mut mended, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(escape) = text[at..].find('\\').map(|found| at + found) {
        mended.push_str(&text[at..escape]);
        let after = (escape + 6).min(text.len());
        at = match (half(escape), half(escape + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => escape + 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str("\\ufffd");
                at = after;
                continue;
            }
            (Some(_), _) => after,
            // Another escape: the character behind the backslash belongs to it.
            (None, _) => escape + 1 + text[escape + 1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&text[escape..at]);
    }
    mended.push_str(&text[at..]);
    mended
}

fn read_data(document: &mut Document, mut data: Map<String, Value>) -> Option<()> {
    document.task_number_count = match data.get("taskNumberCount") {
        None | Some(Value::Null) => None,
        Some(count) => Some(u64::try_from(integer(count)?).ok()?),
    };
    document.failures = match data.remove("fail_datas") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => failures(list.into_iter())?,
        // PHP writes an array that lost its first entry as an object with its keys.
        Some(Value::Object(list)) if list.keys().all(|key| is_index(key)) => {
            failures(list.into_iter().map(|(_, entry)| entry))?
        }
        Some(_) => return None,
    };
    Some(())
}

fn is_index(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit())
}

/// The most entries of a list that can be about a batch: two for each of its rows.
const MOST_FAILURES: usize = 2 * MAX_BATCH;

/// The longest number or mask of a row, in bytes.
const LONGEST_NUMBER: usize = 1024;

fn failures(list: impl ExactSizeIterator<Item = Value>) -> Option<Vec<Failure>> {
    if list.len() > MOST_FAILURES {
        return None;
    }
    list.map(failure).collect()
}

/// The most bytes of the platform's words that are read; the longest documented words have 60.
/// Fewer are kept, so that a number or a secret that is cut here is not seen.
const LONGEST_WORDS: usize = 4096;

/// Reads the platform's words, up to that length.
fn words(value: Value) -> String {
    let mut words = text(value);
    words.truncate(words.floor_char_boundary(LONGEST_WORDS));
    words
}

/// An entry without a number stays in the list: it says that some row failed.
fn failure(entry: Value) -> Option<Failure> {
    let Value::Object(mut entry) = entry else {
        return None;
    };
    let number = entry.remove("fail_data").map(text).unwrap_or_default();
    (number.len() <= LONGEST_NUMBER).then(|| Failure {
        number,
        cause: entry.remove("fail_cause").map(words).unwrap_or_default(),
    })
}

/// `3`, `"3"` and `3.0` are one number: JSON knows no other difference.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        // A code is never written as 0200 or +200.
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &i64| number.to_string() == text.trim()),
        _ => None,
    }
}

/// A number without a fraction, and small enough for a float to tell it from its neighbours.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
fn whole(number: f64) -> Option<i64> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    (number.fract() == 0.0 && number.abs() <= LARGEST).then_some(number as i64)
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchId, Composed};
    use crate::contact::{Lane, OutboxRow, RequestDefaults};
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn no_request_is_longer_than_its_contacts_say(
            texts in prop::collection::vec(prop::option::of(any::<String>()), 5),
            numbers in prop::collection::vec(prop::option::of(any::<i64>()), 4),
            entries in prop::collection::vec((any::<String>(), any::<i64>()), 0..4),
            switches in any::<[bool; 4]>(),
            count in 1usize..4,
        ) {
            let list = |id: &str, value: &str| {
                let entry = |(text, number): &(String, i64)| json!({id: text, value: number});
                let entries: Vec<Value> = entries.iter().map(entry).collect();
                Some(Value::from(entries).to_string())
            };
            let row = OutboxRow {
                id: 7,
                phone: "13012121211".into(),
                name: texts[0].clone(),
                email: texts[1].clone(),
                company: texts[2].clone(),
                sub_user_id: texts[3].clone(),
                control_select_robot: texts[4].clone(),
                extra: texts[0].clone().filter(|_| !switches[0]),
                components: list("id", "value").filter(|_| !switches[0]),
                custom_vars: list("name", "text"),
                sex: numbers[0].map(|_| 1),
                sort: numbers[0].unwrap_or_default(),
                source_id: numbers[1],
                industry_id: numbers[2],
                grade_id: numbers[3],
                ignore_crm: Some(switches[0]),
                skip_error: Some(switches[1]),
                number_add_suffix: Some(switches[2]),
                encryption: Some(switches[3]),
                ..OutboxRow::default()
            };
            let contact = Contact::check(row, &RequestDefaults::default()).unwrap();
            let options = contact.options.clone();
            let said = contact.bytes * count + options.request_bytes();
            let contacts = vec![contact; count];
            let lane = Lane::new("u", "t").unwrap();
            let batch = Batch::new(BatchId::generate(), lane, Composed { options, contacts });
            let body = encode(&batch).unwrap();
            prop_assert!(body.len() <= said, "{} > {said}", body.len());
            // The estimate exceeds the length only by short numbers, and by escapes of one letter.
            let escapes = String::from_utf8_lossy(&body).matches('\\').count();
            prop_assert!(said <= body.len() + 40 + count * 130 + 4 * escapes);
        }
    }

    fn encoded(row: OutboxRow) -> Value {
        serde_json::from_str(&encoded_text(row)).unwrap()
    }

    fn encoded_text(row: OutboxRow) -> String {
        let contact = Contact::check(row, &RequestDefaults::default()).unwrap();
        let composed = Composed {
            options: contact.options.clone(),
            contacts: vec![contact],
        };
        let lane = Lane::new("u", "t").unwrap();
        let batch = Batch::new(BatchId::generate(), lane, composed);
        String::from_utf8(encode(&batch).unwrap()).unwrap()
    }

    #[test]
    fn a_minimal_row_sends_the_number_its_sort_and_the_four_switches_alone() {
        let row = OutboxRow {
            id: 1,
            phone: "13012121211".into(),
            ..OutboxRow::default()
        };
        assert_eq!(
            encoded(row),
            json!({
                "ignore_crm": false, "skip_error": true,
                "number_add_suffix": false, "encryption": false,
                "data": [{"phone": "13012121211", "sort": 0}],
            })
        );
    }

    #[test]
    fn every_field_of_the_page_is_sent_and_the_sub_account_stands_in_both_places() {
        let row = OutboxRow {
            id: 1,
            phone: "13012121211".into(),
            name: Some("联系人1".into()),
            email: Some("12345@qq.com".into()),
            company: Some("xxx公司".into()),
            sex: Some(1),
            sort: 5,
            source_id: Some(1),
            industry_id: Some(2),
            grade_id: Some(3),
            components: Some(r#"[{"id":"2a87347c","value":"小牛"}]"#.into()),
            custom_vars: Some(r#"[{"name":"自定义变量1","text":10086}]"#.into()),
            extra: Some("0c51fc89".into()),
            sub_user_id: Some("91f9254f".into()),
            control_select_robot: Some("男".into()),
            number_add_suffix: Some(true),
            encryption: Some(true),
            ..OutboxRow::default()
        };
        assert_eq!(
            encoded(row),
            json!({
                "ignore_crm": false, "skip_error": true,
                "number_add_suffix": true, "encryption": true, "sub_user_id": "91f9254f",
                "data": [{
                    "phone": "13012121211", "sort": 5, "name": "联系人1", "email": "12345@qq.com",
                    "company": "xxx公司", "sex": 1, "source_id": 1, "industry_id": 2, "grade_id": 3,
                    "components": [{"id": "2a87347c", "value": "小牛"}],
                    "custom_vars": [{"name": "自定义变量1", "text": 10086}],
                    "extra": "0c51fc89", "sub_user_id": "91f9254f", "control_select_robot": "男",
                }],
            })
        );
    }

    #[test]
    fn the_answer_of_the_page_is_read() {
        let page = json!({
            "code": 200, "status": "success", "message": "号码导入任务成功",
            "data": {
                "taskNumberCount": 1, "crmCustomerCount": 1,
                "fail_datas": [{"fail_data": "911***8179", "fail_cause": "格式不正确。"}],
            },
        });
        let document = decode(page.to_string().as_bytes()).unwrap();
        assert_eq!((document.code, document.task_number_count), (200, Some(1)));
        assert_eq!(
            document.failures,
            [Failure {
                number: "911***8179".into(),
                cause: "格式不正确。".into()
            }]
        );
    }

    #[test]
    fn numbers_as_strings_or_with_a_point_an_empty_array_and_null_lists_are_read() {
        let document = decode(br#"{"code":"6007","message":null,"data":[]}"#).unwrap();
        assert_eq!((document.code, document.message.as_str()), (6007, ""));
        let document =
            decode(br#"{"code":200,"new":1,"data":{"taskNumberCount":"3","fail_datas":null}}"#);
        assert_eq!(document.unwrap().task_number_count, Some(3));
        let document = decode(br#"{"code":200.0,"data":{"taskNumberCount":3.0}}"#).unwrap();
        assert_eq!((document.code, document.task_number_count), (200, Some(3)));
    }

    #[test]
    fn a_byte_order_mark_and_a_list_with_its_keys_are_read() {
        let body = "\u{feff}{\"code\":200,\"data\":{\"fail_datas\":{\"1\":{\"fail_data\":\"a\"},\"4\":{\"fail_data\":\"b\"}}}}";
        let document = decode(body.as_bytes()).unwrap();
        let numbers = document
            .failures
            .iter()
            .map(|failure| failure.number.as_str());
        assert_eq!(numbers.collect::<Vec<_>>(), ["a", "b"]);
        let none = decode(br#"{"code":200,"data":{"fail_datas":{}}}"#).unwrap();
        assert!(none.failures.is_empty());
    }

    #[test]
    fn a_name_that_was_cut_through_a_character_is_read() {
        let named = |body: &[u8]| {
            let document = decode(body).expect("is read");
            document.failures[0].number.clone()
        };
        let body = |number: &[u8]| {
            let start =
                br#"{"code":200,"message":"\\ud83d\"\\","data":{"fail_datas":[{"fail_data":""#;
            [&start[..], number, br#""}]}}"#].concat()
        };
        for (written, read) in [
            (&br"130***\ud83d"[..], "130***\u{fffd}"),
            (br"\ude00***1211", "\u{fffd}***1211"),
            (br"\ud83d\ude00***\ud83dx", "\u{1f600}***\u{fffd}x"),
            (b"130***\xe5\xb0", "130***\u{fffd}"),
        ] {
            assert_eq!(named(&body(written)), read);
        }
    }

    #[test]
    fn a_list_that_is_longer_than_any_batch_or_a_name_than_any_number_is_not_read() {
        let answer = |entries: usize, length: usize| {
            let entry = json!({"fail_data": "*1".repeat(length / 2), "fail_cause": "x"});
            let list = vec![entry; entries];
            let body = json!({"code": 200, "data": {"fail_datas": list}});
            decode(body.to_string().as_bytes())
        };
        assert!(answer(MOST_FAILURES, LONGEST_NUMBER).is_some());
        assert!(answer(MOST_FAILURES + 1, 2).is_none());
        assert!(answer(1, LONGEST_NUMBER + 2).is_none());
    }

    #[test]
    fn numbers_of_an_app_go_out_digit_by_digit() {
        let vars = r#"[{"name":"a","text":20240101123456789012},{"name":"b","text":100.00},{"name":"c","text":1e400},{"name":"d","text":true}]"#;
        let components = r#"[{"id":20240101123456789012,"value":-0.10}]"#;
        let row = OutboxRow {
            id: 1,
            phone: "13012121211".into(),
            custom_vars: Some(vars.into()),
            components: Some(components.into()),
            ..OutboxRow::default()
        };
        let sent = encoded_text(row);
        assert!(sent.contains(vars) && sent.contains(components), "{sent}");
    }

    #[test]
    fn what_could_be_misread_is_not_read_at_all() {
        for body in [
            "",
            "null",
            "[]",
            "<html>",
            "{\"code\":200",
            "{}",
            r#"{"code":null}"#,
            r#"{"code":"0200"}"#,
            r#"{"code":"+200"}"#,
            r#"{"code":200,"data":{"fail_datas":{"fail_data":"130","fail_cause":"x"}}}"#,
            r#"{"code":200,"data":{"fail_datas":{"0":1}}}"#,
            r#"{"code":200,"data":"x"}"#,
            r#"{"code":200,"data":[1]}"#,
            r#"{"code":200,"data":{"taskNumberCount":-1}}"#,
            r#"{"code":200,"data":{"taskNumberCount":2.5}}"#,
            r#"{"code":200,"data":{"taskNumberCount":1e300}}"#,
            r#"{"code":200,"data":{"taskNumberCount":"many"}}"#,
            r#"{"code":200,"data":{"fail_datas":"none"}}"#,
            r#"{"code":200,"data":{"fail_datas":["13012121211"]}}"#,
        ] {
            assert_eq!(decode(body.as_bytes()), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
            decode(&body);
        }
    }
}
