//! Every pipeline that is committed, every route of it, in memory: the compiled
//! machine, the real handlers, fakes that evaluate conditions.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_compiler::{compile, path_on, to_json, walk};
use gatewright_domain::pipeline::{Definition, Effect, Event, Stage, Trigger, Variable, Work};
use gatewright_domain::release::Status;
use gatewright_tests::happily::input_for;
use gatewright_tests::world::COMMIT;
use gatewright_tests::{Run, World, definitions};

/// A second commit.
const NEXT: &str = "9b1d7e22c40f4d5c8a6b3e1f0d2c4b6a8e0f1234";

/// A world in which the pipeline that this trigger waits for has released.
async fn world_for(definition: &Definition, event: &Event) -> World {
    let Event::Upstream { pipeline, .. } = event else {
        return World::of(definition.clone()).await;
    };
    let upstream = definitions().into_iter().find(|d| &d.id == pipeline);
    let upstream = upstream.unwrap_or_else(|| panic!("there is no pipeline {pipeline}"));
    let mut world = World::of(upstream.clone()).await;
    let push = upstream
        .triggers
        .iter()
        .find(|t| matches!(t.event, Event::Push { .. }));
    let input = input_for(&upstream, push.unwrap(), COMMIT);
    let (_, end) = world.release("upstream", input).await;
    assert_eq!(end, "succeeded", "{pipeline}");
    world.switch(definition.clone()).await;
    world
}

#[tokio::test]
async fn every_route_goes_from_its_trigger_to_its_end_through_its_own_states() {
    for definition in definitions() {
        let machine = compile(&definition).unwrap();
        for trigger in &definition.triggers {
            let world = world_for(&definition, &trigger.event).await;
            let input = input_for(&definition, trigger, COMMIT);
            let (run, end) = world.release("r", input).await;
            let about = format!("{}: {}", definition.id, trigger.name);
            let failure = world.head("r").await.failure;
            assert_eq!(end, "succeeded", "{about}: {failure:?}");
            let expected = path_on(&machine, Some(&trigger.name));
            assert_eq!(run.path, expected, "{about}");
            let head = world.has_ended("r", Status::Succeeded).await;
            assert_eq!(head.route.as_deref(), Some(trigger.name.as_str()));
            ran_and_nothing_else(&world, &definition, trigger, &about).await;
        }
    }
}

/// Every stage of the route that leaves a record has passed, and no other has
/// begun; every environment that it deploys to runs what was built.
async fn ran_and_nothing_else(
    world: &World,
    definition: &Definition,
    trigger: &Trigger,
    about: &str,
) {
    let records = world.store.stages(&"r".parse().unwrap()).await.unwrap();
    let mut ran: Vec<&str> = records.iter().map(|r| r.stage.as_str()).collect();
    ran.dedup();
    let recorded = definition
        .path(Some(trigger))
        .filter(|(_, s)| !matches!(s.work, Work::Approval(_)));
    let expected: Vec<&str> = recorded.map(|(_, s)| s.name.as_str()).collect();
    assert_eq!(ran, expected, "{about}");
    for (_, stage) in definition.path(Some(trigger)) {
        let (Some(deploy), Some(environment)) = (stage.deploy(), &stage.environment) else {
            continue;
        };
        if deploy.effect != Effect::Complete {
            continue;
        }
        let current = world
            .store
            .current(&definition.id, environment)
            .await
            .unwrap();
        let runs = current.unwrap_or_else(|| panic!("{about}: nothing runs in {environment}"));
        let names: Vec<&str> = runs.artifacts.iter().map(|a| a.name.as_str()).collect();
        let wanted: Vec<&str> = deploy.artifacts.iter().map(String::as_str).collect();
        assert!(
            names == wanted || runs.release.as_str() == "r",
            "{about}: {environment}"
        );
    }
}

#[tokio::test]
async fn every_deploy_that_undoes_itself_goes_back_to_what_ran_before() {
    let mut undone = 0;
    for definition in definitions() {
        let (index, stage) = match definition
            .stages
            .iter()
            .enumerate()
            .find(|(_, s)| s.is_cleared() && s.on_failure.is_some())
        {
            Some(found) => found,
            None => continue,
        };
        let environment = stage.environment.clone().unwrap();
        let trigger = definition
            .triggers
            .iter()
            .find(|t| t.runs(&stage.name) && !matches!(t.event, Event::Upstream { .. }))
            .unwrap();
        let world = World::of(definition.clone()).await;
        let (_, end) = world
            .release("first", input_for(&definition, trigger, COMMIT))
            .await;
        assert_eq!(end, "succeeded", "{}", definition.id);
        let before = world
            .store
            .current(&definition.id, &environment)
            .await
            .unwrap();
        let input = input_for(&definition, trigger, NEXT);
        let (run, end) = world
            .release_failing("second", input, stage.name.as_str())
            .await;
        assert_eq!(end, "failed-clean", "{}: {:?}", definition.id, run.path);
        let undo = definition.stages[index].on_failure.as_ref().unwrap();
        assert!(
            run.path.iter().any(|s| s == undo.as_str()),
            "{:?}",
            run.path
        );
        world.has_ended("second", Status::FailedClean).await;
        let after = world
            .store
            .current(&definition.id, &environment)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(after.artifacts, before.unwrap().artifacts);
        assert_eq!(
            after.restored.map(|r| r.to_string()).as_deref(),
            Some("first")
        );
        undone += 1;
    }
    assert!(undone > 0, "no pipeline undoes anything");
}

