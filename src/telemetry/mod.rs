//! What people and machines see of the running program: log, metrics and traces.
//!
//! Neighbours: `main`'s commands, which set it up once, and the courier, which emits its events. It
//! shows phone numbers only masked, and never a token.

pub mod event;
pub mod logging;
pub mod metrics;
pub mod traces;
