use super::*;
use crate::commands::example::{Example, plain};
use gatewright_aws::store::current_write;
use gatewright_fakes::MemoryTable;

#[tokio::test]
async fn the_summary_says_what_runs_and_who_holds() {
    let example = Example::waiting_for_approval().await;
    let all = summary(
        &example.store,
        &["pl-gps-001".parse().unwrap()],
        example.now(),
    )
    .await
    .unwrap();
    // The version changes with the language.
    let version = gatewright_fakes::definition().version().unwrap();
    let told = plain(&told(&all, example.now()).join("\n"));
    insta::assert_snapshot!(told.replace(version.short(), "<version>"));
    let document = serde_json::to_value(&all).unwrap();
    assert_eq!(document[0]["environments"][0]["name"], "staging");
    assert_eq!(document[0]["releases"][0]["number"], 1);
}

#[tokio::test]
async fn an_environment_is_one_screen() {
    let example = Example::waiting_for_approval().await;
    let (pipeline, staging) = ("pl-gps-001".parse().unwrap(), "staging".parse().unwrap());
    let place = Place::read(&example.store, &pipeline, &staging, example.now()).await;
    insta::assert_snapshot!(plain(&place.unwrap().lines(example.now()).join("\n")));
    let production = "production".parse().unwrap();
    let place = Place::read(&example.store, &pipeline, &production, example.now()).await;
    insta::assert_snapshot!(plain(&place.unwrap().lines(example.now()).join("\n")));
}

#[tokio::test]
async fn what_was_brought_back_is_named_by_its_own_release() {
    let example = Example::two_on_staging().await;
    let (pipeline, staging) = ("pl-gps-001".parse().unwrap(), "staging".parse().unwrap());
    let before = example.store.deployments(&pipeline, &staging, 9).await;
    let before = before.unwrap();
    let [second, first] = &before[..] else {
        panic!("two ran: {before:?}")
    };
    let back = Deployment {
        artifacts: first.artifacts.clone(),
        restored: Some(first.release.clone()),
        at: example.now(),
        ..second.clone()
    };
    let (mut lock, rev) = example.store.lock(&pipeline, &staging).await.unwrap();
    lock.hold = Some(Hold {
        by: "priya".parse().unwrap(),
        reason: "load test".to_owned(),
        since: example.now(),
    });
    lock.doubts.push(Doubt {
        release: second.release.clone(),
        reason: "nobody knows".to_owned(),
        since: example.now(),
    });
    let lock = Store::<MemoryTable>::lock_write(&lock, rev).unwrap();
    let writes = vec![current_write(&back).unwrap(), lock];
    example.store.table().write(writes).await.unwrap();
    let place = Place::read(&example.store, &pipeline, &staging, example.now()).await;
    let screen = plain(&place.unwrap().lines(example.now()).join("\n"));
    assert!(screen.contains("runs         pl-gps-001#1 ("), "{screen}");
    assert!(screen.contains("brought back by pl-gps-001#2"), "{screen}");
    let all = summary(&example.store, &[pipeline], example.now())
        .await
        .unwrap();
    let all = plain(&told(&all, example.now()).join("\n"));
    for said in [
        "runs pl-gps-001#1 (",
        "brought back by pl-gps-001#2",
        "left unknown by pl-gps-001#2",
        "kept by priya: load test",
    ] {
        assert!(all.contains(said), "{said}: {all}");
    }
}

#[tokio::test]
async fn a_halted_release_is_seen_where_it_waits_and_in_the_summary() {
    let example = Example::queued_for_staging().await;
    example.halted().await;
    let (pipeline, staging) = ("pl-gps-001".parse().unwrap(), "staging".parse().unwrap());
    let place = Place::read(&example.store, &pipeline, &staging, example.now()).await;
    let place = place.unwrap();
    let screen = plain(&place.lines(example.now()).join("\n"));
    let said = "halted       pl-gps-001#2 by anna: errors";
    assert!(screen.contains(said), "{screen}");
    let json = serde_json::to_value(&place).unwrap();
    assert_eq!(json["halted"][0]["release"], "cp-2");
    assert_eq!(json["halted"][0]["by"], "anna");
    let all = summary(&example.store, &[pipeline], example.now())
        .await
        .unwrap();
    let all = plain(&told(&all, example.now()).join("\n"));
    assert_eq!(all.matches("halted by anna").count(), 1, "{all}");
}

#[tokio::test]
async fn one_release_ends_with_what_helps() {
    let example = Example::low_coverage().await;
    let told = plain(&one(&example.story().await, example.now()).join("\n"));
    assert!(told.contains("✗  Unit Test & Coverage"), "{told}");
    assert!(told.contains("correct it with a new commit"), "{told}");
    let document = serde_json::to_value(Shown::of(&example.story().await)).unwrap();
    assert_eq!(document["failure"]["error"], "GateDenied");
    assert_eq!(document["stages"][6]["state"], "not-reached");
}

#[tokio::test]
async fn a_rollback_that_waits_for_people_is_shown_where_it_goes_back() {
    let example = Example::asked_to_go_back().await;
    let (pipeline, staging) = ("pl-gps-001".parse().unwrap(), "staging".parse().unwrap());
    let place = Place::read(&example.store, &pipeline, &staging, example.now()).await;
    let place = place.unwrap();
    let screen = plain(&place.lines(example.now()).join("\n"));
    let said = "rollback     pl-gps-001#3 brings it back to pl-gps-001#1, asked by lena@example.com 1 min ago: errors since 14:02; “Roll back staging: approval” waits: DevOps Lead is still missing";
    assert!(screen.contains(said), "{screen}");
    let document = serde_json::to_value(&place).unwrap();
    let back = &document["going_back"][0];
    assert_eq!(
        (&back["release"], &back["to"]),
        (&"cp-3".into(), &"cp-1".into())
    );
    assert_eq!(back["by"], "lena@example.com");
    let all = summary(
        &example.store,
        std::slice::from_ref(&pipeline),
        example.now(),
    )
    .await;
    let all = all.unwrap();
    let said = plain(&told(&all, example.now()).join("\n"));
    assert!(
        said.contains("pl-gps-001#3 brings it back to pl-gps-001#1"),
        "{said}"
    );
    let document = serde_json::to_value(&all).unwrap();
    let places = &document[0]["environments"];
    assert_eq!(places[0]["going_back"][0]["release"], "cp-3");
    assert!(places[1]["going_back"].is_null());
    let production = "production".parse().unwrap();
    let place = Place::read(&example.store, &pipeline, &production, example.now()).await;
    let screen = plain(&place.unwrap().lines(example.now()).join("\n"));
    assert!(!screen.contains("brings it back"), "{screen}");
}

#[tokio::test]
async fn a_dirty_end_says_first_how_its_environment_becomes_known_again() {
    let story = Example::dirty_production().await.story().await;
    let told = plain(&one(&story, story.head.ended_at.unwrap()).join("\n"));
    let (first, then) = (told.find("gatewright runbook"), told.find("new commit"));
    assert!(first.is_some() && first < then, "{told}");
    for said in [
        "`gatewright runbook pl-gps-001 production`",
        "`gatewright rollback pl-gps-001 production --reason TEXT`",
        "`gatewright unhold pl-gps-001/production --runs RELEASE --reason TEXT`",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}
