//! Numbers within a text: finds them, in whatever shape they stand there, and masks them.

use std::net::Ipv4Addr;

use super::ends::{VISIBLE_END, VISIBLE_START, mask};
use super::spelling::{as_written, canonical, first, in_ascii, is_between, without_suffix};
use crate::visible::acts;

/// Returns a text with every number in it masked. A phone number is a run of seven or more digits,
/// with up to three dividing characters in a gap. An IP address is left alone, unless it may be a
/// mobile number written with dots. Masked parts stay as they are.
pub fn mask_within(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut masked, mut at) = (String::with_capacity(text.len()), 0);
    while at < chars.len() {
        let end = group_end(&chars, at);
        if end == at {
            masked.push(chars[at]);
            at += 1;
        } else if is_shown_end(&chars, at, end) {
            masked.extend(&chars[at..end]);
            at = end;
        } else {
            let wide = run_end(&chars, at, end, is_gap_of_mobile);
            let end = if is_mobile(&digits_of(&chars[at..wide])) {
                wide
            } else {
                run_end(&chars, at, end, is_gap)
            };
            end_run(&mut masked, &chars[at..end]);
            at = end;
        }
    }
    masked
}

/// Returns the masked text without the visible ends, so that texts which differ only by a number
/// are equal.
pub fn hide_within(text: &str) -> String {
    let masked = with_short_stars(mask_within(text));
    let parts: Vec<&str> = masked.split(MASKED).collect();
    let last = parts.len() - 1;
    let part = |(nth, part): (usize, &&str)| {
        let (mut chars, mut hidden) = (part.chars(), VISIBLE_END);
        while nth > 0 && hidden > 0 && chars.as_str().starts_with(|c: char| c.is_ascii_digit()) {
            chars.next();
            hidden -= 1;
        }
        hidden = VISIBLE_START;
        while nth < last && hidden > 0 && chars.as_str().ends_with(|c: char| c.is_ascii_digit()) {
            chars.next_back();
            hidden -= 1;
        }
        let part = chars.as_str();
        let bare = part.strip_suffix('+').filter(|_| nth < last);
        bare.unwrap_or(part).to_owned()
    };
    let parts: Vec<String> = parts.iter().enumerate().map(part).collect();
    with_short_stars(parts.join(MASKED))
}

/// Returns a text in which runs of stars are no longer than a mask's.
fn with_short_stars(mut text: String) -> String {
    while text.contains("****") {
        text = text.replace("****", MASKED);
    }
    text
}

/// The stars in place of hidden digits.
const MASKED: &str = "***";

/// Returns where the run of digits that begins at `at` ends.
fn group_end(chars: &[char], at: usize) -> usize {
    let digits = chars[at..].iter().map(|c| in_ascii(*c));
    at + digits.take_while(char::is_ascii_digit).count()
}

/// Whether these digits are the visible end of a masked number. A longer run is a number beside a
/// star: in bold type (`*13012121211*`), say.
fn is_shown_end(chars: &[char], at: usize, end: usize) -> bool {
    let touches = at > 0 && chars[at - 1] == '*' || chars.get(end) == Some(&'*');
    touches && end - at < SHORTEST_RUN
}

/// At least this many digits beside each other look like a phone number.
pub(super) const SHORTEST_RUN: usize = 7;

/// Whether this character may stand between the digits of a person's number. These are more
/// characters than [`is_between`] has: masking too much does no harm.
pub(super) fn is_gap(c: char) -> bool {
    is_between(c)
        // Dots at half height, and a minus sign.
        || matches!(c, '\u{b7}' | '\u{30fb}' | '\u{2212}')
        || acts(c)
}

/// Whether this character may divide a mobile number. In other texts, some of these divide the ends
/// of a range and parts of a name.
pub(super) fn is_gap_of_mobile(c: char) -> bool {
    is_gap(c) || matches!(c, '_' | '\u{ff3f}' | '~' | '\u{ff5e}')
}

/// Whether this character may divide a known number. In other texts, some of these divide numbers
/// from each other, and the parts of a time.
fn is_gap_of_own(c: char) -> bool {
    is_gap_of_mobile(c) || matches!(c, ',' | ':' | '\u{ff0c}' | '\u{ff1a}' | '\u{3001}')
}

/// The number of digits of a mobile number.
pub(super) const MOBILE: usize = 11;

/// Whether the digits are those of a mobile phone in China.
pub(super) fn is_mobile(digits: &str) -> bool {
    digits.len() == MOBILE && matches!(digits.as_bytes(), [b'1', b'3'..=b'9', ..])
}

