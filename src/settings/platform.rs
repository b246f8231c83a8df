//! `[platform]`: the calling platform and how to read its refusals.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::address;
use super::error::{Fault, Faults};
use super::key::{Key, Kind};
use super::proxy::ProxySetting;
use super::shown::{HIDDEN, as_written, empty_if_none, hidden, path_if_some};

pub(super) const KEYS: &[Key] = &[
    Key::new("platform.base_url", Kind::Url("https://ai.api.example.com")).secret(),
    Key::new("platform.token", Kind::Text).optional().secret(),
    Key::new("platform.token_file", Kind::Path).optional(),
    // Secret, because it may hold a password.
    Key::new("platform.proxy", Kind::Proxy).secret(),
    Key::new("platform.ca_file", Kind::Path).optional(),
    Key::new("platform.timeout", Kind::Duration),
    Key::new("platform.connect_timeout", Kind::Duration),
    Key::new("platform.lane_codes", Kind::Wholes).live(),
    Key::new("platform.lane_markers", Kind::Texts).live(),
    Key::new("platform.duplicate_markers", Kind::Texts).live(),
];

#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlatformSettings {
    /// The platform's address, http or https; it differs per reseller. Default
    /// `https://ai.api.longlonglong.cn`.
    pub base_url: Url,
    /// The platform's token. Default: none; `token_file` keeps it out of the settings.
    #[serde(serialize_with = "hidden")]
    pub token: Option<SecretString>,
    /// A file with the token; read again when it changes. Default: none.
    #[serde(serialize_with = "path_if_some")]
    pub token_file: Option<PathBuf>,
    /// The proxy on the way to the platform: empty for none, whatever the environment says;
    /// `environment`: as `HTTPS_PROXY` and `NO_PROXY` say, and never for this host; or
    /// `http://USER:PASSWORD@HOST:PORT`. Default empty.
    pub proxy: ProxySetting,
    /// A file with certificates of authorities (PEM) that are trusted beside the system's. Default:
    /// none.
    #[serde(serialize_with = "empty_if_none")]
    pub ca_file: Option<PathBuf>,
    /// How long a request may take in all. Default 30s.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How long connecting may take; at most `timeout`. Default 5s, or `timeout` if that is less.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Values of `code` in an answer that speak of the whole task, not of a row: it is running and
    /// its owner has to pause it. Default `[6007]`.
    pub lane_codes: Vec<i64>,
    /// Words in the message of a 422 that speak of the whole task likewise. Default `请先停止任务`,
    /// `请先暂停任务`.
    pub lane_markers: Vec<String>,
    /// Phrases in a row's failure that mean: the number is already in the task. Default
    /// `号码重复`, `号码已存在` and the like.
    pub duplicate_markers: Vec<String>,
}

/// As it is written: no secret, nor one that stands in the place of its path.
impl fmt::Debug for PlatformSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&as_written(self)?)
    }
}

impl Default for PlatformSettings {
    fn default() -> Self {
        Self {
            base_url: default_base_url(),
            token: None,
            token_file: None,
            proxy: ProxySetting::None,
            ca_file: None,
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            lane_codes: vec![6007],
            lane_markers: vec!["请先停止任务".into(), "请先暂停任务".into()],
            duplicate_markers: DUPLICATE_MARKERS.map(str::to_owned).to_vec(),
        }
    }
}

/// Each phrase names a number: `重复` alone also stands in "do not submit this again".
const DUPLICATE_MARKERS: [&str; 8] = [
    "号码重复",
    "重复号码",
    "号码已存在",
    "号码已经存在",
    "手机号重复",
    "手机号已存在",
    "电话重复",
    "电话已存在",
];

#[expect(
    clippy::expect_used,
    reason = "a constant that every test of this module parses"
)]
fn default_base_url() -> Url {
    Url::parse("https://ai.api.longlonglong.cn").expect("is a URL")
}

impl PlatformSettings {
    pub(super) fn check(&self, faults: &mut Faults) {
        let instead = "the token is platform.token_file";
        address::check(faults, "platform.base_url", &self.base_url, instead);
        self.check_token(faults);
        self.proxy.check(faults, "platform.proxy");
        for (key, value) in [
            ("platform.timeout", self.timeout),
            ("platform.connect_timeout", self.connect_timeout),
        ] {
            let shown = humantime::format_duration(value);
            faults.demand(!value.is_zero(), key, shown, "must be more than 0s");
        }
        faults.demand(
            self.connect_timeout <= self.timeout || self.timeout.is_zero(),
            "platform.connect_timeout",
            humantime::format_duration(self.connect_timeout),
            "must not be longer than platform.timeout",
        );
        for (key, markers) in [
            ("platform.lane_markers", &self.lane_markers),
            ("platform.duplicate_markers", &self.duplicate_markers),
        ] {
            // An empty word would be found in every message.
            let kept = markers.iter().all(|marker| !marker.trim().is_empty());
            let rule = "must not hold an empty text: it would match every message";
            faults.demand(kept, key, format!("{markers:?}"), rule);
        }
    }

    fn check_token(&self, faults: &mut Faults) {
        faults.demand(
            self.token.is_none() || self.token_file.is_none(),
            "platform.token",
            HIDDEN,
            "set either platform.token or platform.token_file and leave the other empty",
        );
        if let Some(token) = &self.token {
            let fit = token.expose_secret().bytes().all(|b| b.is_ascii_graphic());
            let rule = "must be of visible ASCII characters without spaces";
            faults.demand(fit, "platform.token", HIDDEN, rule);
        }
    }

    /// Fails if no token is set: only the commands that call the platform need one.
    pub(super) fn require_token(&self) -> Result<(), Fault> {
        if self.token.is_some() || self.token_file.is_some() {
            return Ok(());
        }
        Err(Fault {
            key: "platform.token".into(),
            found: "platform.token is not set".into(),
            origin: None,
            rule:
                "write the platform's token into a file and set platform.token_file to its path, \
                   or set COURIER__PLATFORM__TOKEN"
                    .into(),
        })
    }
}
