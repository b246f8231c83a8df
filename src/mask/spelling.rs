//! The spellings of a number: the characters that people, the platform and the courier put around
//! and between its digits.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::amount::{whole, without_zeros};

/// Returns a number without the suffix that the platform or the courier appended: `_` and
/// lower-case letters or digits.
pub fn without_suffix(number: &str) -> &str {
    match number.rsplit_once('_') {
        Some((bare, suffix)) if !bare.is_empty() && is_suffix(suffix) => bare,
        _ => number,
    }
}

fn is_suffix(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Hands each spelling under which the platform may know a number to `spelling`: as it was sent; without blanks
/// around it; in plain digits, if it has blanks, hyphens or full-width digits; each number of several, or what
/// stands before an extension; as the whole number that it stands for, if it is written as an amount
/// (`13012121211.0`); each of these without China's country code, the zero of a trunk call, or both; and each of
/// all these without a suffix. A number in plain digits that begins with none of these has one spelling.
pub fn each_spelling(number: &str, mut spelling: impl FnMut(&str)) {
    let trimmed = trimmed(number);
    let plain = plain(trimmed);
    let mut without_code_and_suffix = |whole: &str| {
        for rest in std::iter::once(whole).chain(without_code(whole)) {
            // An empty text is not a number.
            if !rest.is_empty() {
                spelling(rest);
            }
            let bare = without_suffix(rest);
            if bare.len() < rest.len() {
                spelling(bare);
            }
        }
    };
    without_code_and_suffix(number);
    if trimmed.len() < number.len() {
        without_code_and_suffix(trimmed);
    }
    if let Cow::Owned(plain) = &plain {
        without_code_and_suffix(plain);
    }
    if let Some(digits) = only_digits(number) {
        without_code_and_suffix(&digits);
        for one in several(number).iter().filter(|one| **one != digits) {
            without_code_and_suffix(one);
        }
    }
    if let Some(digits) = cast(trimmed) {
        without_code_and_suffix(&digits);
    }
}

/// Returns the digits of a number that is written as an amount, as whoever casts it to an integer gets
/// them.
fn cast(number: &str) -> Option<String> {
    let digits = if number.is_ascii() {
        whole(number)
    } else {
        whole(&number.chars().map(in_ascii).collect::<String>())
    };
    digits.map(|digits| plain(&digits).into_owned())
}

/// Returns the digits before a number's first `_`, if something else stands there, too, and if there are
/// as many as a number has: a platform may drop everything else. A ciphertext is mostly letters.
fn only_digits(number: &str) -> Option<String> {
    if number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bare = number.split('_').find(|part| !part.is_empty())?;
    let digits = bare.chars().map(in_ascii).filter(char::is_ascii_digit);
    let digits: String = digits.collect();
    let others = bare.chars().count() - digits.len();
    (digits.len() >= SHORTEST_NUMBER && others <= digits.len()).then_some(digits)
}

/// Returns the numbers in a field that holds other signs, too: a platform may take any of them, or the one before
/// what it does not know (`13012121211转8001`).
fn several(field: &str) -> Vec<String> {
    let bare = field.split('_').find(|part| !part.is_empty());
    let digits: String = bare.unwrap_or_default().chars().map(in_ascii).collect();
    let parts = digits.split(|c: char| !c.is_ascii_digit());
    let long = parts.filter(|part| part.len() >= SHORTEST_NUMBER);
    long.map(str::to_owned).collect()
}

/// Returns one spelling for all numbers that the platform may take for the same: plain digits,
/// without the country code. What is written as an amount is the whole number. A suffix stays, because a
/// number with another suffix is another number in a task.
pub fn canonical(number: &str) -> Cow<'_, str> {
    match cast(trimmed(number)) {
        Some(digits) => canonical_of(Cow::Owned(digits)),
        None => as_written(number),
    }
}

/// Returns the canonical spelling of a number whose fraction or exponent is not read.
pub(super) fn as_written(number: &str) -> Cow<'_, str> {
    canonical_of(plain(trimmed(number)))
}

