//! `[log]`: which lines are logged, and how.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::error::Faults;
use super::key::{Key, Kind};
use super::shown::empty_if_none;

pub(super) const KEYS: &[Key] = &[
    Key::new("log.format", Kind::OneOf(&["pretty", "json"])).optional(),
    Key::new("log.level", Kind::Text).live(),
];

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Default: none, which is `pretty` on a terminal and `json` elsewhere.
    #[serde(serialize_with = "empty_if_none")]
    pub format: Option<LogFormat>,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`; parts of the program can have their own:
    /// `info,contact_courier::delivery=debug`. Default `info`.
    pub level: String,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs: one JSON object per line.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: None,
            level: "info".into(),
        }
    }
}

impl LogSettings {
    pub(super) fn check(&self, faults: &mut Faults) {
        // The filter takes a misspelt level for the name of a module, and logs nothing.
        let spelt = !self.level.trim().is_empty()
            && self
                .level
                .split(',')
                .all(|part| part.contains('=') || is_level(part));
        let kept = spelt && EnvFilter::builder().parse(&self.level).is_ok();
        faults.demand(
            kept,
            "log.level",
            format!("{:?}", self.level),
            "write off, error, warn, info, debug or trace, or such as info,contact_courier=debug",
        );
    }
}

fn is_level(word: &str) -> bool {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    levels.contains(&word.trim().to_ascii_lowercase().as_str())
}
