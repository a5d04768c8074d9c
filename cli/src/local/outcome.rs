//! How a demo ended, and whether that was as it should.

use crate::args::Scenario;
use crate::progress::{Stage, stages};
use crate::story::Story;
use crate::style::{BAD, GOOD, HEAD, paint};
use clap::ValueEnum;
use gatewright_domain::approval::{Choice, State};
use gatewright_domain::release::{Failure, Status};
use gatewright_domain::{Digest, ErrorName, Timestamp};
use gatewright_views::text::listed;
use serde::Serialize;
use std::collections::BTreeMap;

/// How a demo ended. Its JSON is described in `args::help`; `tests/bench` reads
/// the three times.
#[derive(Debug, Serialize)]
pub struct Outcome {
    scenario: String,
    as_expected: bool,
    unexpected: Vec<String>,
    title: String,
    release: String,
    status: Status,
    failure: Option<Failure>,
    stages: Vec<Stage>,
    approved_by: Vec<String>,
    digests: BTreeMap<String, Digest>,
    ledger_verified: bool,
    events: usize,
    denied: Vec<String>,
    wall_seconds: f64,
    builds_seconds: i64,
    approval_seconds: f64,
}

impl Outcome {
    /// How the release of `story` ended, and what is not as it should be.
    pub fn of(scenario: Scenario, interactive: bool, story: &Story, denied: Vec<String>) -> Self {
        let head = &story.head;
        let approved = story.asked().flat_map(|asked| {
            let approvals = asked
                .decisions
                .iter()
                .filter(|d| d.choice == Choice::Approve);
            approvals.map(move |d| asked.name(&d.person))
        });
        let digests = story.deployed().into_iter();
        let ended = head.ended_at.unwrap_or(head.started_at);
        let mut outcome = Self {
            scenario: scenario
                .to_possible_value()
                .map_or_else(String::new, |value| value.get_name().to_owned()),
            as_expected: false,
            unexpected: Vec::new(),
            title: head.title(),
            release: head.release.to_string(),
            status: head.status,
            failure: head.failure.clone(),
            stages: stages(story),
            approved_by: approved.collect(),
            digests: digests
                .map(|(name, digest)| (name.to_string(), digest.clone()))
                .collect(),
            ledger_verified: story.verify().is_ok(),
            events: story.events.len(),
            denied,
            wall_seconds: seconds(head.started_at, ended),
            builds_seconds: built(story),
            approval_seconds: waited(story),
        };
        outcome.unexpected = outcome.surprises(scenario, interactive);
        outcome.as_expected = outcome.unexpected.is_empty();
        outcome
    }

    /// Whether everything was as it should be.
    pub fn as_expected(&self) -> bool {
        self.as_expected
    }

    /// Whether its times are those of a whole release that nobody held up.
    pub fn measures(&self) -> bool {
        self.as_expected && self.status == Status::Succeeded && self.approval_seconds < 60.0
    }

    fn surprises(&self, scenario: Scenario, interactive: bool) -> Vec<String> {
        let mut found = Vec::new();
        let error = self.failure.as_ref().map(|failure| failure.error.as_str());
        let denied = Some(ErrorName::GateDenied.as_str());
        let rejected = Some(ErrorName::Rejected.as_str());
        let expected = match scenario {
            // Whoever decides by hand may reject.
            _ if interactive && error == rejected => (Status::FailedClean, rejected),
            Scenario::Good => (Status::Succeeded, None),
            Scenario::LowCoverage | Scenario::CriticalFinding => (Status::FailedClean, denied),
            Scenario::Rejected => (Status::FailedClean, rejected),
        };
        if (self.status, error) != expected {
            let named = |(status, error): (Status, Option<&str>)| match error {
                Some(error) => format!("{status} with {error}"),
                None => status.to_string(),
            };
            let (is, should) = (named((self.status, error)), named(expected));
            found.push(format!("it ended {is}, and should have ended {should}"));
        }
        if !self.ledger_verified {
            found.push("its ledger does not hold together".to_owned());
        }
        if self.status == Status::Succeeded && !self.same_digest() {
            found.push("staging and production do not run the same digest".to_owned());
        }
        if !self.denied.is_empty() {
            found.push(format!(
                "IAM denied {} call(s): a role lacks a permission",
                self.denied.len()
            ));
        }
        found
    }

