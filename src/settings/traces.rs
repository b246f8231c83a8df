//! `[traces]`: the collector that gets the way of each batch, and the part of batches that is
//! traced.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::address;
use super::error::Faults;
use super::key::{Key, Kind};
use super::proxy::ProxySetting;
use super::shown::empty_if_none;

pub(super) const KEYS: &[Key] = &[
    // Hidden while it is wrong: the wrong part may be a password.
    Key::new("traces.endpoint", Kind::Url("http://127.0.0.1:4318"))
        .optional()
        .secret(),
    Key::new("traces.proxy", Kind::Proxy).secret(),
    Key::new("traces.ca_file", Kind::Path).optional(),
    Key::new("traces.ratio", Kind::Number),
];

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesSettings {
    /// The address of a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`;
    /// `/v1/traces` is appended unless it ends so. Empty: off. Default empty.
    #[serde(serialize_with = "empty_if_none")]
    pub endpoint: Option<Url>,
    /// The proxy on the way to the collector, as `platform.proxy`. Default empty.
    pub proxy: ProxySetting,
    /// A file with certificates of authorities (PEM) that are trusted beside the system's. Default:
    /// none.
    #[serde(serialize_with = "empty_if_none")]
    pub ca_file: Option<PathBuf>,
    /// The part of all batches that is traced, 0 to 1. Default 1.
    pub ratio: f64,
}

impl Default for TracesSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            proxy: ProxySetting::None,
            ca_file: None,
            ratio: 1.0,
        }
    }
}

impl TracesSettings {
    pub(super) fn check(&self, faults: &mut Faults) {
        if let Some(url) = &self.endpoint {
            let instead = "a collector of your own can add what another one asks for";
            address::check(faults, "traces.endpoint", url, instead);
        }
        self.proxy.check(faults, "traces.proxy");
        let kept = (0.0..=1.0).contains(&self.ratio);
        faults.demand(kept, "traces.ratio", self.ratio, "must be 0 to 1");
    }
}