/// Returns the digits of a run, in ASCII.
pub(super) fn digits_of(run: &[char]) -> String {
    let digits = run.iter().map(|c| in_ascii(*c));
    digits.filter(char::is_ascii_digit).collect()
}

/// Returns where the number ends whose first digits are `at..end`. It goes on behind a gap, until
/// it is as long as a mobile number.
fn run_end(chars: &[char], at: usize, mut end: usize, is_gap: fn(char) -> bool) -> usize {
    const GAP: usize = 3;
    let mut digits = end - at;
    while digits < MOBILE {
        let rest = &chars[end..];
        let divides = |c: &&char| is_gap(**c) && (**c == '\t' || !c.is_control());
        let gap = rest.iter().take(GAP + 1).take_while(divides).count();
        let next = end + gap;
        let group = group_end(chars, next);
        if gap == 0 || gap > GAP || group == next || is_shown_end(chars, next, group) {
            break;
        }
        digits += group - next;
        end = group;
    }
    end
}

/// Returns the text with every number in it masked, and also this number, in whatever shape it
/// stands there: with blanks, hyphens or dots, in full-width digits, with or without a country
/// code, even if it does not look like a number.
pub fn mask_own(text: &str, number: &str) -> String {
    mask_all(text, [number])
}

/// Does the same as [`mask_own`] for several numbers.
pub fn mask_all<'a>(text: &str, numbers: impl IntoIterator<Item = &'a str>) -> String {
    let mut firsts = Firsts::of(text);
    let own: Vec<Own> = numbers
        .into_iter()
        .filter(|number| firsts.hold(number))
        .flat_map(Own::each)
        // A shorter number would show nothing masked, and stands in every date.
        .filter(|own| own.chars.len() >= SHORTEST_OWN)
        .collect();
    match replaced(text, &own) {
        Some(text) => mask_within(&text),
        None => mask_within(text),
    }
}

/// Returns the text with only this number masked, in whatever shape it stands there, or `None` if
/// the text does not hold it.
pub fn mask_number(text: &str, number: &str) -> Option<String> {
    // A shorter text is not a person's number.
    let is_a_persons = |own: &Own| own.chars.len() >= SHORTEST_OF_A_PERSON;
    let own: Vec<Own> = Own::each(number).filter(is_a_persons).collect();
    replaced(text, &own)
}

/// Whether both are the same number, in whatever shapes they are written.
pub fn is_same_number(one: &str, other: &str) -> bool {
    one.trim() == other.trim() || Own::of(one).chars == Own::of(other).chars
}

/// The first characters of numbers, and whether a text has them. Most of what the platform says has no
/// digit, and a batch has a hundred numbers, nearly all of which begin with a 1.
struct Firsts<'a> {
    text: &'a str,
    looked_for: Vec<(char, bool)>,
}

impl<'a> Firsts<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text,
            looked_for: Vec::new(),
        }
    }

    /// Whether the text may hold a number: it has the number's first character.
    fn hold(&mut self, number: &str) -> bool {
        let Some(first) = first(number) else {
            return false;
        };
        if let Some((_, is_there)) = self.looked_for.iter().find(|(c, _)| *c == first) {
            return *is_there;
        }
        let is_there = self.text.chars().any(|c| in_ascii(c) == first);
        self.looked_for.push((first, is_there));
        is_there
    }
}

/// A known number.
struct Own {
    /// The characters that the number has in every shape.
    chars: Vec<char>,
}

impl Own {
    fn of(number: &str) -> Self {
        let chars = canonical(without_suffix(number.trim())).chars().collect();
        Self { chars }
    }

    /// The number, and how it is written if that is an amount: a text may quote either.
    fn each(number: &str) -> impl Iterator<Item = Self> {
        let own = Self::of(number);
        let written = as_written(without_suffix(number.trim()));
        let is_amount = !written.chars().eq(own.chars.iter().copied());
        let chars = || written.chars().collect();
        let amount = is_amount.then(|| Self { chars: chars() });
        std::iter::once(own).chain(amount)
    }

    fn shown(&self) -> String {
        mask(&self.chars.iter().collect::<String>())
    }

    /// Returns how many characters at the start of `text` are this number, dividing characters
    /// included.
    fn at(&self, text: &[char]) -> Option<usize> {
        // A short number also stands in times and in lists of small numbers.
        let divides = if self.chars.len() < SHORTEST_RUN {
            is_between
        } else {
            is_gap_of_own
        };
        let mut wanted = self.chars.iter();
        let mut next = *wanted.next()?;
        for (at, c) in text.iter().enumerate() {
            if in_ascii(*c) == next {
                match wanted.next() {
                    Some(after) => next = *after,
                    None => return Some(at + 1),
                }
            } else if at == 0 || !divides(*c) {
                return None;
            }
        }
        None
    }
}

