//! Answers that are out of date because of an order or a new token.
//!
//! While requests are under way, an operator orders that lanes are tried at once, or the token
//! changes. The answers to these requests then say nothing about what has changed. Pure.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::contact::Lane;
use crate::outbox::OrderScope;
use crate::platform::verdict::WaitReason;

/// At most this many orders are remembered. So many orders take longer than any request.
const MOST: usize = 1_000;

/// When lanes were last ordered to be tried, and when the token last changed.
#[derive(Debug, Default)]
pub(super) struct Overtaken {
    /// The newest order comes last.
    orders: VecDeque<(OrderScope, Instant)>,
    token_changed_at: Option<Instant>,
}

impl Overtaken {
    /// Notes that an operator has ordered a try of these lanes.
    pub(super) fn by_order(&mut self, scope: &OrderScope, now: Instant) {
        self.orders.retain(|(known, _)| known != scope);
        if self.orders.len() >= MOST {
            self.orders.pop_front();
        }
        self.orders.push_back((scope.clone(), now));
    }

    /// Notes that the token has changed.
    pub(super) fn by_token(&mut self, now: Instant) {
        self.token_changed_at = Some(now);
    }

    /// Whether something has changed since a request of the lane was sent at `sent`. Then the wait
    /// that its answer calls for is void.
    pub(super) fn has(&self, lane: &Lane, reason: WaitReason, sent: Instant) -> bool {
        let by_token = waits_for_a_token(reason) && self.token_changed_at >= Some(sent);
        let mut since = self.orders.iter().rev().take_while(|(_, at)| *at >= sent);
        by_token || since.any(|(scope, _)| scope.covers(lane))
    }
}

/// The reasons of waits that a new token may end.
pub(super) const WAIT_FOR_A_TOKEN: [WaitReason; 2] =
    [WaitReason::Unauthorized, WaitReason::Forbidden];

pub(super) fn waits_for_a_token(reason: WaitReason) -> bool {
    WAIT_FOR_A_TOKEN.contains(&reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn lane(user: &str, task: &str) -> Lane {
        Lane::new(user, task).unwrap()
    }

    #[test]
    fn an_order_overtakes_what_went_before_it_of_the_lanes_that_it_is_about() {
        let (mut overtaken, now) = (Overtaken::default(), Instant::now());
        let not_found = WaitReason::NotFound;
        overtaken.by_order(&OrderScope::Lane(lane("a", "1")), now + SECOND);
        overtaken.by_order(&OrderScope::User("b".into()), now + SECOND * 3);
        for (lane, sent, expected) in [
            (lane("a", "1"), now, true),
            (lane("a", "1"), now + SECOND * 2, false),
            (lane("a", "2"), now, false),
            (lane("b", "2"), now + SECOND * 2, true),
        ] {
            assert_eq!(overtaken.has(&lane, not_found, sent), expected, "{lane}");
        }
        for nth in 0..2 * MOST {
            overtaken.by_order(&OrderScope::User(nth.to_string()), now + SECOND * 4);
        }
        assert_eq!(overtaken.orders.len(), MOST);
    }

    #[test]
    fn a_new_token_overtakes_what_the_old_one_was_refused_for() {
        let (mut overtaken, now) = (Overtaken::default(), Instant::now());
        let lane = lane("a", "1");
        assert!(!overtaken.has(&lane, WaitReason::Unauthorized, now));
        overtaken.by_token(now + SECOND);
        for (reason, sent, expected) in [
            (WaitReason::Unauthorized, now, true),
            (WaitReason::Forbidden, now, true),
            (WaitReason::RateLimited, now, false),
            (WaitReason::Unauthorized, now + SECOND * 2, false),
        ] {
            assert_eq!(overtaken.has(&lane, reason, sent), expected, "{reason:?}");
        }
    }
}
