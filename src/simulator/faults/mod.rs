//! The faults: what may go wrong, how likely it is, and how the platform's answers look.
//!
//! One value, [`Faults`], stands in three places under the same keys: a settings file, the body of
//! `POST /simulator/faults`, and this struct for tests in the same process. A request meets at most
//! one fault, so the probabilities on the upper level add up to at most 1. The tables (`rows`,
//! `mask`, `answer`, `refusal`, `limits`) combine with any of them.

mod dice;
mod error;
mod kind;
mod rows;
mod settings;
mod style;

pub(super) use self::dice::{Dice, Draw};
pub use self::error::FaultsError;
pub use self::kind::Fault;
pub(super) use self::rows::RowLuck;
pub use self::rows::{RowFault, RowFaults};
pub use self::settings::Faults;
pub use self::style::{
    AnswerStyle, CountStyle, DataStyle, FailListStyle, MaskStyle, RefusalBody, RefusalStyle,
    RetryAfter, RunningSays, SizeLimits, SuffixStyle,
};
