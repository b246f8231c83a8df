//! The running daemon: it takes contacts from the outbox to the platform and brings the truth about
//! each one back. Only this part of the program knows both, through their traits.
//!
//! One contact's way: `scout` leases its lane, `lane` reads and composes it into a batch,
//! `dispatcher` journals and sends the batch, the verdict says what the answer means, and
//! `recorder` writes it into the row. Beside them, `heartbeat` keeps the leases, [`limits`] keeps
//! the rates, [`backoff`] and `gates` decide the pauses, and [`lifecycle`] the end. [`supervisor`]
//! reports to systemd, and [`tuning`] holds the settings that can change meanwhile. [`Courier`]
//! puts these parts together and runs them.

mod actions;
pub mod backoff;
mod beats;
mod breaker;
mod budget;
mod bulletin;
mod context;
mod daemon;
mod dispatcher;
mod eldest;
mod entry;
mod failing;
mod gate;
mod gates;
mod heartbeat;
mod isolation;
mod lane;
pub mod lifecycle;
pub mod limits;
mod locked;
mod locks;
mod memory;
mod notes;
mod notices;
mod older_half;
mod options;
mod orders;
mod overtaken;
mod pauses;
mod permits;
mod places;
pub mod pulse;
mod put_off;
mod queue;
mod recorder;
pub mod redaction;
mod refusal_count;
mod refusals;
mod rests;
pub mod retention;
mod retuning;
mod rotation;
mod schedule;
mod scout;
mod search;
mod singled_out;
mod step;
mod store;
mod stuck;
pub mod supervisor;
mod suspect;
mod token;
pub mod tuning;
mod turns;
mod underway;
mod unpaid;
mod watch;

pub use self::daemon::{Courier, Until};
pub use self::options::CourierOptions;
