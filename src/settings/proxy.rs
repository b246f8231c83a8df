//! The way of requests to the outside: which proxy they go through, if any.

use std::fmt;
use std::net::Ipv4Addr;

use hyper_util::client::proxy::matcher::Matcher;
use serde::{Deserialize, Serialize, Serializer};
use url::{Host, Url};

use super::error::Faults;
use super::shown::HIDDEN;

/// The word for the proxies of the environment.
const ENVIRONMENT: &str = "environment";

/// The proxy of requests.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum ProxySetting {
    /// None, whatever the environment says.
    #[default]
    None,
    /// As the variables `HTTPS_PROXY` and `NO_PROXY` say.
    Environment,
    /// This proxy. It may hold a password, or a token for a user, which are not shown.
    At(Url),
}

impl fmt::Debug for ProxySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Environment => f.write_str("Environment"),
            Self::At(url) => write!(f, "At({})", shown(url)),
        }
    }
}

impl<'de> Deserialize<'de> for ProxySetting {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.trim() {
            "" => Ok(Self::None),
            ENVIRONMENT => Ok(Self::Environment),
            // The error is never shown: it may quote a password.
            address => Url::parse(address)
                .map(Self::At)
                .map_err(serde::de::Error::custom),
        }
    }
}

impl Serialize for ProxySetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str(""),
            Self::Environment => serializer.serialize_str(ENVIRONMENT),
            Self::At(url) => serializer.serialize_str(&shown(url)),
        }
    }
}

/// Shows a proxy to people: whether it has a user, and not which. The name may be a token.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    if has_user(url) && (shown.set_username(HIDDEN).is_err() || shown.set_password(None).is_err()) {
        return HIDDEN.into();
    }
    shown.into()
}

/// Whether it holds the name of a user or a password. Either may be a secret.
pub(super) fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

impl ProxySetting {
    pub(super) fn check(&self, faults: &mut Faults, key: &str) {
        let Self::At(url) = self else {
            return;
        };
        let is_known = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare = url.path().trim_matches('/').is_empty() && url.query().is_none();
        faults.demand(
            is_known && bare,
            key,
            HIDDEN,
            "write http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ if the proxy asks for it, \
             or \"environment\", or \"\" for none",
        );
    }

    /// The proxy for an address.
    pub(super) fn of(&self, address: &Url, environment: &ProxyVariables) -> Option<Url> {
        match self {
            Self::None => None,
            Self::At(proxy) => Some(proxy.clone()),
            Self::Environment => environment.proxy_of(address),
        }
    }

    /// Returns the secret in it, to tell one from another.
    pub(super) fn secret(&self) -> Option<&str> {
        match self {
            Self::At(url) => Some(url.as_str()),
            _ => None,
        }
    }
}

/// The environment's variables about proxies.
#[derive(Clone, Default)]
pub(super) struct ProxyVariables {
    http: String,
    https: String,
    all: String,
    except: String,
}

/// Each of them may hold a password.
impl fmt::Debug for ProxyVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyVariables").finish_non_exhaustive()
    }
}

impl ProxyVariables {
    /// Reads the variables from an environment; names in small letters come first, as elsewhere.
    pub(super) fn of(environment: &[(String, String)]) -> Self {
        let value = |name: &str| {
            let found = |name: &str| {
                let mut all = environment.iter();
                all.find(|(known, value)| *known == name && !value.is_empty())
                    .map(|(_, value)| value.clone())
            };
            found(name)
                .or_else(|| found(&name.to_ascii_uppercase()))
                .unwrap_or_default()
        };
        Self {
            http: value("http_proxy"),
            https: value("https_proxy"),
            all: value("all_proxy"),
            except: value("no_proxy"),
        }
    }

    /// Whether the variables name a proxy for such an address.
    pub(super) fn name_one_for(&self, address: &Url) -> bool {
        self.proxy_of(address).is_some()
    }

    /// Returns no proxy for this host: it would send the request elsewhere.
    fn proxy_of(&self, address: &Url) -> Option<Url> {
        if is_this_host(address) {
            return None;
        }
        let matcher = Matcher::builder()
            .http(self.http.as_str())
            .https(self.https.as_str())
            .all(self.all.as_str())
            .no(self.except.as_str())
            .build();
        matcher.intercept(&address.as_str().parse().ok()?)?;
        // The matcher keeps user and password apart.
        let own = match address.scheme() {
            "https" => &self.https,
            _ => &self.http,
        };
        let text = if own.is_empty() { &self.all } else { own };
        let with_scheme = format!("http://{text}");
        let text = if text.contains("://") {
            text
        } else {
            &with_scheme
        };
        Url::parse(text).ok()
    }
}

