//! The changes since the settings were loaded, and the part of them that a running courier takes
//! over.
//!
//! Each section's list of keys tells which keys are live.

use std::fmt;

use secrecy::ExposeSecret;
use serde_json::Value;

use super::database::DatabaseUrl;
use super::key::Key;
use super::keys::keys;
use super::sections::Settings;

/// A key that has another value now. Prints itself as `delivery.linger: 1s -> 2s`, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    pub key: &'static str,
    /// The value in force.
    pub from: String,
    /// The new value.
    pub to: String,
    /// Whether a running courier takes it over; otherwise it needs a restart.
    pub live: bool,
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, from, to, .. } = self;
        // Two different secrets look the same when shown.
        if from == to {
            return write!(f, "{key}: another {to}");
        }
        write!(f, "{key}: {from} -> {to}")
    }
}

impl Settings {
    /// Every key that has another value in `new`.
    pub fn changes_to(&self, new: &Self) -> Vec<SettingChange> {
        let (was, is) = (self.shown(), new.shown());
        let change = |key: &'static Key| {
            let (from, to) = (shown_value(&was, key), shown_value(&is, key));
            let differs = from != to || self.secret(key.name) != new.secret(key.name);
            differs.then_some(SettingChange {
                key: key.name,
                from,
                to,
                live: key.live,
            })
        };
        keys().filter_map(change).collect()
    }

    /// Returns these settings with the live keys of `new`. Every rule is kept, because no rule
    /// binds a live key to another one that is not live.
    #[must_use]
    pub fn with_live_of(&self, new: &Self) -> Self {
        let mut mixed = self.clone();
        mixed
            .platform
            .lane_codes
            .clone_from(&new.platform.lane_codes);
        mixed
            .platform
            .lane_markers
            .clone_from(&new.platform.lane_markers);
        mixed
            .platform
            .duplicate_markers
            .clone_from(&new.platform.duplicate_markers);
        mixed.delivery.batch_size = new.delivery.batch_size;
        mixed.delivery.linger = new.delivery.linger;
        mixed.delivery.max_in_flight = new.delivery.max_in_flight;
        mixed.delivery.max_in_flight_per_lane = new.delivery.max_in_flight_per_lane;
        mixed.delivery.max_request_bytes = new.delivery.max_request_bytes;
        mixed.retry = new.retry.clone();
        mixed.rate_limit.go_by(&new.rate_limit);
        mixed.log.level.clone_from(&new.log.level);
        mixed
    }

    fn shown(&self) -> Value {
        // Texts, numbers and lists under texts: JSON can hold all of them.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Returns the real value of a key whose shown text may hide a change.
    fn secret(&self, key: &str) -> Option<&str> {
        match key {
            "database.url" => Some(self.database.url.expose()),
            "rate_limit.database_url" => {
                let url = self.rate_limit.database_url.as_ref();
                url.map(DatabaseUrl::expose)
            }
            "platform.proxy" => self.platform.proxy.secret(),
            "traces.proxy" => self.traces.proxy.secret(),
            "platform.token" => self
                .platform
                .token
                .as_ref()
                .map(ExposeSecret::expose_secret),
            _ => None,
        }
    }
}

