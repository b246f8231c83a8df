//! Masked phone numbers: how we print one, and which row a mask of the platform speaks of.
//!
//! The platform names the rows that it refused by a masked number (`911***8179`). A mask shows the
//! *visible ends* of a number and hides the middle with stars. This module answers one question:
//! could this mask be this number? It does no I/O and guesses nothing; what to do when a mask
//! matches several rows is the verdict's business. `docs/answers.md`, "Whose
//! failure is it".

use std::borrow::Cow;
use std::net::Ipv4Addr;

/// What the platform shows at the start of a number.
const VISIBLE_START: usize = 3;
/// What the platform shows at the end of a number.
const VISIBLE_END: usize = 4;

/// A number as people may see it: the platform's own mask, `130***1211`. Of a short number less is
/// shown, so that something is always hidden.
pub fn mask(number: &str) -> String {
    let chars: Vec<char> = number.chars().collect();
    let (start, end) = match chars.len() {
        0..=4 => (0, 0),
        5..=9 => (1, 2),
        _ => (VISIBLE_START, VISIBLE_END),
    };
    let head: String = chars[..start].iter().collect();
    let tail: String = chars[chars.len() - end..].iter().collect();
    format!("{head}***{tail}")
}

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

/// The ends of a number that the platform shows: two numbers with equal ends could have the same
/// mask, so they never share a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VisibleEnds {
    start: [Option<char>; VISIBLE_START],
    end: [Option<char>; VISIBLE_END],
}

impl VisibleEnds {
    /// The first three and last four characters of a number, or all that it has.
    pub fn of(number: &str) -> Self {
        let (mut forwards, mut backwards) = (number.chars(), number.chars().rev());
        Self {
            start: std::array::from_fn(|_| forwards.next()),
            end: std::array::from_fn(|_| backwards.next()),
        }
    }
}

/// A number without the suffix that the platform or the courier appended: `_` and lower-case
/// letters or digits.
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

/// The spellings under which the platform may know a number, each one handed to `spelling`: as it was
/// sent; without blanks around it; in plain digits, where it has blanks, hyphens or full-width
/// digits; each of these without China's country code or the zero of a trunk call; and each of all
/// these without a suffix. A number in plain digits that begins with none of these has one spelling.
pub fn each_spelling(number: &str, mut spelling: impl FnMut(&str)) {
    let trimmed = number.trim();
    let plain = plain(trimmed);
    let mut without_code_and_suffix = |whole: &str| {
        for rest in std::iter::once(whole).chain(without_code(whole)) {
            spelling(rest);
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
}

/// One spelling for all numbers that the platform may take for the same: plain digits, without the
/// country code. A suffix stays, for with another one it is another number in a task.
pub fn canonical(number: &str) -> Cow<'_, str> {
    match plain(number.trim()) {
        Cow::Borrowed(plain) => Cow::Borrowed(without_code(plain).last().unwrap_or(plain)),
        Cow::Owned(plain) => Cow::Owned(without_code(&plain).last().unwrap_or(&plain).to_owned()),
    }
}

/// A number without the characters that people put between its digits, its digits in ASCII.
fn plain(number: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '*');
    if number.chars().all(is_plain) {
        return Cow::Borrowed(number);
    }
    Cow::Owned(
        number
            .chars()
            .filter(|c| !is_between(*c))
            .map(in_ascii)
            .collect(),
    )
}

/// Whether people put this character between the digits of a number.
fn is_between(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '.' | '(' | ')' | '/')
        // Hyphens and dashes, blanks and marks that do not show.
        || matches!(c, '\u{2010}'..='\u{2015}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}' | '\u{feff}' | '\u{ff0d}' | '\u{ff0e}' | '\u{ff08}' | '\u{ff09}')
}

fn in_ascii(c: char) -> char {
    match c {
        '\u{ff0b}' => '+',
        '\u{ff10}'..='\u{ff19}' => {
            char::from_u32(u32::from(c) - 0xff10 + u32::from('0')).unwrap_or(c)
        }
        c => c,
    }
}

