//! Releases in memory: the compiled machine, the real handlers, fakes that
//! evaluate conditions.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::error::Kind;
use gatewright_aws::table::When;
use gatewright_domain::approval::State;
use gatewright_domain::evidence::{BuildStatus, Percent, Severity};
use gatewright_domain::release::Status;
use gatewright_domain::wait::Answer;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::{COMMIT, id};
use gatewright_tests::{Run, World};
use serde_json::{Value, json};

const R: &str = "cp-7f0c";
const APPROVAL: usize = 5;

/// Does what the world does while the release waits in this state, happily.
async fn happily(world: &World, state: &str) {
    match state {
        "Package & Scan Artifact: scan" => {
            world.scan_settles(&[Severity::Low, Severity::High]);
            retried(async || world.scan_event().await).await;
        }
        "Production Approval" => approve(world).await,
        _ => {
            let id = match world.running_build().await {
                Some(_) => world.build_succeeds().await,
                None => world.builds.ids().pop().unwrap_or_default(),
            };
            retried(async || world.build_event(&id).await).await;
        }
    }
}

/// Lambda's own retry of an event.
async fn retried<F: AsyncFn() -> Result<Value, gatewright_handler::Failure>>(call: F) {
    for _ in 0..3 {
        if call().await.is_ok() {
            return;
        }
    }
}

/// What two leads' decisions leave behind; `answer-approval` has its own tests.
async fn approve(world: &World) {
    use gatewright_aws::store::{Commit, Store, WaitKey, decision_write, wait_write};
    use gatewright_domain::approval::{Choice, Decision, Via};
    let now = gatewright_aws::Clock::now(&world.clock);
    for _ in 0..3 {
        let mut request = world
            .store
            .approval(&id(R), APPROVAL)
            .await
            .unwrap()
            .unwrap();
        if request.value.state != State::Open {
            return;
        }
        let head = world.store.known_head(&id(R)).await.unwrap();
        let mut commit = Commit::of(&head);
        for person in ["priya", "devan"] {
            let decision = Decision {
                person: person.parse().unwrap(),
                choice: Choice::Approve,
                reason: String::new(),
                at: now,
                via: Via::Page,
                evidence: request.value.evidence.clone(),
            };
            commit = commit.write(decision_write(&request.value, &decision).unwrap());
        }
        request.value.state = State::Approved { at: now };
        let mut wait = world
            .store
            .wait(&WaitKey::approval(&id(R), APPROVAL))
            .await
            .unwrap()
            .unwrap();
        wait.value.answer = Some(Answer::Success { output: json!({}) });
        commit = commit
            .write(
                Store::<gatewright_fakes::MemoryTable>::approval_write(
                    &request.value,
                    When::Rev(request.rev),
                )
                .unwrap(),
            )
            .write(wait_write(&wait.value, When::Rev(wait.rev)).unwrap());
        if world.store.commit(commit, now).await.is_ok() {
            return;
        }
    }
}

/// Drives a release to its end; `on_wait` does something in each waiting state
/// and the sweep comes by when nothing moves.
async fn drive(world: &World, run: &mut Run, mut on_wait: impl AsyncFnMut(&World, &str)) -> String {
    let mut stuck = 0;
    let mut last = Stand::Waits(String::new());
    for _ in 0..100 {
        let stand = run.go(world).await;
        let state = match &stand {
            Stand::Ended(state) => return state.clone(),
            Stand::Waits(state) => state.clone(),
        };
        stuck = if stand == last { stuck + 1 } else { 0 };
        last = stand;
        if stuck > 2 {
            world.clock.pass(3_600);
            let _ = world.call("Sweep", json!({})).await;
        }
        if stuck > 40 {
            run.times_out();
            continue;
        }
        on_wait(world, &state).await;
    }
    panic!("the release has no end: {:?}", run.path)
}

async fn released(world: &World, input: Value) -> (Run, String) {
    let mut run = Run::start(world, R, input);
    let end = drive(world, &mut run, happily).await;
    (run, end)
}

const HAPPY_PATH: &[&str] = &[
    "Admit",
    "Static Analysis & Code Quality",
    "Unit Test & Coverage",
    "Package & Scan Artifact",
    "Package & Scan Artifact: scan",
    "Deploy to Staging: clear to deploy",
    "Deploy to Staging",
    "Integration Test",
    "Production Approval",
    "Deploy to Production: clear to deploy",
    "Deploy to Production",
    "Finish",
    "How it ended",
    "succeeded",
];

