//! How the platform shows a number in its list of failures: `911***8179`.

const STARS: &str = "***";
const HEAD: usize = 3;
const TAIL: usize = 4;

/// The first three and the last four characters with stars between them.
///
/// The platform's page says nothing of numbers that short that this would show them whole; there
/// we show about half at each end and always hide at least one character.
pub(super) fn masked(number: &str) -> String {
    let length = number.chars().count();
    let (head, tail) = if length > HEAD + TAIL {
        (HEAD, TAIL)
    } else {
        let head = HEAD.min(length / 2);
        (head, TAIL.min((length - head).saturating_sub(1)))
    };
    let mut shown: String = number.chars().take(head).collect();
    shown.push_str(STARS);
    shown.extend(number.chars().skip(length - tail));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_shows_its_first_three_and_last_four_characters() {
        assert_eq!(masked("13012121211"), "130***1211");
        assert_eq!(masked("911123458179"), "911***8179");
        assert_eq!(masked("13012121211_a1"), "130***1_a1");
        assert_eq!(masked("12345678"), "123***5678");
    }

    #[test]
    fn a_short_number_is_never_shown_whole() {
        assert_eq!(masked("1234567"), "123***567");
        assert_eq!(masked("12345"), "12***45");
        assert_eq!(masked("12"), "1***");
        assert_eq!(masked("1"), "***");
        assert_eq!(masked(""), "***");
    }

    proptest! {
        #[test]
        fn any_text_is_masked_and_keeps_its_ends(text in "\\PC{8,30}") {
            let shown = masked(&text);
            prop_assert_eq!(shown.chars().count(), 10);
            let head: String = text.chars().take(3).collect();
            prop_assert!(shown.starts_with(&head));
            let tail: String = text.chars().rev().take(4).collect();
            prop_assert!(shown.chars().rev().collect::<String>().starts_with(&tail));
        }
    }
}
