use super::*;
use crate::pipeline::Series;
use proptest::prelude::*;

fn error_rate(at_most: Option<&str>, times_old: Option<&str>) -> Watch {
    let series = |service: &str| Series {
        namespace: "Shop".to_owned(),
        name: "ErrorRate".to_owned(),
        statistic: "Average".to_owned(),
        dimensions: [("Service".to_owned(), service.to_owned())].into(),
        ..Series::default()
    };
    Watch {
        metric: "error-rate".to_owned(),
        at_most: at_most.map(str::to_owned),
        at_most_times_old: times_old.map(str::to_owned),
        new: Some(series("new")),
        old: times_old.map(|_| series("old")),
        alarm: None,
    }
}

fn health() -> Watch {
    Watch {
        metric: "health".to_owned(),
        alarm: Some("unhealthy".to_owned()),
        new: None,
        ..error_rate(None, None)
    }
}

fn at(second: usize) -> Timestamp {
    Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
}

/// A sample each second, but where there is "-".
fn numbers(texts: &[&str]) -> Vec<Sample> {
    let sample = |(second, text): (usize, &&str)| {
        let value = (*text != "-").then(|| text.parse().unwrap())?;
        Some(Sample {
            at: at(second),
            value,
        })
    };
    texts.iter().enumerate().filter_map(sample).collect()
}

/// A watch of so many samples of a second each.
fn lasting(seconds: usize, over: bool, samples: Vec<Samples>) -> WatchSeen {
    WatchSeen {
        from: at(0),
        until: at(seconds),
        window: Window::whole(at(0), at(seconds), 1),
        over,
        unreadable: None,
        samples,
    }
}

fn seen(over: bool, samples: Vec<Samples>) -> WatchSeen {
    let sides = samples.iter().flat_map(|s| [s.new.len(), s.old.len()]);
    lasting(sides.max().unwrap_or(0).max(2), over, samples)
}

/// What a watch of the error rate says of these samples.
fn of(
    limits: (Option<&str>, Option<&str>),
    over: bool,
    new: &[&str],
    old: &[&str],
) -> (WatchOutcome, String) {
    let samples = Samples {
        new: numbers(new),
        old: numbers(old),
        alarm: None,
    };
    let evidence = judge_watch(
        &[error_rate(limits.0, limits.1)],
        &lasting(new.len().max(2), over, vec![samples]),
    );
    (evidence.outcome, evidence.measured[0].because.clone())
}

#[test]
fn numbers_are_judged_by_their_limit() {
    let one = (Some("1"), None);
    for (new, over, outcome, because) in [
        (
            &["0.2", "0.4"][..],
            true,
            WatchOutcome::Passed,
            "error-rate: mean 0.3 %, worst 0.4 % in 2 of 2 samples, at most 1 %",
        ),
        (
            &["0.2", "0.4"][..],
            false,
            WatchOutcome::Going,
            "error-rate: mean 0.3 %, worst 0.4 % in 2 of 2 samples, at most 1 %",
        ),
        // One sample beyond the limit may pass, two may not.
        (
            &["0", "1.5", "0"][..],
            true,
            WatchOutcome::Passed,
            "error-rate: mean 0.5 %, worst 1.5 % in 3 of 3 samples, at most 1 %",
        ),
        (
            &["0", "1.5", "1.1", "0"][..],
            false,
            WatchOutcome::Failed,
            "error-rate: mean 0.65 %, worst 1.5 % in 4 of 4 samples, at most 1 %; 2 samples are beyond the limit",
        ),
        // One that is far beyond takes the mean along, which counts in the end.
        (
            &["0", "9"][..],
            false,
            WatchOutcome::Going,
            "error-rate: mean 4.5 %, worst 9 % in 2 of 2 samples, at most 1 %",
        ),
        (
            &["0", "9"][..],
            true,
            WatchOutcome::Failed,
            "error-rate: mean 4.5 %, worst 9 % in 2 of 2 samples, at most 1 %; the mean is beyond the limit",
        ),
        // The limit itself passes.
        (
            &["1", "1"][..],
            true,
            WatchOutcome::Passed,
            "error-rate: mean 1 %, worst 1 % in 2 of 2 samples, at most 1 %",
        ),
        (
            &["0"][..],
            true,
            WatchOutcome::Inconclusive,
            "error-rate: mean 0 %, worst 0 % in 1 of 2 samples, at most 1 %; there are 1 of 2 samples of the new version, and it takes 2",
        ),
        (
            &["100"][..],
            true,
            WatchOutcome::Inconclusive,
            "error-rate: mean 100 %, worst 100 % in 1 of 2 samples, at most 1 %; there are 1 of 2 samples of the new version, and it takes 2",
        ),
        (
            &[][..],
            true,
            WatchOutcome::Inconclusive,
            "error-rate, at most 1 %; there are no numbers of the new version",
        ),
        (
            &[][..],
            false,
            WatchOutcome::Going,
            "error-rate, at most 1 %; there are no numbers of the new version",
        ),
    ] {
        assert_eq!(
            of(one, over, new, &[]),
            (outcome, because.to_owned()),
            "{new:?}"
        );
    }
}

