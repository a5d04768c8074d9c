//! A release of any pipeline on the laptop stack, from its trigger to its
//! terminal state: builds that really run, people who answer their links.

use crate::Laptop;
use crate::laptop::{hidden, links_in, messages};
use gatewright_aws::tasks::{Executions, StepFunctions};
use gatewright_domain::approval::{Request, State};
use gatewright_domain::decide::Obstacle;
use gatewright_domain::ledger::{self, Fact};
use gatewright_domain::release::Head;
use gatewright_domain::{ReleaseId, StageName};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long a whole release may take before a test says that it hangs: the
/// longest has a dozen builds and half an hour of scaled pauses.
const PATIENCE: Duration = Duration::from_secs(240);

impl Laptop {
    /// Starts a release of this pipeline.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn begin(&self, pipeline: &str, name: &str, input: &Value) -> ReleaseId {
        let machines = &self.stack.connection().machines;
        self.begin_on(&machines[pipeline], name, input).await
    }

    /// Starts an execution of this machine.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn begin_on(&self, machine: &str, name: &str, input: &Value) -> ReleaseId {
        let sfn = StepFunctions::new(&self.sdk);
        let started = sfn.start(machine, name, &input.to_string()).await;
        let execution = started.unwrap_or_else(|e| panic!("{e}"));
        self.codepipeline_waits(input, &execution).await;
        name.parse().unwrap_or_else(|e| panic!("{e}"))
    }

    /// Follows a release to its end, approving what it asks; gives its head.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn approve_all(&self, release: &ReleaseId) -> Head {
        let began = Instant::now();
        loop {
            let head = self.store.head(release).await;
            let head = head
                .unwrap_or_else(|e| panic!("{e}"))
                .map(|seen| seen.value);
            if let Some(head) = head.as_ref().filter(|head| head.status.has_ended()) {
                return head.clone();
            }
            if began.elapsed() >= PATIENCE {
                let logs = self.logs(release).await;
                panic!("{release} does not end: {head:#?}{logs}");
            }
            let requests = self.store.approvals(release).await;
            let requests = requests.unwrap_or_else(|e| panic!("{e}"));
            match requests.into_iter().find(|r| r.state == State::Open) {
                Some(request) => self.approved(&request).await,
                None => {
                    if let Some(head) = &head {
                        self.breaks_the_glass(head).await;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Follows a release, approving what it asks, until it waits for its
    /// environment because of what is wanted.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn until_it_waits(&self, release: &ReleaseId, wanted: impl Fn(&[Obstacle]) -> bool) {
        let began = Instant::now();
        loop {
            self.approves(release).await;
            let events = self.store.ledger(release).await;
            let last = events.unwrap_or_else(|e| panic!("{e}")).pop();
            let fact = last.map(|event| event.fact);
            if let Some(Fact::DeployDelayed { because, .. }) = &fact
                && wanted(because)
            {
                return;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{release} does not wait: {fact:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Follows a release, approving what it asks unless that is the state, until it
    /// has entered this state; then stops its execution from outside.
    ///
    /// # Panics
    /// When it does not get there in time.
    pub async fn stopped_in(&self, pipeline: &str, release: &ReleaseId, state: &str) {
        let machine = &self.stack.connection().machines[pipeline];
        let execution = format!(
            "{}:{release}",
            machine.replace(":stateMachine:", ":execution:")
        );
        let client = aws_sdk_sfn::Client::new(&self.sdk);
        let began = Instant::now();
        loop {
            let history = client
                .get_execution_history()
                .execution_arn(&execution)
                .send()
                .await
                .unwrap_or_else(|e| panic!("{e:?}"));
            let entered = history.events.iter().any(|event| {
                let details = event.state_entered_event_details.as_ref();
                details.is_some_and(|details| details.name == state)
            });
            if entered {
                break;
            }
            self.approves(release).await;
            assert!(began.elapsed() < PATIENCE, "{release} never enters {state}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let stop = client.stop_execution().execution_arn(&execution);
        let stop = stop.cause("the test stops it").send().await;
        stop.unwrap_or_else(|e| panic!("{e:?}"));
    }

    /// Approves what the release asks now, if it asks something.
    async fn approves(&self, release: &ReleaseId) {
        let requests = self.store.approvals(release).await;
        let requests = requests.unwrap_or_else(|e| panic!("{e}"));
        if let Some(request) = requests.into_iter().find(|r| r.state == State::Open) {
            self.approved(&request).await;
        }
    }

    /// As many people as the request needs approve it, each behind their own link.
    async fn approved(&self, request: &Request) {
        let directory = self.store.directory().await;
        let directory = directory.unwrap_or_else(|e| panic!("{e}")).value;
        for person in crate::happily::quorum_of(request, &directory) {
            let known = directory.person(&person);
            let name = known.map(|p| p.name.clone()).unwrap_or_default();
            let first = name.split(' ').next().unwrap_or_default();
            let (link, page) = self.link_for(first, &request.stage).await;
            let nonce = hidden(&page, "nonce").unwrap_or_default();
            let checks = (0..).map(|n| format!("check-{n}"));
            let checks: Vec<String> = checks
                .take_while(|check| page.contains(&format!("name=\"{check}\"")))
                .collect();
            let mut form = vec![
                ("nonce", nonce.as_str()),
                ("confirm", "yes"),
                ("choice", "approve"),
                ("reason", ""),
            ];
            form.extend(checks.iter().map(|check| (check.as_str(), "yes")));
            let (status, page) = self.post(&link, &form).await;
            assert_eq!(
                status, 200,
                "{first} cannot approve {}: {page}",
                request.stage
            );
        }
        let began = Instant::now();
        loop {
            let now = self.store.approval(&request.release, request.index).await;
            let now = now.unwrap_or_else(|e| panic!("{e}"));
            if now.is_some_and(|seen| seen.value.state != State::Open) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{request:?} stays open");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The newest link of this person whose page has a form: releases that ask take
    /// turns.
    async fn link_for(&self, first_name: &str, stage: &StageName) -> (String, String) {
        let began = Instant::now();
        loop {
            let inbox = self.inbox().await;
            let theirs = messages(&inbox).into_iter().filter(|m| {
                m["text"]
                    .as_str()
                    .is_some_and(|t| t.starts_with(first_name))
            });
            let mut links: Vec<String> = theirs.flat_map(|m| links_in(&m.to_string())).collect();
            links.dedup();
            for link in links.into_iter().rev() {
                let (status, page) = self.get(&link).await;
                // A request that is over has no form.
                if status == 200 && hidden(&page, "nonce").is_some() {
                    return (link, page);
                }
            }
            assert!(
                began.elapsed() < PATIENCE,
                "{first_name} has no link for {stage}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The states that an execution entered, in order, by its own history; those
    /// inside of groups are left out.
    ///
    /// # Panics
    /// When the history cannot be read.
    pub async fn states(
        &self,
        machine: &str,
        release: &ReleaseId,
        known: &[String],
    ) -> Vec<String> {
        let execution = format!(
            "{}:{release}",
            machine.replace(":stateMachine:", ":execution:")
        );
        let sfn = StepFunctions::new(&self.sdk);
        // The record says that a release has ended a moment before its execution
        // does.
        while sfn
            .is_running(&execution)
            .await
            .unwrap_or_else(|e| panic!("{e}"))
            == Some(true)
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let client = aws_sdk_sfn::Client::new(&self.sdk);
        let mut pages = client
            .get_execution_history()
            .execution_arn(&execution)
            .into_paginator()
            .items()
            .send();
        let mut entered = Vec::new();
        while let Some(event) = pages.next().await {
            let event = event.unwrap_or_else(|e| panic!("{e}"));
            if let Some(details) = event.state_entered_event_details {
                entered.push(details.name);
            }
        }
        entered.retain(|state| known.contains(state));
        entered
    }

    /// The end of the log of every stage that failed or has not ended, for a
    /// test's message.
    ///
    /// # Panics
    /// When the record cannot be read.
    pub async fn logs(&self, release: &ReleaseId) -> String {
        let records = self.store.stages(release).await;
        let mut told = String::new();
        for record in records.unwrap_or_else(|e| panic!("{e}")) {
            if record.failure.is_none() && record.ended_at.is_some() {
                continue;
            }
            let text = match &record.log {
                Some(log) => self.get(log).await.1,
                None => "no log".to_owned(),
            };
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(40)..];
            let (stage, status, build) = (&record.stage, record.status, &record.build);
            told.push_str(&format!(
                "\n--- {stage}, {status:?}, build {build:?}\n{}\n",
                last.join("\n")
            ));
        }
        told
    }

    /// Asserts what must hold of every ended release: a whole ledger, no lock of
    /// its own, no call that IAM denied.
    ///
    /// # Panics
    /// When it does not hold.
    pub async fn in_order(&self, head: &Head) {
        // What it started is recorded after its end, so the head may have moved on.
        let known = self.store.known_head(&head.release).await;
        let head = &known.unwrap_or_else(|e| panic!("{e}")).value;
        let events = self.store.ledger(&head.release).await;
        let events = events.unwrap_or_else(|e| panic!("{e}"));
        let events = &events[..events
            .len()
            .min(usize::try_from(head.last_seq).unwrap_or(0))];
        let last = (head.last_seq, head.last_hash.as_ref());
        assert_eq!(ledger::verify(&head.release, events, last), Ok(()));
        let definition = self.store.definition(&head.pipeline, &head.version).await;
        let definition = definition.unwrap_or_else(|e| panic!("{e}"));
        for environment in definition.iter().flat_map(|d| d.environments.keys()) {
            let lock = self.store.lock(&head.pipeline, environment).await;
            let (lock, _) = lock.unwrap_or_else(|e| panic!("{e}"));
            assert!(!lock.is_held_by(&head.release), "{environment}");
        }
        assert_eq!(
            self.stack.denied(),
            Vec::<String>::new(),
            "a role lacks a permission"
        );
    }
}
