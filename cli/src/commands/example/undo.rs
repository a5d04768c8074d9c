//! Examples of what can be gone back to.

use super::Example;
use gatewright_aws::store::{migrated_write, taken_back_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::Digest;
use gatewright_domain::pipeline::Migration;
use gatewright_domain::undo::{Migrated, Outcome, TakenBack};

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
