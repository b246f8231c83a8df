//! The JSON of an answer, read as leniently as programs write it.

use serde_json::Value;

/// Parses the JSON of a body. Byte order marks are skipped. A mask may be cut through the middle of
/// a character; the half at its end becomes a replacement character.
pub(super) fn parse(body: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(without_marks(body));
    let parsed = serde_json::from_str(&text);
    parsed
        .or_else(|_| serde_json::from_str(&without_half_characters(&text)))
        .ok()
}

/// Returns a body without the byte order marks and blanks before it: each file of a program in PHP may
/// have left one.
pub(super) fn without_marks(body: &[u8]) -> &[u8] {
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

/// `3`, `"3"` and `3.0` are one number: JSON knows no other difference.
pub(super) fn integer(value: &Value) -> Option<i64> {
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

pub(super) fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
