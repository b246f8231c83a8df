//! The answer as it comes in, if it has the documented shape.

use serde_json::{Map, Value};

use super::json::{integer, parse, text};
use crate::batch::MAX_BATCH;

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
    pub(in crate::platform) fn hide(&mut self, secret: &str) {
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
pub(in crate::platform) const LONGEST_BODY: usize = 1024 * 1024;

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

/// Whether a value stands for nothing, as PHP writes it. A success has to say more than that.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Bool(said) => !said,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

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
