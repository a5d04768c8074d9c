//! Does what the world does while releases wait, of whatever pipeline: builds end
//! green, scans settle, people approve.

use crate::machine::Stand;
use crate::{Run, World, world::id};
use gatewright_aws::Clock;
use gatewright_aws::store::{Commit, Store, WaitKey, decision_write, wait_write};
use gatewright_aws::table::When;
use gatewright_domain::approval::{Choice, Decision, Request, State, Via, standing};
use gatewright_domain::decide::Obstacle;
use gatewright_domain::evidence::{BuildStatus, Percent, Severity};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::{Definition, Event, Trigger, Watch};
use gatewright_domain::{PersonId, Timestamp};
use gatewright_fakes::MemoryTable;
use gatewright_handler::Failure;
use gatewright_steps::{Running, answered_watch};
use serde_json::{Value, json};

/// The input of an execution that this trigger matches.
pub fn input_for(definition: &Definition, trigger: &Trigger, commit: &str) -> Value {
    let sample = |patterns: &[String]| {
        let first = patterns.first().map(String::as_str).unwrap_or_default();
        first.replace(['*', '?'], "1")
    };
    let mut input = json!({
        "pipeline": definition.id, "commit": commit, "ref": "refs/heads/main",
        "author": "sam@example.com", "message": "A change",
    });
    let mut say = |name: &str, value: Value| input[name] = value;
    match &trigger.event {
        Event::Push { branches } => say("ref", json!(format!("refs/heads/{}", sample(branches)))),
        Event::Tag { patterns } => say("ref", json!(format!("refs/tags/{}", sample(patterns)))),
        Event::PullRequest { into } => {
            say("ref", json!("refs/pull/7/head"));
            say("into", json!(sample(into)));
        }
        Event::Manual { environment } => {
            say("cause", json!("manual"));
            say("requester", json!("sam@example.com"));
            if let Some(environment) = environment {
                say("environment", json!(environment));
            }
        }
        Event::Schedule { branch, .. } => {
            say("cause", json!("schedule"));
            say("schedule", json!(trigger.name));
            say("ref", json!(format!("refs/heads/{branch}")));
        }
        Event::Upstream { pipeline, branch } => {
            say("cause", json!("upstream"));
            say(
                "upstream",
                json!({ "pipeline": pipeline, "release": "upstream" }),
            );
            say("ref", json!(format!("refs/heads/{branch}")));
        }
        Event::Rollback { environment } => {
            say("cause", json!("rollback"));
            say("requester", json!(may_bring_back(definition, environment)));
            say("reason", json!("customers cannot pay"));
            say("environment", json!(environment));
        }
    }
    input
}

/// Somebody who may bring this environment back.
fn may_bring_back(
    definition: &Definition,
    environment: &gatewright_domain::EnvironmentName,
) -> String {
    let directory = gatewright_fakes::directory();
    let by = definition
        .environments
        .get(environment)
        .map(|e| &e.rollback.by);
    let group = by.and_then(|by| directory.group(by.first()?));
    let person = group.and_then(|group| directory.person(group.members.first()?));
    person.map_or_else(|| "sam@example.com".to_owned(), |p| p.email.clone())
}

/// Lambda's own retry of an event.
///
/// # Errors
/// When it fails every time.
pub async fn retried<F: AsyncFn() -> Result<Value, Failure>>(call: F) -> Result<Value, Failure> {
    let mut last = call().await;
    for _ in 0..3 {
        if last.is_ok() {
            break;
        }
        last = call().await;
    }
    last
}

impl World {
    /// Ends one thing that the release waits for, happily; whether there was one.
    ///
    /// # Panics
    /// When the record cannot be read.
    pub async fn goes_on(&self, release: &str) -> bool {
        if self.running_build().await.is_some() {
            let id = self.build_succeeds().await;
            let _ = retried(async || self.build_event(&id).await).await;
            return true;
        }
        self.scans_settle().await
            || self.watch_goes_well(release).await
            || self.everybody_approves(release).await
    }

