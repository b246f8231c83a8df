//! What people and machines see of the running program.
//!
//! Neighbours: `main`'s commands, which set it up once, and the courier, which emits its events. A
//! phone number appears masked in it, a token never.

pub mod event;
pub mod logging;
pub mod metrics;
pub mod traces;
