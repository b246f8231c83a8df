//! The verdict: what one answer of the platform, or its absence, says about a batch.
//!
//! A pure function from (batch as sent, reply) to a value; it does no I/O. Its neighbours are the
//! client, which brings the answer, and the courier, which acts on the verdict. `docs/answers.md`
//! is this module in prose, and each test here names the line that it proves.
//!
//! It guarantees: no row is settled without evidence in the answer, no row is settled as
//! `succeeded` that the answer names as refused, and a batch that cannot be sent twice is never
//! sent again.

mod attribution;
mod closing;
mod existence;
mod fault;
mod import;
mod neutral;
mod outcome;
mod read;
mod reason;
mod refusal;
mod reply;
mod rules;
mod success;
mod tally;
mod trouble;
mod wait;
mod words;

pub use self::closing::{
    Closing, expire_on_hold, fails_alone, fails_whole, give_up, give_up_on_hold, taken_apart,
    unconfirmed, vanished,
};
pub use self::outcome::Outcome;
pub use self::read::{Verdict, read};
pub use self::reason::{Scope, WaitReason};
pub use self::reply::{Answer, Reply};
pub use self::rules::Rules;
pub use self::wait::Wait;
pub use self::words::masked;

#[cfg(test)]
mod tests;
