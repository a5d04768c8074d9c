//! What starts releases besides people and CodePipeline, and what goes back:
//! schedules, other pipelines, rollbacks by hand, and first deploys that fail.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_domain::ErrorName;
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::{Definition, Event, Trigger};
use gatewright_domain::release::Status;
use gatewright_tests::happily::input_for;
use gatewright_tests::world::{COMMIT, attribute, id};
use gatewright_tests::{World, definitions};
use serde_json::{Value, json};

/// A second commit.
const NEXT: &str = "9b1d7e22c40f4d5c8a6b3e1f0d2c4b6a8e0f1234";

fn definition(id: &str) -> Definition {
    definitions()
        .into_iter()
        .find(|d| d.id.as_str() == id)
        .unwrap()
}

fn first(definition: &Definition, wanted: impl Fn(&Event) -> bool) -> &Trigger {
    definition
        .triggers
        .iter()
        .find(|t| wanted(&t.event))
        .unwrap()
}

fn pushes_to(branch: &'static str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Push { branches } if branches.iter().any(|b| b == branch))
}

#[tokio::test]
async fn a_schedule_starts_the_commit_that_was_released_last_once() {
    let definition = definition("smart-dairy");
    let world = World::of(definition.clone()).await;
    let nightly = first(&definition, |e| matches!(e, Event::Schedule { .. }));
    let event = json!({ "pipeline": "smart-dairy", "schedule": nightly.name, "at": "2026-11-21T00:00:00Z" });
    let early = world.call("StartRelease", event.clone()).await.unwrap_err();
    assert_eq!(early.name, ErrorName::NotTriggered);
    assert!(
        early
            .message
            .contains("no commit of branch main was ever released"),
        "{early:?}"
    );

    let push = first(&definition, pushes_to("main"));
    let (_, end) = world
        .release("push", input_for(&definition, push, COMMIT))
        .await;
    assert_eq!(end, "succeeded");
    for _ in 0..2 {
        let reply = world.call("StartRelease", event.clone()).await.unwrap();
        assert_eq!(
            reply["started"],
            json!([format!("smart-dairy-{}-20261121T0000Z", nightly.name)])
        );
    }
    let started = world.executions.started();
    assert_eq!(started.len(), 1, "{started:?}");
    let (machine, name, input) = &started[0];
    assert!(machine.ends_with(":stateMachine:smart-dairy"), "{machine}");
    let input: Value = serde_json::from_str(input).unwrap();
    assert_eq!(
        (&input["commit"], &input["schedule"]),
        (&json!(COMMIT), &json!(nightly.name))
    );
    let (_, end) = world.release(name, input).await;
    assert_eq!(end, "succeeded");

    let unknown =
        json!({ "pipeline": "smart-dairy", "schedule": "hourly", "at": "2026-11-21T00:00:00Z" });
    let error = world.call("StartRelease", unknown).await.unwrap_err();
    assert_eq!(error.name, ErrorName::NotTriggered);
}

/// The stream's event with everything that asks for a start.
fn starts(world: &World) -> Value {
    let records: Vec<Value> = world
        .store
        .table()
        .items_in("START#")
        .into_iter()
        .map(|item| {
            json!({
                "awsRegion": "ap-south-1", "eventID": "1", "eventName": "INSERT", "eventSource": "aws:dynamodb",
                "eventVersion": "1.1", "eventSourceARN": "arn",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1, "SizeBytes": 1, "SequenceNumber": "1", "StreamViewType": "NEW_IMAGE",
                    "Keys": { "pk": {"S": item.key.pk}, "sk": {"S": item.key.sk} },
                    "NewImage": { "pk": {"S": item.key.pk}, "sk": {"S": item.key.sk}, "body": attribute(&item.body) },
                },
            })
        })
        .collect();
    json!({ "Records": records })
}

async fn downstream_facts(world: &World, release: &str) -> Vec<Fact> {
    let ledger = world.store.ledger(&id(release)).await.unwrap();
    let facts = ledger.into_iter().map(|event| event.fact);
    facts
        .filter(|fact| matches!(fact, Fact::DownstreamStarted { .. }))
        .collect()
}

#[tokio::test]
async fn a_release_starts_the_pipeline_downstream_once_and_says_so_or_why_not() {
    let (images, workflows) = (definition("PL-CONTAINER-IMG"), definition("PL-N8N-WF"));
    let push = first(&images, |e| matches!(e, Event::Push { .. }));
    let mut world = World::of(workflows.clone()).await;
    world.switch(images.clone()).await;
    let (_, end) = world
        .release("early", input_for(&images, push, COMMIT))
        .await;
    assert_eq!(end, "succeeded");
    world.call("StartRelease", starts(&world)).await.unwrap();
    let facts = downstream_facts(&world, "early").await;
    assert!(
        matches!(&facts[..], [Fact::DownstreamStarted { release: None, problem: Some(why), .. }] if why.contains("was ever released")),
        "{facts:?}"
    );
    assert!(world.executions.started().is_empty());

    world.switch(workflows.clone()).await;
    let main = first(&workflows, pushes_to("main"));
    let (_, end) = world
        .release("workflows", input_for(&workflows, main, NEXT))
        .await;
    assert_eq!(end, "succeeded");
    world.switch(images.clone()).await;
    let (_, end) = world
        .release("late", input_for(&images, push, COMMIT))
        .await;
    assert_eq!(end, "succeeded");
    for _ in 0..2 {
        world.call("StartRelease", starts(&world)).await.unwrap();
    }
    let facts = downstream_facts(&world, "late").await;
    let expected = "PL-N8N-WF-after-late".parse().unwrap();
    assert!(
        matches!(&facts[..], [Fact::DownstreamStarted { release: Some(r), problem: None, .. }] if *r == expected),
        "{facts:?}"
    );
    // The first asked again too, once there was a commit; its second answer is another fact.
    let names: Vec<String> = world
        .executions
        .started()
        .into_iter()
        .map(|(_, n, _)| n)
        .collect();
    assert_eq!(names, ["PL-N8N-WF-after-early", "PL-N8N-WF-after-late"]);
    world.has_ended("late", Status::Succeeded).await;
}