/// Returns the text with these numbers masked, or `None` if it holds none of them.
fn replaced(text: &str, own: &[Own]) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut masked, mut at) = (String::with_capacity(text.len()), 0);
    let mut is_there = false;
    let is_digit = |at: usize| chars.get(at).is_some_and(|c| in_ascii(*c).is_ascii_digit());
    while at < chars.len() {
        let found = own
            .iter()
            .filter_map(|own| Some((own.at(&chars[at..])?, own)));
        // A short number may be part of a longer one, which is masked as a whole.
        let stands_alone = |length| !(is_digit(at + length) || at > 0 && is_digit(at - 1));
        let found =
            found.filter(|(length, own)| own.chars.len() >= SHORTEST_RUN || stands_alone(*length));
        // One number may be the beginning of another.
        if let Some((length, own)) = found.max_by_key(|(length, _)| *length) {
            masked += &own.shown();
            at += length;
            is_there = true;
        } else {
            masked.push(chars[at]);
            at += 1;
        }
    }
    is_there.then_some(masked)
}

const SHORTEST_OF_A_PERSON: usize = 4;

/// A number of fewer characters is masked only where it stands for itself.
const SHORTEST_OWN: usize = 5;

fn end_run(masked: &mut String, run: &[char]) {
    let digits = digits_of(run);
    let run: String = run.iter().collect();
    if digits.len() < SHORTEST_RUN || is_address(&run, &digits) {
        masked.push_str(&run);
    } else {
        masked.push_str(&mask(&digits));
    }
}

