//! Rate limits: token buckets over everything, per user and per lane.
//!
//! Every request passes here: first sends, retries, and the smaller batches of a search. The rates
//! are kept by each courier for itself, or shared by all couriers on one database
//! (`rate_limit.scope`), or by couriers of several databases in one that keeps the rates
//! (`rate_limit.database_url`). Two parts stand beside the rates: the level, which falls when the
//! platform says "too many" to all, and the budgets for lanes that have failed.
//!
//! `RateLimiter` holds the parts and does the waiting; each part is pure and has its own file. The
//! bucket is home-made: with those of the libraries, everybody tries again when the time has come,
//! and a late timer loses its delay for good, some 5 % of the rate at 50 requests per second.

mod arrivals;
mod bucket;
#[cfg(test)]
mod door;
mod guest;
mod keyed;
mod lessons;
mod level;
mod limit;
mod limiter;
mod probes;
mod rate;
mod retries;
mod round_trips;
mod settings;
mod share;
#[cfg(test)]
mod tests;

pub(super) use self::guest::Guest;
pub(super) use self::limiter::{Budget, Departed, NEAR, OwnTurn, RateLimiter};
pub use self::settings::RateLimits;
pub(super) use self::share::SharedRates;
