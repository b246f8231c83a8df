//! Variables of a script for a contact: JSON that is passed on as the app wrote it.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::violation::Violation;

/// One CRM component of a 1.0 script: the platform's `components`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The component's id, from the platform's page for CRM templates.
    pub id: Scalar,
    /// Its value for this contact.
    pub value: Scalar,
}

/// One variable of a 2.0 script: the platform's `custom_vars`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomVar {
    /// The variable's name in the script.
    pub name: Scalar,
    /// Its text for this contact.
    pub text: Scalar,
}

/// A JSON string, number or boolean, passed on digit by digit as the app wrote it.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Scalar(Box<RawValue>);

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Eq for Scalar {}

impl Scalar {
    /// Returns how many bytes the value has as JSON.
    pub(super) fn json_bytes(&self) -> usize {
        self.0.get().len()
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let may_hold_half = raw.get().contains('\\') && raw.get().contains("\\u");
        if may_hold_half && serde_json::from_str::<String>(raw.get()).is_err() {
            return Err(D::Error::custom("it holds half a character"));
        }
        match raw.get().bytes().next() {
            Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f') => Ok(Self(raw)),
            _ => Err(D::Error::custom("it is no string, number or boolean")),
        }
    }
}

/// Reads a JSON list of components or custom variables.
pub(super) fn parse_list<T: for<'de> Deserialize<'de>>(
    field: &str,
    json: Option<&str>,
) -> Result<Vec<T>, Violation> {
    let Some(json) = json else {
        return Ok(Vec::new());
    };
    let shape = if field == "components" {
        "{id, value}"
    } else {
        "{name, text}"
    };
    // The parser's own message may quote the value, which is a customer's data: it stays out.
    serde_json::from_str(json).map_err(|e| {
        let at = e.column();
        Violation(format!(
            "{field} must be a JSON array of {shape}; it is not at character {at}"
        ))
    })
}