/// A number without each of the beginnings that do not tell it from others, the shortest rest last.
fn without_code(number: &str) -> impl Iterator<Item = &str> {
    ["+", "0"]
        .into_iter()
        .chain(COUNTRY)
        .filter_map(|code| number.strip_prefix(code))
        .filter(|rest| rest.len() >= SHORTEST_NUMBER && !rest.starts_with('+'))
}

/// China's country code, as it stands before a number.
const COUNTRY: [&str; 3] = ["+86", "86", "0086"];

/// What is left of a number behind its country code has at least so many digits.
const SHORTEST_NUMBER: usize = 7;

/// How well a name that the platform gave fits a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It cannot be this number.
    None,
    /// It could be, for of an encrypted number the app has told less than it shows, or more.
    Possible,
    /// The visible parts agree.
    Masked,
    /// It is the number itself.
    Exact,
}

/// A number as the platform may show it, for asking many times.
pub struct Shown {
    spellings: Vec<String>,
    /// The mask that the app expects for an encrypted number, in each spelling.
    foretold: Vec<Mask>,
}

impl Shown {
    /// A number as it was sent, and the mask that the app expects for an encrypted one.
    pub fn new(number: &str, foretold: Option<&str>) -> Self {
        let mut spellings = Vec::with_capacity(1);
        each_spelling(number, |spelling| spellings.push(spelling.to_owned()));
        let mut told = Vec::new();
        if let Some(foretold) = foretold {
            each_spelling(foretold, |spelling| told.push(Mask::of(spelling)));
        }
        spellings.extend(told.iter().map(|mask| mask.text.clone()));
        Self {
            spellings,
            foretold: told,
        }
    }
}

/// A number or mask as the platform wrote it, for asking many times.
pub struct Name {
    /// With and without a suffix and a country code.
    masks: Vec<Mask>,
    /// As it was written, if it has blanks at its ends.
    with_blanks: Option<Mask>,
}

impl Name {
    /// Reads what the platform wrote.
    pub fn new(named: &str) -> Self {
        let written = named;
        let named = written.trim();
        let mut masks = Vec::new();
        let behind = |code: &str| named.strip_prefix(code);
        for whole in std::iter::once(named).chain(COUNTRY.into_iter().filter_map(behind)) {
            let bare = without_suffix(whole);
            masks.push(Mask::of(whole));
            if bare.len() < whole.len() {
                masks.push(Mask::of(bare));
            }
        }
        let with_blanks = (named.len() < written.len()).then(|| Mask::of(written));
        Self { masks, with_blanks }
    }

    /// How well it fits a number.
    pub fn fit(&self, number: &Shown) -> Fit {
        let of_number = |mask: &Mask| {
            let mut spellings = number.spellings.iter();
            if !mask.is_masked {
                // A mask may be of several numbers, whatever an app expects.
                let is_one = spellings.any(|known| *known == mask.text);
                return if is_one { Fit::Exact } else { Fit::None };
            }
            let fits = spellings.any(|known| mask.matches(known));
            if fits { Fit::Masked } else { Fit::None }
        };
        // A mask with a blank where the number has one is of no other number.
        if self
            .with_blanks
            .iter()
            .any(|mask| of_number(mask) > Fit::None)
        {
            return Fit::Exact;
        }
        let fits = self.masks.iter().map(|mask| {
            let as_told = number.foretold.iter().map(|told| mask.fit_told(told));
            as_told.fold(of_number(mask), Fit::max)
        });
        fits.max().unwrap_or(Fit::None)
    }
}

/// The visible parts of a mask, in which each run of stars stands for one hidden part of any length.
struct Mask {
    text: String,
    is_masked: bool,
    /// What stands before the first star.
    start: String,
    middle: Vec<String>,
    /// What stands behind the last star.
    end: String,
}

/// A mask with more visible parts than this hides nothing that one could find again.
const MOST_PARTS: usize = 16;

