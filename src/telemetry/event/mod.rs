//! Events: the courier's reports about itself. Each is one struct, whose `emit` writes its log line
//! and changes its metrics, so that the two cannot drift apart.
//!
//! A message can be read alone and its fields can be queried; units stand in the names. No event
//! holds a phone number or a token. Each event belongs to one part, under whose name its log level
//! can be set (`log.level = "info,contact_courier::lanes=debug"`).

mod batch;
mod database;
mod lane;
mod lifecycle;
mod login;
mod orders;
mod platform;
mod target;
mod traces;

pub use self::batch::{BatchClosed, BatchPostponed, RowsExpired, RowsRefused};
pub use self::database::{
    ClockWentBack, DatabaseAllowsFewer, DatabaseBack, DatabaseCall, DatabaseMoved, DatabaseTrouble,
    MigrationQueues, MigrationWaits, NotDurable, OutboxSeen, OutboxUnseen, Pruned, PruningFailed,
    Redacted, RedactedSome, RedactingFailed,
};
pub use self::lane::{
    LaneFailed, LaneHeld, LaneRecovered, LaneStopped, LeaseLost, RowsLocked, RowsUnlocked,
    TakenOver,
};
pub use self::lifecycle::{
    AdminListening, DatabaseAddressChanged, DatabaseAwaited, LogLinesLost, ProxyLeftOut,
    SettingsNotReloaded, SettingsReloaded, SharedRatesAway, SharedRatesBack, Started, Stopped,
    Stopping, SupervisorUntold,
};
pub use self::login::{CertificateNews, LogInRefused, LoggedIn, UsersChanged, ViewerRefused};
pub use self::orders::{
    ActionNotNoted, OperatorActed, PausesInForce, Resumed, SendingPaused, SendingUnpaused,
};
pub use self::platform::{
    BreakerLeft, BreakerMoved, RateLevel, RateLimitWait, RequestEnded, RequestSent, TokenChanged,
    TokenFileUnusable, TokenFileUsableAgain,
};
pub use self::traces::{CollectorWatch, SpansDropped, SpansExported, SpansLost};