#[tokio::test]
async fn every_machine_passes_the_path_walk_and_the_limits() {
    for definition in definitions() {
        let rollback = definition.rollback();
        for definition in std::iter::once(definition).chain(rollback) {
            let machine = compile(&definition).unwrap();
            let json = serde_json::from_str(&to_json(&machine)).unwrap();
            let paths = walk::paths(&json).unwrap_or_else(|v| panic!("{}: {v:?}", definition.id));
            let ends = |end: &str| paths.iter().any(|path| path.end() == end);
            assert!(ends("succeeded") && ends("failed-clean") && ends("failed-dirty"));
        }
    }
}

#[tokio::test]
async fn a_route_that_has_used_up_its_budget_starts_no_build() {
    let definitions = definitions();
    let found = definitions.iter().find_map(|d| {
        let trigger = d.triggers.iter().find(|t| t.budget.is_some())?;
        Some((d, trigger))
    });
    let (definition, trigger) = found.unwrap();
    let world = World::of(definition.clone()).await;
    let mut run = Run::start(&world, "late", input_for(definition, trigger, COMMIT));
    let mut begun = 0;
    let end = world
        .drive(&mut run, async |world, _| {
            begun = world.builds.orders().len();
            world.clock.pass(trigger.budget.unwrap().get());
            world.goes_well("late").await
        })
        .await;
    assert_eq!(end, "failed-clean", "{:?}", run.path);
    let failure = world
        .has_ended("late", Status::FailedClean)
        .await
        .failure
        .unwrap();
    assert_eq!(failure.error, "BuildTimedOut");
    assert!(
        failure.cause.contains("budget of 30 min is used up"),
        "{}",
        failure.cause
    );
    assert_eq!(
        (begun, world.builds.orders().len()),
        (1, 1),
        "only the first build had time"
    );
    // What begins within the budget gets no more time than is left of it.
    let orders = world.builds.orders();
    assert!(orders.iter().all(|order| order.timeout_minutes <= 30));
}

#[tokio::test]
async fn a_stage_of_a_group_that_fails_fails_the_group_and_what_comes_after_never_begins() {
    let mut seen = 0;
    for definition in definitions() {
        let Some(group) = definition.groups.first() else {
            continue;
        };
        let failing = group.stages.last().unwrap();
        let trigger = definition
            .triggers
            .iter()
            .find(|t| t.runs(failing))
            .unwrap();
        let world = World::of(definition.clone()).await;
        let input = input_for(&definition, trigger, COMMIT);
        let (run, end) = world.release_failing("r", input, failing.as_str()).await;
        assert_eq!(end, "failed-clean", "{}: {:?}", definition.id, run.path);
        let failure = world
            .has_ended("r", Status::FailedClean)
            .await
            .failure
            .unwrap();
        assert_eq!(failure.stage.as_ref(), Some(failing), "{failure:?}");
        let last = run
            .path
            .iter()
            .rfind(|s| !["Finish", "How it ended", "failed-clean"].contains(&s.as_str()));
        let group_state = last.unwrap();
        assert!(
            group_state.starts_with(group.name.as_str()),
            "{:?}",
            run.path
        );
        seen += 1;
    }
    assert!(seen > 0, "no pipeline has a group");
}

#[tokio::test]
async fn a_rollback_by_hand_deploys_what_ran_before_from_its_own_commit() {
    let mut brought_back = 0;
    for definition in definitions() {
        let Some(rollback) = definition.rollback() else {
            continue;
        };
        let push = |t: &&Trigger| matches!(t.event, Event::Push { .. });
        let deploys = |t: &&Trigger| definition.path(Some(t)).any(|(_, s)| s.deploy().is_some());
        let trigger = definition
            .triggers
            .iter()
            .filter(push)
            .find(deploys)
            .unwrap();
        let mut world = World::of(definition.clone()).await;
        for (name, commit) in [("first", COMMIT), ("second", NEXT)] {
            let (_, end) = world
                .release(name, input_for(&definition, trigger, commit))
                .await;
            assert_eq!(end, "succeeded", "{}", definition.id);
        }
        let changed = definition.path(Some(trigger)).find_map(|(_, s)| {
            s.deploy()?;
            s.environment.clone()
        });
        let environment = changed.unwrap();
        let back = rollback
            .triggers
            .iter()
            .find(|t| matches!(&t.event, Event::Rollback { environment: e } if e == &environment));
        world.switch(rollback.clone()).await;
        let mut input = input_for(&rollback, back.unwrap(), NEXT);
        // Some migrate on the way; who goes back across that says so.
        let migrates = definition.stages.iter().any(|s| s.migration.is_some());
        if migrates {
            input["acknowledge"] = serde_json::json!(world.head("second").await.title());
        }
        let (run, end) = world.release("back", input).await;
        let failure = world.head("back").await.failure;
        assert_eq!(end, "succeeded", "{}: {failure:?}", definition.id);
        assert_eq!(
            run.path,
            path_on(&compile(&rollback).unwrap(), Some(&back.unwrap().name))
        );
        let runs = world
            .store
            .current(&definition.id, &environment)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            runs.restored.map(|r| r.to_string()).as_deref(),
            Some("first")
        );
        assert_eq!(runs.commit.as_str(), COMMIT);
        brought_back += 1;
    }
    assert!(
        brought_back >= 10,
        "only {brought_back} pipelines could be brought back"
    );
}

