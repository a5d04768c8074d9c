use super::*;
use crate::pipeline::Series;
use proptest::prelude::*;

fn error_rate(at_most: Option<&str>, times_old: Option<&str>) -> Watch {
    let series = |service: &str| Series {
        namespace: "Shop".to_owned(),
        name: "ErrorRate".to_owned(),
        statistic: "Average".to_owned(),
        dimensions: [("Service".to_owned(), service.to_owned())].into(),
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

fn numbers(texts: &[&str]) -> Vec<Decimal> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn seen(over: bool, samples: Vec<Samples>) -> WatchSeen {
    WatchSeen {
        from: Timestamp::UNIX_EPOCH,
        until: Timestamp::UNIX_EPOCH,
        over,
        unreadable: None,
        samples,
    }
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
        &seen(over, vec![samples]),
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
            "error-rate: mean 0.3 %, worst 0.4 % in 2 samples, at most 1 %",
        ),
        (
            &["0.2", "0.4"][..],
            false,
            WatchOutcome::Going,
            "error-rate: mean 0.3 %, worst 0.4 % in 2 samples, at most 1 %",
        ),
        // One sample beyond the limit may pass, two may not.
        (
            &["0", "1.5", "0"][..],
            true,
            WatchOutcome::Passed,
            "error-rate: mean 0.5 %, worst 1.5 % in 3 samples, at most 1 %",
        ),
        (
            &["0", "1.5", "1.1", "0"][..],
            false,
            WatchOutcome::Failed,
            "error-rate: mean 0.65 %, worst 1.5 % in 4 samples, at most 1 %; 2 samples are beyond the limit",
        ),
        // One that is far beyond takes the mean along, which counts in the end.
        (
            &["0", "9"][..],
            false,
            WatchOutcome::Going,
            "error-rate: mean 4.5 %, worst 9 % in 2 samples, at most 1 %",
        ),
        (
            &["0", "9"][..],
            true,
            WatchOutcome::Failed,
            "error-rate: mean 4.5 %, worst 9 % in 2 samples, at most 1 %; the mean is beyond the limit",
        ),
        // The limit itself passes.
        (
            &["1", "1"][..],
            true,
            WatchOutcome::Passed,
            "error-rate: mean 1 %, worst 1 % in 2 samples, at most 1 %",
        ),
        (
            &["0"][..],
            true,
            WatchOutcome::Inconclusive,
            "error-rate: there is only one number of the new version, and it takes two",
        ),
        (
            &["100"][..],
            true,
            WatchOutcome::Inconclusive,
            "error-rate: there is only one number of the new version, and it takes two",
        ),
        (
            &[][..],
            true,
            WatchOutcome::Inconclusive,
            "error-rate: there are no numbers of the new version, and it takes two",
        ),
        (
            &[][..],
            false,
            WatchOutcome::Going,
            "error-rate: there are no numbers of the new version, and it takes two",
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
    // Nothing to compare with: the limit alone decides, and without one nothing.
    for old in [&[][..], &["2"][..], &["0", "0"][..]] {
        assert_eq!(outcome(both, &["3.1", "3"], old), WatchOutcome::Passed);
        assert_eq!(
            outcome(only_old, &["3.1", "3"], old),
            WatchOutcome::Inconclusive
        );
    }
    let (_, because) = of(both, true, &["8", "8"], &["2", "2"]);
    assert_eq!(
        because,
        "error-rate: mean 8 %, worst 8 % in 2 samples, at most 5 %, the old version's mean 2 %; 2 samples are beyond the limit; the mean is beyond the limit; the mean is more than 1.5 times the old version's"
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

fn samples(most: usize) -> impl Strategy<Value = Vec<Decimal>> {
    let one = (0i64..5_000_000).prop_map(Decimal::from_millionths);
    proptest::collection::vec(one, 0..most)
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
        at_most in limit(), times in limit(), new in samples(8), old in samples(8), more in 0i64..1_000_000, over: bool,
    ) {
        let watch = [error_rate(at_most.as_deref(), times.as_deref())];
        let judged = |new: Vec<Decimal>| {
            judge_watch(&watch, &seen(over, vec![Samples { new, old: old.clone(), alarm: None }])).outcome
        };
        let worst = new.iter().max().map_or(0, |w| w.millionths());
        let mut worse = new.clone();
        worse.push(Decimal::from_millionths(worst + more));
        let (before, after) = (judged(new), judged(worse));
        prop_assert!(before != WatchOutcome::Failed || after == WatchOutcome::Failed);
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
            let numbers = sum.numbers();
            prop_assert!(numbers.mean <= numbers.worst);
            prop_assert!(new.iter().min().is_some_and(|best| *best <= numbers.mean));
        }
    }
}