/// Whether an address is of this host. A connection to the address of no host in particular
/// (`0.0.0.0`) reaches this host, and names below `localhost` are of no other.
pub fn is_this_host(address: &Url) -> bool {
    let is_ours = |ip: Ipv4Addr| ip.is_loopback() || ip.is_unspecified();
    match address.host() {
        Some(Host::Ipv4(ip)) => is_ours(ip),
        Some(Host::Ipv6(ip)) => {
            ip.is_loopback() || ip.is_unspecified() || ip.to_ipv4_mapped().is_some_and(is_ours)
        }
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(environment: &[(&str, &str)], address: &str) -> Option<String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<(String, String)> = environment.iter().map(owned).collect();
        let variables = ProxyVariables::of(&environment);
        let address = Url::parse(address).unwrap();
        let proxy = ProxySetting::Environment.of(&address, &variables)?;
        assert_eq!(ProxySetting::None.of(&address, &variables), None);
        Some(crate::http::without_user(&proxy))
    }

    #[test]
    fn the_environment_is_asked_only_where_the_settings_say_so_and_never_for_this_host() {
        let environment = [
            ("HTTPS_PROXY", "http://me:hush@a:1"),
            ("http_proxy", "b:2"),
            ("NO_PROXY", "near.example,10.0.0.0/8"),
        ];
        let of = |address| proxy(&environment, address);
        assert_eq!(of("https://far.example").as_deref(), Some("http://a:1"));
        assert_eq!(of("http://far.example").as_deref(), Some("http://b:2"));
        for direct in [
            "https://near.example",
            "https://x.near.example",
            "https://10.1.2.3",
            "https://localhost:1",
            "https://127.0.0.1",
            "http://[::1]:1",
            "https://127.8.9.1",
            "http://0.0.0.0:1",
            "http://[::]:1",
            "http://[::ffff:127.0.0.1]:1",
            "https://platform.LOCALHOST.",
        ] {
            assert_eq!(of(direct), None, "{direct}");
        }
        for elsewhere in ["https://notlocalhost", "https://[::ffff:192.0.2.1]"] {
            assert!(of(elsewhere).is_some(), "{elsewhere}");
        }
        let all = [("ALL_PROXY", "http://c:3"), ("https_proxy", "")];
        assert_eq!(proxy(&all, "https://x").as_deref(), Some("http://c:3"));
        assert_eq!(proxy(&[], "https://x"), None);
    }

    #[test]
    fn a_password_of_a_proxy_is_not_shown() {
        let read = |text: &str| serde_json::from_value::<ProxySetting>(text.into());
        for (text, told) in [
            ("http://me:hush@a:1", "http://***@a:1/"),
            ("http://hush@a:1", "http://***@a:1/"),
            ("http://:hush@a:1", "http://***@a:1/"),
            ("http://a:1", "http://a:1/"),
        ] {
            let proxy = read(text).unwrap();
            let shown = serde_json::to_string(&proxy).unwrap();
            assert_eq!(shown, format!("\"{told}\""));
            let way = crate::http::Way {
                section: "platform",
                proxy: Some(Url::parse(text).unwrap()),
                authorities: Vec::new(),
            };
            let variables = ProxyVariables::of(&[("HTTP_PROXY".into(), text.into())]);
            let debugged = format!("{proxy:?} {way:?} {variables:?}");
            assert!(
                debugged.contains("a:1") && !debugged.contains("hush"),
                "{debugged}"
            );
        }
        assert_eq!(read("").unwrap(), ProxySetting::None);
        assert_eq!(read("environment").unwrap(), ProxySetting::Environment);
        let mut faults = Faults::default();
        read("socks5://me:hush@a:1")
            .unwrap()
            .check(&mut faults, "platform.proxy");
        let said = faults.0[0].to_string();
        assert!(
            said.contains("http://HOST:PORT") && !said.contains("hush"),
            "{said}"
        );
    }
}
