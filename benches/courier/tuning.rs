//! The settings that the courier is measured with; everything else has its default.

/// What all couriers of the benchmark run with: nothing that listens, and nothing that is limited.
pub(crate) const COMMON: [&str; 3] = ["admin.listen=", "log.format=json", "rate_limit.burst=1000"];

/// What the speed is measured with: a machine that has nothing else to do, and a platform that is
/// near and takes all that comes.
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