    /// Measures good numbers for the watch that the release waits for, until it is
    /// over; whether it waits for one.
    ///
    /// # Panics
    /// When the wait names no stage of the definition.
    pub async fn watch_goes_well(&self, release: &str) -> bool {
        let Some((watch, until)) = self.watched(release) else {
            return false;
        };
        let number = |text: &str| text.parse().unwrap_or_else(|e| panic!("{e}"));
        for one in &watch {
            one.new
                .iter()
                .for_each(|new| self.metrics.measures(new, number("0.1")));
            one.old
                .iter()
                .for_each(|old| self.metrics.measures(old, number("0.2")));
            one.alarm
                .iter()
                .for_each(|alarm| self.metrics.alarm(alarm, "OK"));
        }
        let left = until.as_second() - self.clock.now().as_second();
        self.clock.pass(left.max(1));
        let _ = self.call("Sweep", json!({})).await;
        true
    }

    /// What the release waits to have watched, and until when; nothing when it
    /// waits for something else.
    ///
    /// # Panics
    /// When the wait names no stage of the definition.
    pub fn watched(&self, release: &str) -> Option<(Vec<Watch>, Timestamp)> {
        let waits = self.store.table().items_in("WAIT#watch");
        let wait = waits
            .into_iter()
            .find(|item| item.body["release"] == json!(release) && item.body["answer"].is_null())?;
        let until = serde_json::from_value(wait.body["awaited"]["until"].clone());
        let index = wait.body["index"]
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())?;
        let stage = self.definition.stages.get(index)?;
        let watching = stage.watching().map(|w| w.watch.clone());
        Some((
            watching.unwrap_or_default(),
            until.unwrap_or_else(|e| panic!("{e}")),
        ))
    }

    /// As [`World::goes_on`]; and where only the clock keeps the release waiting,
    /// time passes.
    ///
    /// # Panics
    /// When the record cannot be read.
    pub async fn goes_well(&self, release: &str) -> bool {
        self.goes_on(release).await || self.time_passes(release).await
    }

    /// Lets time pass until what a release waits for by the clock is over: a
    /// window, a freeze, a soak time; whether there was one.
    ///
    /// # Panics
    /// When the sweep fails.
    pub async fn time_passes(&self, release: &str) -> bool {
        let waiting = self.store.table().items_in("WAIT#lock#");
        let until = waiting.iter().filter_map(|item| {
            let mine = item.body["release"] == release && item.body["answer"].is_null();
            let because = item.body["awaited"]["because"]
                .as_array()
                .filter(|_| mine)?;
            let because = because
                .iter()
                .cloned()
                .map(serde_json::from_value::<Obstacle>);
            because.filter_map(|o| o.ok()?.until()).max()
        });
        let Some(until) = until.max() else {
            return false;
        };
        let wait = until.as_second() - self.clock.now().as_second();
        self.clock.pass(wait.max(1));
        let swept = self.call("Sweep", json!({})).await;
        swept.unwrap_or_else(|e| panic!("{e:?}"));
        true
    }

    /// Settles every scan that is awaited, with nothing bad found.
    async fn scans_settle(&self) -> bool {
        let mut any = false;
        for item in self.store.table().items_in("WAIT#") {
            let awaited = &item.body["awaited"];
            if awaited["for"] != "scan" || !item.body["answer"].is_null() {
                continue;
            }
            let image: gatewright_domain::Digest =
                serde_json::from_value(awaited["digest"].clone())
                    .unwrap_or_else(|e| panic!("{awaited}: {e}"));
            self.scan_settles_of(&image, &[Severity::Low]);
            let repository = awaited["repository"].as_str().unwrap_or_default();
            let _ = retried(async || self.scan_event_of(repository, &image).await).await;
            any = true;
        }
        any
    }

    /// As many people as an open request asks for approve it; whether there was
    /// one. `answer-approval` has its own tests.
    ///
    /// # Panics
    /// When the record cannot be read, or nobody could reach the quorum.
    pub async fn everybody_approves(&self, release: &str) -> bool {
        let requests = self.store.approvals(&id(release)).await;
        let requests = requests.unwrap_or_else(|e| panic!("{e}"));
        let Some(request) = requests.into_iter().find(|r| r.state == State::Open) else {
            return false;
        };
        for _ in 0..3 {
            if self.approved(&request).await {
                break;
            }
        }
        true
    }

    async fn approved(&self, request: &Request) -> bool {
        let now = self.clock.now();
        let directory = self.store.directory().await;
        let people = quorum_of(request, &directory.unwrap_or_else(|e| panic!("{e}")).value);
        let known = self.store.approval(&request.release, request.index).await;
        let Ok(Some(mut seen)) = known else {
            return false;
        };
        let head = self.store.known_head(&request.release).await;
        let head = head.unwrap_or_else(|e| panic!("{e}"));
        let mut commit = Commit::of(&head);
        for person in people {
            let decision = Decision {
                person,
                choice: Choice::Approve,
                reason: String::new(),
                at: now,
                via: Via::Page,
                evidence: seen.value.evidence.clone(),
            };
            let write = decision_write(&seen.value, &decision);
            commit = commit.write(write.unwrap_or_else(|e| panic!("{e}")));
        }
        seen.value.state = State::Approved { at: now };
        let key = WaitKey::approval(&request.release, request.index);
        let Ok(Some(mut wait)) = self.store.wait(&key).await else {
            return false;
        };
        let running = Running {
            head,
            definition: self.definition.clone(),
        };
        let answered = answered_watch(&self.store, &running, &seen.value, commit, None, now).await;
        let Ok((commit, answer)) = answered else {
            return false;
        };
        wait.value.answer = Some(answer);
        let (when, rev) = (When::Rev(seen.rev), When::Rev(wait.rev));
        let request = Store::<MemoryTable>::approval_write(&seen.value, when);
        let commit = commit
            .write(request.unwrap_or_else(|e| panic!("{e}")))
            .write(wait_write(&wait.value, rev).unwrap_or_else(|e| panic!("{e}")));
        self.store.commit(commit, now).await.is_ok()
    }

    /// Drives a release to its end; `on_wait` does something whenever it waits and
    /// says whether it did. The sweep comes by when nothing moves.
    ///
    /// # Panics
    /// When it has no end.
    pub async fn drive(
        &self,
        run: &mut Run,
        mut on_wait: impl AsyncFnMut(&World, &str) -> bool,
    ) -> String {
        let mut stuck = 0;
        for _ in 0..400 {
            let state = match run.go(self).await {
                Stand::Ended(state) => return state,
                Stand::Waits(state) => state,
            };
            if on_wait(self, &state).await {
                stuck = 0;
                continue;
            }
            stuck += 1;
            assert!(
                stuck < 50,
                "{} waits in {state} for ever: {:?}",
                run.name,
                run.path
            );
            self.clock.pass(3_600);
            let _ = self.call("Sweep", json!({})).await;
        }
        panic!("the release has no end: {:?}", run.path)
    }

    /// A release that goes well from this input to its end.
    pub async fn release(&self, name: &str, input: Value) -> (Run, String) {
        let mut run = Run::start(self, name, input);
        let end = self
            .drive(&mut run, async |world, _| world.goes_well(name).await)
            .await;
        (run, end)
    }

    /// A release on which everything goes well but the builds of the stage `failing`.
    pub async fn release_failing(&self, name: &str, input: Value, failing: &str) -> (Run, String) {
        let mut run = Run::start(self, name, input);
        let end = self
            .drive(&mut run, async |world, _| {
                let id = world.running_build().await.unwrap_or_default();
                let stage = world.stage_of(&id);
                if stage.is_some_and(|stage| stage.name.as_str() == failing) {
                    let id = world.build_ends(BuildStatus::Failed, Percent(0)).await;
                    let ended = world.build_event(&id).await;
                    ended.unwrap_or_else(|failure| panic!("{failure:?}"));
                    return true;
                }
                world.goes_well(name).await
            })
            .await;
        (run, end)
    }
}

/// People who together reach the quorum, nobody more than needed.
pub(crate) fn quorum_of(request: &Request, directory: &Directory) -> Vec<PersonId> {
    let mut chosen: Vec<PersonId> = Vec::new();
    let excluded = |person: &gatewright_domain::people::Person| {
        request.excluded.iter().any(|identity| person.is(identity))
    };
    for person in directory.people.iter().filter(|person| !excluded(person)) {
        let so_far = standing(&request.quorum, &chosen, directory);
        if so_far.is_reached() {
            return chosen;
        }
        chosen.push(person.id.clone());
        let missing = |s: &gatewright_domain::approval::Standing| {
            s.missing.iter().map(|(_, count)| *count).sum::<u32>()
        };
        let now = standing(&request.quorum, &chosen, directory);
        if missing(&now) == missing(&so_far) {
            chosen.pop();
        }
    }
    assert!(
        standing(&request.quorum, &chosen, directory).is_reached(),
        "{:?} cannot be reached",
        request.quorum
    );
    chosen
}
