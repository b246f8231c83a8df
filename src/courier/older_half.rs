//! Of what is remembered, the older half is forgotten when it is too much, so that memory stays bounded.

use std::collections::HashMap;

/// Forgets the half of what was noted longest ago. `nth`: the order in which it was noted.
pub(super) fn forget_older_half<K, V, N: Ord + Copy>(
    known: &mut HashMap<K, V>,
    nth: impl Fn(&V) -> N,
) {
    let mut order: Vec<N> = known.values().map(&nth).collect();
    if order.is_empty() {
        return;
    }
    let middle = order.len() / 2;
    let (_, middle, _) = order.select_nth_unstable(middle);
    let middle = *middle;
    let before = known.len();
    known.retain(|_, noted| nth(noted) >= middle);
    // More than half may share the least place in the order.
    if known.len() == before {
        known.retain(|_, noted| nth(noted) > middle);
    }
}
