//! The simulator's cipher for encrypted numbers: base64 of the number.
//!
//! The real cipher is between the platform and its customer. This one hides nothing. With it, the
//! simulator can treat an encrypted number like any other: check its format, find it twice, and
//! mask the number behind it. It takes any other ciphertext as it is.

/// Returns the number behind a ciphertext: standard base64, padded or not, of something that could
/// be a number (digits, perhaps with a suffix). Returns `None` if the text is not of this cipher.
pub(super) fn decrypted(text: &str) -> Option<String> {
    let number = String::from_utf8(decode(text.trim_end_matches('='))?).ok()?;
    is_plausible(&number).then_some(number)
}

/// Whether this could be a number, well formed or not: at least three digits, then nothing or a
/// suffix.
fn is_plausible(number: &str) -> bool {
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let is_suffix = |rest: &str| {
        rest.strip_prefix('_')
            .is_some_and(|suffix| suffix.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    digits >= 3 && (digits == number.len() || is_suffix(&number[digits..]))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0u32);
    for sign in text.bytes() {
        bits = (bits << 6 | u32::from(value(sign)?)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    // Six bits left over mean one sign too many.
    (held < 6).then_some(decoded)
}

fn value(sign: u8) -> Option<u8> {
    match sign {
        b'A'..=b'Z' => Some(sign - b'A'),
        b'a'..=b'z' => Some(sign - b'a' + 26),
        b'0'..=b'9' => Some(sign - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written apart from the code that it tests: three bytes make one number, and that makes four
    /// signs.
    fn encrypted(number: &str) -> String {
        const SIGNS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in number.as_bytes().chunks(3) {
            let byte = |n: usize| usize::from(three.get(n).copied().unwrap_or(0));
            let whole = byte(0) << 16 | byte(1) << 8 | byte(2);
            for (nth, shift) in [18, 12, 6, 0].into_iter().enumerate() {
                let sign = SIGNS[whole >> shift & 63];
                text.push(if nth <= three.len() { sign.into() } else { '=' });
            }
        }
        text
    }

    #[test]
    fn a_number_in_base64_is_read_with_and_without_padding() {
        for text in ["MTMwMTIxMjEyMTE=", "MTMwMTIxMjEyMTE"] {
            assert_eq!(decrypted(text).as_deref(), Some("13012121211"));
        }
        assert_eq!(encrypted("13012121211"), "MTMwMTIxMjEyMTE=");
    }

    #[test]
    fn what_is_no_number_is_left_alone() {
        for text in [
            "",
            "q83v+/=",
            "13012121211",
            "c2VjcmV0",
            "MTI=",
            "电话",
            "MTMw-",
        ] {
            assert_eq!(decrypted(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back(number in "[0-9]{3,15}(_[a-z0-9]{1,6})?") {
            prop_assert_eq!(decrypted(&encrypted(&number)), Some(number));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            decrypted(&text);
        }
    }
}
