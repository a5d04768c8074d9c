//! Which rules hold, and how much may happen.

/// The rules that can be broken one at a time, to see that the check notices.
/// All hold in the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whoever is cleared finds the lock free or its own.
    pub lock: bool,
    /// A transaction fails when what it decided on has changed since.
    pub conditions: bool,
    /// An approval is of one evidence.
    pub approval_binds: bool,
    /// A deploy is recorded only under the lock.
    pub fencing: bool,
    /// The sweep takes a dead holder's lock.
    pub heal: bool,
    /// What is healed ends first, as `finish-release` ends it.
    pub heal_ends: bool,
    /// The sweep ends a release whose execution died without anybody being told.
    pub silent: bool,
    /// The builds of a release are stopped before its lock is given up.
    pub stop_first: bool,
    /// What was taken back stays back.
    pub taken_back: bool,
    /// A change that never began is not undone.
    pub began: bool,
    /// A rollback changes what its requester saw.
    pub still_runs: bool,
    /// A hold keeps newcomers out.
    pub hold: bool,
    /// A dirty end leaves a hold.
    pub dirty_holds: bool,
    /// The sweep gives up builds that never end, and waits that last too long.
    pub gives_up: bool,
}

impl Rules {
    /// The product's.
    pub const ALL: Self = Self {
        lock: true,
        conditions: true,
        approval_binds: true,
        fencing: true,
        heal: true,
        heal_ends: true,
        silent: true,
        stop_first: true,
        taken_back: true,
        began: true,
        still_runs: true,
        hold: true,
        dirty_holds: true,
        gives_up: true,
    };
}

/// How often each thing that nobody plans may happen in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Calls that read, and write only after others have written.
    pub stalls: u8,
    /// Executions stopped from outside.
    pub stops: u8,
    /// Whether the event of a stopped execution is lost for good, and not only late.
    pub lost: bool,
    /// Holds by a person; each may be given back once.
    pub holds: u8,
    /// Halts of everything; each may be lifted once.
    pub halts: u8,
    /// Evidence that changes after it was approved.
    pub changes: u8,
    /// Builds whose id is not noted when they are started.
    pub unnoted: u8,
    /// Whether a rollback may be asked for.
    pub rollback: bool,
    /// Whether the second release is of the same digest as the first: it is
    /// released again.
    pub again: bool,
    /// Times that people allow again what was taken back.
    pub lifts: u8,
}

impl Bounds {
    /// Nothing goes wrong but builds and people's answers.
    pub const CALM: Self = Self {
        stalls: 0,
        stops: 0,
        lost: false,
        holds: 0,
        halts: 0,
        changes: 0,
        unnoted: 0,
        rollback: true,
        again: false,
        lifts: 0,
    };
}
