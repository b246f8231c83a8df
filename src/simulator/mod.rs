//! The simulator: the calling platform as a local HTTP server, with faults on request.
//!
//! Users rehearse outages against it before they go live; tests ask it afterwards what it holds. It
//! shares no code with `platform`, the client of the real one: the documented JSON shapes and the
//! masking are written anew here, so that a mistake in one cannot hide in the other.
//!
//! A request goes through `routes` → `platform` (one request from arrival to reply, with the `luck`
//! that the `faults` in force give it) → `ledger` (the whole memory) → `task` (the import rules),
//! and back through `wire`.
//!
//! The simulator guarantees:
//!
//! - A task never holds a number twice, unless the request asked for a suffix.
//! - Every row of a request that was taken up is held, refused with a cause or dropped on request,
//!   and [`State`] tells which.
//! - The same seed and the same order of requests give the same faults; the fault of a single
//!   number does not depend on the order.
//! - `requests` is the sum of [`Answers`]: every request to add numbers is answered in one way.
//! - Its memory grows with the distinct numbers that came in, and with nothing else.

mod cipher;
mod crm;
mod failure;
mod faults;
mod ledger;
mod luck;
mod mask;
mod number;
mod platform;
mod routes;
mod server;
mod state;
mod task;
mod tcp;
mod window;
mod wire;

pub use self::faults::{
    AnswerStyle, CountStyle, DataStyle, FailListStyle, Fault, Faults, FaultsError, MaskStyle,
    RefusalBody, RefusalStyle, RetryAfter, RowFault, RowFaults, RunningSays, SizeLimits,
    SuffixStyle,
};
pub use self::server::{Config, Running, Simulator};
pub use self::state::{Answers, NumberState, RefusalState, State, TaskState, Totals, Violations};
