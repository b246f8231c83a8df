//! Bodies that are not the documented JSON.

use serde_json::Value;

use super::json::{integer, parse, without_marks};

/// Whether a body that cannot be read looks like an answer of the platform's all the same: it was cut or
/// compressed, is in another encoding, or says what it says in another shape.
pub fn is_garbled(body: &[u8]) -> bool {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    const FIRST: usize = 4;
    // No answer may cost much, so the beginning of a long one has to do.
    let parsed = (body.len() <= LONGEST_DOCUMENT).then(|| parse(body));
    match parsed.flatten() {
        Some(Value::Object(top)) => top.get("code").and_then(integer).is_some(),
        // JSON in a text of JSON.
        Some(Value::String(text)) => names_a_key(text.as_bytes()),
        Some(_) => names_a_key(body),
        None => {
            let text = without_marks(body);
            text.starts_with(b"{")
                || text.starts_with(GZIP)
                || text.iter().take(FIRST).any(|b| *b == 0)
                || names_a_key(body)
        }
    }
}

/// Whether a key of the documented JSON stands anywhere, as behind the notice of a program in PHP.
fn names_a_key(body: &[u8]) -> bool {
    let keys = [&b"\"code\""[..], b"fail_datas"];
    let body = &body[..body.len().min(LONGEST_DOCUMENT)];
    let holds = |key: &[u8]| body.windows(key.len()).any(|window| window == key);
    keys.into_iter().any(holds)
}

/// Whether a body is a page for people, or none: what a gateway answers, and not a program behind it.
pub fn is_page(body: &[u8]) -> bool {
    let text = without_marks(body);
    text.is_empty() || text.starts_with(b"<") && !is_garbled(body)
}

/// Longer than any documented answer. In bytes.
const LONGEST_DOCUMENT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_an_answer_in_another_shape_is_garbled_and_no_page() {
        let mut utf16 = vec![0xff, 0xfe];
        utf16.extend(r#"{"code":200}"#.encode_utf16().flat_map(u16::to_le_bytes));
        for body in [
            &utf16[..],
            br#"<br />
<b>Warning</b>: x in <b>/a.php</b> on line 7<br />
{"code":200,"status":"success"}"#,
            br#"<b>Notice</b> {"data":{"fail_datas":[]}}"#,
            br#""{\"code\":200}""#,
            br#"[{"code":200}]"#,
            br#"callback({"code":200})"#,
        ] {
            assert!(is_garbled(body), "{}", String::from_utf8_lossy(body));
            assert!(!is_page(body), "{}", String::from_utf8_lossy(body));
        }
        for page in [
            "",
            " \n",
            "<html>code 400</html>",
            "\u{feff}<!DOCTYPE html>",
        ] {
            assert!(
                is_page(page.as_bytes()) && !is_garbled(page.as_bytes()),
                "{page}"
            );
        }
        for text in ["bad request", "[]", r#"{"message":"no"}"#, "\"text\""] {
            assert!(
                !is_page(text.as_bytes()) && !is_garbled(text.as_bytes()),
                "{text}"
            );
        }
    }
}
