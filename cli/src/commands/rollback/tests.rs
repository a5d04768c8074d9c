use super::*;
use crate::commands::example::{Example, plain};
use gatewright_aws::Store;
use gatewright_aws::store::Commit;
use gatewright_aws::table::Table;
use gatewright_domain::Digest;
use gatewright_domain::pipeline::{Pause, Seconds, Work};
use gatewright_fakes::{FakeRegistry, FixedClock, MemoryTable, definition};

/// What is seen of staging, when the registry has these images.
async fn seen(store: &Store<MemoryTable>, also: impl Fn(&mut TriggerInput), has: &[&[u8]]) -> Seen {
    let rollback = definition().rollback().unwrap();
    let registry = FakeRegistry::default();
    for bytes in has {
        let digest = Digest::of_bytes(bytes);
        registry.push("gps-ingestion-service", &digest.hex()[..12], &digest);
    }
    let mut input = TriggerInput {
        cause: Some(Cause::Rollback),
        requester: Some("priya@example.com".to_owned()),
        reason: Some("errors since 14:02".to_owned()),
        environment: Some("staging".parse().unwrap()),
        instead_of: Some("cp-2".parse().unwrap()),
        ..TriggerInput::new(
            rollback.id.clone(),
            "refs/heads/main".to_owned(),
            "4f2a9c01d7e84b6fa3c5129b8e7d60f1a2b3c4d5".parse().unwrap(),
        )
    };
    also(&mut input);
    let now = FixedClock::new().now();
    Seen::read(store, &registry, rollback, input, now)
        .await
        .unwrap()
}

fn acknowledged(input: &mut TriggerInput) {
    input.acknowledge = Some("pl-gps-001#2".to_owned());
}

#[tokio::test]
async fn what_ran_is_shown_with_every_check() {
    let example = Example::two_on_staging().await;
    let seen = seen(&example.store, acknowledged, &[b"image", b"next"]).await;
    assert_eq!(seen.refused(), None);
    assert_eq!(seen.question(), "Bring staging back to pl-gps-001#1?");
    let told = plain(&seen.told(example.now()).join("\n"));
    insta::assert_snapshot!(told);
    let document = seen.document(None);
    assert_eq!(document["admitted"], true);
    assert_eq!(document["target"], "cp-1");
    assert_eq!(document["current"]["title"], "pl-gps-001#2");
    assert_eq!(document["targets"][1]["standing"], "good");
    assert_eq!(document["targets"][1]["across"][0], "pl-gps-001#2");
}

#[tokio::test]
async fn a_migration_is_crossed_by_its_title_alone() {
    let example = Example::two_on_staging().await;
    let mut seen = seen(&example.store, |_| {}, &[b"image"]).await;
    let (error, _) = seen.refused().unwrap();
    assert_eq!(error, ErrorName::Irreversible);
    assert!(
        seen.what_helps(error)
            .contains("--acknowledge \"pl-gps-001#2\"")
    );
    seen.input.acknowledge = Some("yes".to_owned());
    seen.judge();
    assert_eq!(seen.refused().unwrap().0, ErrorName::Irreversible);
    acknowledged(&mut seen.input);
    seen.judge();
    assert_eq!(seen.refused(), None);
}

#[tokio::test]
async fn an_image_that_is_gone_stops_it_and_a_scan_that_is_gone_does_not() {
    let example = Example::two_on_staging().await;
    let gone = seen(&example.store, acknowledged, &[b"next"]).await;
    let (error, why) = gone.refused().unwrap();
    assert_eq!(error, ErrorName::GateDenied);
    assert!(why.contains("the registry no longer has sha256:"), "{why}");
    let there = seen(&example.store, acknowledged, &[b"image"]).await;
    let findings = there.checks.iter().find(|c| c.what == "findings").unwrap();
    assert_eq!(findings.is, seen::Is::Warning);
    assert!(findings.says.contains("unknown"), "{findings:?}");
    assert_eq!(there.refused(), None);
}

#[tokio::test]
async fn who_may_not_what_moved_on_and_what_was_taken_back_is_said_at_once() {
    let example = Example::two_on_staging().await;
    example.first_is_taken_back().await;
    let wrong = |input: &mut TriggerInput| {
        acknowledged(input);
        input.requester = None;
        input.instead_of = Some("cp-0".parse().unwrap());
        input.to = Some("cp-1".parse().unwrap());
    };
    let seen = seen(&example.store, wrong, &[b"image"]).await;
    let refusals: Vec<ErrorName> = seen.refusals().collect();
    assert!(refusals.contains(&ErrorName::MovedOn), "{refusals:?}");
    assert!(refusals.contains(&ErrorName::TakenBack), "{refusals:?}");
    assert_eq!(seen.document(None)["admitted"], false);
    let told = plain(&seen.told(example.now()).join("\n"));
    assert!(told.contains("taken back: it lost positions"), "{told}");
    assert!(
        seen.what_helps(ErrorName::TakenBack)
            .contains("gatewright lift")
    );
}

