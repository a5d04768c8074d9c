//! Everything that can happen next.

mod happen;

use crate::calls;
use crate::properties;
use crate::rank::rank;
use crate::real;
use crate::rules::{Bounds, Rules};
use crate::state::{Exec, Kind, Rel, Request, State, Status, Wait};
use crate::table::{Call, Plan, Write, apply};
use crate::undo;
use happen::{deliver, end, failed, give_up, order, start, stop_builds};
use stateright::{Model, Property};

/// The model: rules and bounds.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Which rules hold.
    pub rules: Rules,
    /// How much may happen.
    pub bounds: Bounds,
}

/// A function's call that reads, decides and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// `clear-deploy`, `hand_on` or the sweep.
    Clear(Rel),
    /// The sweep: it has waited too long.
    Expire(Rel),
    /// `start-build`.
    Begin(Rel),
    /// `finish-build` or the sweep; by an event that may come twice.
    Settle(Rel, Kind),
    /// The test after the deploy, as one step.
    Verify(Rel, bool),
    /// `finish-release`, as a state or by an event that may be late.
    Finish(Rel),
    /// The sweep, of a lock.
    Heal,
    /// A person's hold, or its end.
    Hold(bool),
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A call, from its read to its write.
    Do(Step),
    /// A call that reads now and writes later.
    Stall(Step),
    /// The call that has read writes; in vain when it is stale.
    Write,
    /// The call that has read dies.
    Crash,
    /// An execution starts.
    Start(Rel),
    /// People approve, or refuse, or let it expire.
    Decide(Rel, bool),
    /// What was approved changes.
    Change(Rel),
    /// `answer-task` resumes the execution.
    Deliver(Rel),
    /// `start-build` orders the build and notes its id, or dies before.
    Order(Rel, bool),
    /// A build ends.
    End(Rel, Kind, bool),
    /// The sweep gives a build up: it stops it.
    GiveUp(Rel, Kind),
    /// What follows an ending: builds that still run are stopped.
    StopBuilds(Rel),
    /// Somebody stops an execution.
    Stop(Rel),
    /// Somebody halts everything, or lifts that.
    Halt(bool),
    /// Somebody allows again what was taken back.
    Lift,
}

impl World {
    /// The product's rules within these bounds.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            rules: Rules::ALL,
            bounds,
        }
    }

    fn releases(&self) -> impl Iterator<Item = Rel> {
        let rollback = self.bounds.rollback;
        Rel::MOVING
            .into_iter()
            .filter(move |rel| rollback || !rel.is_rollback())
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = vec![Step::Heal];
        let used = &state.used;
        if used.holds < self.bounds.holds {
            steps.push(Step::Hold(false));
        }
        if used.unholds < self.bounds.holds {
            steps.push(Step::Hold(true));
        }
        for rel in self
            .releases()
            .filter(|rel| state.of(*rel).status.is_some())
        {
            steps.extend([Step::Clear(rel), Step::Expire(rel), Step::Begin(rel)]);
            steps.extend(Kind::ALL.map(|kind| Step::Settle(rel, kind)));
            steps.extend([true, false].map(|passed| Step::Verify(rel, passed)));
            let exec = state.of(rel).exec;
            // By its event, or by the sweep, which looks after who is silent for long.
            let told = !self.bounds.lost || self.rules.silent;
            if exec == Exec::Finishing || (exec == Exec::Stopped && told) {
                steps.push(Step::Finish(rel));
            }
        }
        steps
    }

    /// What a call decides now.
    fn plan(&self, state: &State, step: Step) -> Option<Plan> {
        let rules = self.rules;
        match step {
            Step::Clear(rel) => calls::clear(state, rules, rel),
            Step::Expire(rel) => calls::expire(state, rules, rel),
            Step::Begin(rel) => calls::begin(state, rules, rel)?.ok(),
            Step::Settle(rel, kind) => calls::settle(state, rules, rel, kind),
            Step::Verify(rel, passed) => calls::verify(state, rules, rel, passed),
            Step::Finish(rel) => calls::finish(state, rules, rel),
            Step::Heal => calls::heal(state, rules),
            // A person looks before giving back what nobody knows: no build runs.
            Step::Hold(true)
                if !state.lock.hold && state.lock.doubts > 0 && properties::is_changing(state) =>
            {
                None
            }
            Step::Hold(give_back) => calls::hold(state, give_back),
        }
    }

    /// What a call does to the world before it writes.
    fn before(&self, state: &mut State, step: Step) {
        let ending = match step {
            Step::Finish(rel) => Some(rel),
            Step::Heal if self.rules.heal_ends => state.lock.holder,
            _ => None,
        };
        if let Some(rel) = ending.filter(|rel| self.rules.stop_first && state.of(*rel).goes_on()) {
            stop_builds(state, rel);
        }
        match step {
            Step::Hold(false) => state.used.holds += 1,
            Step::Hold(true) => state.used.unholds += 1,
            _ => {}
        }
    }

    fn call(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        if let Step::Begin(rel) = step
            && let Err(why) = calls::begin(state, self.rules, rel)?
        {
            return Some(failed(next, rel, why));
        }
        self.plan(state, step)?;
        self.before(&mut next, step);
        // Builds that were stopped first are judged first.
        let plan = self.plan(&next, step)?;
        self.write(&mut next, &plan);
        Some(next)
    }

    /// Reads now: what stops builds does so at once, what writes does so later.
    fn stall(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        self.plan(state, step)?;
        self.before(&mut next, step);
        let plan = self.plan(&next, step)?;
        next.used.stalls += 1;
        next.call = Some(Call { plan, stale: false });
        Some(next)
    }

    fn write(&self, state: &mut State, plan: &Plan) {
        let doubted = state.lock.doubts > 0;
        apply(state, plan);
        let given_back = doubted && state.lock.doubts == 0 && plan.writes.iter().any(ordered);
        if given_back && !properties::is_changing(state) {
            // Whoever gives back what nobody knew has looked, and put it right.
            state.real = state.current().map(|d| d.version);
        }
    }
}

