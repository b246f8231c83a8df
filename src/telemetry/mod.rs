//! Logs: how they are set up, and the events that are logged.

pub mod event;
