use super::*;
use crate::args::Asked;
use crate::commands::example::Example;
use crate::commands::shop::shop;
use crate::out::Colour;
use gatewright_domain::trigger::Cause;
use gatewright_fakes::MemoryTable;

const COMMIT: &str = "4f2a9c01d7e84b6fa3c5129b8e7d60f1a2b3c4d5";

fn start(pipeline: &str, asked: Asked) -> Start {
    Start {
        pipeline: pipeline.to_owned(),
        asked,
        commit: None,
        git: false,
        message: None,
        name: None,
        watch: false,
    }
}

async fn made(args: &Start, store: &Store<MemoryTable>) -> Result<TriggerInput, Failed> {
    let pipeline: PipelineId = args.pipeline.parse().unwrap();
    let known = known(args, store, &["pl-gps-001".parse().unwrap()], &pipeline).await?;
    input(args, known, pipeline, &Out::new(true, Colour::Never))
}

#[tokio::test]
async fn a_pull_request_says_its_number_and_its_base() {
    let args = Start {
        commit: Some(COMMIT.to_owned()),
        ..start(
            "shop",
            Asked {
                pull_request: Some(7),
                into: Some("main".to_owned()),
                ..Asked::default()
            },
        )
    };
    let store = Store::new(MemoryTable::default());
    let input = made(&args, &store).await.unwrap();
    assert_eq!(input.reference, "refs/pull/7/head");
    assert_eq!(input.cause, Some(Cause::PullRequest));
    assert_eq!(input.into.as_deref(), Some("main"));
}

#[tokio::test]
async fn a_rollback_takes_the_commit_that_runs_and_says_why() {
    let example = Example::waiting_for_approval().await;
    let back = |environment: &str, reason: Option<&str>, to: Option<&str>| Asked {
        rollback: Some(environment.to_owned()),
        reason: reason.map(str::to_owned),
        to: to.map(str::to_owned),
        requester: Some("lena@example.com".to_owned()),
        ..Asked::default()
    };
    let args = start("pl-gps-001", back("staging", Some("errors"), Some("1")));
    let input = made(&args, &example.store).await.unwrap();
    assert_eq!(input.cause, Some(Cause::Rollback));
    assert_eq!(input.commit.as_str(), COMMIT);
    assert_eq!(input.environment.unwrap().as_str(), "staging");
    assert_eq!(input.to.unwrap().as_str(), "cp-1");
    assert_eq!(input.instead_of.unwrap().as_str(), "cp-1");
    let silent = start("pl-gps-001", back("staging", None, None));
    let failed = made(&silent, &example.store).await.unwrap_err();
    assert!(
        failed.code == Code::Usage && failed.what.starts_with("why?"),
        "{failed:?}"
    );
    let nothing = start("pl-gps-001", back("production", Some("x"), None));
    let failed = made(&nothing, &example.store).await.unwrap_err();
    assert_eq!(failed.code, Code::NotFound);
    assert!(
        failed
            .what
            .contains("nothing of pl-gps-001 runs in production"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_schedule_takes_its_branch_from_what_is_live_and_its_commit_from_the_record() {
    let store = Store::new(MemoryTable::default());
    store.apply(&shop()).await.unwrap();
    let asked = || Asked {
        schedule: Some("nightly".to_owned()),
        ..Asked::default()
    };
    let failed = made(&start("shop", asked()), &store).await.unwrap_err();
    assert!(failed.what == "which commit?", "{failed:?}");
    let args = Start {
        commit: Some(COMMIT.to_owned()),
        ..start("shop", asked())
    };
    let input = made(&args, &store).await.unwrap();
    assert_eq!(input.reference, "refs/heads/main");
    assert_eq!(input.schedule.as_deref(), Some("nightly"));
}

#[tokio::test]
async fn another_pipelines_release_must_have_succeeded_or_be_named() {
    let example = Example::waiting_for_approval().await;
    let upstream = |named: &str| Start {
        commit: Some(COMMIT.to_owned()),
        ..start(
            "shop",
            Asked {
                upstream: Some(named.to_owned()),
                branch: Some("main".to_owned()),
                ..Asked::default()
            },
        )
    };
    let failed = made(&upstream("pl-gps-001"), &example.store)
        .await
        .unwrap_err();
    assert_eq!(failed.code, Code::NotFound);
    let input = made(&upstream("pl-gps-001#1"), &example.store)
        .await
        .unwrap();
    let origin = input.upstream.unwrap();
    assert_eq!(
        (origin.pipeline.as_str(), origin.release.as_str()),
        ("pl-gps-001", "cp-1")
    );
}

#[test]
fn a_unique_name_looks_like_a_uuid_of_version_4() {
    let one = unique();
    assert_eq!(one.len(), 36);
    assert_eq!((&one[14..15], &one[8..9]), ("4", "-"));
    assert!("89ab".contains(&one[19..20]), "{one}");
    assert_ne!(one, unique());
    assert!(format!("cli-{one}").parse::<ReleaseId>().is_ok());
}
