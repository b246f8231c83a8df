use super::*;
use crate::courier::gate::{LEFT, LONGEST_BREAK, MOST_PROBES, MOST_WITH_HANGING};

const MINUTE: Duration = Duration::from_mins(1);

fn lane(user: &str, task: &str) -> Lane {
    Lane::new(user, task).unwrap()
}

fn wait(reason: WaitReason) -> Wait {
    Wait {
        reason,
        message: "no".into(),
        maybe_delivered: false,
        retry_after: None,
    }
}

/// The n-th failure costs n minutes.
fn closing(sent: Instant) -> Closing<impl Fn(u32) -> Duration> {
    Closing {
        delay: |n| MINUTE * n,
        longest: MINUTE * 15,
        sent,
    }
}

fn close(gates: &mut Gates, lane: &Lane, reason: WaitReason, now: Instant) -> Option<Duration> {
    gates.close(lane, &wait(reason), &closing(now), now).wait
}

#[test]
fn a_refused_token_stops_everybody_and_a_refused_user_only_that_user() {
    let now = Instant::now();
    let mut gates = Gates::default();
    close(&mut gates, &lane("a", "1"), WaitReason::Forbidden, now);
    assert!(!gates.admits(&lane("a", "2"), now));
    assert!(gates.admits(&lane("b", "1"), now));
    close(&mut gates, &lane("b", "1"), WaitReason::Unauthorized, now);
    assert!(!gates.admits(&lane("c", "1"), now));
}

#[test]
fn when_the_time_is_up_one_lane_goes_ahead_until_it_is_back() {
    let now = Instant::now();
    let mut gates = Gates::default();
    close(&mut gates, &lane("a", "1"), WaitReason::Unauthorized, now);
    let later = now + MINUTE;
    assert!(gates.enter(&lane("b", "1"), later));
    assert!(gates.admits(&lane("b", "1"), later));
    assert!(!gates.admits(&lane("c", "1"), later));
    gates.back(&lane("b", "1"));
    assert!(gates.admits(&lane("c", "1"), later));
}

#[test]
fn what_an_operator_resumes_is_tried_at_once_by_a_single_lane() {
    let now = Instant::now();
    let mut gates = Gates::default();
    close(&mut gates, &lane("a", "1"), WaitReason::Forbidden, now);
    close(&mut gates, &lane("b", "1"), WaitReason::Forbidden, now);
    gates.try_now(&OrderScope::User("a".into()), now);
    assert!(gates.enter(&lane("a", "2"), now));
    assert!(!gates.admits(&lane("a", "1"), now), "one finds out");
    assert!(!gates.admits(&lane("b", "1"), now));
    close(&mut gates, &lane("c", "1"), WaitReason::Unauthorized, now);
    gates.try_now(&OrderScope::All, now);
    assert!(gates.admits(&lane("b", "1"), now));
}

#[test]
fn a_gate_that_fails_again_stays_closed_longer_but_what_failed_together_counts_once() {
    let now = Instant::now();
    let mut gates = Gates::default();
    let refused = WaitReason::Unauthorized;
    let first = close(&mut gates, &lane("a", "1"), refused, now);
    let together = close(&mut gates, &lane("a", "2"), refused, now);
    assert_eq!((first, together), (Some(MINUTE), Some(MINUTE)));
    let again = close(&mut gates, &lane("a", "1"), refused, now + MINUTE);
    assert_eq!(again, Some(MINUTE * 2));
    let asked = Wait {
        retry_after: Some(MINUTE * 9),
        ..wait(WaitReason::RateLimited)
    };
    let later = now + MINUTE * 3;
    let asked = gates
        .close(&lane("a", "1"), &asked, &closing(later), later)
        .wait;
    assert_eq!(asked, Some(MINUTE * 9));
    let fails = close(&mut gates, &lane("a", "1"), WaitReason::ServerError, now);
    assert_eq!(fails, None);
}

#[test]
fn the_platform_may_not_ask_for_a_longer_wait_than_the_settings_allow() {
    let now = Instant::now();
    let mut gates = Gates::default();
    let asked = Wait {
        retry_after: Some(MINUTE * 60 * 240),
        ..wait(WaitReason::RateLimited)
    };
    let lane = lane("a", "1");
    let first = gates.close(&lane, &asked, &closing(now), now).wait;
    assert_eq!(first, Some(MINUTE * 15));
    let later = now + MINUTE * 15;
    assert!(gates.enter(&lane, later), "one request finds out");
    let again = gates.close(&lane, &asked, &closing(later), later).wait;
    assert_eq!(again, Some(MINUTE * 15));
}