/// Whether a write is that of an order.
fn ordered(write: &Write) -> bool {
    matches!(write, Write::Halted(_))
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self.bounds.again)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let steps = self.steps(state);
        if state.call.is_some() {
            actions.extend([Action::Write, Action::Crash]);
        } else if state.used.stalls < self.bounds.stalls {
            actions.extend(steps.iter().copied().map(Action::Stall));
        }
        actions.extend(steps.into_iter().map(Action::Do));
        let used = &state.used;
        for rel in self.releases() {
            actions.push(Action::Start(rel));
            if state.of(rel).status.is_none() {
                continue;
            }
            actions.extend([true, false].map(|yes| Action::Decide(rel, yes)));
            actions.extend([Action::Deliver(rel), Action::Order(rel, true)]);
            actions.push(Action::StopBuilds(rel));
            if used.unnoted < self.bounds.unnoted {
                actions.push(Action::Order(rel, false));
            }
            if used.changes < self.bounds.changes {
                actions.push(Action::Change(rel));
            }
            if used.stops < self.bounds.stops {
                actions.push(Action::Stop(rel));
            }
            for kind in Kind::ALL {
                actions.extend([true, false].map(|passed| Action::End(rel, kind, passed)));
                actions.push(Action::GiveUp(rel, kind));
            }
        }
        if used.halts < self.bounds.halts {
            actions.push(Action::Halt(true));
        }
        if used.resumes < self.bounds.halts {
            actions.push(Action::Halt(false));
        }
        if used.lifts < self.bounds.lifts {
            actions.push(Action::Lift);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let next = self.after(state, action)?;
        if next == *state {
            return None;
        }
        debug_assert!(
            self.rules != Rules::ALL || rank(&next) > rank(state),
            "{action:?} leads in a circle, from {state:#?}"
        );
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }
}

impl World {
    /// What follows from an action, if it is possible.
    fn after(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Do(step) => return self.call(state, step),
            Action::Stall(step) => return self.stall(state, step),
            Action::Write | Action::Crash => {
                let call = next.call.take()?;
                next.used.stalls_over += 1;
                let holds = !call.stale || !self.rules.conditions;
                if action == Action::Write && holds {
                    self.write(&mut next, &call.plan);
                }
            }
            Action::Start(rel) => return start(state, rel),
            Action::Decide(rel, yes) => {
                let Request::Open(version) = state.of(rel).request else {
                    return None;
                };
                let request = match yes {
                    true => Request::Approved(version),
                    false => Request::Closed,
                };
                let plan = Plan::of(rel).write(Write::Request(rel, request));
                self.write(&mut next, &plan);
            }
            Action::Change(rel) => {
                // Nothing that was judged is written again; this is somebody's hand
                // in the table, before the deploy is cleared.
                let early = matches!(state.of(rel).exec, Exec::Approving | Exec::Clearing);
                let open = matches!(state.of(rel).wait, Wait::None | Wait::Waiting);
                if rel.is_rollback() || !early || !open || !state.of(rel).goes_on() {
                    return None;
                }
                next.used.changes += 1;
                next.of_mut(rel).evidence = crate::state::Version::Other;
                self.write(&mut next, &Plan::of(rel));
            }
            Action::Deliver(rel) => return deliver(state, rel),
            Action::Order(rel, noted) => return order(self, state, rel, noted),
            Action::End(rel, kind, passed) => return end(state, rel, kind, passed),
            Action::GiveUp(rel, kind) => return give_up(self, state, rel, kind),
            Action::StopBuilds(rel) => {
                if !state.of(rel).has_ended() {
                    return None;
                }
                stop_builds(&mut next, rel);
            }
            Action::Stop(rel) => {
                if !state.of(rel).exec.is_running() || !state.of(rel).goes_on() {
                    return None;
                }
                next.used.stops += 1;
                next.of_mut(rel).exec = Exec::Stopped;
            }
            Action::Halt(halt) => {
                if state.halted == halt {
                    return None;
                }
                match halt {
                    true => next.used.halts += 1,
                    false => next.used.resumes += 1,
                }
                let plan = Plan::default().write(Write::Halted(halt));
                self.write(&mut next, &plan);
            }
            Action::Lift => {
                let versions = [crate::state::Version::A, crate::state::Version::B];
                let back = versions.into_iter().find(|v| undo::stays_back(state, *v))?;
                next.used.lifts += 1;
                let plan = Plan::default().write(Write::Lifted(back));
                self.write(&mut next, &plan);
            }
        }
        Some(next)
    }
}

/// Whether the product's `clear` lets a release wait because of a hold.
pub fn waits_for_hold(state: &State, rel: Rel) -> bool {
    let status = state.of(rel).status.unwrap_or(Status::Running);
    matches!(
        real::clear(state, rel, status),
        real::Cleared::Later { held: true }
    )
}
