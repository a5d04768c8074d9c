//! The product's own decisions, asked about the model's state.
//!
//! They are pure functions, so each question is asked once and its answer kept:
//! there are far fewer questions than states.

mod words;

use crate::state::{Deployed, Lock, Record, Rel, Request, State, Status, Version, Why};
use crate::undo;
use gatewright_domain::ErrorName;
use gatewright_domain::decide::{self, ClearSnapshot, Clearance, Obstacle, may_go_on};
use gatewright_domain::pipeline::Queue;
use gatewright_domain::release::{Failure, Head};
use gatewright_domain::undo::WaysBack;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use words::*;

/// The build stage's, the approval's, the deploy's, the test's and the way back's
/// position.
const BUILD: usize = 0;
const ASK: usize = 1;
const DEPLOY: usize = 2;
const VERIFY: usize = 3;
const UNDO: usize = 4;
/// The name of the one artifact.
const IMAGE: &str = "image";
/// A lease, in seconds. There is no clock here: a lease may run out at any time.
const LEASE: i64 = 3_600;

/// What `clear` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleared {
    /// Now, under this lock.
    Now(Lock),
    /// Later; whether a hold is among what is in the way.
    Later {
        /// Whether a hold is in the way.
        held: bool,
    },
    /// Not at all.
    Never(Why),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Question {
    Clear {
        rel: Rel,
        status: Status,
        evidence: Version,
        request: Request,
        halted: bool,
        lock: Lock,
        queue: Vec<Rel>,
        current: Option<Deployed>,
        taken_back: bool,
        saw: Option<Rel>,
    },
    Runs(Rel, Option<Deployed>),
    Target(Vec<Deployed>, u8, Vec<Rel>, u8),
    GoOn(Rel, bool),
    End([Record; 2], Option<bool>, bool, Version, Rel),
    Taken(Lock, Rel),
    Released(Lock, Rel),
    Held(Lock),
    Unheld(Lock),
    Doubted(Lock, Rel),
    Known(Lock),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Cleared(Cleared),
    Lock(Option<Lock>),
    Ending(Status, bool),
    Target(Option<Deployed>),
    Yes(bool),
}

thread_local! {
    static KNOWN: RefCell<HashMap<Question, Answer>> = RefCell::new(HashMap::new());
}

fn ask(question: Question) -> Answer {
    let known = KNOWN.with_borrow(|known| known.get(&question).cloned());
    known.unwrap_or_else(|| {
        let answer = decide(&question);
        KNOWN.with_borrow_mut(|known| known.insert(question, answer.clone()));
        answer
    })
}

/// May the release's deploy begin now? (`decide::clear`)
pub fn clear(state: &State, rel: Rel, status: Status) -> Cleared {
    let release = state.of(rel);
    match ask(Question::Clear {
        rel,
        status,
        evidence: release.evidence,
        request: release.request,
        halted: state.halted,
        lock: state.lock,
        queue: state.queue.clone(),
        current: state.current().copied(),
        taken_back: undo::stays_back(state, release.evidence),
        saw: rel.is_rollback().then_some(release.saw),
    }) {
        Answer::Cleared(cleared) => cleared,
        Answer::Lock(_) | Answer::Ending(..) | Answer::Target(_) | Answer::Yes(_) => {
            Cleared::Never(Why::Refused)
        }
    }
}

/// Do people's orders let the deploy begin? (`decide::may_go_on`)
pub fn goes_on(state: &State, rel: Rel) -> bool {
    ask(Question::GoOn(rel, state.halted)) == Answer::Yes(true)
}

/// How the release ends, and whether it leaves the environment unknown.
/// (`decide::ending`)
pub fn ending(state: &State, rel: Rel, caught: bool) -> (Status, bool) {
    let release = state.of(rel);
    let question = Question::End(
        release.records,
        release.verified,
        caught,
        release.evidence,
        rel,
    );
    match ask(question) {
        Answer::Ending(status, dirty) => (status, dirty),
        Answer::Cleared(_) | Answer::Lock(_) | Answer::Target(_) | Answer::Yes(_) => {
            (Status::FailedDirty, true)
        }
    }
}