#[test]
fn a_probe_that_takes_long_does_not_keep_others_from_finding_out() {
    let now = Instant::now();
    let mut gates = Gates::default();
    close(&mut gates, &lane("a", "1"), WaitReason::Unauthorized, now);
    let second = Duration::from_secs(1);
    let mut later = now + MINUTE;
    for task in 1..=MOST_PROBES {
        let task = lane("p", &task.to_string());
        assert!(gates.enter(&task, later));
        assert!(!gates.admits(&lane("z", "1"), later));
        later += second;
    }
    assert!(!gates.admits(&lane("z", "1"), later), "no more than a few");
    gates.back(&lane("p", "1"));
    assert!(gates.admits(&lane("z", "1"), later));
}

#[test]
fn the_lanes_of_one_user_that_fail_do_not_stop_another_user() {
    let now = Instant::now();
    let mut gates = Gates::default();
    for task in ["1", "2", "1", "2", "3"] {
        close(&mut gates, &lane("a", task), WaitReason::ServerError, now);
    }
    assert!(gates.breaker_is_open() && !gates.admits(&lane("a", "9"), now));
    assert!(gates.admits(&lane("b", "1"), now));
    gates.open(&lane("b", "1"), now);
    assert!(!gates.admits(&lane("a", "9"), now));
    gates.open(&lane("a", "1"), now);
    assert!(gates.admits(&lane("a", "9"), now));
}

#[test]
fn rows_that_fail_by_themselves_in_many_lanes_close_the_way_again_and_again() {
    let (now, mut gates) = (Instant::now(), Gates::default());
    let fails = |gates: &mut Gates, user: &str, now| {
        let wait = wait(WaitReason::ServerError);
        gates.failed_alone(&lane(user, "1"), &wait, &closing(now), now);
    };
    for user in ["a", "b", "c", "d"] {
        assert!(!gates.breaker_is_open());
        fails(&mut gates, user, now);
        fails(&mut gates, user, now);
    }
    fails(&mut gates, "e", now);
    assert!(gates.breaker_is_open() && !gates.admits(&lane("a", "1"), now));
    // A probe is no reason for the next one to go at once.
    let later = now + LONGEST_BREAK;
    assert!(gates.enter(&lane("a", "1"), later));
    fails(&mut gates, "a", later);
    gates.back(&lane("a", "1"));
    assert!(!gates.admits(&lane("b", "1"), later));
    let later = later + LONGEST_BREAK;
    assert!(gates.enter(&lane("b", "1"), later));
    gates.open(&lane("b", "1"), later);
    assert!(!gates.breaker_is_open());
}

#[test]
fn while_the_breaker_is_open_one_lane_a_second_may_go_that_has_not_failed() {
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    let mut gates = Gates::default();
    for user in ["a", "b", "a", "b", "a"] {
        close(&mut gates, &lane(user, "1"), WaitReason::AnswerLost, now);
    }
    let good = lane("g", "1");
    assert!(!gates.admits(&good, now), "it has only just closed");
    assert!(!gates.admits(&lane("a", "2"), now + second));
    assert!(gates.enter(&good, now + second) && !gates.is_shut(&good, now + second));
    let (other, later) = (lane("h", "1"), now + second * 2);
    assert!(!gates.admits(&other, now + second) && gates.admits(&other, later));
    gates.open(&good, later);
    assert!(gates.admits(&lane("a", "2"), later));
}

/// Gates that are closed because all of these users fail.
fn closed(users: &[&str], now: Instant) -> Gates {
    let mut gates = Gates::default();
    gates.open(&lane("good", "1"), now);
    for user in users.iter().cycle().take(6) {
        close(&mut gates, &lane(user, "1"), WaitReason::ServerError, now);
    }
    assert!(gates.breaker_is_open());
    gates
}

