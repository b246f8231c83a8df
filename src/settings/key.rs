//! A key of the settings: its name, its kind of value, and how a value is read from a file or a
//! text.
//!
//! Reading is strict, so that a slip is reported at start and not guessed at: a file must have the
//! right TOML type; a text (environment, `--set`) must spell the value out.

use std::time::Duration;

use config::ValueKind;

use super::proxy;

/// Longer than any useful duration; keeps sums of instants from overflowing.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// A key that may be set.
#[derive(Debug)]
pub(super) struct Key {
    /// `section.name`.
    pub(super) name: &'static str,
    /// Its kind of value.
    pub(super) kind: Kind,
    /// Whether an empty text means "not set".
    pub(super) optional: bool,
    /// Whether its value must never be shown.
    pub(super) secret: bool,
    /// Whether a running courier can take another value over.
    pub(super) live: bool,
}

impl Key {
    pub(super) const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            optional: false,
            secret: false,
            live: false,
        }
    }

    pub(super) const fn optional(self) -> Self {
        Self {
            optional: true,
            ..self
        }
    }

    pub(super) const fn secret(self) -> Self {
        Self {
            secret: true,
            ..self
        }
    }

    pub(super) const fn live(self) -> Self {
        Self { live: true, ..self }
    }

    /// Reads the value for the layers; `None`: it is not of this key's kind.
    pub(super) fn read(&self, raw: &Raw) -> Option<ValueKind> {
        if self.optional && raw.is_empty_text() {
            return Some(ValueKind::Nil);
        }
        match raw {
            Raw::Text(text) => self.kind.read_text(text.trim()),
            Raw::Typed(value) => self.kind.read_toml(value),
        }
    }
}

/// The kind of value of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// A path of a file.
    Path,
    /// An http or https address such as this one.
    Url(&'static str),
    /// An address of a proxy, or a word for which one.
    Proxy,
    /// Host and port to listen on.
    Address,
    /// True or false.
    Switch,
    /// An integer.
    Whole,
    /// Any number.
    Number,
    /// A number with a unit of time.
    Duration,
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of integers.
    Wholes,
}

impl Kind {
    /// Says what to write, for an error.
    pub(super) fn advice(self) -> String {
        match self {
            Self::Text => "write a text, in a file within quotes".into(),
            Self::Path => "write the path of a file, in a file within quotes".into(),
            Self::Url(example) => format!("write an address such as {example}"),
            Self::Proxy => proxy::ADVICE.into(),
            Self::Address => "write an IP address and a port such as 127.0.0.1:9464".into(),
            Self::Switch => "write true or false".into(),
            Self::Whole => "write a whole number, without quotes and not negative".into(),
            Self::Number => "write a number, without quotes".into(),
            Self::Duration => {
                "write a duration such as 500ms, 30s or 72h, of at most 366 days, in a file within quotes"
                    .into()
            }
            Self::OneOf(words) => format!("write one of: {}", words.join(", ")),
            Self::Texts => {
                "write a list such as [\"one\", \"two\"], outside of a file one,two".into()
            }
            Self::Wholes => "write a list such as [6007, 6008], outside of a file 6007,6008".into(),
        }
    }

    fn read_text(self, text: &str) -> Option<ValueKind> {
        match self {
            Self::Switch => text
                .to_ascii_lowercase()
                .parse()
                .ok()
                .map(ValueKind::Boolean),
            Self::Whole => text.parse().ok().map(ValueKind::I64),
            Self::Number => text.parse().ok().map(ValueKind::Float),
            Self::Texts => Some(ValueKind::Array(
                items(text)
                    .map(|item| value(ValueKind::String(item.into())))
                    .collect(),
            )),
            Self::Wholes => items(text)
                .map(|item| item.parse().ok().map(ValueKind::I64).map(value))
                .collect::<Option<Vec<_>>>()
                .map(ValueKind::Array),
            Self::Duration => read_duration(text),
            Self::Text
            | Self::Path
            | Self::Url(_)
            | Self::Proxy
            | Self::Address
            | Self::OneOf(_) => Some(ValueKind::String(text.into())),
        }
    }

    fn read_toml(self, given: &toml::Value) -> Option<ValueKind> {
        match (self, given) {
            (Self::Switch, toml::Value::Boolean(on)) => Some(ValueKind::Boolean(*on)),
            (Self::Whole | Self::Number, toml::Value::Integer(n)) => Some(ValueKind::I64(*n)),
            (Self::Number, toml::Value::Float(n)) => Some(ValueKind::Float(*n)),
            (Self::Texts | Self::Wholes, toml::Value::Array(items)) => {
                let one = if matches!(self, Self::Texts) {
                    Self::Text
                } else {
                    Self::Whole
                };
                items
                    .iter()
                    .map(|item| one.read_toml(item).map(value))
                    .collect::<Option<Vec<_>>>()
                    .map(ValueKind::Array)
            }
            (Self::Duration, toml::Value::String(text)) => read_duration(text),
            (
                Self::Text
                | Self::Path
                | Self::Url(_)
                | Self::Proxy
                | Self::Address
                | Self::OneOf(_),
                toml::Value::String(text),
            ) => Some(ValueKind::String(text.clone())),
            _ => None,
        }
    }
}

fn read_duration(text: &str) -> Option<ValueKind> {
    let duration = humantime::parse_duration(text).ok()?;
    (duration <= LONGEST).then(|| ValueKind::String(text.into()))
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn value(kind: ValueKind) -> config::Value {
    config::Value::new(None, kind)
}

/// A value before it is read.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    /// A text from the environment or behind `--set`.
    Text(String),
    /// A value from a file.
    Typed(toml::Value),
}

impl Raw {
    fn is_empty_text(&self) -> bool {
        match self {
            Self::Text(text) | Self::Typed(toml::Value::String(text)) => text.trim().is_empty(),
            Self::Typed(_) => false,
        }
    }

    /// The value for an error, in one short line.
    pub(super) fn shown(&self) -> String {
        const MOST: usize = 80;
        let whole = match self {
            Self::Text(text) | Self::Typed(toml::Value::String(text)) => format!("{text:?}"),
            Self::Typed(toml::Value::Table(_)) => "a table".into(),
            Self::Typed(value) => value.to_string().replace('\n', " "),
        };
        if whole.chars().count() <= MOST {
            return whole;
        }
        whole.chars().take(MOST).chain(['…']).collect()
    }
}