#[tokio::test]
async fn a_rollout_that_is_under_way_is_named_with_what_ends_it() {
    let example = Example::two_on_staging().await;
    let (store, second) = (&example.store, "cp-2".parse().unwrap());
    let mut paused = definition();
    let stage = paused.stages.iter_mut().find(|s| s.is_cleared()).unwrap();
    stage.work = Work::Pause(Pause {
        lasts: Seconds(600),
    });
    let named = stage.name.clone();
    store.apply(&paused).await.unwrap();
    let mut commit = Commit::of(&store.known_head(&second).await.unwrap());
    commit.head.version = paused.version().unwrap();
    commit.head.stage = Some(named.clone());
    store.commit(commit, example.now()).await.unwrap();
    let staging = "staging".parse().unwrap();
    let (lock, rev) = store.lock(&paused.id, &staging).await.unwrap();
    let held = lock.taken(&second, example.now(), 3_600).unwrap();
    let write = Store::<MemoryTable>::lock_write(&held, rev).unwrap();
    store.table().write(vec![write]).await.unwrap();
    let seen = seen(store, acknowledged, &[b"image"]).await;
    assert_eq!(seen.refused(), None);
    let rollout = seen.checks.iter().find(|c| c.what == "the rollout");
    let says = &rollout.unwrap().says;
    for said in [named.as_str(), "gatewright halt cp-2 --reason TEXT"] {
        assert!(says.contains(said), "{said}: {says}");
    }
}

#[tokio::test]
async fn whoever_asks_for_what_somebody_has_asked_for_is_told() {
    let example = Example::asked_to_go_back().await;
    let seen = seen(&example.store, acknowledged, &[b"image"]).await;
    assert_eq!(seen.refused(), None);
    let other = seen.checks.iter().find(|c| c.what == "under way").unwrap();
    assert_eq!(other.is, seen::Is::Warning);
    let said = "pl-gps-001#3 brings it back to pl-gps-001#1, asked by lena@example.com";
    assert!(other.says.starts_with(said), "{other:?}");
}

#[tokio::test]
async fn a_refused_one_has_its_checks_and_what_helps_and_no_plan() {
    let example = Example::two_on_staging().await;
    let never = |input: &mut TriggerInput| input.to = Some("cp-9".parse().unwrap());
    let refused = seen(&example.store, never, &[b"image"]).await;
    assert_eq!(refused.refused().unwrap().0, ErrorName::BadInput);
    let plan = planned(&refused).unwrap();
    assert!(plan.is_none());
    assert!(refused.document(None)["plan"].is_null());
    let told = plain(&previewed(&refused, None, example.now()).join("\n"));
    assert!(
        told.contains("BadInput: cp-9 never ran in staging"),
        "{told}"
    );
    assert!(
        told.contains("refused (BadInput): `gatewright history"),
        "{told}"
    );
    assert!(!told.contains("admitted"), "{told}");
    let admitted = seen(&example.store, acknowledged, &[b"image"]).await;
    let plan = planned(&admitted).unwrap();
    let told = plain(&previewed(&admitted, plan.as_ref(), example.now()).join("\n"));
    assert!(told.contains("✓ admitted: a rollback"), "{told}");
}

#[tokio::test]
async fn going_back_to_what_runs_already_is_said() {
    let example = Example::two_on_staging().await;
    let again = |input: &mut TriggerInput| input.to = Some("cp-2".parse().unwrap());
    let seen = seen(&example.store, again, &[b"next"]).await;
    assert_eq!(seen.refused(), None);
    let is_it = |check: &&seen::Line| check.is == seen::Is::Warning && check.what == "the target";
    let warning = seen.checks.iter().find(is_it).unwrap();
    assert_eq!(
        warning.says,
        "it is what runs already: the same is deployed again"
    );
}

#[tokio::test]
async fn whoever_does_not_say_who_asks_is_told_how() {
    let example = Example::two_on_staging().await;
    for nobody in [None, Some(" ".to_owned())] {
        let unnamed = |input: &mut TriggerInput| input.requester.clone_from(&nobody);
        let seen = seen(&example.store, unnamed, &[b"image"]).await;
        let (error, why) = seen.refused().unwrap();
        assert_eq!(error, ErrorName::BadInput, "{why}");
        let helps = seen.what_helps(error);
        assert!(helps.contains("--requester WHO"), "{helps}");
    }
}