#[test]
fn who_was_answered_goes_four_times_a_second_beside_all_others() {
    let (now, step) = (Instant::now(), Duration::from_millis(50));
    let mut gates = closed(&["a", "b"], now);
    let (mut went, mut others) = (0, 0);
    for nth in 1..=20 {
        let later = now + step * nth;
        let other = lane(&format!("new-{nth}"), "1");
        if gates.enter(&other, later) {
            others += 1;
            close(&mut gates, &other, WaitReason::ServerError, later);
            gates.back(&other);
        }
        let good = lane("good", &nth.to_string());
        assert!(gates.admits_soon(&good, later));
        if gates.enter(&good, later) {
            went += 1;
            // Failures of others that are under way do not take it back.
            close(&mut gates, &lane("a", "2"), WaitReason::ServerError, later);
            assert!(!gates.is_shut(&good, later));
            gates.back(&good);
        }
    }
    assert_eq!((went, others), (4, 5));
    assert!(!gates.admits_soon(&lane("a", "1"), now + Duration::from_secs(1)));
}

#[test]
fn a_platform_that_is_down_gets_few_requests_of_those_it_has_answered() {
    let (now, step) = (Instant::now(), Duration::from_millis(50));
    let mut gates = closed(&["a", "b"], now);
    for nth in 0..500 {
        gates.open(&lane(&format!("well-{nth}"), "1"), now);
    }
    for user in ["a", "b", "a", "b", "a", "b"] {
        close(&mut gates, &lane(user, "1"), WaitReason::ServerError, now);
    }
    let mut went = 0;
    for nth in 1..=20 * 60 {
        let later = now + step * nth;
        let next = lane(&format!("well-{went}"), "1");
        if gates.enter(&next, later) {
            went += 1;
            close(&mut gates, &next, WaitReason::ServerError, later);
            gates.back(&next);
        }
    }
    assert!((8..=12).contains(&went), "{went} in a minute");
}

#[test]
fn of_too_many_users_that_were_answered_those_answered_lately_stay_well() {
    let now = Instant::now();
    let user = |nth: usize| lane(&format!("u-{nth}"), "1");
    let mut gates = Gates::default();
    for nth in 0..=MOST_USERS {
        gates.open(&user(nth), now);
        gates.open(&user(0), now);
    }
    assert!(!gates.is_well(&user(1)));
    for nth in [0, MOST_USERS - 1, MOST_USERS] {
        assert!(gates.is_well(&user(nth)), "{nth}");
    }
    assert!(gates.answered.len() <= MOST_USERS);
}

#[test]
fn who_has_failed_is_not_well_until_it_is_answered() {
    let now = Instant::now();
    let gates = closed(&["good", "b"], now);
    let later = now + Duration::from_secs(2);
    assert!(!gates.admits(&lane("good", "2"), later));
    assert!(!gates.admits_soon(&lane("good", "2"), later));
    assert!(gates.admits(&lane("new", "1"), later));
}

#[test]
fn an_order_and_a_new_token_overtake_what_is_under_way() {
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    let (mut gates, a) = (Gates::default(), lane("a", "1"));
    assert!(!gates.have_overtaken(&a, WaitReason::Unauthorized, now));
    gates.try_now(&OrderScope::User("a".into()), now + second);
    assert!(gates.have_overtaken(&a, WaitReason::NotFound, now));
    assert!(!gates.have_overtaken(&a, WaitReason::NotFound, now + second * 2));
    let b = lane("b", "1");
    assert!(!gates.have_overtaken(&b, WaitReason::Unauthorized, now));
    gates.token_changed(now + second);
    assert!(gates.have_overtaken(&b, WaitReason::Unauthorized, now));
    assert!(!gates.have_overtaken(&b, WaitReason::NotFound, now));
}

#[test]
fn a_user_to_whom_nobody_comes_any_more_does_not_count_as_kept_back() {
    let now = Instant::now();
    let mut gates = Gates::default();
    for task in ["1", "2", "1", "2", "3"] {
        close(&mut gates, &lane("a", task), WaitReason::ServerError, now);
    }
    let later = now + LONGEST_BREAK + LEFT;
    gates.forget_left(later);
    assert!(gates.breaker_is_open(), "somebody may come yet");
    gates.forget_left(later + Duration::from_secs(1));
    assert!(!gates.breaker_is_open());
    assert_eq!(gates.closed(), (false, 0));
}