/// Does the environment run what whoever asked for the rollback saw there?
/// (`decide::undo::still_runs`)
pub fn still_runs(state: &State, saw: Rel) -> bool {
    ask(Question::Runs(saw, state.current().copied())) == Answer::Yes(true)
}

/// What a rollback that is asked for now would bring back, if nothing speaks
/// against it. (`decide::undo::judge_rollback`)
pub fn target(state: &State) -> Option<Deployed> {
    let failed = |rel: &Rel| {
        let release = state.of(*rel);
        let one = |record: &Record| matches!(record, Record::Failed { .. });
        release.verified == Some(false) || release.records.iter().any(one)
    };
    let failed = Rel::MOVING.into_iter().filter(failed).collect();
    let deployed = state.deployed.clone();
    let doubts = state.lock.doubts;
    match ask(Question::Target(deployed, state.taken_back, failed, doubts)) {
        Answer::Target(target) => target,
        Answer::Cleared(_) | Answer::Lock(_) | Answer::Ending(..) | Answer::Yes(_) => None,
    }
}

/// `Lock::taken`.
pub fn taken(lock: Lock, rel: Rel) -> Option<Lock> {
    locked(Question::Taken(lock, rel))
}

/// `Lock::released`.
pub fn released(lock: Lock, rel: Rel) -> Option<Lock> {
    locked(Question::Released(lock, rel))
}

/// `Lock::held`.
pub fn held(lock: Lock) -> Lock {
    locked(Question::Held(lock)).unwrap_or(lock)
}

/// `Lock::unheld`.
pub fn unheld(lock: Lock) -> Lock {
    locked(Question::Unheld(lock)).unwrap_or(lock)
}

/// `Lock::doubted`.
pub fn doubted(lock: Lock, rel: Rel) -> Lock {
    locked(Question::Doubted(lock, rel)).unwrap_or(lock)
}

/// `Lock::known`.
pub fn known(lock: Lock) -> Lock {
    locked(Question::Known(lock)).unwrap_or(lock)
}

fn locked(question: Question) -> Option<Lock> {
    match ask(question) {
        Answer::Lock(lock) => lock,
        Answer::Cleared(_) | Answer::Ending(..) | Answer::Target(_) | Answer::Yes(_) => None,
    }
}

