use std::num::NonZeroU32;

use tokio::time::sleep;

use super::*;

fn limits(requests_per_second: f64) -> RateLimits {
    RateLimits {
        requests_per_second,
        per_user: None,
        per_lane: None,
        burst: NonZeroU32::MIN,
    }
}

fn lane() -> Lane {
    Lane::new("u", "t").unwrap()
}

/// A request is refused after one that was accepted.
fn too_many(rates: &RateLimiter) {
    let now = Instant::now();
    rates.accepted(now);
    rates.too_many(&lane(), now, Duration::ZERO);
}

/// Waits for a lane's turn, and gives its place to others meanwhile.
async fn own_turn(rates: &RateLimiter, lane: &Lane) {
    loop {
        match rates.take_turn(lane, None) {
            Ok(turn) => return turn.ready().await,
            Err(later) => sleep_until(later).await,
        }
    }
}

/// Sends a request as soon as it may go.
async fn goes(rates: &RateLimiter, lane: &Lane) -> Departed {
    loop {
        match rates.ready(lane).await {
            Ok(departed) => return departed,
            Err(later) => sleep_until(later).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_a_request_waits_for_the_latest_arrival_of_the_one_before() {
    const MS: Duration = Duration::from_millis(1);
    for (is_refused, waits) in [(false, MS * 1_010), (true, MS * 1_100)] {
        let rates = RateLimiter::new(&limits(1.0), None);
        let quick = goes(&rates, &lane()).await;
        sleep(MS * 10).await;
        rates.answered(quick);
        if is_refused {
            too_many(&rates);
        }
        let slow = goes(&rates, &lane()).await;
        sleep(MS * 110).await;
        rates.answered(slow);
        goes(&rates, &lane()).await;
        let waited = slow.0.elapsed();
        assert!(waited >= waits && waited < waits + MS * 5, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_waits_for_its_own_window_holds_up_nobody_at_the_door() {
    let limits = RateLimits {
        per_lane: Some(2.0),
        ..limits(1_000.0)
    };
    let (limits, began) = (RateLimiter::new(&limits, None), Instant::now());
    let other = Lane::new("v", "t").unwrap();
    let waits = async {
        for _ in 0..3 {
            goes(&limits, &lane()).await;
        }
        began.elapsed()
    };
    let goes_on = async {
        sleep(NEAR).await;
        goes(&limits, &other).await;
        began.elapsed()
    };
    let (waited, went) = tokio::join!(waits, goes_on);
    assert!(waited >= NEAR * 4, "{waited:?}");
    assert!(went < NEAR * 2, "{went:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_that_were_held_up_together_do_not_wait_for_each_other_inside() {
    let limits = RateLimits {
        per_user: Some(0.1),
        ..limits(1_000.0)
    };
    let (limits, lane, second) = (RateLimiter::new(&limits, None), lane(), NEAR * 4);
    // Both get their turns, and are then held up.
    for _ in 0..2 {
        own_turn(&limits, &lane).await;
    }
    sleep(second * 60).await;
    assert_eq!(limits.has_window(&lane), Ok(()));
    assert!(limits.ready(&lane).await.is_ok());
    let went = Instant::now();
    let later = limits.has_window(&lane).unwrap_err();
    assert!(later >= went + second * 10, "{:?}", later - went);
    assert_eq!(limits.ready(&lane).await, Err(later));
    assert!(went.elapsed() < NEAR, "it has not waited");
    assert!(limits.is_near(&lane).is_err());
    let other = Lane::new("v", "t").unwrap();
    assert_eq!(limits.has_window(&other), Ok(()));
    sleep_until(later).await;
    assert!(limits.ready(&lane).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_user_that_were_held_up_together_do_not_go_together() {
    for (per_user, expected) in [
        (2.0, [0, 0, 1, 1, 2, 2]),
        (0.5, [0, 2, 4, 6, 8, 10]),
        (0.01, [0, 100, 200, 300, 400, 500]),
    ] {
        let limits = RateLimits {
            per_user: Some(per_user),
            ..limits(1_000.0)
        };
        let (limits, lane) = (RateLimiter::new(&limits, None), lane());
        // Their turns come, but the journal or a permit holds them up.
        for _ in 0..6 {
            own_turn(&limits, &lane).await;
        }
        let began = Instant::now();
        let mut went = Vec::new();
        for _ in 0..6 {
            goes(&limits, &lane).await;
            limits.tidy();
            went.push(began.elapsed().as_secs());
        }
        assert_eq!(went, expected, "{per_user}/s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_whose_turn_is_far_is_told_when_to_ask_again() {
    let limits = RateLimits {
        per_user: Some(1.0),
        ..limits(1_000.0)
    };
    let (limits, lane, now) = (RateLimiter::new(&limits, None), lane(), Instant::now());
    assert!(limits.take_turn(&lane, None).is_ok());
    let later = limits.take_turn(&lane, None).err().unwrap();
    assert_eq!(limits.is_near(&lane), Err(later));
    assert!(later > now + Duration::from_millis(700) && later < now + Duration::from_secs(1));
    let other = Lane::new("v", "t").unwrap();
    assert!(limits.take_turn(&other, None).is_ok());
    sleep_until(later).await;
    assert!(limits.take_turn(&lane, None).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_waits_for_a_person_pays_with_a_share_of_the_rate() {
    let limits = RateLimiter::new(&limits(10.0), None);
    while limits.pay(Budget::Probes).is_ok() {}
    let later = limits.pay(Budget::Probes).unwrap_err();
    assert!(later > Instant::now() + Duration::from_millis(900));
    assert_eq!(limits.pay(Budget::Retries), Ok(()));
    assert_eq!(limits.room_inside(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_pays_for_another_request() {
    let limits = RateLimiter::new(&limits(10.0), None);
    for budget in [Budget::Retries, Budget::Probes] {
        while limits.pay(budget).is_ok() {}
        for _ in 0..3 {
            limits.give_back(budget);
        }
        let paid = (0..9).filter(|_| limits.pay(budget).is_ok()).count();
        assert_eq!(paid, 3, "{budget:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_pay_takes_no_turn_from_others_of_its_user() {
    let limits = RateLimits {
        per_user: Some(1.0),
        ..limits(10.0)
    };
    let limits = RateLimiter::new(&limits, None);
    while limits.pay(Budget::Probes).is_ok() {}
    for _ in 0..5 {
        assert!(limits.take_turn(&lane(), Some(Budget::Probes)).is_err());
    }
    assert!(limits.take_turn(&lane(), None).is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_at_a_slow_rate_goes_on_at_the_new_one() {
    let slow = RateLimiter::new(&limits(0.001), None);
    goes(&slow, &lane()).await;
    let began = Instant::now();
    let waits = async {
        goes(&slow, &lane()).await;
        began.elapsed()
    };
    let changes = async {
        sleep(Duration::from_secs(5)).await;
        slow.change(&limits(0.001));
        sleep(Duration::from_secs(5)).await;
        slow.change(&limits(2.0));
    };
    let (waited, ()) = tokio::join!(waits, changes);
    assert_eq!(waited.as_secs(), 10, "not by the change that was none");
    goes(&slow, &lane()).await;
    assert!(began.elapsed() >= waited + Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn a_user_may_get_a_rate_another_one_and_none_again() {
    let lane = lane();
    let per_user = |per_user| RateLimits {
        per_user,
        ..limits(1_000.0)
    };
    let rates = RateLimiter::new(&per_user(None), None);
    let mut waits = Vec::new();
    for rate in [None, Some(0.1), Some(0.5), None] {
        rates.change(&per_user(rate));
        for _ in 0..2 {
            own_turn(&rates, &lane).await;
            goes(&rates, &lane).await;
        }
        let began = Instant::now();
        own_turn(&rates, &lane).await;
        waits.push(began.elapsed().as_secs());
    }
    assert_eq!(waits, [0, 10, 2, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_is_taken_over_unless_it_teaches_nothing() {
    let limits = limits(50.0);
    let rates = RateLimiter::new(&limits, None);
    assert_eq!(rates.learned(), None);
    too_many(&rates);
    let learned = rates.learned().unwrap();
    let next = RateLimiter::new(&limits, None);
    next.learn(&learned);
    assert!((next.level() - rates.level()).abs() < 1e-9);
    let other = RateLimiter::new(&limits, None);
    other.learn(&LearnedRate {
        hurt: learned.hurt / 100.0,
        ..learned
    });
    assert_eq!(other.learned(), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_is_a_rate_that_a_change_of_the_configured_one_leaves_alone() {
    let rates = RateLimiter::new(&limits(50.0), None);
    for _ in 0..3 {
        sleep(Duration::from_secs(1)).await;
        too_many(&rates);
    }
    let in_use = |configured: f64| rates.level() * configured;
    let (sent, learned) = (in_use(50.0), rates.learned().unwrap());
    assert!((15.0..20.0).contains(&sent), "{sent}");
    for configured in [20.0, 200.0, 1.0, 50.0] {
        rates.change(&limits(configured));
        let expected = sent.min(configured);
        assert!((in_use(configured) - expected).abs() < 1e-6, "{configured}");
        let still = rates.learned().unwrap();
        assert!((still.hurt - learned.hurt).abs() < 1e-6, "{still:?}");
    }
    // Beside this rate, it teaches nothing.
    rates.change(&limits(10_000.0));
    assert_eq!(rates.learned(), None);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_other_rates_leaves_the_level_alone() {
    let rates = RateLimiter::new(&limits(50.0), None);
    for _ in 0..2 {
        sleep(Duration::from_secs(1)).await;
        too_many(&rates);
    }
    let before = rates.level();
    rates.change(&RateLimits {
        per_user: Some(2.0),
        ..limits(50.0)
    });
    assert!((rates.level() - before).abs() < 1e-9);
    too_many(&rates);
    assert!(rates.level() < before * 0.6, "still in quick succession");
}