fn shown_value(settings: &Value, key: &Key) -> String {
    let pointer = format!("/{}", key.name.replace('.', "/"));
    match settings.pointer(&pointer) {
        Some(Value::String(text)) if text.is_empty() => "not set".into(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "not set".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Layers;

    fn with(flags: &[&str]) -> Settings {
        Settings::from_layers(&Layers {
            flags: flags.iter().map(ToString::to_string).collect(),
            ..Layers::default()
        })
        .unwrap()
    }

    /// A value other than the default for every key.
    const OTHERS: &[&str] = &[
        "database.url=sqlite://other.db",
        "database.url_file=/url",
        "database.password_file=/password",
        "database.tls=verify",
        "database.ca_file=/ca.pem",
        "database.max_connections=3",
        "database.auto_migrate=false",
        "platform.base_url=http://127.0.0.1:1",
        "platform.token=hunter2",
        "platform.token_file=/token",
        "platform.proxy=environment",
        "platform.ca_file=/ca.pem",
        "platform.timeout=1m",
        "platform.connect_timeout=1s",
        "platform.lane_codes=1",
        "platform.lane_markers=one",
        "platform.duplicate_markers=two",
        "request.ignore_crm=true",
        "request.skip_error=false",
        "request.number_add_suffix=true",
        "request.encryption=true",
        "delivery.batch_size=7",
        "delivery.linger=2s",
        "delivery.notice_interval=50ms",
        "delivery.poll_interval=2s",
        "delivery.max_in_flight=9",
        "delivery.max_in_flight_per_lane=1",
        "delivery.max_contact_bytes=2048",
        "delivery.max_request_bytes=2048",
        "delivery.suffix=courier",
        "delivery.lease=1m",
        "delivery.shutdown_grace=1m",
        "retry.initial_interval=1s",
        "retry.max_interval=1m",
        "retry.multiplier=3",
        "retry.jitter=0",
        "retry.longest_retry_after=1m",
        "retry.give_up_after=1h",
        "retry.give_up_on_holds_after=30d",
        "rate_limit.requests_per_second=20",
        "rate_limit.per_user=2",
        "rate_limit.per_lane=1",
        "rate_limit.burst=2",
        "rate_limit.scope=cluster",
        "rate_limit.database_url=sqlite://rates.db",
        "rate_limit.database_url_file=/url",
        "rate_limit.database_password_file=/password",
        "retention.older_than=90d",
        "retention.redact_after=30d",
        "admin.listen=",
        "admin.hosts=courier.example",
        "admin.users_file=/users",
        "admin.viewers_file=/viewers",
        "admin.cert_file=/cert.pem",
        "admin.key_file=/key.pem",
        "traces.endpoint=http://127.0.0.1:4318",
        "traces.proxy=http://127.0.0.1:3128",
        "traces.ca_file=/ca.pem",
        "traces.ratio=0.5",
        "log.format=json",
        "log.level=debug",
    ];

    /// Returns the settings that another key needs first.
    fn needed(other: &str) -> &'static [&'static str] {
        let key = other.split('=').next().unwrap_or_default();
        match key {
            "rate_limit.database_url" | "rate_limit.database_url_file" => {
                &["rate_limit.scope=cluster"]
            }
            "rate_limit.database_password_file" => &[
                "rate_limit.scope=cluster",
                "rate_limit.database_url=postgres://me@localhost/rates",
            ],
            "admin.cert_file" | "admin.key_file" => {
                &["admin.cert_file=/other.pem", "admin.key_file=/other.pem"]
            }
            _ => &[],
        }
    }

    #[test]
    fn each_key_that_changes_is_told_and_taken_over_only_if_it_is_live() {
        let mut told = Vec::new();
        for other in OTHERS {
            let was = with(needed(other));
            let new = with(&[needed(other), &[other]].concat());
            let changes = was.changes_to(&new);
            assert_eq!(changes.len(), 1, "{other}: {changes:?}");
            let taken = was.with_live_of(&new);
            assert_eq!(
                taken.changes_to(&new).is_empty(),
                changes[0].live,
                "{other}"
            );
            assert_eq!(
                was.changes_to(&taken).is_empty(),
                !changes[0].live,
                "{other}"
            );
            told.push(changes[0].key);
        }
        assert_eq!(told, keys().map(|key| key.name).collect::<Vec<_>>());
    }

    #[test]
    fn a_change_is_told_in_the_words_of_the_file_and_a_secret_without_it() {
        let was = with(&[
            "platform.token=hunter2",
            "database.url=mysql://me:hunter2@db/x",
        ]);
        let new = with(&[
            "platform.token=hunter3",
            "database.url=mysql://me:hunter3@db/x",
            "delivery.linger=2500ms",
            "rate_limit.per_user=0.5",
        ]);
        let told: Vec<String> = was
            .changes_to(&new)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "database.url: another mysql://me:***@db/x",
                "platform.token: another ***",
                "delivery.linger: 1s -> 2s 500ms",
                "rate_limit.per_user: not set -> 0.5",
            ]
        );
        assert!(was.changes_to(&was.clone()).is_empty());
    }
}