#[tokio::test]
async fn a_good_commit_goes_all_the_way_and_its_record_says_so() {
    let world = World::new().await;
    let (run, end) = released(&world, World::push()).await;
    assert_eq!(
        (run.path.as_slice(), end.as_str()),
        (HAPPY_PATH.map_to_strings().as_slice(), "succeeded")
    );
    let head = world.has_ended(R, Status::Succeeded).await;
    assert_eq!(head.title(), "pl-gps-001#1");
    let staging = world
        .store
        .current(&head.pipeline, &"staging".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    let production = world
        .store
        .current(&head.pipeline, &"production".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(staging.digest(), production.digest());
    assert_eq!(
        world.facts(R).await.join(" "),
        "release-admitted stage-started build-judged stage-passed stage-started build-judged stage-passed \
         stage-started build-judged artifact-pinned scan-judged stage-passed \
         deploy-cleared stage-started build-judged environment-changed stage-passed \
         stage-started build-judged lock-released stage-passed approval-requested \
         deploy-cleared stage-started build-judged environment-changed lock-released stage-passed release-ended"
    );
}

trait MapToStrings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl MapToStrings for [&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|s| (*s).to_owned()).collect()
    }
}

/// A crash after, and instead of, every single write of a whole release: the
/// release still succeeds, once, with a whole ledger and nothing left behind.
#[tokio::test]
async fn a_crash_at_any_write_changes_nothing_about_the_outcome() {
    let world = World::new().await;
    let before = world.store.table().writes();
    released(&world, World::push()).await;
    let writes = world.store.table().writes() - before;
    assert!(
        writes > 20,
        "a release of {writes} writes is too short to be one"
    );
    for done in [true, false] {
        for n in 0..writes {
            let world = World::new().await;
            if done {
                world.store.table().crash_after(n)
            } else {
                world.store.table().crash_before(n)
            }
            let (run, end) = released(&world, World::push()).await;
            let head = world.head(R).await;
            assert_eq!(
                end, "succeeded",
                "crash {n}, done {done}: {:?} {:?}",
                head.failure, run.path
            );
            world.has_ended(R, Status::Succeeded).await;
            assert_eq!(
                world.builds.orders().len(),
                6,
                "crash {n}, done {done}: a build was started twice"
            );
            let facts = world.facts(R).await;
            for once in [
                "release-admitted",
                "approval-requested",
                "artifact-pinned",
                "release-ended",
            ] {
                assert_eq!(
                    facts.iter().filter(|f| *f == once).count(),
                    1,
                    "crash {n}, done {done}: {once} in {facts:?}"
                );
            }
        }
    }
}

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

#[tokio::test]
async fn repeated_reordered_and_foreign_build_events_change_nothing() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    run.go(&world).await;
    let build = world.running_build().await.unwrap();
    world.build_event(&build).await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Waits("Static Analysis & Code Quality".to_owned()),
        "it still runs"
    );
    let forged = [
        ("GATEWRIGHT_RELEASE", R),
        ("GATEWRIGHT_STAGE_INDEX", "0"),
        ("GATEWRIGHT_ATTEMPT", "1"),
    ];
    world
        .builds
        .foreign("gatewright-build:forged", &forged, BuildStatus::Succeeded);
    world.build_event("gatewright-build:forged").await.unwrap();
    world.build_event("gatewright-build:unknown").await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Waits("Static Analysis & Code Quality".to_owned()),
        "somebody else's build"
    );
    world.build_succeeds().await;
    for _ in 0..3 {
        world.build_event(&build).await.unwrap();
    }
    assert_eq!(
        run.go(&world).await,
        Stand::Waits("Unit Test & Coverage".to_owned())
    );
    world.build_event(&build).await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Waits("Unit Test & Coverage".to_owned()),
        "an old event"
    );
    let facts = world.facts(R).await;
    assert_eq!(
        facts.iter().filter(|f| *f == "build-judged").count(),
        1,
        "{facts:?}"
    );
}

#[tokio::test]
async fn a_build_whose_event_is_lost_is_found_by_the_sweep() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    run.go(&world).await;
    world.build_succeeds().await;
    world.clock.pass(11 * 60 + 1);
    world.call("Sweep", json!({})).await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Waits("Unit Test & Coverage".to_owned())
    );
}

#[tokio::test]
async fn a_build_that_never_reports_is_given_up_with_its_own_name() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    run.go(&world).await;
    let build = world.running_build().await.unwrap();
    world.clock.pass(3_600);
    world.call("Sweep", json!({})).await.unwrap();
    assert_eq!(
        run.go(&world).await,
        Stand::Ended("failed-clean".to_owned())
    );
    assert_eq!(world.builds.status(&build), Some(BuildStatus::Stopped));
    assert_eq!(
        world
            .has_ended(R, Status::FailedClean)
            .await
            .failure
            .unwrap()
            .error,
        "BuildLost"
    );
}

