//! Signed images: verified by digest in a build of their own, deployed only when
//! that very digest was, and verified again by what brings them back.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_domain::evidence::{BuildStatus, Percent};
use gatewright_domain::pipeline::{Definition, Event, Trigger};
use gatewright_domain::release::{StageRecord, Status};
use gatewright_domain::{Digest, ErrorName, exported};
use gatewright_tests::happily::input_for;
use gatewright_tests::world::{COMMIT, built, id};
use gatewright_tests::{Run, World, definitions};
use serde_json::Value;

const NEXT: &str = "9b1d7e22c40f4d5c8a6b3e1f0d2c4b6a8e0f1234";
const VERIFY: &str = "Verify Signature";
/// A branch whose releases are deployed without asking anybody.
const UNASKED: &str = "develop";
/// One whose releases go where a failure is undone.
const UNDONE: &str = "release";

fn shop() -> Definition {
    let mut all = definitions().into_iter();
    all.find(|d| d.id.as_str() == "ecommerce").unwrap()
}

fn trigger<'d>(shop: &'d Definition, name: &str) -> &'d Trigger {
    shop.trigger(name).unwrap()
}

/// What the build of the stage that verifies says that it verified.
enum Says {
    Nothing,
    This(String),
}

/// A release of this branch, whose builds of `stage` end green and say this of
/// what they verified; all else goes well.
async fn release(
    world: &World,
    name: &str,
    (branch, commit): (&str, &str),
    stage: &str,
    says: &Says,
) -> (Run, String) {
    let input = input_for(
        &world.definition,
        trigger(&world.definition, branch),
        commit,
    );
    driven(world, Run::start(world, name, input), stage, says).await
}

async fn driven(world: &World, mut run: Run, stage: &str, says: &Says) -> (Run, String) {
    let name = run.name.clone();
    let end = world
        .drive(&mut run, async |world, _| {
            let Some(build) = world.running_build().await else {
                return world.goes_well(&name).await;
            };
            if world
                .stage_of(&build)
                .is_none_or(|s| s.name.as_str() != stage)
            {
                return world.goes_well(&name).await;
            }
            if let Says::This(digest) = says {
                world
                    .builds
                    .exports(&build, &exported::signed("image"), digest);
            }
            world.builds.end(&build, BuildStatus::Succeeded, &[]);
            world.build_event(&build).await.unwrap();
            true
        })
        .await;
    (run, end)
}

async fn record(world: &World, release: &str, stage: &str) -> Option<StageRecord> {
    let records = world.store.stages(&id(release)).await.unwrap();
    records.into_iter().find(|r| r.stage.as_str() == stage)
}

/// The builds that were started for this stage, the newest last: their buildspec
/// and the image that they were given.
fn builds_of(world: &World, stage: &str) -> Vec<(String, String)> {
    let ids = world.builds.ids().into_iter();
    ids.filter(|id| world.stage_of(id).is_some_and(|s| s.name.as_str() == stage))
        .map(|id| world.builds.order(&id).unwrap())
        .map(|order| (order.buildspec, order.env["IMAGE_IMAGE_DIGEST"].clone()))
        .collect()
}

fn image(commit: &str) -> Digest {
    built("image", commit)
}

async fn cause(world: &World, release: &str) -> (String, String) {
    let failure = world.head(release).await.failure.unwrap();
    (failure.error, failure.cause)
}

#[tokio::test]
async fn what_was_verified_is_evidence_and_is_deployed() {
    let world = World::of(shop()).await;
    let input = input_for(
        &world.definition,
        trigger(&world.definition, UNASKED),
        COMMIT,
    );
    let (_, end) = world.release("r", input).await;
    assert_eq!(end, "succeeded", "{:?}", world.head("r").await.failure);
    let verified = record(&world, "r", VERIFY).await.unwrap();
    let seen = verified.evidence.unwrap();
    assert_eq!(seen.signatures.get("image"), Some(&image(COMMIT)));
    let [judged] = &verified.gates[..] else {
        panic!("{:?}", verified.gates)
    };
    let because = format!("notation verified the signature of {}", image(COMMIT));
    assert_eq!((judged.passed, &judged.because), (true, &because));
    // By digest, before any step: the gate's command is the first in the build.
    let [(spec, given)] = &builds_of(&world, VERIFY)[..] else {
        panic!("one build verifies")
    };
    assert!(spec.contains("notation verify"), "{spec}");
    assert_eq!(given, &image(COMMIT).to_string());
}

#[tokio::test]
async fn another_digest_than_the_one_to_deploy_does_not_count() {
    let world = World::of(shop()).await;
    let other = Says::This(image(NEXT).to_string());
    let (_, end) = release(&world, "r", (UNASKED, COMMIT), VERIFY, &other).await;
    assert_eq!(end, "failed-clean");
    let (error, why) = cause(&world, "r").await;
    assert_eq!(error, ErrorName::GateDenied.as_str());
    let digest = image(COMMIT);
    let expected = format!("no gate has verified the signature of {digest} of artifact \"image\"");
    assert!(why.contains(&expected), "{why}");
    assert!(builds_of(&world, "Deploy to Testing").is_empty());
}

