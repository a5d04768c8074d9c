//! Stages and their order, approvals, deploys.

use super::people::{looks_weaker, newly_enough, total};
use super::{Differ, instead, or_nothing};
use crate::words::{count, quorum};
use gatewright_domain::pipeline::{Approval, Definition, Stage, Watching, Work};
use gatewright_domain::text::spoken;
use gatewright_domain::{EnvironmentName, StageName};
use gatewright_views::text::listed;

impl Differ<'_> {
    /// Stages that came, went, moved, or are others.
    pub fn stages(&mut self) {
        let (before, after) = (self.before, self.after);
        for old in &before.stages {
            match after.stage(&old.name) {
                None => self.gone(old),
                Some((_, new)) => self.stage(old, new),
            }
        }
        let new = after
            .stages
            .iter()
            .enumerate()
            .filter(|(_, stage)| before.stage(&stage.name).is_none());
        for (index, stage) in new {
            if !made_from_new(before, stage) && !self.by_strategy(stage) {
                let place = format!("stage {}", stage.name);
                let where_ = match index.checked_sub(1).and_then(|at| after.stages.get(at)) {
                    Some(earlier) => format!("after {}", earlier.name),
                    None => "at the beginning".to_owned(),
                };
                self.say(&place, format!("is new, {where_}{}", about(stage)));
            }
        }
        self.order();
        self.groups();
    }

    fn gone(&mut self, old: &Stage) {
        let part_of_gone = old
            .of
            .as_ref()
            .is_some_and(|of| self.before.stage(of).is_some() && self.after.stage(of).is_none());
        if part_of_gone || old.undoes() || self.by_strategy(old) {
            return;
        }
        let guarded = match &old.work {
            Work::Deploy(_) => Vec::new(),
            Work::Build(_) | Work::Approval(_) | Work::Watch(_) | Work::Pause(_) => {
                self.guards.guarded_by(&old.name)
            }
        };
        let place = format!("stage {}", old.name);
        self.weaken(&place, format!("is gone{}", about(old)), &guarded);
    }

    /// Whether it comes or goes with the environment's strategy, which is said
    /// there.
    fn by_strategy(&self, stage: &Stage) -> bool {
        let shifts = match &stage.work {
            Work::Deploy(_) | Work::Watch(_) | Work::Pause(_) => stage.of.is_some(),
            Work::Build(_) | Work::Approval(_) => false,
        };
        let of = |d: &Definition| {
            let environment = d.environments.get(stage.environment.as_ref()?)?;
            Some((
                environment.strategy.kind,
                environment.strategy.steps.clone(),
            ))
        };
        shifts && of(self.before) != of(self.after)
    }

    /// Stages that are in both and stand in another order.
    fn order(&mut self) {
        let both = |one: &Definition, other: &Definition| -> Vec<String> {
            one.stages
                .iter()
                .filter(|s| other.stage(&s.name).is_some() && s.of.is_none())
                .map(|s| s.name.to_string())
                .collect()
        };
        let (old, new) = (both(self.before, self.after), both(self.after, self.before));
        let mut rest = old.clone();
        for (at, name) in new.iter().enumerate() {
            if rest.first() == Some(name) {
                rest.remove(0);
                continue;
            }
            // Whichever stage moves past fewer others is the one that moved.
            let later = rest.first().is_some_and(|first| {
                let now = new.iter().position(|n| n == first);
                let was = rest.iter().position(|n| n == name);
                now.map(|n| n - at) > was
            });
            let moved = if later {
                rest.remove(0)
            } else {
                rest.retain(|other| other != name);
                name.clone()
            };
            if later && rest.first() == Some(name) {
                rest.remove(0);
            }
            let now = new.iter().position(|n| *n == moved).unwrap_or(at);
            let where_ = match now.checked_sub(1).and_then(|i| new.get(i)) {
                Some(earlier) => format!("comes after {earlier} now"),
                None => "comes first now".to_owned(),
            };
            self.say(&format!("stage {moved}"), where_);
        }
    }

    fn groups(&mut self) {
        let (before, after) = (self.before, self.after);
        for old in &before.groups {
            let place = format!("group {}", old.name);
            match after.groups.iter().find(|new| new.name == old.name) {
                None => self.say(&place, "its stages no longer run side by side".to_owned()),
                Some(new) => {
                    self.changed(
                        &place,
                        (&old.fail_fast, &new.fail_fast),
                        |_, now| match now {
                            true => "the first failure stops the others now".to_owned(),
                            false => "every stage runs to its end now".to_owned(),
                        },
                    )
                }
            }
        }
        for new in &after.groups {
            if !before.groups.iter().any(|old| old.name == new.name) {
                let stages = count(new.stages.len(), "stage");
                let what = format!("is new: {stages} side by side");
                self.say(&format!("group {}", new.name), what);
            }
        }
    }

    fn stage(&mut self, old: &Stage, new: &Stage) {
        let place = format!("stage {}", new.name);
        self.changed(&place, (&old.description, &new.description), |_, _| {
            "is described otherwise".to_owned()
        });
        self.changed(&place, (&old.environment, &new.environment), |a, b| {
            instead(
                "the environment",
                or_nothing(a.as_ref()),
                or_nothing(b.as_ref()),
            )
        });
        match (&old.work, &new.work) {
            (Work::Build(a), Work::Build(b)) => self.build(&place, old, a, b),
            (Work::Deploy(a), Work::Deploy(b)) => {
                self.changed(&place, (&a.artifacts, &b.artifacts), |a, b| {
                    format!("deploys {} instead of {}", listed(b), listed(a))
                });
                self.build(&place, old, &a.build, &b.build);
            }
            (Work::Approval(a), Work::Approval(b)) => {
                let about = old.environment.clone().into_iter().collect::<Vec<_>>();
                self.approval(&place, &about, a, b);
            }
            (Work::Pause(a), Work::Pause(b)) if a != b => {
                let guarded = self.guards.guarded_by(&old.name);
                let what = instead("the pause", spoken(a.lasts.get()), spoken(b.lasts.get()));
                self.weaken(&place, what, if b.lasts < a.lasts { &guarded } else { &[] });
            }
            (Work::Pause(_), Work::Pause(_)) => {}
            (Work::Watch(a), Work::Watch(b)) => self.watching(&place, &old.name, a, b),
            (Work::Pause(_), Work::Watch(_)) => {
                self.say(&place, "is watched instead of only passing".to_owned());
            }
            (
                Work::Build(_)
                | Work::Deploy(_)
                | Work::Approval(_)
                | Work::Watch(_)
                | Work::Pause(_),
                _,
            ) => {
                let guarded = self.guards.guarded_by(&old.name);
                let what = format!("is {} instead of {}", kind(new), kind(old));
                self.weaken(&place, what, &guarded);
            }
        }
        self.migration(&place, old, new);
        self.gates(&place, old, new);
    }

    /// A migration that is no longer called forward-only lets older versions on
    /// top of it.
    fn migration(&mut self, place: &str, old: &Stage, new: &Stage) {
        if old.migration == new.migration {
            return;
        }
        let what = match (old.migration, new.migration) {
            (Some(was), Some(is)) => instead("the migration", was, is),
            (_, Some(is)) => format!("migrates data now, {is}"),
            (_, None) => "is no migration any more".to_owned(),
        };
        let about: Vec<EnvironmentName> = old.environment.iter().cloned().collect();
        let weaker = old.is_forward_only() && !new.is_forward_only();
        self.weaken(place, what, if weaker { &about } else { &[] });
    }

    /// What is watched is said of the environment; this is how long.
    fn watching(&mut self, place: &str, name: &StageName, old: &Watching, new: &Watching) {
        let guarded = self.guards.guarded_by(name);
        let times = [
            ("the watch", old.lasts, new.lasts, new.lasts < old.lasts),
            (
                "the warm-up",
                old.warm_up,
                new.warm_up,
                new.warm_up > old.warm_up,
            ),
            (
                "the time to decide",
                old.decide_within,
                new.decide_within,
                false,
            ),
        ];
        for (what, a, b, less) in times {
            if a != b {
                let what = instead(what, spoken(a.get()), spoken(b.get()));
                self.weaken(place, what, if less { &guarded } else { &[] });
            }
        }
    }

    fn approval(&mut self, place: &str, about: &[EnvironmentName], old: &Approval, new: &Approval) {
        if old.quorum != new.quorum {
            self.quorum(place, about, old, new);
        }
        for item in &old.checklist {
            if !new.checklist.contains(item) {
                self.weaken(place, format!("approvers no longer confirm: {item}"), about);
            }
        }
        for item in &new.checklist {
            if !old.checklist.contains(item) {
                self.say(place, format!("approvers also confirm: {item}"));
            }
        }
        self.changed(place, (&old.expires, &new.expires), |a, b| {
            format!(
                "expires after {} instead of {}",
                spoken(b.get()),
                spoken(a.get())
            )
        });
        self.changed(place, (&old.remind, &new.remind), |a, b| {
            format!(
                "reminds after {} instead of {}",
                spoken(b.get()),
                spoken(a.get())
            )
        });
    }

    fn quorum(&mut self, place: &str, about: &[EnvironmentName], old: &Approval, new: &Approval) {
        let (a, b) = (total(&old.quorum), total(&new.quorum));
        let subject = about.first().map_or("it", |name| name.as_str());
        let many = |n: u32| count(n as usize, "approval");
        let mut what = if a == b {
            format!("{subject} needs other approvals")
        } else {
            format!("{subject} now needs {} instead of {a}", many(b))
        };
        let lines = format!(
            ": {} instead of {}",
            quorum(&new.quorum),
            quorum(&old.quorum)
        );
        what.push_str(&lines);
        let weaker = match newly_enough(&old.quorum, &new.quorum, self.directory) {
            Ok(None) => false,
            Ok(Some(people)) => {
                let name = |id| gatewright_views::asked::name(self.directory, id);
                let names: Vec<String> = people.iter().map(name).collect();
                let is = if names.len() == 1 { "alone is" } else { "are" };
                what.push_str(&format!("; now {} {is} enough", listed(&names)));
                true
            }
            Err(_) => b < a || looks_weaker(&old.quorum, &new.quorum),
        };
        self.weaken(place, what, if weaker { about } else { &[] });
    }
}