#[test]
fn a_gate_for_everybody_is_forgotten_when_nothing_waits_behind_it() {
    for reason in [WaitReason::Unauthorized, WaitReason::ServerError] {
        let (now, mut gates) = (Instant::now(), Gates::default());
        for user in ["a", "b", "a", "b", "a"] {
            close(&mut gates, &lane(user, "1"), reason, now);
        }
        assert!(gates.closed().0, "{reason:?}");
        let later = now + MINUTE + LEFT;
        assert!(gates.enter(&lane("a", "1"), later));
        gates.forget_left(later + LEFT);
        assert!(gates.closed().0, "one finds out");
        gates.back(&lane("a", "1"));
        gates.forget_left(later + LEFT);
        assert_eq!(gates.closed(), (false, 0));
        assert!(!gates.breaker_is_open() && gates.report(later).0.is_empty());
    }
}

#[test]
fn a_platform_that_goes_down_when_its_not_now_is_over_counts_as_down() {
    let now = Instant::now();
    let mut gates = Gates::default();
    close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, now);
    let later = now + MINUTE;
    for user in ["a", "b", "a", "b", "a"] {
        assert!(!gates.breaker_is_open());
        assert!(gates.enter(&lane(user, "1"), later));
        close(&mut gates, &lane(user, "1"), WaitReason::ServerError, later);
        gates.back(&lane(user, "1"));
    }
    assert!(gates.breaker_is_open());
    assert!(!gates.admits(&lane("a", "1"), later));
    let (report, _) = gates.report(later);
    assert_eq!(report[0].reason, "server_error");
    gates.open(&lane("b", "1"), later);
    assert!(gates.admits(&lane("a", "1"), later));
}

#[test]
fn a_new_token_opens_what_the_old_one_was_refused_for_and_nothing_else() {
    let now = Instant::now();
    let mut gates = Gates::default();
    close(&mut gates, &lane("a", "1"), WaitReason::Forbidden, now);
    close(&mut gates, &lane("b", "1"), WaitReason::Unauthorized, now);
    gates.token_changed(now);
    assert!(gates.admits(&lane("a", "1"), now) && gates.admits(&lane("b", "1"), now));
    close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, now);
    gates.token_changed(now);
    assert!(!gates.admits(&lane("a", "1"), now));
}

#[test]
fn a_success_opens_the_way_for_all_but_not_before_the_time_is_up() {
    let now = Instant::now();
    let mut gates = Gates::default();
    close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, now);
    // This request was under way when lane a was told to wait.
    gates.open(&lane("b", "1"), now);
    assert!(!gates.admits(&lane("c", "1"), now));
    assert!(gates.enter(&lane("a", "1"), now + MINUTE));
    assert!(gates.probes(&lane("a", "1")) && !gates.probes(&lane("c", "1")));
    gates.open(&lane("a", "1"), now + MINUTE);
    assert!(gates.admits(&lane("c", "1"), now + MINUTE));
}

#[test]
fn a_lane_that_was_forbidden_lets_the_others_of_its_user_find_out_first() {
    let now = Instant::now();
    let mut gates = Gates::default();
    close(&mut gates, &lane("a", "1"), WaitReason::Forbidden, now);
    let up = now + MINUTE;
    assert!(!gates.admits(&lane("a", "1"), up));
    assert!(gates.admits(&lane("a", "2"), up));
    // Alone it goes a moment later.
    assert!(gates.admits(&lane("a", "1"), up + Duration::from_secs(1)));
}

#[test]
fn an_answer_tells_when_the_token_of_all_is_taken_again() {
    let now = Instant::now();
    let mut gates = Gates::default();
    assert!(!gates.open(&lane("a", "1"), now));
    close(&mut gates, &lane("a", "1"), WaitReason::Unauthorized, now);
    assert!(!gates.open(&lane("b", "1"), now), "it was under way before");
    assert!(gates.open(&lane("a", "1"), now + MINUTE));
    assert!(!gates.open(&lane("a", "1"), now + MINUTE));
    let later = now + MINUTE * 2;
    close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, later);
    assert!(!gates.open(&lane("a", "1"), later + MINUTE));
}