/// Whether the run is an IP address. An address with the digits of a mobile number counts as that
/// number, except in private networks, where addresses such as `192.168.100.20` are common.
fn is_address(run: &str, digits: &str) -> bool {
    let is_within = |ip: Ipv4Addr| ip.is_private() || ip.is_link_local();
    run.parse()
        .is_ok_and(|ip| !is_mobile(digits) || is_within(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_by_a_number_are_alike_when_it_is_hidden() {
        for text in [
            "号码 13012121211 在黑名单 2026",
            "号码 +86 131-1234-5678 在黑名单 2026",
            "号码 911***8179 在黑名单 2026",
            "号码 911****8179 在黑名单 2026",
            "号码 *** 在黑名单 2026",
        ] {
            assert_eq!(hide_within(text), "号码 *** 在黑名单 2026", "{text}");
        }
        assert_eq!(hide_within("no number, 404"), "no number, 404");
        assert_eq!(hide_within("13012121211,13012121212"), "***,***");
        assert_eq!(hide_within(""), "");
    }

    #[test]
    fn numbers_within_a_text_are_masked_and_codes_are_not() {
        let text = "6007: 13012121211、+8613012121212 (code 422)";
        assert_eq!(
            mask_within(text),
            "6007: 130***1211、+861***1212 (code 422)"
        );
    }

    #[test]
    fn a_number_within_a_text_is_masked_in_whatever_shape_it_stands_there() {
        for (text, shown) in [
            ("号码 13012121211 在黑名单", "号码 130***1211 在黑名单"),
            ("130 1212 1211.", "130***1211."),
            ("130-1212-1211, 130.1212.1211", "130***1211, 130***1211"),
            ("１３０１２１２１２１１", "130***1211"),
            ("(130) 1212-1211", "(130***1211"),
            ("+86 130 1212 1211", "+861***1211"),
            ("130\u{a0}1212\u{2013}1211", "130***1211"),
            (
                "6007: 98 of 100, 10.0.0.1:80, 192.168.100.20",
                "6007: 98 of 100, 10.0.0.1:80, 192.168.100.20",
            ),
            (
                "130***1211 130***1212 (6007)",
                "130***1211 130***1212 (6007)",
            ),
            ("13012121211/13012121212", "130***1211/130***1212"),
            ("130 - 1212 - 1211", "130***1211"),
            ("130\t1212\t1211", "130***1211"),
            ("1\n2\n3\n4\n5\n6\n7", "1\n2\n3\n4\n5\n6\n7"),
        ] {
            assert_eq!(mask_within(text), shown);
        }
    }

    #[test]
    fn a_number_beside_a_star_is_masked_and_the_ends_of_a_mask_stay() {
        for (text, shown, hidden) in [
            ("*13012121211*", "*130***1211*", "***"),
            (
                "号码 **13012121211** 无效",
                "号码 **130***1211** 无效",
                "号码 *** 无效",
            ),
            ("130 12121211*", "130***1211*", "***"),
            ("1301212***", "1***12***", "***"),
            ("*１３０１２１２１２１１", "*130***1211", "***"),
            ("130121***121211", "130121***121211", "130***11"),
        ] {
            assert_eq!(mask_within(text), shown);
            assert_eq!(mask_within(shown), shown);
            assert_eq!(hide_within(text), hidden);
        }
        let hidden = hide_within("*13012121211*");
        assert_eq!(hide_within(&hidden), hidden);
    }

    #[test]
    fn whatever_divides_the_digits_of_a_number_it_is_masked_and_lists_and_times_are_not() {
        for (text, shown) in [
            ("130_1212_1211", "130***1211"),
            ("130~1212～1211", "130***1211"),
            ("130·1212・1211", "130***1211"),
            ("130\u{2212}1212\u{2212}1211", "130***1211"),
            ("130\u{ad}1212\u{180e}\u{61c}1211", "130***1211"),
            ("13012121211,13012121212", "130***1211,130***1212"),
            ("13012121211_77", "130***1211_77"),
            ("12:03:10,123 1:02", "12:03:10,123 1:02"),
            ("1,234,567 of 2,000,000", "1,234,567 of 2,000,000"),
            ("09:00~18:00", "09:00~18:00"),
        ] {
            assert_eq!(mask_within(text), shown);
            assert_eq!(mask_within(shown), shown);
        }
        for text in [
            "130,1212,1211",
            "130:1212：1211",
            "130_1212，1211",
            "130~1212、1211",
        ] {
            assert_eq!(mask_own(text, "13012121211"), "130***1211", "{text}");
            assert_eq!(
                mask_number(text, "13012121211").unwrap(),
                "130***1211",
                "{text}"
            );
        }
        let list = "13012121211,13012121212";
        assert_eq!(mask_own(list, "13012121212"), "130***1211,130***1212");
        assert_eq!(mask_own("at 12:03:10", "12031"), "at 12:03:10");
    }

    #[test]
    fn a_mobile_number_with_dots_is_no_address() {
        for (text, shown) in [
            ("130.121.212.11", "130***1211"),
            ("by 199.121.212.11:80", "by 199***1211:80"),
            ("130.121.212.112", "130.121.212.112"),
            ("130.1.2.11", "130.1.2.11"),
            ("127.100.100.10", "127.100.100.10"),
            ("172.16.100.200", "172.16.100.200"),
            ("169.254.100.10", "169.254.100.10"),
        ] {
            assert_eq!(mask_within(text), shown);
        }
    }

    #[test]
    fn all_numbers_that_are_known_are_masked_the_longest_first() {
        let numbers = ["12345", "U2FsdGVkX1", "123456", "1211"];
        assert_eq!(
            mask_all("123456, 12345, U2FsdGVkX1 and 1211: 13012121211", numbers),
            "1***56, 1***45, U2F***VkX1 and 1211: 130***1211"
        );
        assert_eq!(mask_all("13012121211", []), "130***1211");
        // Digits beside the number are not shown with its ends.
        assert_eq!(
            mask_own("1234130121212115678", "13012121211"),
            "1***30***1***78"
        );
    }

    #[test]
    fn the_number_of_a_row_is_masked_although_it_does_not_look_like_one() {
        for (number, text, shown) in [
            ("12345", "号码 1 2 3 4 5 无效", "号码 1***45 无效"),
            (
                "13012121211",
                "6007 13012121211 (6007)",
                "6007 130***1211 (6007)",
            ),
            ("+86 130-1212-1211", "13012121211!", "130***1211!"),
            (
                "13012121211_x7",
                "+86-130.1212.1211_x7",
                "+86-130***1211_x7",
            ),
            (
                "U2FsdGVkX1+a/b==",
                "bad U2FsdGVkX1+a/b== here",
                "bad U2F***+ab== here",
            ),
            ("1.30121E+10", "bad 1.30121E+10 here", "bad 130***E+10 here"),
            ("1.3012121211E10", "bad 1.3012121211E10!", "bad 130***1E10!"),
            ("1.3012121211E10", "bad 13012121211!", "bad 130***1211!"),
            ("13012121211.0", "bad 13012121211.0!", "bad 130***2110!"),
            ("1", "1 of 11", "1 of 11"),
            ("13012121211", "13012121212", "130***1212"),
        ] {
            let masked = mask_own(text, number);
            if number.starts_with('U') {
                assert!(!masked.contains("sdGVk"), "{masked}");
            } else {
                assert_eq!(masked, shown, "{number}");
            }
        }
    }
}
