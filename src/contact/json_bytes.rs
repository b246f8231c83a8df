//! The length of a text as JSON.

/// Returns the most bytes that the text has as JSON, its quotes included.
pub(super) fn json_bytes(text: &str) -> usize {
    let is_escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    // Looking at all bytes at once is faster than an end at the first that is escaped.
    if !text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        return text.len() + 2;
    }
    let more = |byte: u8| match byte {
        b'"' | b'\\' => 1,
        // `\u0000`
        0..0x20 => 5,
        _ => 0,
    };
    text.len() + 2 + text.bytes().map(more).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_is_longer_as_json(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert!(json.len() <= json_bytes(&text));
            let short = |byte: u8| matches!(byte, b'\n' | b'\r' | b'\t' | 8 | 12);
            let short = text.bytes().filter(|byte| short(*byte)).count();
            prop_assert_eq!(json.len() + 4 * short, json_bytes(&text));
        }
    }
}
