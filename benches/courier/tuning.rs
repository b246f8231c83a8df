//! The settings that the courier is measured with; everything else has its default.

/// The settings of all couriers of the benchmark: several at once must not listen on one port.
pub(crate) const COMMON: [&str; 2] = ["admin.listen=", "log.format=json"];

/// The settings for measuring speed: for a machine that has nothing else to do, and a platform that
/// is near and takes everything.
pub(crate) const SPEED: [&str; 5] = [
    "rate_limit.requests_per_second=1000000",
    "rate_limit.burst=1000",
    "delivery.max_in_flight=64",
    "delivery.max_in_flight_per_lane=4",
    "database.max_connections=8",
];

/// The settings for people, with what was changed on the command line.
pub(crate) fn shown(changed: &[String]) -> String {
    let mut shown = format!("courier, where its speed is measured: {}", SPEED.join(" "));
    if !changed.is_empty() {
        shown.push_str("\nchanged: ");
        shown.push_str(&changed.join(" "));
    }
    shown
}
