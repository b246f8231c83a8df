//! What people and machines see of the running program.
//!
//! Neighbour: `main`'s commands, which set it up once. A phone number appears masked in it, a token
//! never.

pub mod logging;
