//! Examples of what can be gone back to.

use super::{Example, push};
use gatewright_aws::store::{Store, migrated_write, taken_back_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::approval::{Request, State};
use gatewright_domain::pipeline::{Migration, Quorum, Work};
use gatewright_domain::trigger::{Cause, TriggerInput};
use gatewright_domain::undo::{Migrated, Outcome, TakenBack};
use gatewright_domain::{Digest, after};
use gatewright_fakes::MemoryTable;

impl Example {
    /// Two releases that ran on staging, the second migrated its data.
    pub async fn two_on_staging() -> Self {
        let first = Self::begun("cp-1").await;
        first.runs_in("staging", "pl-gps-001#1", b"image").await;
        let example = Self {
            release: "cp-2".parse().unwrap(),
            ..first
        };
        example.clock.pass(7_200);
        example.admit().await;
        let migrated = Migrated {
            pipeline: example.definition.id.clone(),
            environment: "staging".parse().unwrap(),
            stage: "Deploy to Staging".parse().unwrap(),
            kind: Migration::ForwardOnly,
            release: example.release.clone(),
            title: "pl-gps-001#2".to_owned(),
            at: example.now(),
            outcome: Outcome::Passed,
        };
        let migrated = migrated_write(&migrated, 3, example.now()).unwrap();
        example.store.table().write(vec![migrated]).await.unwrap();
        example.runs_in("staging", "pl-gps-001#2", b"next").await;
        example.clock.pass(600);
        example
    }

    /// As above, and somebody has asked to go back to the first, which a DevOps Lead
    /// has to agree to.
    pub async fn asked_to_go_back() -> Self {
        let mut example = Self::two_on_staging().await;
        let staging = "staging".parse().unwrap();
        let place = example.definition.environments.get_mut(&staging).unwrap();
        place.rollback.quorum = vec![Quorum {
            group: "devops-lead".parse().unwrap(),
            count: 1,
        }];
        let rollback = example.definition.rollback().unwrap();
        example.store.record(&rollback).await.unwrap();
        example.release = "cp-3".parse().unwrap();
        let trigger = TriggerInput {
            cause: Some(Cause::Rollback),
            requester: Some("lena@example.com".to_owned()),
            reason: Some("errors since 14:02".to_owned()),
            environment: Some(staging),
            to: Some("cp-1".parse().unwrap()),
            instead_of: Some("cp-2".parse().unwrap()),
            ..push()
        };
        let route = "rollback of staging";
        example.admit_as(&rollback, trigger, route).await;
        let (index, stage) = rollback.stages.iter().enumerate().next().unwrap();
        let Work::Approval(approval) = &stage.work else {
            panic!("{stage:?} asks nobody");
        };
        let request = Request {
            release: example.release.clone(),
            index,
            stage: stage.name.clone(),
            evidence: Digest::of_bytes(b"evidence"),
            quorum: approval.quorum.clone(),
            checklist: Vec::new(),
            about: None,
            excluded: Vec::new(),
            requested_at: example.now(),
            expires_at: after(example.now(), approval.expires.get()),
            state: State::Open,
        };
        let write = Store::<MemoryTable>::approval_write(&request, When::Absent).unwrap();
        example.store.table().write(vec![write]).await.unwrap();
        example.clock.pass(60);
        example
    }

    /// Somebody took the first of them back.
    pub async fn first_is_taken_back(&self) {
        let back = TakenBack {
            pipeline: self.definition.id.clone(),
            environment: "staging".parse().unwrap(),
            digest: Digest::of_bytes(b"image"),
            release: "cp-1".parse().unwrap(),
            title: "pl-gps-001#1".to_owned(),
            number: Some(1),
            commit: "b".repeat(40).parse().unwrap(),
            reference: "refs/heads/main".to_owned(),
            why: "it lost positions".to_owned(),
            by: None,
            at: self.now(),
            lifted: None,
        };
        let write = taken_back_write(&back, When::Absent).unwrap();
        self.store.table().write(vec![write]).await.unwrap();
    }
}
