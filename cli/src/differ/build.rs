//! What a stage's build runs, and on what.

use super::{Differ, instead, or_nothing};
use gatewright_domain::pipeline::{Build, Stage, Step, Variable};
use gatewright_domain::text::spoken;
use indexmap::IndexMap;

impl Differ<'_> {
    /// The build of a stage that is in both definitions.
    pub fn build(&mut self, place: &str, stage: &Stage, old: &Build, new: &Build) {
        self.steps(place, stage, &old.steps, &new.steps);
        self.changed(place, (&old.install, &new.install), |_, _| {
            "other commands prepare it".to_owned()
        });
        self.changed(place, (&old.finally, &new.finally), |_, _| {
            "other commands run at its end, whatever happened".to_owned()
        });
        self.changed(place, (&old.timeout, &new.timeout), |a, b| {
            let (a, b) = (a.get(), b.get());
            let by = spoken((b - a).abs());
            let more = if b > a { "longer" } else { "less long" };
            format!(
                "may take {by} {more}: {} instead of {}",
                spoken(b),
                spoken(a)
            )
        });
        let texts = [
            ("the CodeBuild project", &old.project, &new.project),
            ("the build image", &old.image, &new.image),
            ("the compute type", &old.compute, &new.compute),
        ];
        for (what, a, b) in texts {
            self.changed(place, (a, b), |a, b| instead(what, a, b));
        }
        self.changed(place, (&old.retries, &new.retries), |a, b| {
            instead("how often CodeBuild's own failures are retried", a, b)
        });
        self.changed(place, (&old.produces, &new.produces), |a, b| {
            let (a, b) = (or_nothing(a.as_ref()), or_nothing(b.as_ref()));
            format!("makes {b} instead of {a}")
        });
        self.entries(place, "runtime", &old.runtimes, &new.runtimes, |version| {
            version.clone()
        });
        self.entries(place, "service", &old.services, &new.services, |service| {
            service.image.clone()
        });
        self.entries(place, "variable", &old.env, &new.env, variable);
        self.entries(place, "report", &old.reports, &new.reports, |report| {
            format!("{} in {}", report.format.as_str(), report.files.join(" "))
        });
        self.changed(place, (&old.cache, &new.cache), |_, _| {
            "other files are kept from build to build".to_owned()
        });
        self.changed(place, (&old.exports, &new.exports), |_, _| {
            "other variables are passed on".to_owned()
        });
    }

    /// A check that is gone from a stage that guards an environment lets more
    /// through. A deploy's own steps are how it is done, not whether; but `verify` is
    /// among them, so that fewer than before may look at less.
    fn steps(&mut self, place: &str, stage: &Stage, old: &[Step], new: &[Step]) {
        let guarded = match stage.deploy() {
            Some(_) if new.len() < old.len() => stage.environment.iter().cloned().collect(),
            Some(_) => Vec::new(),
            None => self.guards.guarded_by(&stage.name),
        };
        for step in old {
            match new.iter().find(|other| other.name == step.name) {
                None => {
                    let what = format!("no longer runs the step {:?}", step.name);
                    self.weaken(place, what, &guarded);
                }
                Some(now) if now.run != step.run => {
                    self.say(
                        place,
                        format!("the step {:?} runs other commands", step.name),
                    );
                }
                Some(_) => {}
            }
        }
        for step in new {
            if !old.iter().any(|other| other.name == step.name) {
                self.say(place, format!("has a new step {:?}", step.name));
            }
        }
    }

    fn entries<V: PartialEq>(
        &mut self,
        place: &str,
        what: &str,
        old: &IndexMap<String, V>,
        new: &IndexMap<String, V>,
        said: impl Fn(&V) -> String,
    ) {
        for (name, a) in old {
            match new.get(name) {
                None => self.say(place, format!("the {what} {name} is gone")),
                Some(b) if a != b => {
                    let (a, b) = (said(a), said(b));
                    let told = if a == b {
                        format!("the {what} {name} is another")
                    } else {
                        instead(&format!("the {what} {name}"), a, b)
                    };
                    self.say(place, told);
                }
                Some(_) => {}
            }
        }
        for (name, b) in new {
            if !old.contains_key(name) {
                self.say(place, format!("the {what} {name} is new: {}", said(b)));
            }
        }
    }
}

fn variable(variable: &Variable) -> String {
    match variable {
        Variable::Plain { value } => format!("{value:?}"),
        Variable::Secret { id } => format!("the secret {id}"),
        Variable::Parameter { name } => format!("the parameter {name}"),
    }
}
