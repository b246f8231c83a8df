//! How the platform shows a number in its list of failures: `911***8179`, or in another style.

use std::borrow::Cow;

use super::faults::{MaskStyle, SuffixStyle};
use super::number;

/// Returns a number as the platform shows it.
pub(super) fn masked(number: &str, style: &MaskStyle) -> String {
    if style.whole {
        return number.to_owned();
    }
    let base = number::base(number);
    match style.suffix {
        SuffixStyle::Included => hide(number, style),
        SuffixStyle::Hidden => hide(base, style),
        SuffixStyle::Kept => hide(base, style) + &number[base.len()..],
    }
}

/// Returns the first and the last characters with stars between them.
///
/// The platform's page says nothing of numbers so short that they would be shown whole. For them we
/// show about half at each end and always hide at least one character.
fn hide(number: &str, style: &MaskStyle) -> String {
    let length = number.chars().count();
    let (head, tail) = if length > style.first.saturating_add(style.last) {
        (style.first, style.last)
    } else {
        let head = style.first.min(length / 2);
        (head, style.last.min((length - head).saturating_sub(1)))
    };
    let stars = match style.stars {
        0 => Cow::Owned("*".repeat((length - head - tail).max(1))),
        3 => Cow::Borrowed("***"),
        stars => Cow::Owned("*".repeat(stars)),
    };
    let mut shown: String = number.chars().take(head).collect();
    shown.push_str(&stars);
    shown.extend(number.chars().skip(length - tail));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn on_the_page(number: &str) -> String {
        masked(number, &MaskStyle::default())
    }

    #[test]
    fn a_number_shows_its_first_three_and_last_four_characters() {
        assert_eq!(on_the_page("13012121211"), "130***1211");
        assert_eq!(on_the_page("911123458179"), "911***8179");
        assert_eq!(on_the_page("13012121211_a1"), "130***1_a1");
        assert_eq!(on_the_page("12345678"), "123***5678");
    }

    #[test]
    fn a_short_number_is_never_shown_whole() {
        assert_eq!(on_the_page("1234567"), "123***567");
        assert_eq!(on_the_page("12345"), "12***45");
        assert_eq!(on_the_page("12"), "1***");
        assert_eq!(on_the_page("1"), "***");
        assert_eq!(on_the_page(""), "***");
    }

    #[test]
    fn each_style_shows_what_it_says() {
        for (style, shown) in [
            (r#"{"whole":true}"#, "13012121211_a1"),
            (r#"{"suffix":"kept"}"#, "130***1211_a1"),
            (r#"{"suffix":"hidden"}"#, "130***1211"),
            (r#"{"suffix":"hidden","stars":4}"#, "130****1211"),
            (r#"{"stars":0}"#, "130*******1_a1"),
            (r#"{"stars":0,"suffix":"kept"}"#, "130****1211_a1"),
            (r#"{"first":0,"suffix":"hidden"}"#, "***1211"),
            (r#"{"last":0}"#, "130***"),
            (r#"{"first":7,"last":2,"suffix":"hidden"}"#, "1301212***11"),
            (r#"{"first":0,"last":0}"#, "***"),
            (
                r#"{"first":0,"last":0,"stars":0,"suffix":"hidden"}"#,
                "***********",
            ),
        ] {
            let read: MaskStyle = serde_json::from_str(style).unwrap();
            assert_eq!(masked("13012121211_a1", &read), shown, "{style}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_masked_and_keeps_its_ends(text in "\\PC{8,30}") {
            let shown = on_the_page(&text);
            prop_assert_eq!(shown.chars().count(), 10);
            let head: String = text.chars().take(3).collect();
            prop_assert!(shown.starts_with(&head));
            let tail: String = text.chars().rev().take(4).collect();
            prop_assert!(shown.chars().rev().collect::<String>().starts_with(&tail));
        }

        #[test]
        fn no_style_shows_a_number_whole_unless_it_says_so(
            text in "[0-9]{1,14}", first in 0..20usize, last in 0..20usize, stars in 0..6usize,
        ) {
            let style = MaskStyle { first, last, stars, ..MaskStyle::default() };
            let shown = masked(&text, &style);
            let digits = shown.chars().filter(char::is_ascii_digit).count();
            prop_assert!(digits < text.len());
            prop_assert!(shown.contains('*'));
            if stars == 0 {
                prop_assert_eq!(shown.chars().count(), text.chars().count());
            }
        }
    }
}