#[test]
fn the_new_version_is_compared_with_the_old_where_both_have_numbers() {
    let (both, only_old) = ((Some("5"), Some("1.5")), (None, Some("1.5")));
    let outcome = |limits, new: &[&str], old: &[&str]| of(limits, true, new, old).0;
    assert_eq!(
        outcome(both, &["3", "3"], &["2", "2"]),
        WatchOutcome::Passed
    );
    assert_eq!(
        outcome(both, &["3.1", "3"], &["2", "2"]),
        WatchOutcome::Failed
    );
    assert_eq!(
        outcome(only_old, &["3.1", "3"], &["2", "2"]),
        WatchOutcome::Failed
    );
    assert_eq!(
        outcome(only_old, &["3", "3"], &["2", "2"]),
        WatchOutcome::Passed
    );
    // The old version's numbers are missing: a word in its place may be wrong.
    for old in [&[][..], &["2", "-"][..], &["-", "2"][..]] {
        for limits in [both, only_old] {
            let (outcome, because) = of(limits, true, &["3.1", "3"], old);
            assert_eq!(outcome, WatchOutcome::Inconclusive, "{because}");
            assert!(because.contains("of the old version"), "{because}");
        }
        assert_eq!(outcome(both, &["8", "8"], old), WatchOutcome::Failed);
    }
    // Nothing went wrong with the old version, which is a number.
    let zero = &["0", "0"];
    assert_eq!(outcome(both, &["0", "0"], zero), WatchOutcome::Passed);
    assert_eq!(outcome(only_old, &["0", "0"], zero), WatchOutcome::Passed);
    let (outcome, because) = of(both, true, &["3.1", "3"], zero);
    assert_eq!(outcome, WatchOutcome::Passed);
    assert!(
        because.ends_with("; the old version's is 0, so the limit alone decides"),
        "{because}"
    );
    let (outcome, because) = of(only_old, true, &["3.1", "3"], zero);
    assert_eq!(outcome, WatchOutcome::Inconclusive);
    assert!(
        because.ends_with("is 0, with which nothing can be compared, and there is no limit"),
        "{because}"
    );
    let (_, because) = of(both, true, &["8", "8"], &["2", "2"]);
    assert_eq!(
        because,
        "error-rate: mean 8 %, worst 8 % in 2 of 2 samples, at most 5 %, the old version's mean 2 %; 2 samples are beyond the limit; the mean is beyond the limit; the mean is more than 1.5 times the old version's"
    );
}

#[test]
fn a_version_that_falls_silent_does_not_pass() {
    let of = |new: &[&str]| of((Some("1"), None), true, new, &[]);
    for (new, outcome, why) in [
        // Two good minutes, then a crash.
        (
            &["0", "0", "-", "-", "-", "-", "-", "-", "-", "-"][..],
            WatchOutcome::Inconclusive,
            "in 2 of 10 samples, at most 1 %; there are 2 of 10 samples of the new version, and it takes 8",
        ),
        (
            &["0", "0", "0", "0", "0", "0", "0", "0", "0", "-"],
            WatchOutcome::Inconclusive,
            "; the newest sample of the new version is missing",
        ),
        (
            &["-", "0", "0", "0", "-", "0", "0", "0", "0", "0"],
            WatchOutcome::Passed,
            "in 8 of 10 samples, at most 1 %",
        ),
        (
            &["-", "0", "0", "0", "-", "0", "0", "-", "0", "0"],
            WatchOutcome::Inconclusive,
            "there are 7 of 10 samples of the new version, and it takes 8",
        ),
        // Of a part of the numbers there is no mean, but two of them are two.
        (
            &["-", "-", "9"],
            WatchOutcome::Inconclusive,
            "there are 1 of 3 samples of the new version, and it takes 3",
        ),
        (
            &["9", "9", "-", "-", "-"],
            WatchOutcome::Failed,
            "; 2 samples are beyond the limit",
        ),
    ] {
        let (said, because) = of(new);
        assert_eq!(said, outcome, "{because}");
        assert!(because.ends_with(why), "{because}");
    }
}