#[tokio::test]
async fn a_build_that_names_no_digest_has_verified_nothing() {
    for says in [Says::Nothing, Says::This("latest".to_owned())] {
        let world = World::of(shop()).await;
        let (run, end) = release(&world, "r", (UNASKED, COMMIT), VERIFY, &says).await;
        assert_eq!(end, "failed-clean");
        let (error, why) = cause(&world, "r").await;
        assert_eq!(error, ErrorName::GateDenied.as_str());
        let expected = "the signature of image is verified: the build named no digest whose signature it verified";
        assert!(why.contains(expected), "{why}");
        assert!(
            !run.path.iter().any(|s| s.starts_with("Deploy")),
            "{:?}",
            run.path
        );
    }
}

#[tokio::test]
async fn what_notation_refuses_is_told_by_the_images_name() {
    let world = World::of(shop()).await;
    let trigger = trigger(&world.definition, UNASKED);
    let mut run = Run::start(&world, "r", input_for(&world.definition, trigger, COMMIT));
    let end = world
        .drive(&mut run, async |world, state| {
            if state != VERIFY {
                return world.goes_well("r").await;
            }
            let build = world.running_build().await.unwrap();
            let spec = world.builds.order(&build).unwrap().buildspec;
            let spec: Value = serde_json::from_str(&spec).unwrap();
            let commands = spec["phases"]["build"]["commands"].as_array().unwrap();
            let [_, command] = &commands[..] else {
                panic!("a headline and a command: {commands:?}")
            };
            let command = command.as_str().unwrap();
            let message =
                format!("Error while executing command: {command}. Reason: exit status 1");
            world.builds.complains(&build, &message);
            world.builds.end(&build, BuildStatus::Failed, &[]);
            world.build_event(&build).await.unwrap();
            true
        })
        .await;
    assert_eq!(end, "failed-clean");
    let (error, why) = cause(&world, "r").await;
    assert_eq!(error, ErrorName::BuildFailed.as_str());
    let expected = "the signature of image was not verified: exit status 1; ";
    assert!(why.contains(expected), "{why}");
}

#[tokio::test]
async fn a_rollback_verifies_what_it_brings_back_in_its_own_build() {
    const BACK: &str = "Roll back testing";
    let says = [
        (Says::This(image(COMMIT).to_string()), "succeeded"),
        (Says::Nothing, "failed-dirty"),
    ];
    for (says, expected) in says {
        let mut world = World::of(shop()).await;
        for (name, commit) in [("first", COMMIT), ("second", NEXT)] {
            let input = input_for(
                &world.definition,
                trigger(&world.definition, UNASKED),
                commit,
            );
            assert_eq!(world.release(name, input).await.1, "succeeded");
        }
        let rollback = world.definition.rollback().unwrap();
        world.switch(rollback.clone()).await;
        let is_it = |t: &&Trigger| matches!(&t.event, Event::Rollback { environment } if environment.as_str() == "testing");
        let back = rollback.triggers.iter().find(is_it).unwrap();
        let run = Run::start(&world, "back", input_for(&rollback, back, NEXT));
        let (_, end) = driven(&world, run, BACK, &says).await;
        assert_eq!(end, expected, "{:?}", world.head("back").await.failure);
        let built = world.builds.orders().into_iter().rfind(|order| {
            order
                .env
                .get("GATEWRIGHT_RELEASE")
                .is_some_and(|r| r == "back")
                && order.buildspec.contains("notation verify")
        });
        let given = built.unwrap().env["IMAGE_IMAGE_DIGEST"].clone();
        assert_eq!(given, image(COMMIT).to_string());
        if let Says::Nothing = says {
            let (error, why) = cause(&world, "back").await;
            assert_eq!(error, ErrorName::GateDenied.as_str());
            assert!(why.contains("the signature of image is verified"), "{why}");
        }
    }
}

#[tokio::test]
async fn what_undoes_a_failed_deploy_verifies_what_ran_before() {
    let world = World::of(shop()).await;
    let input = |commit| {
        input_for(
            &world.definition,
            trigger(&world.definition, UNDONE),
            commit,
        )
    };
    let (_, end) = world.release("first", input(COMMIT)).await;
    assert_eq!(end, "succeeded", "{:?}", world.head("first").await.failure);
    let mut run = Run::start(&world, "second", input(NEXT));
    let end = world
        .drive(&mut run, async |world, _| {
            let build = world.running_build().await.unwrap_or_default();
            let deploys =
                |s: &gatewright_domain::pipeline::Stage| s.name.as_str() == "Deploy to Staging";
            if world.stage_of(&build).is_some_and(deploys) {
                let build = world.build_ends(BuildStatus::Failed, Percent(0)).await;
                world.build_event(&build).await.unwrap();
                return true;
            }
            world.goes_well("second").await
        })
        .await;
    assert_eq!(end, "failed-clean", "{:?}", run.path);
    world.has_ended("second", Status::FailedClean).await;
    let undo = "Deploy to Staging: roll back";
    let [(spec, given)] = &builds_of(&world, undo)[..] else {
        panic!("{undo} runs once")
    };
    assert!(spec.contains("notation verify"), "{spec}");
    assert_eq!(given, &image(COMMIT).to_string());
    let seen = record(&world, "second", undo)
        .await
        .unwrap()
        .evidence
        .unwrap();
    assert_eq!(seen.signatures.get("image"), Some(&image(COMMIT)));
}