fn canonical_of(plain: Cow<'_, str>) -> Cow<'_, str> {
    match plain {
        Cow::Borrowed(plain) => Cow::Borrowed(without_code(plain).last().copied().unwrap_or(plain)),
        Cow::Owned(plain) => {
            let rests = without_code(&plain);
            Cow::Owned(rests.last().copied().unwrap_or(&plain).to_owned())
        }
    }
}

/// Returns the first character of a number's canonical form, whatever its suffix is.
pub(super) fn first(number: &str) -> Option<char> {
    match number.bytes().next() {
        // Nothing takes such a digit away.
        Some(digit @ (b'1'..=b'7' | b'9')) => Some(digit.into()),
        _ => canonical(without_suffix(number.trim())).chars().next(),
    }
}

/// Returns a number without blanks around it. Nearly no number has any.
fn trimmed(number: &str) -> &str {
    match number.as_bytes() {
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => number,
        _ => number.trim(),
    }
}

/// Returns a number without the characters that people put between its digits, its digits in ASCII.
fn plain(number: &str) -> Cow<'_, str> {
    if number.bytes().all(|b| IS_PLAIN[usize::from(b)]) {
        return Cow::Borrowed(number);
    }
    Cow::Owned(
        number
            .chars()
            .filter(|c| !is_between(*c) && !is_stray(*c))
            .map(in_ascii)
            .collect(),
    )
}

/// Returns a name that the platform gave in plain form, if it is one of digits and is written in another
/// form: its hidden part may be of any sign or of the letter x, and a program may have taken the number
/// for one with a fraction.
pub(super) fn shown_plainly(name: &str) -> Option<String> {
    let is_usual = |b: u8| b.is_ascii_digit() || matches!(b, b'*' | b'+');
    if without_suffix(name).bytes().all(is_usual) {
        return None;
    }
    let mut starred = String::with_capacity(name.len());
    let cast = whole(name);
    let bare = cast.as_deref().or_else(|| without_zeros(name));
    let mut chars = bare.unwrap_or(name).chars().peekable();
    while let Some(c) = chars.next() {
        let mut run = 1;
        while chars.next_if_eq(&c).is_some() {
            run += 1;
        }
        let hides = matches!(c, 'x' | 'X') || !c.is_alphanumeric() && !c.is_whitespace();
        if hides && run > 1 || is_star(c) {
            starred.push('*');
        } else {
            starred.extend(std::iter::repeat_n(c, run));
        }
    }
    let plain = plain(&starred);
    let is_a_number = without_suffix(&plain).bytes().all(is_usual);
    (is_a_number && plain.contains(|c: char| c.is_ascii_digit())).then(|| plain.into_owned())
}

/// Whether a character is written as a star is.
fn is_star(c: char) -> bool {
    matches!(c, '*' | '＊' | '•' | '●' | '×' | '∗' | '⁎')
}

/// Whether a character stands beside a number by a slip of the hand or of a program: a sign of a list, or
/// a mark that does not show.
fn is_stray(c: char) -> bool {
    ",;:#、，；：".contains(c) || matches!(c, '\u{2060}'..='\u{206f}')
}

/// Whether people put this character between the digits of a number.
pub(super) fn is_between(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '.' | '(' | ')' | '/' | '\'' | '’' | '‘')
        // Hyphens and dashes, blanks and marks that do not show.
        || matches!(c, '\u{2010}'..='\u{2015}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}' | '\u{feff}' | '\u{ff0d}' | '\u{ff0e}' | '\u{ff08}' | '\u{ff09}')
}

/// Returns a full-width digit or plus sign as an ASCII one, and any other character unchanged.
pub(super) fn in_ascii(c: char) -> char {
    match c {
        '\u{ff0b}' => '+',
        '\u{ff10}'..='\u{ff19}' => {
            char::from_u32(u32::from(c) - 0xff10 + u32::from('0')).unwrap_or(c)
        }
        c => c,
    }
}

/// Returns the number without each of the prefixes that do not tell it from others, one after the
/// other; the shortest rest comes last.
fn without_code(number: &str) -> Vec<&str> {
    let mut rests = Vec::new();
    // Nearly all numbers begin with none of them.
    if !number.starts_with(FIRST_OF_CODES) {
        return rests;
    }
    let (mut whole, mut looked_at) = (Some(number), 0);
    while let Some(number) = whole
        && rests.len() < MOST_RESTS
    {
        let beginnings = TRUNK.into_iter().chain(COUNTRY);
        let found = beginnings
            .filter_map(|code| number.strip_prefix(code))
            .filter(|rest| rest.len() >= SHORTEST_NUMBER && !rest.starts_with('+'));
        for rest in found {
            if !rests.contains(&rest) {
                rests.push(rest);
            }
        }
        whole = rests.get(looked_at).copied();
        looked_at += 1;
    }
    rests.sort_by_key(|rest| Reverse(rest.len()));
    rests
}

