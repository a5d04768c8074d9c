//! What the numbers say: it goes on, or it is undone.

use super::*;

#[tokio::test]
async fn numbers_beyond_their_limit_undo_the_rollout() {
    for (entry, value, words) in [
        (
            0,
            "5",
            "error-rate: mean 5 %, worst 5 % in 2 of 2 samples, at most 1 %",
        ),
        (
            1,
            "900",
            "latency-p90: mean 900 ms, worst 900 ms in 2 of 2 samples, at most 500 ms",
        ),
    ] {
        let (world, mut run) = watched().await;
        healthy(&world);
        measures(&world, watch(&world)[entry].new.as_ref(), value);
        for _ in 0..4 {
            sweep(&world, 60).await;
        }
        // It does not wait for the end: two samples are enough.
        let head = undone(
            &world,
            &mut run,
            "WatchFailed",
            &[words, "2 samples are beyond the limit"],
        )
        .await;
        let took = head.ended_at.unwrap().as_second() - head.started_at.as_second();
        assert!(took < 300, "{took}");
    }
}

#[tokio::test]
async fn an_alarm_undoes_the_rollout_at_once() {
    let (world, mut run) = watched().await;
    healthy(&world);
    world.metrics.alarm("shop-hosts", "ALARM");
    sweep(&world, 60).await;
    undone(
        &world,
        &mut run,
        "WatchFailed",
        &["health: alarm shop-hosts is in ALARM"],
    )
    .await;
}

#[tokio::test]
async fn a_new_version_that_does_worse_than_the_old_is_undone() {
    let (world, mut run) = watched().await;
    healthy(&world);
    measures(&world, watch(&world)[0].new.as_ref(), "0.7");
    for _ in 0..4 {
        sweep(&world, 60).await;
        assert_eq!(run.go(&world).await, Stand::Waits(WATCH.to_owned()));
    }
    sweep(&world, 60).await;
    undone(
        &world,
        &mut run,
        "WatchFailed",
        &["the mean is more than 2 times the old version's"],
    )
    .await;
}

/// A rollout at its end whose last minute's latency CloudWatch does not have.
async fn short_of_the_last() -> (World, Run, gatewright_domain::Timestamp) {
    let (world, run) = watched().await;
    let began = world.clock.now();
    let slots = Window::whole(after(began, 60), after(began, 300), 60);
    healthy(&world);
    let silent = gatewright_fakes::FakeMetrics::default();
    let world = World {
        metrics: silent,
        ..world
    };
    let watch = watch(&world);
    measures(&world, watch[0].new.as_ref(), "0.4");
    measures(&world, watch[0].old.as_ref(), "0.3");
    world.metrics.alarm("shop-hosts", "OK");
    let last = after(slots.until, -60);
    let latency = watch[1].new.clone().unwrap();
    for second in (slots.from.as_second()..last.as_second()).step_by(60) {
        let at = after(slots.from, second - slots.from.as_second());
        world.metrics.measured(&latency, at, "250".parse().unwrap());
    }
    for _ in 0..6 {
        sweep(&world, 60).await;
        assert!(request(&world).await.is_none());
    }
    (world, run, last)
}

#[tokio::test]
async fn a_version_that_falls_silent_is_not_promoted() {
    let (world, mut run, _) = short_of_the_last().await;
    sweep(&world, 60).await;
    let about = request(&world).await.unwrap().about.unwrap();
    assert_eq!(
        about.reasons(),
        [
            "latency-p90: mean 250 ms, worst 250 ms in 2 of 3 samples, at most 500 ms; there are 2 of 3 samples of the new version, and it takes 3"
        ]
    );
    assert_eq!(run.go(&world).await, Stand::Waits(WATCH.to_owned()));
}

#[tokio::test]
async fn the_last_numbers_may_come_late_and_are_judged() {
    for (late, outcome) in [
        ("250", WatchOutcome::Passed),
        ("9000", WatchOutcome::Failed),
    ] {
        let (world, _run, last) = short_of_the_last().await;
        let latency = watch(&world)[1].new.clone().unwrap();
        world
            .metrics
            .measured(&latency, last, late.parse().unwrap());
        sweep(&world, 60).await;
        assert_eq!(seen(&world).await.outcome, outcome);
    }
}

/// Two things that AWS counts, and a latency in seconds.
fn of_aws() -> String {
    let rate = |version: &str| {
        let of = |name: &str| {
            format!(
                "{{ namespace: AWS/Lambda, name: {name}, dimensions: {{ Resource: {version} }} }}"
            )
        };
        format!("{{ of: {}, per: {} }}", of("Errors"), of("Invocations"))
    };
    let series = |version: &str| {
        format!("{{ namespace: Shop, name: ErrorRate, dimensions: {{ Service: {version} }} }}")
    };
    SHOP.replace(&series("new"), &rate("new"))
        .replace(&series("old"), &rate("old"))
        .replace(
            "{ namespace: Shop, name: Latency }",
            "{ namespace: AWS/ApplicationELB, name: TargetResponseTime, unit: seconds }",
        )
}

#[tokio::test]
async fn what_aws_counts_and_measures_in_seconds_is_converted() {
    for (errors, seconds, outcome) in [
        (None, "0.25", WatchOutcome::Passed),
        (Some("1"), "0.25", WatchOutcome::Passed),
        (Some("9"), "0.25", WatchOutcome::Failed),
        (None, "0.75", WatchOutcome::Failed),
    ] {
        let (world, _run) = watched_in(&of_aws()).await;
        let watch = watch(&world);
        for (one, errors) in [(&watch[0].new, errors), (&watch[0].old, Some("1"))] {
            let rate = one.as_ref().unwrap();
            measures(&world, rate.per.as_deref(), "200");
            if let Some(errors) = errors {
                measures(&world, Some(rate), errors);
            }
        }
        measures(&world, watch[1].new.as_ref(), seconds);
        world.metrics.alarm("shop-hosts", "OK");
        for _ in 0..5 {
            sweep(&world, 60).await;
        }
        let seen = seen(&world).await;
        assert_eq!(seen.outcome, outcome, "{:?}", seen.reasons());
    }
}

#[tokio::test]
async fn an_alarm_of_the_warm_up_undoes_nothing() {
    let (world, mut run) =
        watched_in(&SHOP.replace("decide-within", "warm-up: 2m\n      decide-within")).await;
    healthy(&world);
    world.metrics.alarm("shop-hosts", "ALARM");
    sweep(&world, 60).await;
    assert_eq!(run.go(&world).await, Stand::Waits(WATCH.to_owned()));
    world.metrics.alarm("shop-hosts", "OK");
    for _ in 0..4 {
        sweep(&world, 60).await;
    }
    assert_eq!(seen(&world).await.outcome, WatchOutcome::Passed);
}
