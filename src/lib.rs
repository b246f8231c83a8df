//! contact-courier takes contacts out of an outbox table and delivers each once to an AI calling
//! platform.

pub mod batch;
pub mod cli;
pub mod contact;
pub mod outbox;
pub mod platform;
pub mod simulator;
