//! The sweep looks after watches, and what it looks after may hang or fail.

use super::*;

/// The watch's wait under other positions, so often: things of one slow service.
async fn copies(world: &World, count: usize) {
    let key = WaitKey::watch(&id(R), INDEX);
    let wait = world.store.wait(&key).await.unwrap().unwrap().value;
    for more in 1..=count {
        let copy = Wait {
            index: INDEX + 100 * more,
            ..wait.clone()
        };
        let write = wait_write(&copy, When::Absent).unwrap();
        world.store.table().write(vec![write]).await.unwrap();
    }
}

async fn swept(world: &World, seconds: i64) -> Value {
    world.clock.pass(seconds);
    world.call("Sweep", json!({})).await.unwrap()
}

#[tokio::test]
async fn a_service_that_hangs_costs_the_sweep_a_little_each_and_then_it_stops() {
    let (world, _run) = watched().await;
    copies(&world, 6).await;
    world.metrics.hang(true);
    let began = after(world.clock.now(), 60);
    // Six seconds each, and nothing is begun that the function could not end.
    assert_eq!(
        swept(&world, 60).await,
        json!({ "due": 7, "failed": 4, "left": 3 })
    );
    assert_eq!(world.clock.now(), after(began, 24));
    // Those that were left have waited longest.
    healthy(&world);
    world.metrics.hang(false);
    let left: Vec<_> = world.store.due(began, 100).await.unwrap();
    assert_eq!(left.len(), 3);
    assert_eq!(swept(&world, 60).await["failed"], json!(0));
}

#[tokio::test]
async fn things_that_always_fail_do_not_fill_every_run() {
    let (world, mut run) = watched().await;
    healthy(&world);
    let due = Some(world.clock.now());
    for n in 0..100 {
        let key = Key::new(format!("WAIT#build#broken#{n:03}"), "WAIT");
        let body = json!({ "nobody": "reads this" });
        let write = Write::Put {
            key,
            due,
            body,
            when: When::Absent,
        };
        world.store.table().write(vec![write]).await.unwrap();
    }
    assert_eq!(swept(&world, 60).await["failed"], json!(100));
    assert!(world.metrics.asked().is_empty());
    assert_eq!(swept(&world, 60).await["failed"], json!(99));
    assert_eq!(world.metrics.asked().len(), 1);
    for _ in 0..3 {
        swept(&world, 60).await;
    }
    assert_eq!(ends(&world, &mut run).await, "succeeded");
}
