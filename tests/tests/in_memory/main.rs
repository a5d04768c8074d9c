//! Releases in memory: the compiled machine, the real handlers, fakes that
//! evaluate conditions.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod approving;
mod events;
mod refusing;

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
