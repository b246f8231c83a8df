//! Whether a name that the platform gave could mean a number.

use super::spelling::{COUNTRY, TRUNK, each_spelling, shown_plainly, without_suffix};

/// How well a name that the platform gave fits a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It cannot be this number.
    None,
    /// It could be this number: the app's mask of the encrypted number shows more or less than the
    /// name.
    Possible,
    /// The visible parts agree.
    Masked,
    /// It is the number itself.
    Exact,
}

/// A number as the platform may show it, prepared for many comparisons.
pub struct Shown {
    spellings: Vec<String>,
    /// The mask that the app expects for an encrypted number, in each spelling.
    foretold: Vec<Mask>,
}

impl Shown {
    /// Prepares a number as it was sent, with the mask that the app expects for an encrypted one.
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

/// A number or mask as the platform wrote it, prepared for many comparisons.
pub struct Name {
    /// The masks with and without a suffix and a country code.
    masks: Vec<Mask>,
    /// The mask as it was written, if it has blanks at its ends.
    with_blanks: Option<Mask>,
}

impl Name {
    /// Reads the platform's text.
    pub fn new(named: &str) -> Self {
        let written = named;
        let named = written.trim();
        let mut masks = Vec::new();
        push_masks(named, &mut masks);
        if let Some(plain) = shown_plainly(named) {
            push_masks(&plain, &mut masks);
        }
        let with_blanks = (named.len() < written.len()).then(|| Mask::of(written));
        Self { masks, with_blanks }
    }

    /// Returns how well the name fits a number.
    pub fn fit(&self, number: &Shown) -> Fit {
        let of_number = |mask: &Mask| {
            let mut spellings = number.spellings.iter();
            if !mask.is_masked {
                // Only a whole number is exact: a mask may belong to several numbers, whatever an
                // app expects.
                let is_one = spellings.any(|known| *known == mask.text);
                return if is_one { Fit::Exact } else { Fit::None };
            }
            let fits = spellings.any(|known| mask.matches(known));
            if fits { Fit::Masked } else { Fit::None }
        };
        // A mask with a blank where the number has one means no other number.
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

/// Adds the masks of a name with and without a suffix and a country code.
fn push_masks(named: &str, masks: &mut Vec<Mask>) {
    let behind = |code: &str| named.strip_prefix(code);
    let national = COUNTRY.into_iter().filter_map(behind);
    // A mask that shows a single character may be empty without it.
    let shows_more = |rest: &&str| rest.find('*').is_none_or(|shown| shown > 1);
    let dialled = TRUNK.into_iter().filter_map(behind).filter(shows_more);
    for whole in std::iter::once(named).chain(national).chain(dialled) {
        let bare = without_suffix(whole);
        masks.push(Mask::of(whole));
        if bare.len() < whole.len() {
            masks.push(Mask::of(bare));
        }
    }
}

/// The visible parts of a mask. Each run of stars stands for a hidden part of any length.
struct Mask {
    text: String,
    is_masked: bool,
    /// The text before the first star.
    start: String,
    middle: Vec<String>,
    /// The text behind the last star.
    end: String,
}

/// A mask with more visible parts than this is not matched.
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

    /// Whether the mask could mean this number. Where the number is short, the two ends may show the same
    /// characters.
    fn matches(&self, number: &str) -> bool {
        let (start, end) = (self.start.as_str(), self.end.as_str());
        if number.len() < start.len() + end.len() {
            return self.middle.is_empty() && number.starts_with(start) && number.ends_with(end);
        }
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

    /// Returns how well the mask fits the mask that an app has given for an encrypted number. Both
    /// may show any part of the middle.
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
    use crate::mask::ends::{VisibleEnds, mask};
    use crate::mask::spelling::canonical;
    use proptest::prelude::*;

    fn fit(named: &str, number: &str, foretold: Option<&str>) -> Fit {
        Name::new(named).fit(&Shown::new(number, foretold))
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
            "+86 (0)130-1212-1211",
            "08613012121211",
            "'13012121211",
            "13,012,121,211",
            // A program took the number for one with a fraction, or of a measurement.
            "13012121211.",
            "13012121211.0",
            "13012121211.00",
            "13012121211,00",
            "+8613012121211.0",
            "'13012121211.0 ",
            "13,012,121,211.00",
            "１３０１２１２１２１１．０",
            "1.3012121211E10",
            "1.3012121211e+10",
            "1.30121212110E+010",
            "13012121211E0",
            "+8.613012121211E12",
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
    fn a_number_may_be_shown_as_it_is_dialled_at_home() {
        // [whose failure]
        assert!(fit("075***5678", "+8675512345678", None) > Fit::None);
        assert!(fit("075512345678", "75512345678", None) > Fit::None);
        assert_eq!(fit("0***8", "13012121218", None), Fit::None);
    }

    #[test]
    fn a_name_without_characters_is_nobodys() {
        // [unattributed]
        assert_eq!(fit("", "-", None), Fit::None);
        assert_eq!(fit("", "13012121211", None), Fit::None);
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
    fn the_ends_of_a_mask_overlap_in_a_number_that_is_shorter_than_both() {
        // [whose failure]
        for (named, number) in [
            ("1***1", "1"),
            ("130***0121", "130121"),
            ("130***3012", "13012"),
            ("130***130", "130"),
        ] {
            assert_eq!(fit(named, number, None), Fit::Masked, "{named}");
        }
        assert_eq!(fit("130***3013", "13012", None), Fit::None);
        assert_eq!(fit("130*0*3012", "13012", None), Fit::None);
    }

    #[test]
    fn a_name_may_be_written_in_any_usual_form() {
        // [whose failure]
        for named in [
            "131xxxx2222",
            "131XXXX2222",
            "131＊＊＊＊2222",
            "131••••2222",
            "131####2222",
            "131----2222",
            "131 **** 2222",
            "131-****-2222",
            "+86 131****2222",
            "+86-131****2222",
            "(+86)131****2222",
            "13100002222.0",
            "13100002222.00",
            "131****2222.00",
            "1.3100002222E10",
            "131-0000-2222",
            "+86 131 0000 2222",
            "１３１００００２２２２",
        ] {
            assert!(fit(named, "13100002222", None) > Fit::None, "{named}");
            assert_eq!(fit(named, "13100002223", None), Fit::None, "{named}");
        }
        // Letters of a ciphertext hide nothing.
        assert_eq!(fit("aXXb", "aYYb", None), Fit::None);
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

    proptest! {
        #[test]
        fn a_number_always_fits_its_own_mask(number in "[0-9+]{1,20}") {
            // [whose failure]
            prop_assert!(fit(&mask(&number), &number, None) >= Fit::Masked);
            // PHP cuts both ends out of a short number, whether they overlap or not.
            let (start, end) = (number.len().min(3), number.len().saturating_sub(4));
            let cut = format!("{}***{}", &number[..start], &number[end..]);
            prop_assert!(fit(&cut, &number, None) >= Fit::Masked);
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
            // A mask that begins with the country code may belong to another number behind that
            // code.
            prop_assume!(!mask(&a).starts_with("86") && !a.starts_with('0'));
            prop_assert_eq!(fit(&mask(&a), &b, None), Fit::None);
        }

        #[test]
        fn any_text_at_all_is_answered(named in "\\PC*", number in "\\PC*") {
            // [unattributed]
            fit(&named, &number, Some(&named));
        }
    }
}
