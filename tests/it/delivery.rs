//! End to end: the real program between a real database and the simulated platform.
//!
//! Rows are inserted by plain SQL from another connection, the program is a process of its own, and
//! the simulator, in this process, tells what arrived. Every case is written once and runs on every
//! database.

mod altered;
mod cancel;
mod clock;
mod crash;
mod cut;
mod dead;
mod held;
mod input;
mod load;
mod locked;
mod logs;
mod pause;
mod pooled;
mod quoted;
mod reload;
mod replaced;
mod requeue;
mod rows;
mod shared;
mod standing;
mod starting;
mod stopping;
mod unfit;
mod unwritable;

use crate::world;
