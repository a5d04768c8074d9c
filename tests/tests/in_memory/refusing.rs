//! Releases that gates, failed builds and wrong triggers end.

use super::*;

#[tokio::test]
async fn coverage_below_the_threshold_ends_clean_with_the_measured_value() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let end = drive(&world, &mut run, async |world, state| {
        if state == "Unit Test & Coverage" {
            let id = world.build_ends(BuildStatus::Failed, Percent(7913)).await;
            world.build_event(&id).await.unwrap();
        } else {
            happily(world, state).await;
        }
    })
    .await;
    assert_eq!(end, "failed-clean");
    let failure = world
        .has_ended(R, Status::FailedClean)
        .await
        .failure
        .unwrap();
    assert_eq!(failure.error, "GateDenied");
    assert!(
        failure
            .cause
            .contains("measured 79.13 %, but at least 80 % is required"),
        "{}",
        failure.cause
    );
    assert_eq!(failure.stage.unwrap().as_str(), "Unit Test & Coverage");
}

#[tokio::test]
async fn a_critical_finding_ends_clean_before_any_environment_is_touched() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let end = drive(&world, &mut run, async |world, state| {
        if state.ends_with(": scan") {
            world.scan_settles(&[Severity::Critical, Severity::Low]);
            world.scan_event().await.unwrap();
        } else {
            happily(world, state).await;
        }
    })
    .await;
    assert_eq!(end, "failed-clean");
    let failure = world
        .has_ended(R, Status::FailedClean)
        .await
        .failure
        .unwrap();
    assert!(failure.cause.contains("1 CRITICAL"), "{}", failure.cause);
    assert!(world.store.table().items_in("ENV#").is_empty());
}

#[tokio::test]
async fn an_infrastructure_fault_is_retried_and_a_red_build_is_not() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let mut faults = 0;
    let end = drive(&world, &mut run, async |world, state| {
        if state.starts_with("Static") && faults == 0 {
            faults += 1;
            let id = world.build_ends(BuildStatus::Fault, Percent(0)).await;
            world.build_event(&id).await.unwrap();
        } else {
            happily(world, state).await;
        }
    })
    .await;
    assert_eq!(end, "succeeded", "{:?}", run.path);
    assert_eq!(world.builds.orders().len(), 7);

    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let end = drive(&world, &mut run, async |world, _| {
        let id = world.build_ends(BuildStatus::Failed, Percent(0)).await;
        world.build_event(&id).await.unwrap();
    })
    .await;
    assert_eq!(
        (end.as_str(), world.builds.orders().len()),
        ("failed-clean", 1)
    );
}

#[tokio::test]
async fn a_failed_deploy_ends_dirty_and_says_where_to_look() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let end = drive(&world, &mut run, async |world, state| {
        if state == "Deploy to Staging" {
            let id = world.build_ends(BuildStatus::Failed, Percent(0)).await;
            world.build_event(&id).await.unwrap();
        } else {
            happily(world, state).await;
        }
    })
    .await;
    assert_eq!(end, "failed-dirty");
    let failure = world
        .has_ended(R, Status::FailedDirty)
        .await
        .failure
        .unwrap();
    assert!(
        failure
            .cause
            .contains("it is not known what staging runs now"),
        "{}",
        failure.cause
    );
}

/// Every malformed or unfitting trigger: its error name, a message that says
/// what would be right, a whole record and no lock.
#[tokio::test]
async fn triggers_that_do_not_fit_are_refused_by_name() {
    let with = |name: &str, value: Value| {
        let mut input = World::push();
        input[name] = value;
        input
    };
    let without = |name: &str| {
        let mut input = World::push();
        input.as_object_mut().unwrap().remove(name);
        input
    };
    let rows: Vec<(Value, &str, &str)> = vec![
        (json!({}), "BadInput", "missing field `pipeline`"),
        (json!("main"), "BadInput", "invalid type: string"),
        (json!(null), "BadInput", "invalid type: null"),
        (without("commit"), "BadInput", "missing field `commit`"),
        (
            with("comit", json!(COMMIT)),
            "BadInput",
            "did you mean \"commit\"?",
        ),
        (
            with("commit", json!("4f2a9c01")),
            "BadInput",
            "an abbreviated SHA, a branch or a tag is not enough",
        ),
        (
            with("commit", json!("HEAD")),
            "BadInput",
            "is not a commit SHA",
        ),
        (
            with("ref", json!("main")),
            "BadInput",
            "refs/heads/<branch>",
        ),
        (
            with("ref", json!("refs/heads/feature/x")),
            "NotTriggered",
            "it has: push to main, tag v*.*.*, manual",
        ),
        (
            with("ref", json!("refs/heads/mian")),
            "NotTriggered",
            "did you mean \"main\"?",
        ),
        (
            with("ref", json!("refs/tags/nightly")),
            "NotTriggered",
            "no trigger of pl-gps-001 matches",
        ),
        (
            with("pipeline", json!("pl-odoo-001")),
            "BadInput",
            "this is \"pl-gps-001\"",
        ),
        (
            with("cause", json!("manual")),
            "BadInput",
            "\"requester\" is missing",
        ),
        (
            with("cause", json!("tag")),
            "BadInput",
            "the ref is the branch main",
        ),
        (
            with("cause", json!("pish")),
            "BadInput",
            "did you mean \"push\"?",
        ),
    ];
    for (input, error, why) in rows {
        let world = World::new().await;
        let (run, end) = released(&world, input.clone()).await;
        assert_eq!(
            (end.as_str(), run.path.len()),
            ("failed-clean", 4),
            "{input}: {:?}",
            run.path
        );
        let head = world.has_ended(R, Status::FailedClean).await;
        assert_eq!(head.number, None, "{input}");
        let failure = head.failure.unwrap();
        assert_eq!(failure.error, error, "{input}: {}", failure.cause);
        assert!(failure.cause.contains(why), "{input}: {}", failure.cause);
        assert_eq!(world.facts(R).await, ["trigger-refused", "release-ended"]);
    }
}

#[tokio::test]
async fn a_name_that_was_used_before_neither_ends_nor_repeats_its_release() {
    let world = World::new().await;
    let mut first = Run::start(&world, R, World::push());
    first.go(&world).await;
    world.clock.pass(1);
    for input in [World::push(), json!({ "nonsense": true })] {
        let mut other = Run::start(&world, R, input);
        assert_eq!(
            other.go(&world).await,
            Stand::Ended("failed-clean".to_owned())
        );
        assert_eq!(other.path[1], "Finish");
        assert_eq!(
            world.head(R).await.status,
            Status::Running,
            "the release was ended by a stranger"
        );
    }
    assert_eq!(drive(&world, &mut first, happily).await, "succeeded");
    world.clock.pass(100 * 86_400);
    let (run, end) = released(&world, World::push()).await;
    assert_eq!(
        (end.as_str(), run.path[1].as_str()),
        ("failed-clean", "Finish"),
        "after 90 days a name is free again"
    );
    world.has_ended(R, Status::Succeeded).await;
    assert_eq!(
        world
            .facts(R)
            .await
            .iter()
            .filter(|f| *f == "release-admitted")
            .count(),
        1
    );
}
