//! Knocks: how many clients of one address may agree on TLS. Pure.
//!
//! That costs CPU before anybody has said who he is. One host that knocks again and again takes a
//! bounded share of it, and does not push others' health checks out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// At most so many clients of one address agree on it in a [`WINDOW`].
const MOST: u32 = 20;

const WINDOW: Duration = Duration::from_secs(1);

/// At most so many addresses are remembered. Beyond them nobody new is admitted before a window is over.
const MOST_ADDRESSES: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Knocks(HashMap<IpAddr, Counted>);

/// Clients that were admitted within a window.
#[derive(Debug)]
struct Counted {
    since: Instant,
    admitted: u32,
}

impl Knocks {
    /// Counts a client of this address. Returns whether it is admitted.
    pub(super) fn admit(&mut self, peer: IpAddr, now: Instant) -> bool {
        let peer = network(peer);
        let is_over = |counted: &Counted| now.duration_since(counted.since) >= WINDOW;
        if self.0.len() >= MOST_ADDRESSES && !self.0.contains_key(&peer) {
            self.0.retain(|_, counted| !is_over(counted));
            if self.0.len() >= MOST_ADDRESSES {
                return false;
            }
        }
        let begins = || Counted {
            since: now,
            admitted: 0,
        };
        let counted = self.0.entry(peer).or_insert_with(begins);
        if is_over(counted) {
            *counted = begins();
        }
        counted.admitted += 1;
        counted.admitted <= MOST
    }
}

/// The address of one who may use each of its network: of IPv6 the first half.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(peer) => {
            let half = u128::from(peer) >> 64 << 64;
            IpAddr::V6(half.into())
        }
        peer @ IpAddr::V4(_) => peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(nth: usize) -> IpAddr {
        let nth = u32::try_from(nth).unwrap();
        IpAddr::V4(nth.into())
    }

    #[test]
    fn one_address_does_not_take_the_turns_of_another() {
        let (mut knocks, now) = (Knocks::default(), Instant::now());
        let admitted =
            |knocks: &mut Knocks, now| (0..1_000).filter(|_| knocks.admit(address(1), now)).count();
        assert_eq!(admitted(&mut knocks, now), 20);
        assert_eq!(admitted(&mut knocks, now + WINDOW / 2), 0);
        assert!(knocks.admit(address(2), now));
        assert_eq!(admitted(&mut knocks, now + WINDOW), 20);
    }

    #[test]
    fn a_network_of_the_new_kind_is_one_address() {
        let (mut knocks, now) = (Knocks::default(), Instant::now());
        let mut admitted = |peer: &str| knocks.admit(peer.parse().unwrap(), now);
        let many = (0..100).filter(|nth| admitted(&format!("2001:db8::{nth:x}")));
        assert_eq!(many.count(), 20);
        assert!(admitted("2001:db8:0:1::1"));
        let many = (0..100).filter(|_| admitted("::ffff:192.0.2.1"));
        assert_eq!(many.count(), 20);
        assert!(!admitted("192.0.2.1"));
    }

    #[test]
    fn so_many_addresses_at_once_are_enough() {
        let (mut knocks, now) = (Knocks::default(), Instant::now());
        let all = |knocks: &mut Knocks, from: usize, now| {
            let all = from..from + 2 * MOST_ADDRESSES;
            all.filter(|nth| knocks.admit(address(*nth), now)).count()
        };
        assert_eq!(all(&mut knocks, 0, now), MOST_ADDRESSES);
        assert!(knocks.admit(address(1), now), "it is known");
        assert_eq!(all(&mut knocks, 5_000, now + WINDOW), MOST_ADDRESSES);
    }
}
