//! What the courier tells about itself: one struct per event, whose `emit` writes its log line and
//! changes its metrics, so that the two cannot drift apart.
//!
//! A message can be read alone and its fields can be queried; units stand in the names. Nothing in
//! here holds a phone number or a token. Each event belongs to one part, by whose name its log
//! level can be set (`log.level = "info,contact_courier::lanes=debug"`).

mod batch;
mod database;
mod lane;
mod lifecycle;
mod platform;
mod traces;

pub use self::batch::{BatchClosed, BatchPostponed, RowsRefused};
pub use self::database::{
    DatabaseCall, DatabaseMoved, DatabaseWatch, DatabaseWork, NotDurable, OutboxSeen, OutboxUnseen,
    Pruned, PruningFailed,
};
pub use self::lane::{
    LaneFailed, LanePaused, LaneRecovered, LaneStopped, LeaseLost, RowsLocked, RowsUnlocked,
    TakenOver,
};
pub use self::lifecycle::{
    AdminListening, SettingsNotReloaded, SettingsReloaded, Started, Stopped, Stopping,
    SupervisorUntold,
};
pub use self::platform::{
    Breaker, RateLevel, RateLimitWait, RequestEnded, RequestSent, TokenChanged,
};
pub use self::traces::{CollectorWatch, SpansDropped, SpansExported, SpansLost};

/// Start and end of the courier.
const LIFECYCLE: &str = "contact_courier::lifecycle";

/// Batches and their contacts.
const DELIVERY: &str = "contact_courier::delivery";

/// Pauses, leases, take-overs.
const LANES: &str = "contact_courier::lanes";

/// Requests, the token, the breaker.
const PLATFORM: &str = "contact_courier::platform";

/// The database.
const DATABASE: &str = "contact_courier::database";

/// The collector of traces.
const TRACES: &str = "contact_courier::traces";
