//! The faults of the settings, in words for the person who wrote them.

use std::fmt;

/// All faults of the settings; never empty.
#[derive(Debug)]
pub struct SettingsError {
    /// The faults, in the order in which they were found.
    pub faults: Vec<Fault>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let before = if index == 0 { "" } else { "; " };
            write!(f, "{before}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

impl From<Fault> for SettingsError {
    fn from(fault: Fault) -> Self {
        Self {
            faults: vec![fault],
        }
    }
}

/// One fault: prints itself as one line, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key it is about; empty if it is about a whole layer.
    pub key: String,
    /// What was found: `delivery.batch_size = 0`.
    pub found: String,
    /// The source: `file …`, `environment variable …`, `--set`; `None` for a default.
    pub origin: Option<String>,
    /// The broken rule, and so the remedy.
    pub rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found)?;
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        write!(f, ": {}", self.rule)
    }
}

/// Collects the faults that the sections find in themselves.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// Notes a fault unless `kept`. The value must not be a secret.
    pub(super) fn demand(&mut self, kept: bool, key: &str, value: impl fmt::Display, rule: &str) {
        if !kept {
            self.0.push(Fault {
                key: key.into(),
                found: format!("{key} = {value}"),
                origin: None,
                rule: rule.into(),
            });
        }
    }
}