#[test]
fn what_lies_outside_of_the_window_fills_no_place_in_it() {
    let window = Window::whole(at(61), at(299), 60);
    assert_eq!(
        (window.from, window.until, window.expected()),
        (at(120), at(240), 2)
    );
    let samples = |seconds: &[usize]| -> Vec<Sample> {
        let value = Decimal::default();
        seconds
            .iter()
            .map(|s| Sample { at: at(*s), value })
            .collect()
    };
    assert_eq!(window.gap(&samples(&[120, 180]), "new"), None);
    for outside in [&[60, 120][..], &[120, 121], &[120, 240]] {
        assert!(
            window.gap(&samples(outside), "new").is_some(),
            "{outside:?}"
        );
    }
    assert_eq!(Window::whole(at(61), at(62), 60).expected(), 0);
}

#[test]
fn a_share_is_of_what_was_counted_in_the_same_minute() {
    let rate = Series {
        per: Some(Box::default()),
        ..Series::default()
    };
    let shares = |of: &[&str], per: &[&str]| -> Vec<(i64, String)> {
        let all = Sample::of(&rate, Some(numbers(of)), Some(numbers(per)));
        let one = |s: &Sample| (s.at.as_second(), s.value.to_string());
        all.iter().map(one).collect()
    };
    // A count of errors is there only when there is one.
    let expected = [
        (0, "2.5".to_owned()),
        (1, "0".to_owned()),
        (3, "33.333333".to_owned()),
    ];
    assert_eq!(
        shares(&["5", "-", "7", "1"], &["200", "50", "-", "3"]),
        expected
    );
    assert!(shares(&["5", "5"], &[]).is_empty());
    assert!(
        shares(&["5"], &["0"]).is_empty(),
        "nobody asked for anything"
    );
    // What CloudWatch could not give is not 0.
    assert!(Sample::of(&rate, None, Some(numbers(&["200"]))).is_empty());
    assert!(Sample::of(&rate, Some(numbers(&["1"])), None).is_empty());
    let seconds = Series {
        unit: Some(crate::pipeline::Unit::Seconds),
        ..Series::default()
    };
    let read = Sample::of(&seconds, Some(numbers(&["0.25"])), None);
    assert_eq!(read[0].value.to_string(), "250");
}

#[test]
fn nothing_fails_during_the_warm_up() {
    let samples = Samples {
        alarm: Some("ALARM".to_owned()),
        ..Samples::default()
    };
    let early = WatchSeen {
        from: at(60),
        ..lasting(59, false, vec![samples])
    };
    assert_eq!(
        judge_watch(&[health()], &early).outcome,
        WatchOutcome::Going
    );
    let warm = WatchSeen {
        until: at(60),
        ..early
    };
    assert_eq!(
        judge_watch(&[health()], &warm).outcome,
        WatchOutcome::Failed
    );
}

#[test]
fn an_alarm_fails_at_once_and_an_unknown_state_is_not_ok() {
    let of = |state: Option<&str>, over| {
        let samples = Samples {
            alarm: state.map(str::to_owned),
            ..Samples::default()
        };
        judge_watch(&[health()], &seen(over, vec![samples])).outcome
    };
    assert_eq!(of(Some("OK"), true), WatchOutcome::Passed);
    assert_eq!(of(Some("OK"), false), WatchOutcome::Going);
    assert_eq!(of(Some("ALARM"), false), WatchOutcome::Failed);
    for unknown in [Some("INSUFFICIENT_DATA"), Some("FINE"), None] {
        assert_eq!(of(unknown, false), WatchOutcome::Going);
        assert_eq!(of(unknown, true), WatchOutcome::Inconclusive);
    }
}

#[test]
fn all_reasons_are_told_and_a_failure_weighs_more_than_a_missing_number() {
    let bad = Samples {
        new: numbers(&["9", "9"]),
        ..Samples::default()
    };
    let watch = [
        error_rate(Some("1"), None),
        error_rate(Some("2"), None),
        health(),
    ];
    let evidence = judge_watch(
        &watch,
        &seen(true, vec![bad.clone(), bad, Samples::default()]),
    );
    assert_eq!(evidence.outcome, WatchOutcome::Failed);
    assert_eq!(evidence.reasons().len(), 2);
    assert_eq!(
        evidence.measured[2].because,
        "health: alarm unhealthy does not exist"
    );
}