#[test]
fn the_breaker_stops_everybody_lets_single_probes_through_and_closes_on_the_first_success() {
    let now = Instant::now();
    let mut gates = Gates::default();
    for user in ["a", "b", "a", "b"] {
        close(&mut gates, &lane(user, "1"), WaitReason::ServerError, now);
    }
    assert!(!gates.breaker_is_open() && gates.admits(&lane("c", "1"), now));
    close(&mut gates, &lane("a", "1"), WaitReason::Unreachable, now);
    assert!(gates.breaker_is_open() && !gates.admits(&lane("c", "1"), now));
    let later = now + LONGEST_BREAK;
    assert!(gates.enter(&lane("b", "1"), later) && !gates.admits(&lane("a", "1"), later));
    close(&mut gates, &lane("b", "1"), WaitReason::ServerError, later);
    assert!(!gates.admits(&lane("b", "1"), later));
    let later = later + LONGEST_BREAK;
    assert!(gates.enter(&lane("a", "1"), later));
    gates.open(&lane("a", "1"), later);
    assert!(!gates.breaker_is_open() && gates.admits(&lane("b", "1"), later));
}

#[test]
fn what_fails_while_the_platform_says_not_now_does_not_shorten_the_wait() {
    let now = Instant::now();
    let mut gates = Gates::default();
    close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, now);
    for task in ["1", "2", "3", "4", "5", "6"] {
        close(&mut gates, &lane("a", task), WaitReason::ServerError, now);
    }
    gates.open(&lane("a", "1"), now);
    assert!(!gates.breaker_is_open() && !gates.admits(&lane("b", "1"), now));
}

#[test]
fn who_is_turned_away_while_others_are_answered_stops_nobody_else() {
    for reason in [WaitReason::Unauthorized, WaitReason::RateLimited] {
        let (now, mut gates) = (Instant::now(), Gates::default());
        let (bad, good) = (lane("bad", "1"), lane("good", "1"));
        close(&mut gates, &bad, reason, now);
        assert!(!gates.admits(&good, now) && gates.was_turned_away(&bad));
        let mut later = now + MINUTE;
        for failures in 1..=3 {
            assert!(gates.enter(&good, later));
            gates.open(&good, later);
            gates.back(&good);
            assert!(gates.enter(&bad, later));
            let wait = close(&mut gates, &bad, reason, later);
            assert_eq!(wait, Some(MINUTE * failures), "it waits longer and longer");
            let together = close(&mut gates, &lane("bad", "2"), reason, later);
            assert_eq!(together, wait);
            assert!(gates.is_turned_away_alone(&bad) && !gates.is_turned_away_alone(&good));
            gates.back(&bad);
            assert!(gates.admits(&good, later) && !gates.admits(&bad, later));
            later += MINUTE * failures;
        }
        // When all are turned away, all wait.
        let wait = close(&mut gates, &good, reason, later);
        assert_eq!(wait, Some(MINUTE), "the wait of all begins anew");
        assert!(!gates.admits(&lane("new", "1"), later));
    }
}

#[test]
fn who_was_turned_away_alone_stops_nobody_though_nobody_is_answered_meanwhile() {
    for reason in [WaitReason::Unauthorized, WaitReason::RateLimited] {
        let (now, mut gates) = (Instant::now(), Gates::default());
        let (bad, good) = (lane("bad", "1"), lane("good", "1"));
        close(&mut gates, &bad, reason, now);
        let mut later = now + MINUTE;
        gates.open(&good, later);
        // Longer than many tries in vain.
        for _ in 0..12 {
            let closed = gates.close(&bad, &wait(reason), &closing(later), later);
            assert!(!closed.is_about_everybody && gates.admits(&good, later));
            later += closed.wait.unwrap();
        }
        let closed = gates.close(&good, &wait(reason), &closing(later), later);
        assert!(closed.is_about_everybody && !gates.admits(&good, later));
    }
}

#[test]
fn while_many_are_turned_away_alone_whoever_was_answered_goes_all_the_same() {
    let (now, mut gates) = (Instant::now(), Gates::default());
    let (good, reason) = (lane("good", "1"), WaitReason::RateLimited);
    let bad = ["a", "b", "c", "d", "e", "f"].map(|user| lane(user, "1"));
    for lane in &bad {
        close(&mut gates, lane, reason, now);
    }
    let mut later = now + MINUTE;
    gates.open(&good, later);
    for _ in 0..3 {
        for lane in &bad {
            let closed = gates.close(lane, &wait(reason), &closing(later), later);
            assert!(!closed.is_about_everybody);
        }
        later += Duration::from_secs(1);
        assert!(!gates.say_not_now() && !gates.admits(&lane("new", "1"), later));
        // They go in turns, before those that were turned away.
        let (task, new) = (lane("good", "new"), lane("new", "1"));
        assert!(gates.admits(&task, later) && gates.admits_soon(&new, later));
        assert!(!gates.admits_soon(&bad[0], later) && !gates.admits_soon(&bad[5], later));
        assert!(gates.want_a_probe(later + MINUTE) && !gates.want_a_probe(later));
        assert!(gates.admits_soon(&good, later) && gates.enter(&good, later));
        gates.open(&good, later);
        gates.back(&good);
        assert!(gates.admits(&lane("new", "1"), later));
        later += MINUTE * 9;
    }
    // If it is everybody after all, nobody goes early any more.
    for lane in &bad {
        close(&mut gates, lane, reason, later);
    }
    close(&mut gates, &good, reason, later);
    later += Duration::from_secs(30);
    assert!(gates.say_not_now() && !gates.admits(&good, later));
}

