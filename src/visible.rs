//! Foreign texts, made safe to print: a terminal shows them and does nothing else.
//!
//! A row, an answer of the platform or a file may hold characters that a terminal obeys, or that
//! change the order of the text beside them.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character has an effect when it is printed, and is not seen.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
        )
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

/// A text in which each such character is spelt out, as JSON does: `\u001b`.
pub(crate) fn spelt_out(text: &str) -> Cow<'_, str> {
    spelt_out_but(text, |_| false)
}

/// The same, except for the characters that are let through.
pub(crate) fn spelt_out_but(text: &str, passes: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_spelt = |c: char| acts(c) && !passes(c);
    if !text.contains(is_spelt) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_spelt(c) {
            // Writing into a text does not fail.
            write!(shown, "\\u{:04x}", u32::from(c)).ok();
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// A text in one line, in which each such character is spelt out.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    spelt_out(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out_and_all_else_stays() {
        for (text, shown) in [
            ("\u{1b}[2J", "\\u001b[2J"),
            ("a\nb\tc\r", "a\\u000ab\\u0009c\\u000d"),
            ("\u{9b}31m", "\\u009b31m"),
            ("\u{202e}gpj.exe", "\\u202egpj.exe"),
            ("\u{2066}x\u{2069}\u{7f}", "\\u2066x\\u2069\\u007f"),
            ("a\u{ad}b\u{180e}c", "a\\u00adb\\u180ec"),
            ("号码格式不正确。é👩‍👧", "号码格式不正确。é👩‍👧"),
        ] {
            assert_eq!(spelt_out(text), shown);
        }
        assert_eq!(spelt_out_but("a\n\u{7}", |c| c == '\n'), "a\n\\u0007");
    }
}