#[test]
fn what_could_not_be_read_says_so() {
    let unreadable = WatchSeen {
        unreadable: Some("cloudwatch:GetMetricData: denied".to_owned()),
        ..seen(true, Vec::new())
    };
    let evidence = judge_watch(&[error_rate(Some("1"), None)], &unreadable);
    assert_eq!(evidence.outcome, WatchOutcome::Inconclusive);
    assert_eq!(
        evidence.reasons(),
        ["error-rate: it could not be read: cloudwatch:GetMetricData: denied"]
    );
    assert_eq!(
        judge_watch(&[], &seen(true, Vec::new())).outcome,
        WatchOutcome::Inconclusive
    );
}

fn limit() -> impl Strategy<Value = Option<String>> {
    proptest::option::of((0u32..50).prop_map(|n| format!("{}.{}", n / 10, n % 10)))
}

fn values(most: usize) -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::vec(0i64..5_000_000, 0..most)
}

fn samples(most: usize) -> impl Strategy<Value = Vec<Sample>> {
    values(most).prop_map(|values| sampled(&values))
}

fn sampled(values: &[i64]) -> Vec<Sample> {
    let sample = |(second, value): (usize, &i64)| Sample {
        at: at(second),
        value: Decimal::from_millionths(*value),
    };
    values.iter().enumerate().map(sample).collect()
}

proptest! {
    #[test]
    fn missing_numbers_never_pass(
        at_most in limit(), times in limit(), new in samples(2), old in samples(6), over: bool,
    ) {
        let watch = error_rate(at_most.as_deref(), times.as_deref());
        let evidence = judge_watch(&[watch], &seen(over, vec![Samples { new, old, alarm: None }]));
        let expected = if over { WatchOutcome::Inconclusive } else { WatchOutcome::Going };
        prop_assert_eq!(evidence.outcome, expected);
    }

    #[test]
    fn a_worse_sample_never_helps(
        at_most in limit(), times in limit(), new in values(8), old in samples(8), which in 0usize..8, more in 0i64..1_000_000, over: bool,
    ) {
        let watch = [error_rate(at_most.as_deref(), times.as_deref())];
        let judged = |new: &[i64]| {
            let samples = Samples { new: sampled(new), old: old.clone(), alarm: None };
            judge_watch(&watch, &lasting(new.len().max(2), over, vec![samples])).outcome
        };
        let mut worse = new.clone();
        worse.iter_mut().skip(which).take(1).for_each(|value| *value += more);
        let (before, after) = (judged(&new), judged(&worse));
        prop_assert!(before != WatchOutcome::Failed || after == WatchOutcome::Failed);
        prop_assert!(after != WatchOutcome::Passed || before == WatchOutcome::Passed);
    }

    #[test]
    fn nothing_passes_before_the_end_and_nothing_goes_on_after_it(
        at_most in limit(), new in samples(8), over: bool, state in proptest::option::of("OK|ALARM|INSUFFICIENT_DATA|[A-Z]{1,5}"),
    ) {
        let watch = [error_rate(at_most.as_deref(), None), health()];
        let health = Samples { alarm: state, ..Samples::default() };
        let evidence = judge_watch(&watch, &seen(over, vec![Samples { new, ..Samples::default() }, health]));
        prop_assert!(over || !matches!(evidence.outcome, WatchOutcome::Passed | WatchOutcome::Inconclusive));
        prop_assert!(!over || evidence.outcome != WatchOutcome::Going);
        prop_assert!(!evidence.reasons().is_empty(), "nobody is left without a reason");
        let all_pass = evidence.measured.iter().all(|m| m.outcome == WatchOutcome::Passed);
        prop_assert_eq!(evidence.outcome == WatchOutcome::Passed, all_pass);
    }

    #[test]
    fn the_mean_lies_between_the_best_and_the_worst(new in samples(20)) {
        if let Some(sum) = Sum::of(&new) {
            let numbers = sum.numbers(&Window::whole(at(0), at(20), 1));
            prop_assert!(numbers.mean <= numbers.worst);
            prop_assert!(new.iter().map(|s| s.value).min().is_some_and(|best| best <= numbers.mean));
        }
    }
}
