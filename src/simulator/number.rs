//! Numbers that the platform takes for phone numbers: mainland mobile numbers, with or without a
//! suffix.

/// The number of digits of a mobile number.
const LENGTH: usize = 11;

/// Whether a number is well formed: `1`, then `3` to `9`, then nine digits; after that nothing, or
/// `_` and lower-case letters or digits.
pub(super) fn is_well_formed(number: &str) -> bool {
    let bytes = number.as_bytes();
    let Some((digits, rest)) = bytes.split_at_checked(LENGTH) else {
        return false;
    };
    digits[0] == b'1'
        && (b'3'..=b'9').contains(&digits[1])
        && digits.iter().all(u8::is_ascii_digit)
        && match rest {
            [] => true,
            [b'_', suffix @ ..] => is_suffix(suffix),
            _ => false,
        }
}

fn is_suffix(suffix: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !suffix.is_empty() && suffix.iter().all(allowed)
}

/// Returns the person's number, without the suffix. A text that is not a number (ciphertext) stays
/// as it is.
pub(super) fn base(number: &str) -> &str {
    if is_well_formed(number) {
        &number[..LENGTH]
    } else {
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mobile_number_with_or_without_suffix_is_well_formed() {
        for good in [
            "13012121211",
            "19999999999",
            "13012121211_a",
            "13012121211_0zz9",
        ] {
            assert!(is_well_formed(good), "{good}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for bad in [
            "",
            "1301212121",
            "130121212111",
            "12012121211",
            "23012121211",
            "1301212121x",
            "13012121211_",
            "13012121211_A",
            "13012121211_a-b",
            "13012121211a",
            "+8613012121211",
            "13012121211__a",
            "13012121211_a_b",
            "130121212号",
            "电话",
        ] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn the_base_is_the_number_without_its_suffix() {
        assert_eq!(base("13012121211_1a"), "13012121211");
        assert_eq!(base("13012121211"), "13012121211");
        assert_eq!(base("ci_pher"), "ci_pher");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_check_panic(text in "\\PC{0,20}") {
            prop_assert!(text.starts_with(base(&text)));
        }
    }
}