impl Mask {
    fn of(text: &str) -> Self {
        let mut parts = text.split('*');
        let start = parts.next().unwrap_or_default().to_owned();
        let end = parts.next_back().unwrap_or_default().to_owned();
        let middle: Vec<String> = parts
            .filter(|part| !part.is_empty())
            .take(MOST_PARTS + 1)
            .map(str::to_owned)
            .collect();
        Self {
            is_masked: text.contains('*') && middle.len() <= MOST_PARTS,
            text: text.to_owned(),
            start,
            middle,
            end,
        }
    }

    /// Whether it could be this number.
    fn matches(&self, number: &str) -> bool {
        let between = number
            .strip_prefix(self.start.as_str())
            .and_then(|rest| rest.strip_suffix(self.end.as_str()));
        let Some(mut rest) = between else {
            return false;
        };
        self.middle
            .iter()
            .all(|part| match rest.find(part.as_str()) {
                Some(at) => {
                    rest = &rest[at + part.len()..];
                    true
                }
                None => false,
            })
    }

    /// How well it fits what an app has told of an encrypted number. Of the middle both may show anything.
    fn fit_told(&self, told: &Self) -> Fit {
        if !told.is_masked {
            return Fit::None;
        }
        let is_vague = told.start.is_empty() && told.end.is_empty();
        let alike =
            (&self.start, &self.middle, &self.end) == (&told.start, &told.middle, &told.end);
        if self.is_masked && alike && !is_vague {
            return Fit::Masked;
        }
        let start = self.start.starts_with(&told.start) || told.start.starts_with(&self.start);
        let end = self.end.ends_with(&told.end) || told.end.ends_with(&self.end);
        let could_be = if self.is_masked {
            start && end
        } else {
            told.matches(&self.text)
        };
        if could_be { Fit::Possible } else { Fit::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fit(named: &str, number: &str, foretold: Option<&str>) -> Fit {
        Name::new(named).fit(&Shown::new(number, foretold))
    }

    fn spellings(number: &str) -> Vec<String> {
        let mut all = Vec::new();
        each_spelling(number, |spelling| all.push(spelling.to_owned()));
        all
    }

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
    fn a_number_in_plain_digits_has_one_spelling() {
        assert_eq!(spellings("13012121211"), ["13012121211"]);
    }

    #[test]
    fn the_platform_may_trim_a_number_and_take_its_code_off() {
        // [whose failure]
        for sent in [
            "13012121211 ",
            " 13012121211",
            "\u{3000}13012121211",
            "+8613012121211",
            "8613012121211",
            "008613012121211",
            "013012121211",
            "+86 130-1212-1211",
            "130 1212 1211",
            "(130)1212.1211",
            "１３０１２１２１２１１",
            "＋８６１３０１２１２１２１１",
            "13012121211\u{200b}",
        ] {
            assert_eq!(fit("130***1211", sent, None), Fit::Masked, "{sent}");
            assert_eq!(fit("13012121211", sent, None), Fit::Exact, "{sent}");
            assert!(fit(&mask(sent), sent, None) > Fit::None, "{sent}");
            assert_eq!(canonical(sent), "13012121211", "{sent}");
        }
    }

    #[test]
    fn a_country_code_that_the_platform_puts_before_a_number_does_not_hide_it() {
        // [whose failure]
        for named in [
            "8613012121211",
            "+8613012121211",
            "+86130***1211",
            "861***1211",
        ] {
            assert!(fit(named, "13012121211", None) > Fit::None, "{named}");
        }
        assert_eq!(fit("861***1212", "13012121211", None), Fit::None);
    }

    #[test]
    fn a_blank_in_a_mask_is_one_of_the_number() {
        // [whose failure]
        assert_eq!(fit("130***211 ", "13012121211 ", None), Fit::Exact);
        assert_eq!(fit("130***211 ", "13099990211", None), Fit::Masked);
        assert_eq!(fit("130***0211 ", "13099990211", None), Fit::Masked);
    }

    #[test]
    fn a_mask_of_very_many_parts_fits_nothing() {
        // [unattributed]
        let long = "*1".repeat(500_000);
        assert_eq!(fit(&long, &"1".repeat(500_001), None), Fit::None);
    }

    #[test]
    fn a_number_is_shown_as_the_platform_shows_it() {
        assert_eq!(mask("13012121211"), "130***1211");
        assert_eq!(mask("123456"), "1***56");
        assert_eq!(mask("1234"), "***");
        assert_eq!(mask(""), "***");
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

    #[test]
    fn an_exact_number_beats_a_mask() {
        // [whose failure]
        assert_eq!(fit("13012121211", "13012121211", None), Fit::Exact);
        assert_eq!(fit("130***1211", "13012121211", None), Fit::Masked);
        assert_eq!(fit("13012121212", "13012121211", None), Fit::None);
        assert_eq!(fit("131***1211", "13012121211", None), Fit::None);
    }

    #[test]
    fn stars_may_be_any_number_and_the_ends_any_length() {
        // [whose failure]
        for mask in [
            "1*1",
            "130****1211",
            "1301212***1",
            "*1211",
            "130*",
            "***",
            "13*121*11",
        ] {
            assert_eq!(fit(mask, "13012121211", None), Fit::Masked, "{mask}");
        }
        for mask in ["2*", "*2", "130***1213", "13*9*11"] {
            assert_eq!(fit(mask, "13012121211", None), Fit::None, "{mask}");
        }
    }

    #[test]
    fn the_ends_of_a_mask_never_overlap_in_the_number() {
        // [whose failure]
        assert_eq!(fit("130***3012", "13012", None), Fit::None);
    }

    #[test]
    fn a_suffix_on_either_side_does_not_hide_the_number() {
        // [whose failure]
        assert_eq!(fit("13012121211_x7f", "13012121211", None), Fit::Exact);
        assert_eq!(fit("13012121211", "13012121211_zz", None), Fit::Exact);
        assert_eq!(fit("130***1211", "13012121211_zz", None), Fit::Masked);
        assert_eq!(fit("130***1211_k2", "13012121211", None), Fit::Masked);
        assert_eq!(fit("130***1_zz", "13012121211_zz", None), Fit::Masked);
    }

    #[test]
    fn an_encrypted_number_is_known_by_the_mask_that_the_app_gave() {
        // [whose failure]
        assert_eq!(
            fit("130***1211", "bXkgY2lwaGVy", Some("130***1211")),
            Fit::Masked
        );
        assert_eq!(
            fit("13012121211", "bXkgY2lwaGVy", Some("13012121211")),
            Fit::Exact
        );
        assert_eq!(
            fit("130****1211", "bXkgY2lwaGVy", Some("130***1211")),
            Fit::Masked
        );
        assert_eq!(
            fit("130***1212", "bXkgY2lwaGVy", Some("130***1211")),
            Fit::None
        );
    }

    #[test]
    fn only_a_suffix_of_the_documented_kind_is_taken_off() {
        // [whose failure]
        assert_eq!(without_suffix("130_ab1"), "130");
        assert_eq!(without_suffix("130_AB"), "130_AB");
        assert_eq!(without_suffix("_ab"), "_ab");
        assert_eq!(without_suffix("130_"), "130_");
    }

    proptest! {
        #[test]
        fn a_number_always_fits_its_own_mask(number in "[0-9+]{1,20}") {
            // [whose failure]
            prop_assert!(fit(&mask(&number), &number, None) >= Fit::Masked);
        }

        #[test]
        fn numbers_with_other_ends_never_fit_the_platforms_mask(
            a in "[0-9]{10,13}", b in "[0-9]{10,13}",
        ) {
            // [whose failure], [unattributed]
            let ends = |number: &str| {
                let mut ends = Vec::new();
                each_spelling(number, |spelling| ends.push(VisibleEnds::of(spelling)));
                ends
            };
            let (of_a, of_b) = (ends(&a), ends(&b));
            prop_assume!(!of_a.iter().any(|end| of_b.contains(end)));
            // What begins with the country code may be another number with the code before it.
            prop_assume!(!mask(&a).starts_with("86"));
            prop_assert_eq!(fit(&mask(&a), &b, None), Fit::None);
        }

        #[test]
        fn any_text_at_all_is_answered(named in "\\PC*", number in "\\PC*") {
            // [unattributed]
            fit(&named, &number, Some(&named));
        }
    }
}
