//! contact-courier takes contacts out of an outbox table and delivers each once to an AI calling
//! platform.

pub mod app;
pub mod batch;
pub mod cli;
pub mod contact;
mod nearest;
pub mod outbox;
pub mod platform;
pub mod settings;
pub mod telemetry;