/// The route of this definition's rollbacks of the environment that `stage` changes.
fn route_back<'r>(rollback: &'r Definition, stage: &Stage) -> &'r Trigger {
    let wanted = stage.environment.as_ref();
    let mut routes = rollback.triggers.iter();
    routes
        .find(
            |t| matches!(&t.event, Event::Rollback { environment } if Some(environment) == wanted),
        )
        .unwrap()
}

#[tokio::test]
async fn what_took_over_goes_back_by_hand_and_is_tested_where_the_traffic_is() {
    let mut brought_back = Vec::new();
    for definition in definitions() {
        let beside = |s: &&Stage| {
            let deploy = s.deploy().filter(|_| s.is_cleared());
            deploy.is_some_and(|d| d.effect == Effect::Partial)
        };
        let Some(stage) = definition.stages.iter().find(beside) else {
            continue;
        };
        let mut triggers = definition.triggers.iter();
        let trigger = triggers.find(|t| t.runs(&stage.name)).unwrap();
        let mut world = World::of(definition.clone()).await;
        for (name, commit) in [("first", COMMIT), ("second", NEXT)] {
            let input = input_for(&definition, trigger, commit);
            let (_, end) = world.release(name, input).await;
            assert_eq!(end, "succeeded", "{}", definition.id);
        }
        let rollback = definition.rollback().unwrap();
        let back = route_back(&rollback, stage);
        world.switch(rollback.clone()).await;
        let (_, end) = world
            .release("back", input_for(&rollback, back, NEXT))
            .await;
        let failure = world.head("back").await.failure;
        assert_eq!(end, "succeeded", "{}: {failure:?}", definition.id);
        // The version beside is gone by then: a test of it could only fail.
        let service = |name: &str| match &stage.build().unwrap().env[name] {
            Variable::Plain { value } => format!("http://{value}."),
            other => panic!("{name}: {other:?}"),
        };
        let builds = rollback.path(Some(back)).filter_map(|(_, s)| s.build());
        let steps: Vec<&str> = builds
            .flat_map(|b| b.steps.iter().map(|step| step.run.as_str()))
            .collect();
        let asks = |service: &str| steps.iter().any(|step| step.contains(service));
        assert!(!asks(&service("PREVIEW")), "{steps:?}");
        assert!(asks(&service("ACTIVE")), "{steps:?}");
        brought_back.push(definition.id.to_string());
    }
    assert_eq!(brought_back, ["ecommerce", "smart-dairy"]);
}

#[tokio::test]
async fn an_old_version_that_cannot_be_retired_undoes_nothing() {
    let mut seen = 0;
    for definition in definitions() {
        let retires = |s: &&Stage| s.name.as_str().ends_with(": retire the old");
        let Some(retire) = definition.stages.iter().find(retires) else {
            continue;
        };
        let mut triggers = definition.triggers.iter();
        let trigger = triggers.find(|t| t.runs(&retire.name)).unwrap();
        let world = World::of(definition.clone()).await;
        let input = input_for(&definition, trigger, COMMIT);
        assert_eq!(world.release("first", input).await.1, "succeeded");
        let input = input_for(&definition, trigger, NEXT);
        let (run, end) = world
            .release_failing("second", input, retire.name.as_str())
            .await;
        assert_eq!(end, "failed-clean", "{}: {:?}", definition.id, run.path);
        let went_back = run.path.iter().any(|state| state.ends_with(": roll back"));
        assert!(!went_back, "{:?}", run.path);
        let head = world.has_ended("second", Status::FailedClean).await;
        let cause = head.failure.unwrap().cause;
        assert!(cause.contains("production runs the new version"), "{cause}");
        let environment = retire.environment.as_ref().unwrap();
        let runs = world.store.current(&definition.id, environment).await;
        assert_eq!(runs.unwrap().unwrap().commit.as_str(), NEXT);
        seen += 1;
    }
    assert_eq!(seen, 2);
}