/// The most prefixes that anybody writes.
const MOST_RESTS: usize = 8;

/// Prefixes of a number that is dialled from elsewhere.
pub(super) const TRUNK: [&str; 2] = ["+", "0"];

/// China's country code, as it stands before a number.
pub(super) const COUNTRY: [&str; 3] = ["+86", "86", "0086"];

/// The bytes that a number in plain form consists of.
const IS_PLAIN: [bool; 256] = {
    let mut is_plain = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        is_plain[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'*');
        byte += 1;
    }
    is_plain
};

/// The characters with which all of these prefixes begin.
const FIRST_OF_CODES: [char; 3] = ['+', '0', '8'];

/// A number has at least this many digits behind its country code.
const SHORTEST_NUMBER: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spellings(number: &str) -> Vec<String> {
        let mut all = Vec::new();
        each_spelling(number, |spelling| all.push(spelling.to_owned()));
        all
    }

    #[test]
    fn a_number_in_plain_digits_has_one_spelling() {
        assert_eq!(spellings("13012121211"), ["13012121211"]);
    }

    #[test]
    fn a_platform_may_drop_all_but_the_digits() {
        for sent in [
            "13012121211,",
            "13012121211；",
            "、13012121211",
            "#13012121211",
            "tel:13012121211",
            "\u{2068}13012121211\u{2069}",
            "13012121211_AB",
            "13012121211_ab_1",
            "电话13012121211",
            "13012121211转8001",
            "13012121211-8001",
            "+86 13012121211 (2)",
        ] {
            let known = spellings(sent);
            assert!(known.iter().any(|one| one == "13012121211"), "{known:?}");
        }
        for several in ["13012121211,13099998888", "13099998888 / +86 13012121211"] {
            let known = spellings(several);
            for one in ["13012121211", "13099998888"] {
                assert!(known.iter().any(|known| known == one), "{known:?}");
            }
        }
        // A suffix is no number.
        assert!(!spellings("+8613012121211_20251128").contains(&"20251128".to_owned()));
        // A ciphertext has digits, too.
        let cipher = "U2FsdGVkX19zZWNyZXQ1";
        assert_eq!(spellings(cipher), [cipher]);
    }

    #[test]
    fn a_platform_may_cast_a_number_to_an_integer() {
        for (sent, cast) in [
            ("13012121211.0", "13012121211"),
            ("13012121211.0_zz", "13012121211_zz"),
            ("13012121211.0_zz", "13012121211"),
            ("1.30121E+10", "13012100000"),
            ("13.012.121.211,00", "13012121211"),
        ] {
            let known = spellings(sent);
            assert!(known.iter().any(|one| one == cast), "{known:?}");
        }
        // Dots between digits are no fraction, and neither the text nor the exponent is a number.
        for (sent, other) in [
            ("13.012.121.000", "13012121"),
            ("1.3E99", "13"),
            ("1E2", "100"),
            ("e10", "10"),
        ] {
            assert!(!spellings(sent).iter().any(|one| one == other), "{sent}");
        }
        assert_eq!(canonical("13.012.121.000"), "13012121000");
    }

    #[test]
    fn every_prefix_is_looked_for() {
        for code in TRUNK.into_iter().chain(COUNTRY) {
            let sent = format!("{code}13012121211");
            assert!(code.starts_with(FIRST_OF_CODES), "{code}");
            assert_eq!(canonical(&sent), "13012121211", "{sent}");
            assert_eq!(
                spellings(&sent).last().map(String::as_str),
                Some("13012121211")
            );
        }
    }

    proptest! {
        #[test]
        fn the_first_character_of_a_number_is_that_of_its_canonical_form(
            number in "[ +_a-z0-9\u{ff10}-\u{ff19}-]{0,12}|[0-9+]{1,13}(_[a-z0-9]{1,3})?"
        ) {
            let canonical = canonical(without_suffix(number.trim())).into_owned();
            prop_assert_eq!(first(&number), canonical.chars().next());
        }
    }

    #[test]
    fn only_a_suffix_of_the_documented_kind_is_taken_off() {
        assert_eq!(without_suffix("130_ab1"), "130");
        assert_eq!(without_suffix("130_AB"), "130_AB");
        assert_eq!(without_suffix("_ab"), "_ab");
        assert_eq!(without_suffix("130_"), "130_");
    }
}