#[test]
fn what_is_refused_to_all_lets_one_probe_through_after_each_wait_which_grows() {
    let (mut now, mut gates) = (Instant::now(), Gates::default());
    let users = ["a", "b", "c"];
    for user in users {
        gates.open(&lane(user, "1"), now);
    }
    close(&mut gates, &lane("a", "1"), WaitReason::Unauthorized, now);
    // This request was under way when lane a was refused.
    gates.open(&lane("b", "1"), now);
    for (nth, user) in (2..).zip(users.iter().cycle().take(7)) {
        now += MINUTE * (nth - 1);
        assert!(gates.want_a_probe(now) && gates.enter(&lane(user, "1"), now));
        assert!(!gates.want_a_probe(now) && !gates.admits(&lane("new", "1"), now));
        let refused = close(&mut gates, &lane(user, "1"), WaitReason::Unauthorized, now);
        assert_eq!(refused, Some(MINUTE * nth));
        gates.back(&lane(user, "1"));
    }
}

#[test]
fn lanes_keep_their_places_while_all_have_to_wait_for_they_take_turns_in_finding_out() {
    let (now, mut gates) = (Instant::now(), Gates::default());
    gates.open(&lane("well", "1"), now);
    close(&mut gates, &lane("bad", "1"), WaitReason::RateLimited, now);
    assert!(gates.say_not_now() && !gates.want_a_probe(now));
    assert_eq!(gates.not_now_until(), Some(now + MINUTE));
    assert!(
        gates.admits_soon(&lane("bad", "1"), now) && gates.admits_soon(&lane("well", "1"), now)
    );
    assert!(gates.is_well(&lane("well", "1")) && !gates.is_well(&lane("bad", "1")));
    close(&mut gates, &lane("own", "1"), WaitReason::Forbidden, now);
    assert!(!gates.admits_soon(&lane("own", "1"), now));
}

#[test]
fn a_lane_that_is_turned_away_alone_waits_alone_and_as_long_as_it_is_asked_to() {
    for reason in [WaitReason::Unauthorized, WaitReason::RateLimited] {
        let (now, mut gates) = (Instant::now(), Gates::default());
        let [bad, good] = ["1", "2"].map(|task| lane("a", task));
        let asks = |seconds| Wait {
            retry_after: seconds,
            ..wait(reason)
        };
        let closed = gates.close(&bad, &asks(None), &closing(now), now);
        assert!(closed.is_about_everybody && !gates.admits(&good, now));
        let later = now + MINUTE;
        assert!(gates.enter(&good, later));
        gates.open(&good, later);
        for asked in [None, Some(MINUTE), Some(MINUTE * 60)] {
            let closed = gates.close(&bad, &asks(asked), &closing(later), later);
            assert!(!closed.is_about_everybody && gates.admits(&good, later));
            assert_eq!(closed.wait, asked.map(|asked| asked.min(MINUTE * 15)));
        }
        assert!(gates.is_turned_away_alone(&bad) && !gates.is_well(&bad));
        assert!(gates.is_well(&good));
    }
}

