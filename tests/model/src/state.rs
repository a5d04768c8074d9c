//! The model's state: the table's items that matter, and the world around them.

pub use gatewright_domain::release::Status;

/// A release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rel {
    /// The first.
    A,
    /// The second.
    B,
    /// A rollback by hand.
    R,
    /// The one that ran before all of them. It has ended.
    Zero,
}

impl Rel {
    /// Those that move.
    pub const MOVING: [Self; 3] = [Self::A, Self::B, Self::R];

    /// Whether it brings back what ran before.
    pub fn is_rollback(self) -> bool {
        self == Self::R
    }

    /// Its bit in a set of releases.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Its place in [`State::releases`].
    pub fn at(self) -> usize {
        self as usize
    }
}

/// What can run, by digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// What ran before.
    Zero,
    /// What the first release built.
    A,
    /// What the second built.
    B,
    /// What a release built when its evidence changed.
    Other,
}

impl Version {
    /// Its bit in a set of versions.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Why a stage failed, as far as it matters which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The build or the test failed, or was stopped.
    Build,
    /// The build was given up.
    BuildLost,
    /// It changed the environment without its lock.
    LockLost,
    /// The environment runs something else than the requester saw.
    MovedOn,
    /// A halt.
    Halted,
    /// It was taken back.
    TakenBack,
    /// It is not what was approved.
    EvidenceChanged,
    /// Clearing was refused otherwise.
    Refused,
    /// It waited too long.
    Expired,
}

/// Where an execution is in its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exec {
    /// It has not been started.
    Not,
    /// It asks for approval.
    Approving,
    /// `clear to deploy`.
    Clearing,
    /// The deploy.
    Deploying,
    /// The test after it.
    Verifying,
    /// `roll back`.
    Undoing,
    /// `Finish`.
    Finishing,
    /// It was stopped from outside.
    Stopped,
}

impl Exec {
    /// Whether Step Functions says that it runs.
    pub fn is_running(self) -> bool {
        !matches!(self, Self::Not | Self::Stopped)
    }
}

/// A request for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// None was made.
    None,
    /// Of this evidence.
    Open(Version),
    /// Of this evidence.
    Approved(Version),
    /// Rejected, expired, or its release ended.
    Closed,
}

/// A wait for the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wait {
    /// There is none.
    None,
    /// It waits.
    Waiting,
    /// It is answered.
    Answered {
        /// With a yes.
        yes: bool,
        /// After it has waited.
        waited: bool,
    },
}

/// What a stage does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Changes the environment; of a rollback, brings it back.
    Deploy,
    /// Brings it back when what came after failed.
    Undo,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Deploy, Self::Undo];
}

/// An attempt at a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Record {
    /// It has not begun.
    None,
    /// It runs.
    Running {
        /// What it puts there.
        what: Version,
        /// Whether the build's id is noted.
        noted: bool,
    },
    /// It passed.
    Passed,
    /// It failed.
    Failed {
        /// Why.
        why: Why,
        /// Whether a build's id had been noted.
        noted: bool,
    },
}

/// A build, as CodeBuild knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Build {
    /// There is none.
    None,
    /// It runs.
    Running(Version),
    /// It has passed.
    Passed,
    /// It has failed or was stopped.
    Failed,
}

/// A release's items, its execution and its builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Release {
    /// Its execution.
    pub exec: Exec,
    /// Whether the execution caught a failure.
    pub caught: bool,
    /// Its head's status; none before it is admitted.
    pub status: Option<Status>,
    /// Why clearing or starting was refused.
    pub refused: Option<Why>,
    /// What its builds left: what it wants to deploy.
    pub evidence: Version,
    /// Of a rollback: the release whose version its requester saw running.
    pub saw: Rel,
    /// Of a rollback: the release whose version it brings back.
    pub to: Rel,
    /// Its approval.
    pub request: Request,
    /// Its wait for the environment.
    pub wait: Wait,
    /// The deploy's and the way back's records.
    pub records: [Record; 2],
    /// The record of the test between them: none, or whether it passed.
    pub verified: Option<bool>,
    /// The deploy's and the way back's builds.
    pub builds: [Build; 2],
}

