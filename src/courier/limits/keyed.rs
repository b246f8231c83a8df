//! A limit for each of many keys: users, or lanes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::limit::Limit;
use super::rate::Rate;
use super::share::SharedRates;
use crate::lock::lock;

/// One rate that holds for each key separately.
pub(super) struct Keyed<K> {
    /// `None`: no limit.
    rate: Mutex<Option<Rate>>,
    shared: Option<SharedRates>,
    name: fn(&K) -> String,
    limits: Mutex<HashMap<K, Arc<Limit>>>,
}

impl<K: Eq + Hash> Keyed<K> {
    pub(super) fn new(
        rate: Option<Rate>,
        shared: Option<SharedRates>,
        name: fn(&K) -> String,
    ) -> Self {
        Self {
            rate: Mutex::new(rate),
            shared,
            name,
            limits: Mutex::default(),
        }
    }

    pub(super) fn change(&self, rate: Option<Rate>) {
        let limits = lock(&self.limits);
        *lock(&self.rate) = rate;
        for limit in limits.values() {
            limit.change(rate);
        }
    }

    /// Returns the key's limit, or `None` without asking for the key if there is no limit.
    pub(super) fn of(&self, key: impl FnOnce() -> K) -> Option<Arc<Limit>> {
        let mut limits = lock(&self.limits);
        let rate = (*lock(&self.rate))?;
        let limit = match limits.entry(key()) {
            Entry::Occupied(limit) => limit.into_mut(),
            Entry::Vacant(vacant) => {
                let name = (self.name)(vacant.key());
                let limit = Limit::new(rate, self.shared.clone(), &name);
                vacant.insert(Arc::new(limit))
            }
        };
        Some(Arc::clone(limit))
    }

    /// Forgets limits that a new one would equal. Keeps limits that still have waiters.
    pub(super) fn forget_idle(&self) {
        let now = Instant::now();
        lock(&self.limits)
            .retain(|_, limit| Arc::strong_count(limit) > 1 || !lock(&limit.bucket).is_as_new(now));
    }
}