/// Whether it is part of a stage that is new itself.
fn made_from_new(before: &Definition, stage: &Stage) -> bool {
    let part_of_new = stage
        .of
        .as_ref()
        .is_some_and(|of| before.stages.iter().all(|s| &s.name != of));
    let part_of_group = stage
        .of
        .as_ref()
        .is_some_and(|of| before.groups.iter().any(|g| &g.name == of));
    stage.undoes() || (part_of_new && !part_of_group && stage.deploy().is_some())
}

/// `: it asked 1 of cab for production`.
fn about(stage: &Stage) -> String {
    match (&stage.work, &stage.environment) {
        (Work::Approval(approval), _) => format!(": an approval by {}", quorum(&approval.quorum)),
        (Work::Deploy(_), Some(environment)) => format!(": a deploy to {environment}"),
        (Work::Watch(watching), _) => format!(": a watch of {}", spoken(watching.lasts.get())),
        (Work::Pause(pause), _) => format!(": a pause of {}", spoken(pause.lasts.get())),
        (Work::Build(_) | Work::Deploy(_), _) => String::new(),
    }
}

fn kind(stage: &Stage) -> &'static str {
    match stage.work {
        Work::Build(_) => "a build",
        Work::Deploy(_) => "a deploy",
        Work::Approval(_) => "an approval",
        Work::Watch(_) => "a watch",
        Work::Pause(_) => "a pause",
    }
}
