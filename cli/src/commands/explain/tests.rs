use super::*;
use crate::commands::example::Example;
use gatewright_domain::decide::halt_in_force;
use gatewright_domain::lock::Lock;
use gatewright_domain::order::{Order, Target};
use gatewright_domain::trigger::Cause;
use gatewright_fakes::MemoryTable;

async fn said_of(example: &Example) -> Explained {
    let story = example.story().await;
    explained(&example.store, &story, example.now())
        .await
        .unwrap()
}

fn both(said: &Explained) -> String {
    format!("{}\n--\n{}", said.why.join("\n"), said.helps.join("\n"))
}

#[tokio::test]
async fn a_release_that_waits_says_who_could_decide_and_who_cannot() {
    let example = Example::waiting_for_approval().await;
    insta::assert_snapshot!(both(&said_of(&example).await));
}

#[tokio::test]
async fn a_halt_is_explained_before_everything_else() {
    let example = Example::waiting_for_approval().await;
    let halt = |of| Order::Halt {
        of,
        reason: "errors".to_owned(),
    };
    example.ordered(halt(Target::All)).await;
    let said = said_of(&example).await;
    assert!(
        said.why[0].starts_with("Everything is halted by anna since ")
            && said.why[0].ends_with(": errors"),
        "{said:?}"
    );
    assert!(said.why[1].ends_with("gatewright resume all --reason TEXT"));
    assert!(said.why[2].contains("asked"), "the rest follows: {said:?}");
    // The nearest halt is what is told: first the release's own is to be ended.
    example.halted().await;
    let said = said_of(&example).await;
    assert!(said.why[0].starts_with("It is halted by anna"), "{said:?}");
    assert_eq!(
        said.helps[0],
        "First of all: gatewright resume cp-1 --reason TEXT"
    );
}

#[tokio::test]
async fn a_halt_does_not_concern_what_has_ended_nor_ways_back() {
    let example = Example::low_coverage().await;
    let halt = Order::Halt {
        of: Target::Pipeline("pl-gps-001".parse().unwrap()),
        reason: "errors".to_owned(),
    };
    example.ordered(halt).await;
    let mut story = example.story().await;
    assert_eq!(story.halted, None);
    let controls = example.store.controls().await.unwrap().controls;
    story.head.status = Status::Running;
    assert!(halt_in_force(&story.head, &controls).is_some());
    story.head.trigger.as_mut().unwrap().cause = Some(Cause::Rollback);
    assert_eq!(halt_in_force(&story.head, &controls), None);
}

#[tokio::test]
async fn a_denied_gate_says_what_was_measured() {
    let example = Example::low_coverage().await;
    insta::assert_snapshot!(both(&said_of(&example).await));
}

#[tokio::test]
async fn who_has_the_environment_is_who_has_it_now() {
    let example = Example::queued_for_staging().await;
    let (pipeline, staging) = ("pl-gps-001".parse().unwrap(), "staging".parse().unwrap());
    let (lock, rev) = example.store.lock(&pipeline, &staging).await.unwrap();
    let free = Lock {
        holder: None,
        ..lock
    };
    let write = Store::<MemoryTable>::lock_write(&free, rev).unwrap();
    example.store.table().write(vec![write]).await.unwrap();
    let said = said_of(&example).await;
    assert_eq!(
        said.why,
        [
            "It waits for staging. When that was recorded, release cp-1 changed it; that is over, and the release is looked at again within minutes."
        ]
    );
    assert!(said.helps.is_empty(), "{said:?}");
    let (lock, rev) = example.store.lock(&pipeline, &staging).await.unwrap();
    let taken = lock.taken(&"cp-9".parse().unwrap(), example.now(), 3_600);
    let write = Store::<MemoryTable>::lock_write(&taken.unwrap(), rev).unwrap();
    example.store.table().write(vec![write]).await.unwrap();
    let said = said_of(&example).await;
    assert_eq!(
        said.why,
        ["It waits for staging: release cp-9 changes it now."]
    );
    assert_eq!(said.helps, ["cp-9 has it for 0 s: gatewright explain cp-9"]);
}

#[tokio::test]
async fn a_release_in_the_queue_says_who_holds_the_environment() {
    let example = Example::queued_for_staging().await;
    let said = said_of(&example).await;
    assert_eq!(
        said.why,
        ["It waits for staging: release cp-1 changes it now."]
    );
    assert!(
        said.helps[0].starts_with("pl-gps-001#1 has it for 1 min")
            && said.helps[0].ends_with(": gatewright explain cp-1"),
        "{said:?}"
    );
}