impl Release {
    /// Whether it was admitted and has not ended.
    pub fn goes_on(&self) -> bool {
        self.status == Some(Status::Running)
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.status.is_some_and(Status::has_ended)
    }
}

/// The environment's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lock {
    /// Who has it.
    pub holder: Option<Rel>,
    /// Whether a person keeps newcomers out.
    pub hold: bool,
    /// Which releases ended dirty since anybody knew what runs: a bit each.
    pub doubts: u8,
    /// How often it has changed hands.
    pub fencing: u8,
}

/// What was put into the environment, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deployed {
    /// Who did.
    pub by: Rel,
    /// What.
    pub version: Version,
    /// The release whose version it is, when it had run before.
    pub restored: Option<Rel>,
}

impl Deployed {
    /// The release whose version it is.
    pub fn version_of(&self) -> Rel {
        self.restored.unwrap_or(self.by)
    }
}

/// How much of its bounds a run has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Used {
    /// Stalled calls that have begun ...
    pub stalls: u8,
    /// ... and that have ended.
    pub stalls_over: u8,
    /// See [`crate::Bounds`].
    pub stops: u8,
    /// See [`crate::Bounds`].
    pub holds: u8,
    /// Holds that were given back.
    pub unholds: u8,
    /// See [`crate::Bounds`].
    pub halts: u8,
    /// Halts that were lifted.
    pub resumes: u8,
    /// See [`crate::Bounds`].
    pub changes: u8,
    /// See [`crate::Bounds`].
    pub unnoted: u8,
    /// See [`crate::Bounds`].
    pub lifts: u8,
}

/// What must never be done; noted by whoever sees it done, so that a property can
/// ask for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Something was put there that nobody had approved.
    pub unapproved: bool,
    /// Something was recorded without the lock.
    pub unfenced: bool,
    /// A release left its end.
    pub revived: bool,
    /// Something that was taken back was put there again.
    pub returned: bool,
    /// Something was taken back that nobody had begun to put there.
    pub slandered: bool,
    /// A newcomer got past a hold.
    pub passed_hold: bool,
    /// A dirty end left no hold.
    pub unheld: bool,
    /// A rollback changed something else than its requester saw.
    pub moved_on: bool,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The releases, by [`Rel::at`].
    pub releases: [Release; 3],
    /// The lock.
    pub lock: Lock,
    /// Who waits, in the order in which they came.
    pub queue: Vec<Rel>,
    /// What was put into the environment, oldest first; the last is what the
    /// record says that runs.
    pub deployed: Vec<Deployed>,
    /// The versions that were taken back, as bits.
    pub taken_back: u8,
    /// Whether everything is halted.
    pub halted: bool,
    /// A call that has read and not yet written.
    pub call: Option<crate::table::Call>,
    /// How much has happened.
    pub used: Used,
    /// What the environment really runs; nothing known while and after a change
    /// that did not come to a good end.
    pub real: Option<Version>,
    /// What must never be done.
    pub broken: Broken,
}

impl State {
    /// Before anything.
    pub fn first(again: bool) -> Self {
        let release = |evidence| Release {
            exec: Exec::Not,
            caught: false,
            status: None,
            refused: None,
            evidence,
            saw: Rel::Zero,
            to: Rel::Zero,
            request: Request::None,
            wait: Wait::None,
            records: [Record::None; 2],
            verified: None,
            builds: [Build::None; 2],
        };
        let second = if again { Version::A } else { Version::B };
        Self {
            releases: [release(Version::A), release(second), release(Version::Zero)],
            lock: Lock {
                holder: None,
                hold: false,
                doubts: 0,
                fencing: 0,
            },
            queue: Vec::new(),
            deployed: vec![Deployed {
                by: Rel::Zero,
                version: Version::Zero,
                restored: None,
            }],
            taken_back: 0,
            halted: false,
            call: None,
            used: Used::default(),
            real: Some(Version::Zero),
            broken: Broken::default(),
        }
    }

    /// A release.
    pub fn of(&self, rel: Rel) -> &Release {
        &self.releases[rel.at()]
    }

    /// A release, to be changed.
    pub fn of_mut(&mut self, rel: Rel) -> &mut Release {
        &mut self.releases[rel.at()]
    }

    /// What the record says that runs.
    pub fn current(&self) -> Option<&Deployed> {
        self.deployed.last()
    }
}
