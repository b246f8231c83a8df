//! Limits the clients of one address that agree on TLS. Pure.
//!
//! Agreeing on TLS costs CPU before a client has said who it is. A host that knocks again and again
//! takes a bounded share of it, and does not push others' health checks out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

/// How many clients of one address may agree on TLS in a [`WINDOW`].
const MOST: u32 = 50;

/// The same for one network of IPv6, because a host may have all of its addresses.
const MOST_OF_A_NETWORK: u32 = 200;

const WINDOW: Duration = Duration::from_secs(1);

/// How many addresses are remembered. All further addresses are counted as one.
const MOST_ADDRESSES: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Knocks(HashMap<Who, Counted>);

/// The clients that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Address(IpAddr),
    Network(Ipv6Addr),
    /// All addresses, or networks, for which there is no room.
    OtherAddresses,
    OtherNetworks,
}

impl Who {
    fn others(self) -> Self {
        match self {
            Self::Address(_) | Self::OtherAddresses => Self::OtherAddresses,
            Self::Network(_) | Self::OtherNetworks => Self::OtherNetworks,
        }
    }
}

/// Clients that were admitted within a window.
#[derive(Debug)]
struct Counted {
    since: Instant,
    admitted: u32,
}

impl Counted {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= WINDOW
    }
}

impl Knocks {
    /// Counts a client of this address. Returns whether it is admitted.
    pub(super) fn admit(&mut self, peer: IpAddr, now: Instant) -> bool {
        match peer.to_canonical() {
            peer @ IpAddr::V4(_) => self.count(Who::Address(peer), MOST, now),
            IpAddr::V6(peer) => {
                let network = Ipv6Addr::from(u128::from(peer) >> 64 << 64);
                // A client that is refused for its network needs no entry of its own.
                self.has_room(Who::Network(network), MOST_OF_A_NETWORK, now)
                    && self.count(Who::Address(peer.into()), MOST, now)
                    && self.count(Who::Network(network), MOST_OF_A_NETWORK, now)
            }
        }
    }

    fn has_room(&self, who: Who, most: u32, now: Instant) -> bool {
        let counted = self.0.get(&who).filter(|counted| !counted.is_over(now));
        counted.is_none_or(|counted| counted.admitted < most)
    }

    fn count(&mut self, mut who: Who, most: u32, now: Instant) -> bool {
        if self.0.len() >= MOST_ADDRESSES && !self.0.contains_key(&who) {
            self.0.retain(|_, counted| !counted.is_over(now));
            if self.0.len() >= MOST_ADDRESSES {
                who = who.others();
            }
        }
        let begins = || Counted {
            since: now,
            admitted: 0,
        };
        let counted = self.0.entry(who).or_insert_with(begins);
        if counted.is_over(now) {
            *counted = begins();
        }
        counted.admitted += 1;
        counted.admitted <= most
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
        assert_eq!(admitted(&mut knocks, now), 50);
        assert_eq!(admitted(&mut knocks, now + WINDOW / 2), 0);
        assert!(knocks.admit(address(2), now));
        assert_eq!(admitted(&mut knocks, now + WINDOW), 50);
    }

    #[test]
    fn a_network_of_ipv6_has_a_limit_of_its_own() {
        let (mut knocks, now) = (Knocks::default(), Instant::now());
        let mut admitted = |peer: &str| knocks.admit(peer.parse().unwrap(), now);
        let of_one = (0..100).filter(|_| admitted("2001:db8::1")).count();
        let of_all = (0..500).filter(|nth| admitted(&format!("2001:db8::{nth:x}")));
        assert_eq!((of_one, of_all.count()), (50, 150));
        assert!(admitted("2001:db8:0:1::1"));
        assert!(knocks.0.len() < 300, "what is refused is not remembered");
        let mut admitted = |peer: &str| knocks.admit(peer.parse().unwrap(), now);
        let mapped = (0..100).filter(|_| admitted("::ffff:192.0.2.1"));
        assert_eq!(mapped.count(), 50);
        assert!(!admitted("192.0.2.1"));
    }

    #[test]
    fn very_many_addresses_are_counted_as_one() {
        let (mut knocks, now) = (Knocks::default(), Instant::now());
        let all = |knocks: &mut Knocks, from: usize, now| {
            let all = from..from + 2 * MOST_ADDRESSES;
            all.filter(|nth| knocks.admit(address(*nth), now)).count()
        };
        assert_eq!(all(&mut knocks, 1, now), MOST_ADDRESSES + 50);
        assert!(knocks.admit(address(1), now), "it is known");
        assert_eq!(all(&mut knocks, 5_000, now + WINDOW), MOST_ADDRESSES + 50);
        assert!(knocks.0.len() <= MOST_ADDRESSES + 2);
    }
}
