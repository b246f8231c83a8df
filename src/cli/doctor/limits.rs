//! Settings that break no rule but may be a mistake.

use humantime::format_duration;

use super::check::Check;
use crate::settings::{RateScope, Settings, SuffixBy};

/// Returns all odd settings, with so many couriers alive.
pub(super) fn checks(settings: &Settings, couriers: usize) -> Vec<Check> {
    let odd: Vec<Check> = [
        rate(settings, couriers),
        rate_of_parts(settings),
        batch_size(settings),
        lease(settings),
        grace(settings),
        suffix(settings),
    ]
    .into_iter()
    .flatten()
    .collect();
    if odd.is_empty() {
        return vec![Check::ok("limits", "plausible")];
    }
    odd
}

fn rate(settings: &Settings, couriers: usize) -> Option<Check> {
    let each = settings.rate_limit.requests_per_second;
    let all = each * f64::from(u32::try_from(couriers).unwrap_or(u32::MAX));
    let apart = settings.rate_limit.scope == RateScope::Instance;
    (apart && couriers > 1).then(|| {
        Check::warning(
            "limits",
            format!(
                "{couriers} couriers with rate_limit.requests_per_second = {each} send {all} \
                 requests per second together"
            ),
            "if the platform allows less, give each its part or set rate_limit.scope = \"cluster\"",
        )
    })
}

fn rate_of_parts(settings: &Settings) -> Option<Check> {
    let limits = &settings.rate_limit;
    let all = limits.requests_per_second;
    [
        ("rate_limit.per_user", limits.per_user),
        ("rate_limit.per_lane", limits.per_lane),
    ]
    .into_iter()
    .find(|(_, part)| part.is_some_and(|part| part > all))
    .map(|(key, _)| {
        Check::warning(
            "limits",
            format!("{key} is greater than rate_limit.requests_per_second and never reached"),
            "lower the one or raise the other",
        )
    })
}

fn batch_size(settings: &Settings) -> Option<Check> {
    (settings.delivery.batch_size == 1).then(|| {
        Check::warning(
            "limits",
            "delivery.batch_size = 1: each contact costs a request",
            "raise it, up to 100, unless this is a test",
        )
    })
}

fn lease(settings: &Settings) -> Option<Check> {
    let (lease, timeout) = (settings.delivery.lease, settings.platform.timeout);
    (lease < timeout).then(|| {
        Check::warning(
            "limits",
            format!(
                "delivery.lease ({}) is shorter than platform.timeout ({}): when a courier dies \
                 another sends its batch again while the first request may still be on its way",
                format_duration(lease),
                format_duration(timeout)
            ),
            "make the lease as long as the timeout",
        )
    })
}

fn grace(settings: &Settings) -> Option<Check> {
    let (grace, timeout) = (settings.delivery.shutdown_grace, settings.platform.timeout);
    (grace < timeout).then(|| {
        Check::warning(
            "limits",
            format!(
                "delivery.shutdown_grace ({}) is shorter than platform.timeout ({}): a stop may cut \
                 requests off, whose batches then count as maybe delivered",
                format_duration(grace),
                format_duration(timeout)
            ),
            "make the grace as long as the timeout",
        )
    })
}

fn suffix(settings: &Settings) -> Option<Check> {
    let by_platform = settings.delivery.suffix == SuffixBy::Platform;
    (by_platform && settings.request.number_add_suffix).then(|| {
        Check::warning(
            "limits",
            "request.number_add_suffix = true and the platform appends the suffix: a request whose \
             answer is lost is not sent again, its contacts end as unconfirmed",
            "set delivery.suffix = \"courier\"",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_defaults_are_plausible() {
        let checks = checks(&Settings::default(), 1);
        assert_eq!(checks, [Check::ok("limits", "plausible")]);
    }

    #[test]
    fn each_oddity_is_told_with_what_to_do() {
        let mut settings = Settings::default();
        settings.delivery.batch_size = 1;
        settings.delivery.lease = Duration::from_secs(10);
        settings.delivery.shutdown_grace = Duration::from_secs(5);
        settings.request.number_add_suffix = true;
        settings.rate_limit.per_lane = Some(11.0);
        let checks = checks(&settings, 3);
        let found: Vec<&str> = checks.iter().map(|check| check.found.as_str()).collect();
        for (found, part) in found.iter().zip([
            "3 couriers with rate_limit.requests_per_second = 10 send 30 requests per second",
            "rate_limit.per_lane is greater than",
            "delivery.batch_size = 1",
            "delivery.lease (10s) is shorter than platform.timeout (30s)",
            "delivery.shutdown_grace (5s) is shorter than platform.timeout (30s)",
            "request.number_add_suffix = true",
        ]) {
            assert!(found.contains(part), "{found}");
        }
        assert_eq!(found.len(), 6);
        assert!(checks.iter().all(|check| check.todo.is_some()));
    }
}
