//! Masked phone numbers: how we print one, and which row a mask of the platform speaks of.
//!
//! The platform names the rows that it refused by a masked number (`911***8179`). A mask shows the
//! *visible ends* of a number and hides the middle with stars. This module answers one question:
//! could this mask be this number? It does no I/O and guesses nothing; what to do when a mask
//! matches several rows is the verdict's business. `docs/answers.md`, "Whose
//! failure is it".

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
/// digits, which single spaces or hyphens may divide.
pub fn mask_within(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut run = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let divides = matches!(c, ' ' | '-')
            && run.ends_with(|last: char| last.is_ascii_digit())
            && chars.peek().is_some_and(char::is_ascii_digit);
        if c.is_ascii_digit() || divides {
            run.push(c);
        } else {
            end_run(&mut masked, &mut run);
            masked.push(c);
        }
    }
    end_run(&mut masked, &mut run);
    masked
}

fn end_run(masked: &mut String, run: &mut String) {
    let digits: String = run.chars().filter(char::is_ascii_digit).collect();
    match digits.len() {
        0..7 => masked.push_str(run),
        _ => masked.push_str(&mask(&digits)),
    }
    run.clear();
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

/// How well a name that the platform gave fits a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It cannot be this number.
    None,
    /// The visible parts agree.
    Masked,
    /// It is the number itself.
    Exact,
}

/// How well `named`, a number or mask as the platform wrote it, fits `number` as it was sent.
/// `shown_as` is the mask that the app expects for an encrypted number.
pub fn fit(named: &str, number: &str, shown_as: Option<&str>) -> Fit {
    let named = named.trim();
    let spellings = [named, without_suffix(named)];
    let forms = [Some(number), Some(without_suffix(number)), shown_as];
    let mut best = Fit::None;
    for form in forms.into_iter().flatten() {
        for name in spellings {
            best = best.max(fit_one(name, form));
        }
    }
    best
}

fn fit_one(name: &str, form: &str) -> Fit {
    if name == form {
        return Fit::Exact;
    }
    // A mask that the app foretold (`130***1211`) may differ in the number of its stars alone.
    if name.contains('*') && (matches_mask(name, form) || same_mask(name, form)) {
        return Fit::Masked;
    }
    Fit::None
}

/// Whether `mask`, in which each run of stars stands for one hidden part of any length, could be
/// `number`.
fn matches_mask(mask: &str, number: &str) -> bool {
    let mut parts = mask.split('*').filter(|part| !part.is_empty());
    let (anchored_start, anchored_end) = (!mask.starts_with('*'), !mask.ends_with('*'));
    let mut rest = number;
    if anchored_start {
        let Some(after) = parts.next().and_then(|part| rest.strip_prefix(part)) else {
            return false;
        };
        rest = after;
    }
    let mut middle: Vec<&str> = parts.collect();
    if anchored_end {
        let Some(before) = middle.pop().and_then(|part| rest.strip_suffix(part)) else {
            return false;
        };
        rest = before;
    }
    middle.into_iter().all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

fn same_mask(a: &str, b: &str) -> bool {
    let parts = |mask: &str| -> Vec<String> {
        mask.split('*')
            .filter(|p| !p.is_empty())
            .map(str::to_owned)
            .collect()
    };
    b.contains('*')
        && parts(a) == parts(b)
        && a.starts_with('*') == b.starts_with('*')
        && a.ends_with('*') == b.ends_with('*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            prop_assume!(VisibleEnds::of(&a) != VisibleEnds::of(&b));
            prop_assert_eq!(fit(&mask(&a), &b, None), Fit::None);
        }

        #[test]
        fn any_text_at_all_is_answered(named in "\\PC*", number in "\\PC*") {
            // [unattributed]
            fit(&named, &number, Some(&named));
        }
    }
}
