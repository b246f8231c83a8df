//! The CRM pools: the customers of each user or sub user, into which numbers go before their task
//! unless the request says `ignore_crm`.

use std::collections::{HashMap, HashSet};

use super::number;

/// All pools. A pool has each person once, however many tasks the number goes into.
#[derive(Debug, Default)]
pub(super) struct Pools(HashMap<Box<str>, HashSet<Box<str>>>);

impl Pools {
    /// Adds a number to an owner's pool; `true` if it was not there yet.
    pub(super) fn add(&mut self, owner: &str, phone: &str) -> bool {
        let person = number::base(phone);
        if let Some(pool) = self.0.get_mut(owner) {
            return !pool.contains(person) && pool.insert(person.into());
        }
        self.0.insert(owner.into(), HashSet::from([person.into()]));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_counted_once_per_owner_whatever_the_suffix() {
        let mut pools = Pools::default();
        assert!(pools.add("user", "13012121211"));
        assert!(!pools.add("user", "13012121211"));
        assert!(!pools.add("user", "13012121211_a1"));
        assert!(pools.add("user", "13012121212"));
        assert!(pools.add("sub-user", "13012121211"));
    }
}
