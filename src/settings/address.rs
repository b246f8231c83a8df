//! A web address that requests go to. It must be bare, so that it may be shown.

use url::Url;

use super::error::Faults;
use super::shown::HIDDEN;

/// Checks an address that the key names; `instead` says where a secret belongs.
pub(super) fn check(faults: &mut Faults, key: &str, url: &Url, instead: &str) {
    let bare = url.username().is_empty() && url.password().is_none();
    // The address may hold a secret: only a bare one is shown.
    let is_plain = url.query().is_none() && url.fragment().is_none();
    let shown = if !url.as_str().contains('@') && is_plain {
        url.as_str()
    } else {
        HIDDEN
    };
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    faults.demand(web, key, shown, "must begin with https:// or http://");
    let rule = format!("must not hold a user or password; {instead}");
    faults.demand(bare, key, shown, &rule);
    faults.demand(is_plain, key, shown, "must not hold a '?' or '#'");
}
