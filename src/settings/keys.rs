//! Every key of the settings.

use super::key::Key;
use super::{
    admin, database, delivery, log, platform, rate_limit, request, retention, retry, traces,
};

/// Returns every key, in the order of the sections.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    [
        database::KEYS,
        platform::KEYS,
        request::KEYS,
        delivery::KEYS,
        retry::KEYS,
        rate_limit::KEYS,
        retention::KEYS,
        admin::KEYS,
        traces::KEYS,
        log::KEYS,
    ]
    .into_iter()
    .flatten()
}
