//! The moods of the platform: the kinds of trouble that a lane may be in.

use super::seed::Dice;

/// How the platform treats a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// The platform answers at once, in the plainest way.
    Good,
    /// The platform tells the truth, in any form. Now and then an answer is lost or is none.
    Honest,
    /// As honest, but without the names of refused numbers.
    Quiet,
    /// As honest, but each request that carries one of certain numbers fails.
    Poisoned,
    /// The platform's answers may be true or false, and may be of no documented form.
    Liar,
    /// The platform answers with any JSON.
    Babbler,
    /// The platform does not know the task (404).
    Unknown,
    /// The platform refuses the user (403).
    Forbidden,
    /// The task is running (6007).
    Running,
    /// Nearly every second request hangs.
    Slow,
    /// The platform is down for the first requests.
    Down,
    /// The task takes some requests, loses some, and then ends: it refuses each request as a whole.
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

    /// Whether a person has to act before any row of the lane can go.
    pub(super) fn waits_for_a_person(self) -> bool {
        matches!(self, Self::Unknown | Self::Forbidden | Self::Running)
    }

    /// Returns N, where one request in N has no usable answer.
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
    /// Whether all spellings of a number are the same number.
    pub(super) normalises: bool,
    /// In the mood `Poisoned`, a request fails if it carries a number with this end.
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
