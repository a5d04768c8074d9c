//! Images that are deployed are kept by tags, and let go when there is no way back
//! to them.

use gatewright_aws::Kind;
use gatewright_domain::release::Status;
use gatewright_domain::retention::GENERATIONS;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::built;
use gatewright_tests::{Run, World};
use serde_json::{Value, json};

fn commit(n: usize) -> String {
    format!("{n:040x}")
}

fn push(n: usize) -> Value {
    let mut input = World::push();
    input["commit"] = json!(commit(n));
    input
}

/// The tags of the n-th release's image, without its commit's.
fn tags(world: &World, n: usize) -> Vec<String> {
    let all = world.registry.tags_of(&built("image", &commit(n)));
    assert!(all.contains(&commit(n)), "{n}: {all:?}");
    all.into_iter().filter(|tag| *tag != commit(n)).collect()
}

/// Releases the n-th commit to production.
async fn release(world: &World, n: usize) {
    let name = format!("release-{n}");
    let (_, end) = world.release(&name, push(n)).await;
    assert_eq!(end, "succeeded");
    world.has_ended(&name, Status::Succeeded).await;
}

#[tokio::test]
async fn what_was_released_is_kept_for_ever_and_staging_keeps_what_it_goes_back_to() {
    let world = World::new().await;
    let last = GENERATIONS + 4;
    for n in 1..=last {
        release(&world, n).await;
        world.clock.pass(60);
    }
    // The last one was cleared when ten versions were there: with it they are
    // eleven, until the next one is cleared.
    let kept = last - GENERATIONS;
    for n in 1..=last {
        let short = built("image", &commit(n)).short().to_owned();
        let mut expected = vec![format!("released-{short}")];
        if n >= kept {
            expected.insert(0, format!("in-pl-gps-001.staging-{short}"));
        }
        assert_eq!(tags(&world, n), expected, "{n}");
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_deployed() {
    let world = World::new().await;
    world.registry.refuse(Some(Kind::Transient));
    let mut run = Run::start(&world, "r", push(1));
    let clear = "Deploy to Staging: clear to deploy";
    let mut failed = false;
    for _ in 0..20 {
        match run.go(&world).await {
            Stand::Waits(_) => {
                world.goes_well("r").await;
            }
            Stand::Ended(_) => {
                failed = true;
                break;
            }
        }
    }
    let head = world.head("r").await;
    assert!(
        failed && run.path.contains(&clear.to_owned()),
        "{:?}",
        run.path
    );
    assert_eq!(head.status, Status::FailedClean, "{:?}", head.failure);
    let facts = world.facts("r").await;
    assert!(!facts.contains(&"deploy-cleared".to_owned()), "{facts:?}");
    assert_eq!(tags(&world, 1), Vec::<String>::new());
    // A lock nobody holds, and the next release goes on.
    world.registry.refuse(None);
    release(&world, 2).await;
}

#[tokio::test]
async fn a_tag_that_cannot_be_taken_away_stops_nobody() {
    let world = World::new().await;
    for n in 1..=GENERATIONS + 1 {
        release(&world, n).await;
        world.clock.pass(60);
    }
    let old = || tags(&world, 1).iter().any(|tag| tag.starts_with("in-"));
    world.registry.refuse_to_delete(true);
    release(&world, GENERATIONS + 2).await;
    assert!(old(), "it stays meanwhile");
    world.registry.refuse_to_delete(false);
    world.clock.pass(60);
    release(&world, GENERATIONS + 3).await;
    assert!(!old());
}
