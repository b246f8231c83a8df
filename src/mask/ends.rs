//! The visible ends of a number.

/// The number of characters that the platform shows at the start of a number.
pub(super) const VISIBLE_START: usize = 3;
/// The number of characters that the platform shows at the end of a number.
pub(super) const VISIBLE_END: usize = 4;

/// Returns a number as people may see it, in the platform's own form `130***1211`. A short number
/// shows fewer characters, so that something is always hidden.
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

/// The ends of a number that the platform shows: two numbers with equal ends could have the same
/// mask, so they never share a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VisibleEnds([u32; VISIBLE_START + VISIBLE_END]);

/// Stands where a number has no character. Numbers hash faster than characters that may be missing.
const MISSING: u32 = u32::MAX;

impl VisibleEnds {
    /// Returns the first three and last four characters of a number, or all that it has.
    pub fn of(number: &str) -> Self {
        let mut ends = [MISSING; VISIBLE_START + VISIBLE_END];
        let (start, end) = ends.split_at_mut(VISIBLE_START);
        for (place, c) in start.iter_mut().zip(number.chars()) {
            *place = c.into();
        }
        for (place, c) in end.iter_mut().zip(number.chars().rev()) {
            *place = c.into();
        }
        Self(ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shown_as_the_platform_shows_it() {
        assert_eq!(mask("13012121211"), "130***1211");
        assert_eq!(mask("123456"), "1***56");
        assert_eq!(mask("1234"), "***");
        assert_eq!(mask(""), "***");
    }
}
