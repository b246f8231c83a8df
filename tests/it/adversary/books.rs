//! The platform's books: the numbers that it holds, and what it has said, or not said, about each.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::time::{Duration, Instant};

use crate::world::Lane;

/// The truth about a number in a task, and what the platform said about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// How often the task holds it.
    pub(super) held: u32,
    /// How many requests carried it.
    pub(super) carried: u32,
    /// How many of these requests got no full answer, or an answer that does not tell of this
    /// number.
    pub(super) unclear: u32,
    /// How often the number was said to be in, to be refused, and to be already there.
    pub(super) yes: u32,
    pub(super) no: u32,
    pub(super) there: u32,
    /// How often the platform said so in words that may mean something else.
    pub(super) perhaps_there: u32,
}

/// A request that came in.
#[derive(Debug)]
struct Seen {
    lane: Lane,
    body: u64,
    at: Instant,
}

/// The platform's whole knowledge.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) numbers: HashMap<(Lane, String), Entry>,
    /// Numbers as the tasks keep them, with the courier's suffix where they have one.
    copies: HashSet<(Lane, String)>,
    seen: Vec<Seen>,
}

/// The most equal requests of a lane in a second, on average: a request that is sent again waits
/// longer each time.
const EQUAL_IN_A_SECOND: usize = 40;

impl Books {
    pub(super) fn entry(&mut self, lane: &Lane, kept: &str) -> &mut Entry {
        self.numbers
            .entry((lane.clone(), kept.to_owned()))
            .or_default()
    }

    /// Whether the task has taken a number, written in this way.
    pub(super) fn has(&self, lane: &Lane, copy: &str) -> bool {
        self.copies.contains(&(lane.clone(), copy.to_owned()))
    }

    /// The task takes a number.
    pub(super) fn take(&mut self, lane: &Lane, kept: &str, copy: &str) {
        self.entry(lane, kept).held += 1;
        self.copies.insert((lane.clone(), copy.to_owned()));
    }

    /// Notes a request.
    pub(super) fn note(&mut self, lane: &Lane, body: &[u8]) {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        self.seen.push(Seen {
            lane: lane.clone(),
            body: hasher.finish(),
            at: Instant::now(),
        });
    }

    /// Returns how many requests came in for such lanes.
    pub(super) fn requests(&self, which: impl Fn(&Lane) -> bool) -> usize {
        self.seen.iter().filter(|seen| which(&seen.lane)).count()
    }

    /// Returns a lane that sent the same again and again without delay, if there is one, and how
    /// often.
    pub(super) fn restless(&self) -> Option<(Lane, usize)> {
        let mut by_body: HashMap<(&Lane, u64), Vec<Instant>> = HashMap::new();
        for seen in &self.seen {
            by_body
                .entry((&seen.lane, seen.body))
                .or_default()
                .push(seen.at);
        }
        by_body.into_iter().find_map(|((lane, _), times)| {
            let most = (0..times.len()).map(|from| {
                let within = |at: &&Instant| **at - times[from] < Duration::from_secs(1);
                times[from..].iter().take_while(within).count()
            });
            let most = most.max().unwrap_or_default();
            (most > EQUAL_IN_A_SECOND).then(|| (lane.clone(), most))
        })
    }
}
