//! Settings that break no rule but may be a mistake.

use humantime::format_duration;

use super::check::Check;
use crate::outbox::{Overview, Standing};
use crate::settings::{Settings, SuffixBy};

/// The rates of the couriers that are alive, as they say themselves.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// How many couriers have one of their own.
    own: usize,
    /// Requests per second: all of those together, and the one rate that the others share.
    of_own: f64,
    shared: f64,
}

impl Rates {
    pub(super) fn of(overview: &Overview) -> Self {
        let alive = overview.instances.iter().filter(|courier| courier.alive);
        let mut rates = Self::default();
        for standing in alive.filter_map(|courier| courier.standing.as_ref()) {
            rates.add(standing);
        }
        rates
    }

    fn add(&mut self, standing: &Standing) {
        let rate = standing.requests_per_second;
        if standing.has_own_rates {
            self.own += 1;
            self.of_own += rate;
        } else {
            self.shared = self.shared.max(rate);
        }
    }
}

/// Returns all odd settings, and rates that add up.
pub(super) fn checks(settings: &Settings, rates: &Rates) -> Vec<Check> {
    let odd: Vec<Check> = [
        rate(rates),
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

fn rate(rates: &Rates) -> Option<Check> {
    let (own, all) = (rates.own, rates.of_own + rates.shared);
    let who = match own {
        0 => return None,
        // A courier alone, or beside others that share a rate.
        1 if rates.shared <= 0.0 => return None,
        1 => "1 courier with a rate of its own and those that share one send".to_owned(),
        n if rates.shared <= 0.0 => format!("{n} couriers with rates of their own send"),
        n => format!("{n} couriers with rates of their own and those that share one send"),
    };
    Some(Check::warning(
        "limits",
        format!("{who} {all} requests per second together (rate_limit.requests_per_second)"),
        "if the platform allows less, give each its part or set rate_limit.scope = \"cluster\"",
    ))
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
    use crate::outbox::InstanceReport;
    use std::time::Duration;

    /// What couriers tell: each its rate, and whether it is its own.
    fn told(couriers: &[(f64, bool)]) -> Rates {
        let courier = |(rate, own): &(f64, bool)| InstanceReport {
            alive: true,
            standing: Some(Standing {
                requests_per_second: *rate,
                has_own_rates: *own,
                ..Standing::default()
            }),
            ..InstanceReport::default()
        };
        let instances = couriers.iter().map(courier).collect();
        Rates::of(&Overview {
            instances,
            ..Overview::default()
        })
    }

    #[test]
    fn what_the_couriers_say_of_their_rates_counts_and_not_the_settings_of_this_command() {
        let said = |couriers: &[(f64, bool)]| Some(rate(&told(couriers))?.found);
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[(10.0, true)]), None);
        assert_eq!(said(&[(10.0, false); 3]), None);
        let apart = said(&[(10.0, true), (5.0, true)]).unwrap();
        assert!(apart.starts_with("2 couriers with rates of their own send 15 requests"));
        let mixed = said(&[(10.0, true), (5.0, false), (5.0, false)]).unwrap();
        assert!(mixed.contains("those that share one send 15 requests"));
    }

    #[test]
    fn the_defaults_are_plausible() {
        let checks = checks(&Settings::default(), &Rates::default());
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
        let checks = checks(&settings, &told(&[(10.0, true); 3]));
        let found: Vec<&str> = checks.iter().map(|check| check.found.as_str()).collect();
        for (found, part) in found.iter().zip([
            "3 couriers with rates of their own send 30 requests per second",
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