#[test]
fn a_forbidden_lane_does_not_stop_its_user_while_others_of_the_user_are_answered() {
    let (now, mut gates) = (Instant::now(), Gates::default());
    let (reason, good) = (WaitReason::Forbidden, lane("a", "good"));
    close(&mut gates, &lane("a", "1"), reason, now);
    assert!(!gates.admits(&good, now));
    let later = now + MINUTE;
    assert!(gates.enter(&good, later));
    gates.open(&good, later);
    for task in 1..6 {
        let wait = close(&mut gates, &lane("a", &task.to_string()), reason, later);
        assert_eq!(wait, None, "the lane's own");
        assert!(gates.admits(&good, later));
    }
    assert_eq!(gates.closed(), (false, 0));
    // After many, it may be the user; but who was answered finds out early.
    for task in ["6", "7"] {
        close(&mut gates, &lane("a", task), reason, later);
    }
    assert_eq!(gates.closed(), (false, 1));
    let later = later + Duration::from_secs(1);
    assert!(!gates.admits(&lane("a", "8"), later) && gates.enter(&good, later));
    gates.open(&good, later);
    assert_eq!(gates.closed(), (false, 0));
}

#[test]
fn an_answer_behind_a_doubted_gate_does_not_tell_that_the_token_is_taken_again() {
    let (now, mut gates) = (Instant::now(), Gates::default());
    let (good, reason) = (lane("a", "good"), WaitReason::Unauthorized);
    gates.open(&good, now);
    for task in 0..5 {
        close(&mut gates, &lane("a", &task.to_string()), reason, now);
    }
    assert!(gates.let_some_through());
    let later = now + Duration::from_secs(1);
    let new = lane("a", "5");
    assert!(!gates.admits(&new, later) && !gates.admits_soon(&new, later));
    assert!(!gates.open(&good, later));
}

#[test]
fn what_follows_an_outage_does_not_wait_as_if_the_outage_went_on() {
    for reason in [WaitReason::RateLimited, WaitReason::Unauthorized] {
        let (mut now, mut gates) = (Instant::now(), Gates::default());
        let kinds = [WaitReason::ServerError, WaitReason::AnswerLost];
        for nth in 0..16 {
            let (user, kind) = (["a", "b"][nth % 2], kinds[nth % 2]);
            close(&mut gates, &lane(user, "1"), kind, now);
            now = gates.platform.as_ref().map_or(now, |gate| gate.until);
        }
        assert_eq!(gates.platform.as_ref().unwrap().failures(), 12);
        let wait = close(&mut gates, &lane("a", "1"), reason, now);
        assert_eq!(wait, Some(MINUTE));
    }
}

#[test]
fn a_wait_that_the_platform_asks_for_holds_whatever_gate_was_closed_before() {
    let now = Instant::now();
    let asks = |seconds| Wait {
        retry_after: Some(Duration::from_secs(seconds)),
        ..wait(WaitReason::RateLimited)
    };
    // The breaker, and a "not now" without a time.
    for reason in [WaitReason::ServerError, WaitReason::RateLimited] {
        let mut gates = Gates::default();
        for user in ["a", "b", "a", "b", "a"] {
            close(&mut gates, &lane(user, "1"), reason, now);
        }
        for (asked, expected) in [(600, 600), (120, 600), (60 * 60, 15 * 60)] {
            let c = lane("c", "1");
            let closed = gates.close(&c, &asks(asked), &closing(now), now);
            assert_eq!(closed.wait, Some(Duration::from_secs(expected)));
        }
        assert!(gates.say_not_now() && !gates.admits(&lane("g", "1"), now + MINUTE));
        let up = now + MINUTE * 15;
        let again = close(&mut gates, &lane("a", "1"), WaitReason::RateLimited, up);
        assert!(again <= Some(MINUTE * 2), "they count once: {again:?}");
    }
}

#[test]
fn probes_that_hang_take_nobodys_place_while_they_are_not_too_many() {
    let (step, soon) = (Duration::from_millis(100), Duration::from_millis(4_900));
    for (reason, kinds) in [(WaitReason::RateLimited, 1), (WaitReason::ServerError, 2)] {
        let (now, mut gates) = (Instant::now(), Gates::default());
        gates.open(&lane("well", "1"), now);
        for user in ["a", "b", "a", "b", "a"] {
            close(&mut gates, &lane(user, "1"), reason, now);
        }
        let (mut later, mut went) = (now + MINUTE, 0);
        let mut goes_for = |time: Duration| {
            let until = later + time;
            while later < until {
                let next = lane("well", &went.to_string());
                went += usize::from(gates.enter(&next, later));
                later += step;
            }
            went
        };
        assert_eq!(goes_for(soon), kinds * MOST_PROBES, "{reason:?}");
        let all = goes_for(MINUTE);
        assert_eq!(all, kinds * MOST_WITH_HANGING, "{reason:?}");
    }
}
