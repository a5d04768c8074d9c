//! Transactions: items put whole, under conditions.

use crate::state::{
    Deployed, Kind, Lock, Record, Rel, Release, Request, State, Status, Version, Wait, Why,
};

/// An item that a transaction can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A release's head: every commit of the release writes it.
    Head(Rel),
    /// A stage's record.
    Record(Rel, Kind),
    /// A wait for the environment.
    Wait(Rel),
    /// A request for approval.
    Request(Rel),
    /// The lock.
    Lock,
    /// What is in force of people's orders: every order writes it.
    Controls,
}

impl Item {
    fn bit(self) -> u32 {
        let place = match self {
            Self::Head(rel) => rel.at(),
            Self::Record(rel, kind) => 4 + 2 * rel.at() + kind as usize,
            Self::Wait(rel) => 12 + rel.at(),
            Self::Request(rel) => 16 + rel.at(),
            Self::Lock => 20,
            Self::Controls => 21,
        };
        1 << place
    }
}

/// A change of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Write {
    /// The head: nothing but its ledger.
    Head(Rel),
    /// The head's status.
    Status(Rel, Status),
    /// The reason why clearing was refused.
    Refused(Rel, Why),
    /// A record.
    Record(Rel, Kind, Record),
    /// The test's record.
    Verified(Rel, bool),
    /// A wait.
    Wait(Rel, Wait),
    /// A request.
    Request(Rel, Request),
    /// The lock.
    Lock(Lock),
    /// A place in the queue.
    Queue(Rel),
    /// No place in the queue any more.
    Unqueue(Rel),
    /// What runs.
    Deployed(Deployed),
    /// A version that stays back.
    TakenBack(Version),
    /// A version that is allowed again.
    Lifted(Version),
    /// What is in force.
    Halted(bool),
}

impl Write {
    fn item(&self) -> Option<Item> {
        Some(match *self {
            Self::Head(rel)
            | Self::Status(rel, _)
            | Self::Refused(rel, _)
            | Self::Verified(rel, _) => Item::Head(rel),
            Self::Record(rel, kind, _) => Item::Record(rel, kind),
            Self::Wait(rel, _) => Item::Wait(rel),
            Self::Request(rel, _) => Item::Request(rel),
            Self::Lock(_) => Item::Lock,
            Self::Halted(_) => Item::Controls,
            Self::Queue(_)
            | Self::Unqueue(_)
            | Self::Deployed(_)
            | Self::TakenBack(_)
            | Self::Lifted(_) => return None,
        })
    }
}

/// A transaction that a call has decided on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The items that must still be as they were read.
    conditions: u32,
    /// What it writes.
    pub writes: Vec<Write>,
}

impl Plan {
    /// A change of a release: under its head, whose ledger it continues.
    pub fn of(rel: Rel) -> Self {
        Self::default().on(Item::Head(rel)).write(Write::Head(rel))
    }

    /// Under the condition that an item is as it was read.
    #[must_use]
    pub fn on(mut self, item: Item) -> Self {
        self.conditions |= item.bit();
        self
    }

    /// With a change.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }
}

/// A call between its read and its write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    /// What it is going to write.
    pub plan: Plan,
    /// Whether something that it decided on has changed since.
    pub stale: bool,
}

/// Writes a transaction whose conditions hold.
pub fn apply(state: &mut State, plan: &Plan) {
    let mut written = 0;
    for write in &plan.writes {
        written |= write.item().map_or(0, Item::bit);
        put(state, *write);
    }
    if let Some(call) = &mut state.call {
        call.stale |= call.plan.conditions & written != 0;
    }
    let dirty = |w: &Write| matches!(w, Write::Status(_, Status::FailedDirty));
    if plan.writes.iter().any(dirty) && state.lock.doubts == 0 {
        state.broken.unheld = true;
    }
}

fn put(state: &mut State, write: Write) {
    match write {
        Write::Head(_) => {}
        Write::Status(rel, status) => {
            let known = state.of(rel).status;
            if state.of(rel).has_ended() && known != Some(status) {
                state.broken.revived = true;
            }
            state.of_mut(rel).status = Some(status);
        }
        Write::Refused(rel, why) => state.of_mut(rel).refused = Some(why),
        Write::Record(rel, kind, record) => state.of_mut(rel).records[kind as usize] = record,
        Write::Verified(rel, passed) => state.of_mut(rel).verified = Some(passed),
        Write::Wait(rel, wait) => state.of_mut(rel).wait = wait,
        Write::Request(rel, request) => state.of_mut(rel).request = request,
        Write::Lock(lock) => locked(state, lock),
        Write::Queue(rel) => {
            if !state.queue.contains(&rel) {
                state.queue.push(rel);
            }
        }
        Write::Unqueue(rel) => state.queue.retain(|waiting| *waiting != rel),
        Write::Deployed(deployed) => recorded(state, deployed),
        Write::TakenBack(version) => {
            let began = |r: &Release| r.evidence == version && r.records[0] != Record::None;
            let ran = state.deployed.iter().any(|d| d.version == version);
            state.broken.slandered |= !ran && !state.releases.iter().any(began);
            state.taken_back |= version.bit();
        }
        Write::Lifted(version) => state.taken_back &= !version.bit(),
        Write::Halted(halted) => state.halted = halted,
    }
}

/// A lock that changes hands must not be kept from the newcomer.
fn locked(state: &mut State, lock: Lock) {
    if let Some(new) = lock.holder.filter(|_| lock.holder != state.lock.holder) {
        let doubted = state.lock.doubts > 0 && !new.is_rollback();
        state.broken.passed_hold |= state.lock.hold || doubted;
    }
    state.lock = lock;
}

/// What is recorded as running. Who records it has the lock, or had it until
/// this very transaction.
fn recorded(state: &mut State, deployed: Deployed) {
    if state.lock.holder != Some(deployed.by) {
        state.broken.unfenced = true;
    }
    if state.taken_back & deployed.version.bit() != 0 {
        state.broken.returned = true;
    }
    let release = state.of(deployed.by);
    if deployed.restored.is_none() && release.request != Request::Approved(deployed.version) {
        state.broken.unapproved = true;
    }
    state.deployed.push(deployed);
}
