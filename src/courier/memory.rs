//! The bytes of contacts that the lanes hold in memory, and how many more a lane may read.
//!
//! A lane always has room for its part. It may hold more while all lanes together hold less than
//! [`ALL`]. So a few lanes work as fast as the platform lets them, and many lanes with long rows
//! stay within the memory. Together they never hold more than twice [`ALL`], and a row each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The limit of all lanes together, beyond their parts: twelve requests of usual length. A contact
/// in flight is in memory twice, as a contact and as JSON.
const ALL: usize = 12 * 1_048_576;

/// The limit of a single lane, so that no lane takes all.
const ONE: usize = ALL / 2;

/// The bytes that all lanes hold. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<AtomicUsize>);

/// The bytes that one lane holds, given back on drop.
#[derive(Debug, Default)]
pub(super) struct LaneMemory {
    all: Memory,
    bytes: usize,
}

impl LaneMemory {
    pub(super) fn new(all: Memory) -> Self {
        Self { all, bytes: 0 }
    }

    /// Reserves as many bytes as the lane may read, `most` at the most, with `places` places for
    /// lanes. Returns how many.
    pub(super) fn reserve(&mut self, most: usize, places: usize) -> usize {
        let part = (ALL / places.max(1)).saturating_sub(self.bytes);
        let one = ONE.saturating_sub(self.bytes);
        let granted = |all: usize| part.max(one.min(ALL.saturating_sub(all))).min(most);
        let add = |all: usize| Some(all + granted(all));
        let all = &self.all.0;
        let before = all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        let granted = before.map_or(0, granted);
        self.bytes += granted;
        granted
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.all.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.all.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for LaneMemory {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lane_alone_has_much_and_gives_it_back_when_it_ends() {
        let all = Memory::default();
        let mut lane = LaneMemory::new(all.clone());
        assert_eq!(lane.reserve(1_000, 32), 1_000);
        assert_eq!(lane.reserve(usize::MAX, 32), ONE - 1_000);
        assert_eq!(lane.reserve(usize::MAX, 32), 0);
        lane.give_back(100);
        assert_eq!(lane.reserve(usize::MAX, 32), 100);
        drop(lane);
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn lanes_that_hang_do_not_take_the_part_of_the_others() {
        let all = Memory::default();
        let mut hanging: Vec<LaneMemory> = (0..6).map(|_| LaneMemory::new(all.clone())).collect();
        for lane in &mut hanging {
            lane.reserve(usize::MAX, 32);
        }
        assert_eq!(LaneMemory::new(all).reserve(usize::MAX, 32), ALL / 32);
    }

    proptest! {
        #[test]
        fn together_they_hold_twice_as_much_and_a_row_each_at_the_most(
            places in 1usize..200,
            row in 1usize..100_000,
            turns in prop::collection::vec((0usize..200, any::<bool>()), 1..300),
        ) {
            let all = Memory::default();
            let mut lanes: Vec<LaneMemory> = (0..places).map(|_| LaneMemory::new(all.clone())).collect();
            for (lane, reads) in turns {
                let lane = &mut lanes[lane % places];
                if reads {
                    // A page ends with the row that brings it to its bytes.
                    let granted = lane.reserve(1_000_000, places);
                    lane.give_back(granted);
                    lane.add(granted.div_ceil(row) * row);
                } else {
                    lane.give_back(row);
                }
                let held = all.0.load(Ordering::Relaxed);
                prop_assert!(held <= 2 * ALL + (places + 1) * row, "{held}");
            }
        }
    }
}
