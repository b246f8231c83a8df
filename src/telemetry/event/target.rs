//! The targets of events: the names under which their log levels can be set.

/// Start and end of the courier.
pub(super) const LIFECYCLE: &str = "contact_courier::lifecycle";

/// Batches and their contacts.
pub(super) const DELIVERY: &str = "contact_courier::delivery";

/// Pauses, leases, take-overs.
pub(super) const LANES: &str = "contact_courier::lanes";

/// Requests, the token, the breaker.
pub(super) const PLATFORM: &str = "contact_courier::platform";

pub(super) const DATABASE: &str = "contact_courier::database";

/// The collector of traces.
pub(super) const TRACES: &str = "contact_courier::traces";