/// A pipeline whose first environment undoes what fails, and a trigger that
/// deploys to it.
fn that_undoes() -> (
    Definition,
    String,
    gatewright_domain::EnvironmentName,
    Trigger,
) {
    let definition = definition("smart-dairy");
    let (_, stage) = definition
        .stages
        .iter()
        .enumerate()
        .find(|(_, s)| s.is_cleared() && s.on_failure.is_some())
        .unwrap();
    let trigger = definition
        .triggers
        .iter()
        .find(|t| t.runs(&stage.name) && matches!(t.event, Event::Push { .. }))
        .unwrap()
        .clone();
    let (name, environment) = (stage.name.to_string(), stage.environment.clone().unwrap());
    (definition, name, environment, trigger)
}

#[tokio::test]
async fn a_first_deploy_that_fails_has_nothing_to_go_back_to_and_says_both() {
    let (definition, stage, _, trigger) = that_undoes();
    let world = World::of(definition.clone()).await;
    let input = input_for(&definition, &trigger, COMMIT);
    let (_, end) = world.release_failing("only", input, &stage).await;
    assert_eq!(end, "failed-dirty");
    let failure = world
        .has_ended("only", Status::FailedDirty)
        .await
        .failure
        .unwrap();
    assert!(
        failure
            .cause
            .contains("it could not be undone: nothing ran in staging before"),
        "{}",
        failure.cause
    );
    let records = world.store.stages(&id("only")).await.unwrap();
    let undo = records
        .iter()
        .find(|r| r.stage.as_str().ends_with(": roll back"))
        .unwrap();
    assert!(
        undo.ended_at.is_some() && undo.failure.is_some(),
        "{undo:?}"
    );
}

#[tokio::test]
async fn a_rollback_by_hand_never_goes_to_what_was_taken_back() {
    let (definition, stage, environment, trigger) = that_undoes();
    let mut world = World::of(definition.clone()).await;
    for (name, commit) in [("one", COMMIT), ("two", NEXT)] {
        let (_, end) = world
            .release(name, input_for(&definition, &trigger, commit))
            .await;
        assert_eq!(end, "succeeded");
    }
    let third = "c".repeat(40);
    let input = input_for(&definition, &trigger, &third);
    let (_, end) = world.release_failing("bad", input, &stage).await;
    assert_eq!(end, "failed-clean");
    let rollback = definition.rollback().unwrap();
    let back = first(
        &rollback,
        |e| matches!(e, Event::Rollback { environment: e } if *e == environment),
    )
    .clone();
    let input = input_for(&rollback, &back, COMMIT);
    world.switch(rollback).await;
    let (_, end) = world.release("back", input).await;
    assert_eq!(end, "succeeded", "{:?}", world.head("back").await.failure);
    let runs = world
        .store
        .current(&definition.id, &environment)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(runs.restored.map(|r| r.to_string()).as_deref(), Some("one"));
    assert_eq!(runs.commit.as_str(), COMMIT);
    // The build was ordered with what ran before: its commit and its images.
    let order = world
        .builds
        .orders()
        .into_iter()
        .find(|o| o.env["GATEWRIGHT_RELEASE"] == "back")
        .unwrap();
    assert_eq!(order.commit, COMMIT);
    assert_eq!(
        order.env["IMAGE_DIGEST"],
        runs.artifacts[0].digest.to_string()
    );
}

#[tokio::test]
async fn only_members_of_the_groups_that_may_bring_an_environment_back() {
    let definition = definition("pl-gps-001");
    let mut world = World::of(definition.clone()).await;
    let push = first(&definition, |e| matches!(e, Event::Push { .. }));
    for (name, commit) in [("one", COMMIT), ("two", NEXT)] {
        let (_, end) = world
            .release(name, input_for(&definition, push, commit))
            .await;
        assert_eq!(end, "succeeded");
    }
    let rollback = definition.rollback().unwrap();
    let back = first(
        &rollback,
        |e| matches!(e, Event::Rollback { environment } if environment.as_str() == "production"),
    )
    .clone();
    let mut input = input_for(&rollback, &back, COMMIT);
    world.switch(rollback).await;
    input["requester"] = json!("sam@example.com");
    let (run, end) = world.release("not-theirs", input.clone()).await;
    assert_eq!(
        (end.as_str(), run.path[1].as_str()),
        ("failed-clean", "Finish")
    );
    let failure = world.head("not-theirs").await.failure.unwrap();
    assert_eq!(failure.error, "AccessDenied");
    assert!(
        failure
            .cause
            .contains("members of devops-lead or project-lead may"),
        "{}",
        failure.cause
    );
    input["requester"] = json!("priya@example.com");
    let (_, end) = world.release("theirs", input).await;
    assert_eq!(end, "succeeded");
}
