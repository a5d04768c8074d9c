//! A release is read while it moves on: its ledger is that of one moment.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::Store;
use gatewright_aws::store::Commit;
use gatewright_aws::table::{Item, Key, Range, Table, TableError, Write};
use gatewright_domain::ledger::{Fact, verify};
use gatewright_domain::release::Head;
use gatewright_domain::{StageName, Timestamp};
use gatewright_fakes::MemoryTable;
use gatewright_tests::world::id;
use gatewright_tests::{Run, World};
use std::sync::atomic::{AtomicU32, Ordering};

/// A table in which something is recorded just before each of the next few reads
/// of a ledger.
struct Busy<'a> {
    world: &'a World,
    moves: AtomicU32,
}

async fn moves_on(store: &Store<MemoryTable>, now: Timestamp) {
    let head = store.known_head(&id("first")).await.unwrap();
    let stage: StageName = "Production Approval".parse().unwrap();
    let fact = Fact::ApprovalReminded { stage };
    store
        .commit(Commit::of(&head).fact(fact), now)
        .await
        .unwrap();
}

impl Table for Busy<'_> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        self.world.store.table().get(key).await
    }

    async fn query(&self, pk: &str, range: Range) -> Result<Vec<Item>, TableError> {
        let left = self.moves.load(Ordering::SeqCst);
        if left > 0 && range.prefix == "EVENT#" {
            self.moves.store(left - 1, Ordering::SeqCst);
            moves_on(&self.world.store, Timestamp::UNIX_EPOCH).await;
        }
        self.world.store.table().query(pk, range).await
    }

    async fn due(&self, until: Timestamp, limit: u32) -> Result<Vec<Item>, TableError> {
        self.world.store.table().due(until, limit).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), TableError> {
        self.world.store.table().write(writes).await
    }
}

async fn read_while_it_moves(world: &World, moves: u32) -> bool {
    let busy = Store::new(Busy {
        world,
        moves: AtomicU32::new(moves),
    });
    let read = busy.head_with_ledger(&id("first")).await.unwrap();
    let (head, events): (Head, _) = read.unwrap();
    verify(
        &head.release,
        &events,
        (head.last_seq, head.last_hash.as_ref()),
    )
    .is_ok()
}

#[tokio::test]
async fn a_ledger_that_grows_while_it_is_read_still_holds() {
    let world = World::new().await;
    let mut run = Run::start(&world, "first", World::push());
    run.go(&world).await;
    for moves in 0..4 {
        assert!(read_while_it_moves(&world, moves).await, "{moves}");
    }
}

#[tokio::test]
async fn a_ledger_that_holds_more_than_its_head_knows_does_not() {
    let world = World::new().await;
    let mut run = Run::start(&world, "first", World::push());
    run.go(&world).await;
    let before = world.store.known_head(&id("first")).await.unwrap();
    moves_on(&world.store, Timestamp::UNIX_EPOCH).await;
    // Somebody puts the old head back, so that the last event is nobody's.
    let head = world.store.known_head(&id("first")).await.unwrap();
    let forged = Commit {
        rev: Some(head.rev),
        head: before.value,
        facts: Vec::new(),
        writes: Vec::new(),
    };
    let now = Timestamp::UNIX_EPOCH;
    world.store.commit(forged, now).await.unwrap();
    assert!(!read_while_it_moves(&world, 0).await);
}