#[tokio::test]
async fn what_codebuild_refuses_for_good_fails_the_stage_and_what_it_throttles_is_retried() {
    let world = World::new().await;
    world.builds.refuse(Some((
        Kind::Denied,
        "not authorized to perform codebuild:StartBuild",
    )));
    let (_, end) = released(&world, World::push()).await;
    assert_eq!(end, "failed-clean");
    let failure = world
        .has_ended(R, Status::FailedClean)
        .await
        .failure
        .unwrap();
    assert_eq!(failure.error, "AccessDenied");
    assert!(
        failure.cause.contains("codebuild:StartBuild"),
        "{}",
        failure.cause
    );

    let world = World::new().await;
    world.builds.refuse(Some((Kind::Transient, "throttled")));
    let (run, end) = released(&world, World::push()).await;
    assert_eq!(end, "failed-clean", "{:?}", run.path);
    assert_eq!(
        world
            .has_ended(R, Status::FailedClean)
            .await
            .failure
            .unwrap()
            .error,
        "Transient"
    );
}

#[tokio::test]
async fn an_approval_that_nobody_completes_is_reminded_and_expires() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let end = drive(&world, &mut run, async |world, state| {
        if state == "Production Approval" {
            world.clock.pass(5 * 3_600);
            world.call("Sweep", json!({})).await.unwrap();
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
    assert_eq!(
        (failure.error.as_str(), failure.cause.as_str()),
        ("ApprovalExpired", "nobody completed the quorum within 3 d")
    );
    assert!(
        world
            .facts(R)
            .await
            .iter()
            .filter(|f| *f == "approval-reminded")
            .count()
            > 10
    );
}

#[tokio::test]
async fn evidence_that_changes_after_the_approval_stops_the_deploy() {
    use gatewright_aws::store::stage_write;
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let end = drive(&world, &mut run, async |world, state| {
        happily(world, state).await;
        if state == "Production Approval" {
            let mut seen = world.store.stage(&id(R), 1, 1).await.unwrap().unwrap();
            seen.value.evidence.as_mut().unwrap().seconds = Some(1);
            let write = stage_write(&seen.value, When::Rev(seen.rev)).unwrap();
            gatewright_aws::table::Table::write(world.store.table(), vec![write])
                .await
                .unwrap();
        }
    })
    .await;
    assert_eq!(end, "failed-clean");
    assert_eq!(
        world
            .has_ended(R, Status::FailedClean)
            .await
            .failure
            .unwrap()
            .error,
        "EvidenceChanged"
    );
    assert_eq!(world.builds.orders().len(), 5, "production was not touched");
}

#[tokio::test]
async fn an_approver_who_leaves_the_group_no_longer_counts() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let end = drive(&world, &mut run, async |world, state| {
        happily(world, state).await;
        if state == "Production Approval" {
            let mut people = gatewright_fakes::directory();
            people
                .groups
                .iter_mut()
                .for_each(|g| g.members.retain(|m| m.as_str() != "devan"));
            world.store.apply_directory(&people).await.unwrap();
        }
    })
    .await;
    assert_eq!(end, "failed-clean");
    let failure = world
        .has_ended(R, Status::FailedClean)
        .await
        .failure
        .unwrap();
    assert_eq!(failure.error, "NotApproved");
    assert!(
        failure
            .cause
            .contains("1 approval of devops-lead is missing by today's membership"),
        "{}",
        failure.cause
    );
}

#[tokio::test]
async fn an_execution_stopped_from_outside_closes_its_release_in_every_state() {
    for stop_in in HAPPY_PATH
        .iter()
        .filter(|s| !matches!(**s, "Admit" | "Finish" | "How it ended" | "succeeded"))
    {
        let world = World::new().await;
        let mut run = Run::start(&world, R, World::push());
        loop {
            match run.go(&world).await {
                Stand::Waits(state) if &state == stop_in => break,
                Stand::Waits(state) => happily(&world, &state).await,
                // States that are answered at once do not wait.
                Stand::Ended(_) => break,
            }
        }
        if world.head(R).await.status.has_ended() {
            continue;
        }
        let event = world.stopped(R).await;
        world.call("FinishRelease", event.clone()).await.unwrap();
        world.call("FinishRelease", event).await.unwrap();
        let deploys = stop_in.starts_with("Deploy") && !stop_in.ends_with("clear to deploy");
        let status = if deploys {
            Status::FailedDirty
        } else {
            Status::FailedClean
        };
        let head = world.has_ended(R, status).await;
        assert!(
            head.failure.unwrap().cause.contains("stopped from outside"),
            "{stop_in}"
        );
        assert_eq!(
            world.running_build().await,
            None,
            "{stop_in}: its build goes on"
        );
    }
}
