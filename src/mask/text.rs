//! Numbers within a text: finding them, in whatever shape they stand there, and masking them.

use std::net::Ipv4Addr;

use super::ends::{VISIBLE_END, VISIBLE_START, mask};
use super::spelling::{canonical, in_ascii, is_between, without_suffix};

/// A text with every number in it masked: what looks like a phone number is a run of seven or more
/// digits, which up to three of the characters that people put between digits may divide. An address
/// of the network is none, and what is masked already stays.
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
            let end = run_end(&chars, at, end);
            end_run(&mut masked, &chars[at..end]);
            at = end;
        }
    }
    masked
}

/// The same without the ends that a mask shows, so that two texts which differ by a number are alike.
pub fn hide_within(text: &str) -> String {
    let mut masked = mask_within(text);
    while masked.contains("****") {
        masked = masked.replace("****", MASKED);
    }
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
    parts.join(MASKED)
}

/// What stands for digits that are not shown.
const MASKED: &str = "***";

/// Where the digits end that begin here.
fn group_end(chars: &[char], at: usize) -> usize {
    let digits = chars[at..].iter().map(|c| in_ascii(*c));
    at + digits.take_while(char::is_ascii_digit).count()
}

/// Whether these digits are what a mask shows of a number.
fn is_shown_end(chars: &[char], at: usize, end: usize) -> bool {
    at > 0 && chars[at - 1] == '*' || chars.get(end) == Some(&'*')
}

/// Where a number ends whose first digits are these: it goes on behind a gap, until it is as long as a
/// number is.
fn run_end(chars: &[char], at: usize, mut end: usize) -> usize {
    const LONG: usize = 11;
    const GAP: usize = 3;
    let mut digits = end - at;
    while digits < LONG {
        let rest = &chars[end..];
        let is_gap = |c: &&char| is_between(**c) && (**c == '\t' || !c.is_control());
        let gap = rest.iter().take(GAP + 1).take_while(is_gap).count();
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

/// The same, and masked is this number, too, in whatever shape it stands there: with blanks, hyphens or
/// dots, in full-width digits, with or without a country code, and if it is no number at all.
pub fn mask_own(text: &str, number: &str) -> String {
    let own = own(number);
    // Of a shorter one nothing is shown, and it stands in every date.
    if own.len() < SHORTEST_OWN {
        return mask_within(text);
    }
    replaced(text, &own, mask_within).unwrap_or_else(|| mask_within(text))
}

/// A text with this number masked in whatever shape it stands there, and nothing else; `None`: it does
/// not stand there.
pub fn mask_number(text: &str, number: &str) -> Option<String> {
    let own = own(number);
    // What is shorter is nobody's number.
    (own.len() >= SHORTEST_OF_A_PERSON)
        .then(|| replaced(text, &own, str::to_owned))
        .flatten()
}

/// Whether both are one number, in whatever shapes they are written.
pub fn is_same_number(one: &str, other: &str) -> bool {
    one.trim() == other.trim() || own(one) == own(other)
}

/// The characters that a number has in every shape.
fn own(number: &str) -> Vec<char> {
    canonical(without_suffix(number.trim())).chars().collect()
}

/// A text with a number masked, and with what stands around it changed; `None`: it does not stand there.
fn replaced(text: &str, own: &[char], around: impl Fn(&str) -> String) -> Option<String> {
    let shown = mask(&own.iter().collect::<String>());
    let chars: Vec<char> = text.chars().collect();
    let (mut masked, mut between, mut at) = (String::with_capacity(text.len()), String::new(), 0);
    let mut is_there = false;
    while at < chars.len() {
        if let Some(length) = own_at(&chars[at..], own) {
            masked += &around(&std::mem::take(&mut between));
            masked += &shown;
            at += length;
            is_there = true;
        } else {
            between.push(chars[at]);
            at += 1;
        }
    }
    is_there.then(|| masked + &around(&between))
}

const SHORTEST_OF_A_PERSON: usize = 4;

/// A number of fewer characters is masked only where it stands for itself.
const SHORTEST_OWN: usize = 5;

/// How many characters of a text are this number, with what stands between its digits.
fn own_at(text: &[char], own: &[char]) -> Option<usize> {
    let mut wanted = own.iter();
    let mut next = *wanted.next()?;
    for (at, c) in text.iter().enumerate() {
        if in_ascii(*c) == next {
            match wanted.next() {
                Some(after) => next = *after,
                None => return Some(at + 1),
            }
        } else if at == 0 || !is_between(*c) {
            return None;
        }
    }
    None
}

fn end_run(masked: &mut String, run: &[char]) {
    let digits = run.iter().map(|c| in_ascii(*c));
    let digits: String = digits.filter(char::is_ascii_digit).collect();
    let run: String = run.iter().collect();
    if digits.len() < 7 || run.parse::<Ipv4Addr>().is_ok() {
        masked.push_str(&run);
    } else {
        masked.push_str(&mask(&digits));
    }
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
