//! Numbers within what an operator typed: the reasons, the causes that are looked for, and the keys. These
//! hold dates, times and the names of tickets, which tell one action from another and are no numbers.

use super::spelling::in_ascii;
use super::text::{
    MOBILE, SHORTEST_RUN, digits_of, is_gap, is_gap_of_mobile, is_mobile, mask_within,
};

/// Returns a typed text with every phone number in it masked. Dates, times and references such as
/// `INC0012345` stay. What stands on both sides of a `/` is one number only if it may be a person's.
pub fn mask_typed(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut masked = mask_parts(text);
    // What stayed may be a person's number all the same, if a part of it looks like a date.
    for run in chars.split(|c| !is_of_run(*c)) {
        let number: String = run.iter().collect();
        if may_be_a_persons(run) && masked.contains(&number) {
            masked = masked.replace(&number, &mask_within(&number));
        }
    }
    masked
}

/// Whether a character is a digit, or may stand between those of a number.
fn is_of_run(c: char) -> bool {
    in_ascii(c).is_ascii_digit() || is_gap_of_mobile(c)
}

/// Whether the digits of a run hold a mobile number, or are a number with an area code, whatever divides
/// them.
fn may_be_a_persons(run: &[char]) -> bool {
    let digits = digits_of(run);
    let first = run.iter().take_while(|c| in_ascii(**c).is_ascii_digit());
    let has_area = digits.starts_with('0') && (3..=4).contains(&first.count());
    has_area && (10..=12).contains(&digits.len()) || has_mobile(&digits)
}

fn has_mobile(digits: &str) -> bool {
    let places = 0..=digits.len().saturating_sub(MOBILE);
    let mut windows = places.filter_map(|at| digits.get(at..at + MOBILE));
    windows.any(is_mobile)
}

/// Masks the parts that `/` divides, each by itself.
fn mask_parts(text: &str) -> String {
    let parts: Vec<String> = text.split('/').map(mask_part).collect();
    parts.join("/")
}

/// Masks a text without `/`.
fn mask_part(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut masked = String::with_capacity(text.len());
    // What is masked begins here; what stands before it is done.
    let (mut from, mut at) = (0, 0);
    while at < chars.len() {
        let end = stays(&chars, at);
        if end == at {
            at += 1;
            continue;
        }
        masked.push_str(&mask_within(&chars[from..at].iter().collect::<String>()));
        masked.extend(&chars[at..end]);
        (from, at) = (end, end);
    }
    masked.push_str(&mask_within(&chars[from..].iter().collect::<String>()));
    masked
}

/// Returns where the date, the time or the reference ends that begins at `at`; `at` itself: none does.
fn stays(chars: &[char], at: usize) -> usize {
    let ends = [date(&chars[at..]), time(&chars[at..])];
    let end = ends.into_iter().flatten().max().map(|length| at + length);
    match end {
        Some(end) if is_apart(chars, at, end) => end,
        _ => reference(chars, at).unwrap_or(at),
    }
}

/// Whether no digit stands beside these characters, and they are no part of a mobile number.
fn is_apart(chars: &[char], at: usize, end: usize) -> bool {
    let is_digit = |c: Option<&char>| c.is_some_and(|c| in_ascii(*c).is_ascii_digit());
    if at > 0 && is_digit(chars.get(at - 1)) || is_digit(chars.get(end)) {
        return false;
    }
    // All digits that gaps divide, on both sides.
    let belongs = |c: &&char| is_digit(Some(c)) || is_gap(**c);
    let before = chars[..at].iter().rev().take_while(belongs).count();
    let after = chars[end..].iter().take_while(belongs).count();
    let digits = |part: &[char]| -> String {
        let digits = part.iter().map(|c| in_ascii(*c));
        digits.filter(char::is_ascii_digit).collect()
    };
    let with_both = digits(&chars[at - before..end + after]);
    !is_mobile(&with_both)
}