    fn same_digest(&self) -> bool {
        let mut digests = self.digests.values();
        let first = digests.next();
        self.digests.len() >= 2 && digests.all(|digest| Some(digest) == first)
    }

    /// What the release's story does not say by itself.
    pub fn told(&self) -> Vec<String> {
        let good = |yes: bool, text: String| {
            let mark = if yes {
                paint(GOOD, "✓")
            } else {
                paint(BAD, "✗")
            };
            format!("  {mark} {text}")
        };
        let mut told = vec![String::new(), paint(HEAD, "The demo")];
        if !self.approved_by.is_empty() {
            told.push(good(
                true,
                format!("approved by {}", listed(&self.approved_by)),
            ));
        }
        if self.digests.len() >= 2 {
            let same = self.same_digest();
            let equals = if same { "=" } else { "≠" };
            let names: Vec<&str> = self.digests.keys().rev().map(String::as_str).collect();
            told.push(good(
                same,
                format!("digest in {}", names.join(&format!(" {equals} digest in "))),
            ));
        }
        let none = self.denied.is_empty();
        let denied = match self.denied.len() {
            0 => "IAM denied no call".to_owned(),
            count => format!("IAM denied {count} call(s)"),
        };
        told.push(good(none, denied));
        told.extend(self.denied.iter().map(|line| format!("      {line}")));
        #[expect(clippy::cast_precision_loss, reason = "a demo takes minutes")]
        let own = self.wall_seconds - self.builds_seconds as f64 - self.approval_seconds;
        told.push(format!(
            "    {:.0} s in all: {} s of builds, {:.0} s of people, {own:.0} s of everything else",
            self.wall_seconds, self.builds_seconds, self.approval_seconds
        ));
        told.extend(self.unexpected.iter().map(|why| good(false, why.clone())));
        if self.as_expected {
            told.push(good(
                true,
                format!(
                    "scenario {} ended as it should: {}",
                    self.scenario, self.status
                ),
            ));
        }
        told
    }
}

fn seconds(from: Timestamp, until: Timestamp) -> f64 {
    until.duration_since(from).as_secs_f64()
}

/// The seconds of all builds, as CodeBuild counts them.
fn built(story: &Story) -> i64 {
    let builds = story
        .records
        .iter()
        .filter_map(|record| record.evidence.as_ref());
    builds.filter_map(|evidence| evidence.seconds).sum()
}

/// How long approved requests waited for people.
fn waited(story: &Story) -> f64 {
    let waits = story
        .approvals
        .iter()
        .map(|(request, _)| match &request.state {
            State::Approved { at } => seconds(request.requested_at, *at),
            State::Open | State::Rejected { .. } | State::Closed { .. } => 0.0,
        });
    // The sum of nothing would be -0.0.
    waits.fold(0.0, |sum, wait| sum + wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::Example;

    #[tokio::test]
    async fn a_scenario_must_end_as_it_should_and_without_a_denied_call() {
        let story = Example::low_coverage().await.story().await;
        let of = |scenario, denied: &[&str]| {
            let denied = denied.iter().map(|line| (*line).to_owned()).collect();
            Outcome::of(scenario, false, &story, denied)
        };
        assert!(of(Scenario::LowCoverage, &[]).as_expected());
        let good = of(Scenario::Good, &[]);
        assert_eq!(
            good.unexpected,
            ["it ended failed-clean with GateDenied, and should have ended succeeded"]
        );
        assert!(!good.measures());
        let denied = of(Scenario::LowCoverage, &["DENIED s3:GetObject"]);
        assert_eq!(
            denied.unexpected,
            ["IAM denied 1 call(s): a role lacks a permission"]
        );
    }

    #[tokio::test]
    async fn the_benchmark_finds_its_three_times() {
        let story = Example::waiting_for_approval().await.story().await;
        let outcome = Outcome::of(Scenario::Good, false, &story, Vec::new());
        let document = serde_json::to_value(&outcome).unwrap();
        for name in ["wall_seconds", "builds_seconds", "approval_seconds"] {
            assert!(document[name].is_number(), "{name}");
        }
        assert_eq!(document["builds_seconds"], 30);
        assert_eq!(document["scenario"], "good");
    }
}
