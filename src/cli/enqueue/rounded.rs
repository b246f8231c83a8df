//! Numbers that a spreadsheet has rounded: `1.30121E+10` was `13012121211` once, and no program can
//! find the lost digits again.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// The message about such a number.
pub(super) const ROUNDED: &str = "a spreadsheet has rounded this number; give the column the format \
                                  \"text\" before the numbers are filled in, and export it again";

/// The message about a number that has got a fraction of zeros, or an exponent in JSON: it may have
/// lost nothing.
pub(super) const FRACTION: &str = "this number is written with a fraction or an exponent, as an amount; write \
                                   it as a text without the fraction, and see whether all of its digits \
                                   are there";

/// Returns the message about a changed number.
pub(super) fn fault(number: &str) -> &'static str {
    if has_empty_fraction(number.trim()) {
        FRACTION
    } else {
        ROUNDED
    }
}

/// The columns that hold ids: nobody calculates with a number in one of them.
const IDS: [&str; 10] = [
    "user_id",
    "task_id",
    "sub_user_id",
    "idempotency_key",
    "phone_mask",
    "extra",
    "sort",
    "source_id",
    "industry_id",
    "grade_id",
];

/// Whether this text of a column was a number before a spreadsheet rounded it.
pub(super) fn is_rounded(column: &str, text: &str) -> bool {
    let text = text.trim();
    match column {
        // No phone number has an exponent or a fraction.
        "phone" => has_exponent(text) || has_empty_fraction(text),
        // `12e5` may be an id. A spreadsheet writes `1.2E+06`, which is not.
        _ if IDS.contains(&column) => is_of_a_spreadsheet(text),
        _ => false,
    }
}

/// Whether this number was whole before it got a fraction or an exponent: `13012121211.0`.
pub(super) fn is_whole_no_more(column: &str, number: &serde_json::Number) -> bool {
    let is_whole = number.as_f64().is_some_and(|number| number.fract() == 0.0);
    is_whole && (column == "phone" || IDS.contains(&column))
}

/// Returns the first value in a list of variables that was a number before a spreadsheet rounded
/// it. A list that cannot be read has another fault.
pub(super) fn rounded_within(list: &str) -> Option<String> {
    let list: Vec<BTreeMap<String, Box<RawValue>>> = serde_json::from_str(list).ok()?;
    let values = list.into_iter().flat_map(BTreeMap::into_values);
    let texts = values.filter_map(|value| match serde_json::from_str(value.get()) {
        Ok(Value::String(text)) => Some(text),
        Ok(Value::Number(_)) => Some(value.get().to_owned()),
        _ => None,
    });
    texts.into_iter().find(|text| is_of_a_spreadsheet(text))
}

/// Whether it is written exactly as spreadsheets write: a digit, perhaps a fraction, `E+`, two or
/// three digits.
fn is_of_a_spreadsheet(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.trim().split_once("E+") else {
        return false;
    };
    let (whole, fraction) = parts(mantissa);
    is_digits(whole, 1..=1)
        && fraction.is_none_or(|f| is_digits(f, 1..=17))
        && is_digits(exponent, 2..=3)
}

/// Whether it is a number with an exponent, however it is written. Ciphertext is longer.
fn has_exponent(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return false;
    };
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let (whole, fraction) = parts(mantissa);
    is_digits(whole, 1..=4)
        && fraction.is_none_or(|f| is_digits(f, 1..=17))
        && is_digits(exponent, 1..=3)
}

/// Whether it is a whole number with a fraction of zeros behind it.
fn has_empty_fraction(text: &str) -> bool {
    let (whole, fraction) = parts(text);
    let zeros = |f: &str| is_digits(f, 1..=17) && f.bytes().all(|b| b == b'0');
    is_digits(whole, 1..=20) && fraction.is_some_and(zeros)
}

/// Returns the part before the point and the part behind it; in some countries the point is a
/// comma.
fn parts(number: &str) -> (&str, Option<&str>) {
    match number.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    }
}

fn is_digits(text: &str, count: std::ops::RangeInclusive<usize>) -> bool {
    count.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_with_an_exponent_or_a_fraction_was_rounded() {
        for phone in [
            "1.30121E+10",
            "1,30121E+10",
            "1.30121e10",
            "1.30121212110E10",
            "1E+10",
            " 1.3e+10 ",
            "13012121211.0",
            "13012121211,00",
        ] {
            assert!(is_rounded("phone", phone), "{phone}");
        }
        for phone in [
            "13012121211",
            "+8613012121211",
            "021-12345678",
            "021.12345678",
            "a1e10b",
            "0123456789e12345678901234567890",
            "",
        ] {
            assert!(!is_rounded("phone", phone), "{phone}");
        }
    }

    #[test]
    fn an_id_was_rounded_if_it_is_written_as_spreadsheets_do() {
        for column in IDS {
            assert!(is_rounded(column, "1.30121E+10"), "{column}");
            assert!(is_rounded(column, "2E+13"), "{column}");
            for id in [
                "12e5",
                "1E5",
                "order-1E+10",
                "13012121211",
                "1.0",
                "12.3E+10",
                "1E+1",
            ] {
                assert!(!is_rounded(column, id), "{column}: {id}");
            }
        }
        assert!(!is_rounded("name", "1.30121E+10"));
    }

    #[test]
    fn a_variable_was_rounded_whether_it_is_a_text_or_a_number() {
        let list =
            |value: &str| format!(r#"[{{"name":"a","text":"x"}},{{"name":"b","text":{value}}}]"#);
        for value in [r#""2.02601E+13""#, "2.02601E+13"] {
            assert_eq!(
                rounded_within(&list(value)).as_deref(),
                Some("2.02601E+13"),
                "{value}"
            );
        }
        for value in [r#""20260131000123""#, "1.5", "true", r#""at 1.2E+06 Hz""#] {
            assert_eq!(rounded_within(&list(value)), None, "{value}");
        }
        assert_eq!(rounded_within("no list"), None);
    }
}