/// Returns how long the date at the start is, such as `2026-11-28` or `28.11.2026`.
fn date(chars: &[char]) -> Option<usize> {
    let divided = |lengths: [usize; 3]| -> Option<([u32; 3], usize)> {
        let (mut numbers, mut at, mut divider) = ([0; 3], 0, None);
        for (nth, most) in lengths.into_iter().enumerate() {
            let length = digits_at(chars, at, most)?;
            numbers[nth] = number(&chars[at..at + length])?;
            at += length;
            if nth < 2 {
                let c = *chars.get(at).filter(|c| matches!(**c, '-' | '.'))?;
                if *divider.get_or_insert(c) != c {
                    return None;
                }
                at += 1;
            }
        }
        Some((numbers, at))
    };
    let is_date = |year: u32, month: u32, day: u32| {
        (1900..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
    };
    let year_first = divided([4, 2, 2]).filter(|([y, m, d], _)| is_date(*y, *m, *d));
    let day_first = divided([2, 2, 4]).filter(|([d, m, y], _)| is_date(*y, *m, *d));
    year_first.or(day_first).map(|(_, length)| length)
}

/// Returns how long the time at the start is, such as `9:00` or `09:00:30`.
fn time(chars: &[char]) -> Option<usize> {
    let part = |at: usize, most: u32| -> Option<usize> {
        let length = digits_at(chars, at, 2)?;
        (number(&chars[at..at + length])? <= most).then_some(at + length)
    };
    let behind_colon = |at: usize| -> Option<usize> {
        (chars.get(at) == Some(&':'))
            .then(|| part(at + 1, 59))
            .flatten()
    };
    let minutes = behind_colon(part(0, 24)?)?;
    Some(behind_colon(minutes).unwrap_or(minutes))
}

/// Returns where a reference ends, such as `INC0012345`: capitals, and digits that are no mobile number.
fn reference(chars: &[char], at: usize) -> Option<usize> {
    const LETTERS: usize = 2;
    /// With more digits it may be a number behind the name of a place.
    const MOST: usize = SHORTEST_RUN;
    /// Words before a number that somebody wrote without a blank.
    const OF_NUMBERS: [&str; 4] = ["TEL", "FAX", "PHONE", "MOBILE"];
    if at > 0 && chars[at - 1].is_ascii_alphanumeric() {
        return None;
    }
    let letters = chars[at..].iter().take_while(|c| c.is_ascii_uppercase());
    let letters: String = letters.collect();
    let begin = at + letters.len();
    let digits = chars[begin..].iter().take_while(|c| c.is_ascii_digit());
    let length = digits.count();
    let is_one = letters.len() >= LETTERS
        && !OF_NUMBERS.contains(&letters.as_str())
        && (1..=MOST).contains(&length)
        && is_apart(chars, begin, begin + length);
    is_one.then_some(begin + length)
}

/// Returns how many digits stand at a place: one or more, and at most so many.
fn digits_at(chars: &[char], at: usize, most: usize) -> Option<usize> {
    let rest = chars.get(at..)?;
    let length = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    (1..=most).contains(&length).then_some(length)
}

fn number(digits: &[char]) -> Option<u32> {
    digits.iter().collect::<String>().parse().ok()
}

/// Returns a key that somebody typed. It is masked only if it is, or holds, what may be a phone number.
pub fn mask_key(key: &str) -> String {
    if is_number(key) || holds_mobile(key) {
        mask_within(key)
    } else {
        key.to_owned()
    }
}

/// Whether the whole text is digits, as many as a number has, and what may stand between them.
fn is_number(text: &str) -> bool {
    let chars = text.trim().chars().map(in_ascii);
    let digits = chars.clone().filter(char::is_ascii_digit).count();
    digits >= SHORTEST_RUN
        && chars
            .clone()
            .all(|c| c.is_ascii_digit() || c == '+' || is_gap(c))
}

/// Whether the digits of a mobile number stand somewhere in the text, whatever divides them.
fn holds_mobile(text: &str) -> bool {
    let mut runs: Vec<String> = vec![String::new()];
    for c in text.chars().map(in_ascii) {
        let last = runs.len() - 1;
        if c.is_ascii_digit() {
            runs[last].push(c);
        } else if c.is_alphabetic() {
            runs.push(String::new());
        }
    }
    runs.iter().any(|run| has_mobile(run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_times_and_references_stay_and_numbers_are_masked() {
        for (text, shown) in [
            (
                "ticket INC0012345, until 2026-11-28 09:00",
                "ticket INC0012345, until 2026-11-28 09:00",
            ),
            (
                "2026-11-28T09:00:30+08:00 to 28.11.2026",
                "2026-11-28T09:00:30+08:00 to 28.11.2026",
            ),
            ("from 9:00 2026-11-28", "from 9:00 2026-11-28"),
            (
                "2026/11/28 and 1001234/20251127",
                "2026/11/28 and 1***34/2***27",
            ),
            ("2026-11-28 13012121211", "2026-11-28 130***1211"),
            ("09:00 13012121211 asked", "09:00 130***1211 asked"),
            ("130-1212-1211 asked", "130***1211 asked"),
            ("139-2026-11-28", "139***1128"),
            ("139-2026-11-28 9:00", "139***1128 9:00"),
            ("130/1212/1211 asked", "130***1211 asked"),
            ("of 139/2026-11-28", "of 139***1128"),
            ("0551/621234", "055***1234"),
            ("NO1381234 5678 2 times", "NO138***5678 2 times"),
            ("HK91234567", "HK9***67"),
            (
                "lane 1001234567/20251127 and 1001234568/20251127",
                "lane 100***4567/2***27 and 100***4568/2***27",
            ),
            ("2026-13-28", "2***28"),
            (
                "TEL0212345678, INC13012121211",
                "TEL021***5678, INC130***1211",
            ),
            ("call 021-12345678", "call 021***5678"),
            ("号码 １３０１２１２１２１１", "号码 130***1211"),
            ("", ""),
        ] {
            assert_eq!(mask_typed(text), shown, "{text}");
        }
    }

    #[test]
    fn a_key_is_masked_only_if_it_may_be_or_hold_a_number() {
        for (key, shown) in [
            ("order-202511270001", "order-202511270001"),
            ("order-1001", "order-1001"),
            ("shop:13012121211", "shop:130***1211"),
            ("shop:13012121211:5", "shop:130***1211:5"),
            ("2025112713012121211", "202***1211"),
            ("13012121211", "130***1211"),
            ("+86 130-1212-1211", "+861***1211"),
            ("02112345678", "021***5678"),
            (
                "4d99d91c-f5d9-4b1e-8f3a-0123456789ab",
                "4d99d91c-f5d9-4b1e-8f3a-0123456789ab",
            ),
        ] {
            assert_eq!(mask_key(key), shown, "{key}");
        }
    }

    proptest! {
        #[test]
        fn no_mobile_number_is_shown_whole(
            before in "[A-Za-z0-9 :./-]{0,12}[A-Za-z ]", number in "1[3-9][0-9]{9}", after in "[A-Za-z ,][A-Za-z0-9 :.-]{0,12}"
        ) {
            let text = format!("{before}{number}{after}");
            prop_assert!(!mask_typed(&text).contains(&number), "{}", mask_typed(&text));
            prop_assert!(!mask_key(&text).contains(&number));
        }
    }
}
