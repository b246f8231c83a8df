//! Operators' questions to the running program: metrics, health checks, the status page.
//!
//! The real program works between a real database and the simulated platform, and is asked over
//! HTTP.

mod acting;
mod acting_page;
mod alive;
pub(crate) mod asking;
mod browser;
mod concluding;
mod endpoints;
mod metrics;
mod page;
mod pictures;
mod privacy;
pub(crate) mod prometheus;
mod scraped;
mod secured;
mod starting;
mod states;
mod trouble;
mod unread;
mod watching;