fn decide(question: &Question) -> Answer {
    match question {
        Question::Clear {
            rel,
            status,
            evidence,
            request,
            halted,
            lock,
            queue,
            current,
            taken_back,
            saw,
        } => {
            let mut head = head(*rel, *status);
            if let (Some(trigger), Some(saw)) = (&mut head.trigger, saw) {
                trigger.instead_of = Some(id(*saw));
            }
            let records = vec![built(*rel, *evidence)];
            let seen = ClearSnapshot {
                signed: Vec::new(),
                rollback: rel.is_rollback(),
                must_have_passed: if rel.is_rollback() {
                    Vec::new()
                } else {
                    vec![BUILD]
                },
                approval: (!rel.is_rollback()).then(|| asked(*rel, *request)),
                index: DEPLOY,
                environment: environment(),
                protected: false,
                artifacts: vec![IMAGE.to_owned()],
                directory: directory(),
                gone: Vec::new(),
                controls: controls(*halted),
                windows: Vec::new(),
                promotion: None,
                origin: None,
                current: current.as_ref().map(deployment),
                taken_back: taken_back
                    .then(|| taken_from(*evidence))
                    .into_iter()
                    .collect(),
                lock: to_lock(lock),
                lease: LEASE,
                queue: Queue::InOrder,
                waiting: (1..).zip(queue).map(waiting).collect(),
                records: match rel.is_rollback() {
                    true => Vec::new(),
                    false => records,
                },
                head: match rel.is_rollback() {
                    true => Head {
                        given: vec![artifact(*evidence)],
                        ..head
                    },
                    false => head,
                },
            };
            Answer::Cleared(cleared(decide::clear(&seen, now())))
        }
        Question::GoOn(rel, halted) => {
            let head = head(*rel, Status::Running);
            let (controls, place) = (controls(*halted), environment());
            let rollback = rel.is_rollback();
            Answer::Yes(may_go_on(&head, &controls, rollback, Some(&place), now()).is_ok())
        }
        Question::End(records, verified, caught, evidence, rel) => {
            let caught = caught.then(|| Failure {
                stage: None,
                error: "Stopped".to_owned(),
                cause: "the execution was stopped".to_owned(),
            });
            let verify = name(&format!("stage {VERIFY}"));
            let place = environment();
            let unproven = decide::Unproven {
                stage: &verify,
                environment: &place,
            };
            // Mirrors `decide::unproven` for the model's one test after the deploy.
            let stands = records[0] == Record::Passed && records[1] != Record::Passed;
            let open = !rel.is_rollback() && stands && *verified != Some(true);
            let unproven: &[_] = if open { &[unproven] } else { &[] };
            let records = recorded(*rel, records, *verified, *evidence);
            let ending = decide::ending(&records, unproven, caught);
            Answer::Ending(ending.status, !ending.dirty.is_empty())
        }
        Question::Runs(saw, current) => {
            let mut head = head(Rel::R, Status::Running);
            let runs = head.trigger.as_mut().is_some_and(|trigger| {
                trigger.instead_of = Some(id(*saw));
                let current = current.as_ref().map(deployment);
                decide::undo::still_runs(trigger, current.as_ref()).is_none()
            });
            Answer::Yes(runs)
        }
        Question::Target(deployed, taken_back, failed, doubts) => {
            Answer::Target(goes_back(deployed, *taken_back, failed, *doubts))
        }
        Question::Taken(lock, rel) => {
            let taken = to_lock(lock).taken(&id(*rel), now(), LEASE);
            Answer::Lock(taken.as_ref().map(from_lock))
        }
        Question::Released(lock, rel) => {
            let released = to_lock(lock).released(&id(*rel));
            Answer::Lock(released.as_ref().map(from_lock))
        }
        Question::Held(lock) => Answer::Lock(Some(from_lock(&to_lock(lock).held(a_hold())))),
        Question::Unheld(lock) => Answer::Lock(Some(from_lock(&to_lock(lock).unheld()))),
        Question::Doubted(lock, rel) => {
            let doubted = to_lock(lock).doubted(a_doubt(*rel));
            Answer::Lock(Some(from_lock(&doubted)))
        }
        Question::Known(lock) => Answer::Lock(Some(from_lock(&to_lock(lock).known()))),
    }
}

fn cleared(clearance: Clearance) -> Cleared {
    match clearance {
        Clearance::Clear { lock, .. } => Cleared::Now(from_lock(&lock)),
        Clearance::Wait { because, .. } => Cleared::Later {
            held: because
                .iter()
                .any(|o| matches!(o, Obstacle::Hold { .. } | Obstacle::Doubt { .. })),
        },
        Clearance::Refused { error, .. } => Cleared::Never(match error {
            ErrorName::Halted => Why::Halted,
            ErrorName::EvidenceChanged => Why::EvidenceChanged,
            ErrorName::TakenBack => Why::TakenBack,
            ErrorName::MovedOn => Why::MovedOn,
            _ => Why::Refused,
        }),
    }
}

fn goes_back(
    deployed: &[Deployed],
    taken_back: u8,
    failed: &[Rel],
    doubts: u8,
) -> Option<Deployed> {
    let mut versions: Vec<Version> = deployed.iter().map(|d| d.version).collect();
    versions.retain(|version| taken_back & version.bit() != 0);
    let seen = WaysBack {
        current: deployed.last().map(deployment),
        history: deployed.iter().rev().map(deployment).collect(),
        taken_back: versions.into_iter().map(taken_from).collect(),
        migrations: Vec::new(),
        failed: failed.iter().map(|rel| id(*rel)).collect(),
        doubted: words::doubted(doubts).map(id).collect(),
    };
    let trigger = head(Rel::R, Status::Running).trigger?;
    let judged = decide::undo::judge_rollback(&seen, &environment(), &trigger);
    let target = judged
        .target
        .as_ref()
        .filter(|_| judged.refused().is_none())?;
    let found = |d: &&Deployed| deployment(d) == target.deployment;
    deployed.iter().rev().find(found).copied()
}
