//! What kind of trouble a lane is in.

use super::seed::Dice;

/// How the platform treats a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// It answers at once, in the plainest way.
    Good,
    /// What it says is true, in any form. Now and then an answer is lost or is none.
    Honest,
    /// The same, and the numbers that it refuses are not named.
    Quiet,
    /// The same as honest, but each request that carries one of certain numbers fails.
    Poisoned,
    /// What it says may be true or false, and may be nothing that anybody has written down.
    Liar,
    /// It answers with whatever JSON there is.
    Babbler,
    /// It does not know the task (404).
    Unknown,
    /// It refuses the user (403).
    Forbidden,
    /// The task runs (6007).
    Running,
    /// Nearly every second request hangs.
    Slow,
    /// It is down for the first requests.
    Down,
    /// It takes some requests, loses some, and then the task has ended: it refuses each request as a whole.
    Ends,
}

/// All kinds of trouble.
pub(super) const TROUBLES: [Mood; 11] = [
    Mood::Honest,
    Mood::Quiet,
    Mood::Poisoned,
    Mood::Liar,
    Mood::Babbler,
    Mood::Unknown,
    Mood::Forbidden,
    Mood::Running,
    Mood::Slow,
    Mood::Down,
    Mood::Ends,
];

impl Mood {
    /// Whether all that the platform says is true.
    pub(super) fn is_honest(self) -> bool {
        !matches!(self, Self::Liar | Self::Babbler)
    }

    /// Whether a person has to act before anything of the lane can go.
    pub(super) fn waits_for_a_person(self) -> bool {
        matches!(self, Self::Unknown | Self::Forbidden | Self::Running)
    }

    /// One in so many requests has no answer that can be used.
    pub(super) fn is_lost_once_in(self) -> u64 {
        match self {
            Self::Slow => 2,
            Self::Down => 4,
            _ => 12,
        }
    }
}

/// How a task takes numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) mood: Mood,
    /// Numbers are the same however they are written.
    pub(super) normalises: bool,
    /// A request fails that carries a number with this end, where the mood is so.
    pub(super) poison: &'static str,
}

impl Task {
    pub(super) fn some(mood: Mood, dice: &mut Dice) -> Self {
        Self {
            mood,
            normalises: dice.once_in(2),
            poison: dice.one_of(&["66", "66", "6"]),
        }
    }
}
