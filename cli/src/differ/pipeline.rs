//! What is said of the pipeline as a whole: its source, artifacts, triggers,
//! messages.

use super::guards::split;
use super::{Differ, instead, or_nothing};
use gatewright_domain::EnvironmentName;
use gatewright_domain::pipeline::{Artifact, Definition, Form, Trigger};
use gatewright_domain::text::spoken;
use gatewright_views::text::listed;

const PLACE: &str = "pipeline";

impl Differ<'_> {
    /// The pipeline's own settings.
    pub fn pipeline(&mut self) {
        let (old, new) = (self.before, self.after);
        let texts = [
            ("the id", old.id.as_str(), new.id.as_str()),
            ("the name", &old.name, &new.name),
            ("the region", &old.region, &new.region),
            (
                "the repository",
                &old.source.repository,
                &new.source.repository,
            ),
            ("the source path", &old.source.path, &new.source.path),
        ];
        for (what, a, b) in texts {
            self.changed(PLACE, (&a, &b), |a, b| instead(what, a, b));
        }
        self.changed(PLACE, (&old.description, &new.description), |_, _| {
            "is described otherwise".to_owned()
        });
        self.changed(PLACE, (&old.budget, &new.budget), |a, b| {
            instead("the budget", spoken(a.get()), spoken(b.get()))
        });
        self.changed(PLACE, (&old.downstream, &new.downstream), |a, b| {
            let said = |ids: &[gatewright_domain::PipelineId]| {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                if ids.is_empty() {
                    "none".to_owned()
                } else {
                    listed(&ids)
                }
            };
            instead("what its releases start", said(a), said(b))
        });
        self.changed(PLACE, (&old.notify.slack, &new.notify.slack), |a, b| {
            instead(
                "the Slack channel",
                or_nothing(a.as_ref()),
                or_nothing(b.as_ref()),
            )
        });
        self.changed(PLACE, (&old.notify.routes, &new.notify.routes), |_, _| {
            "others hear of its events".to_owned()
        });
        self.changed(PLACE, (&old.targets, &new.targets), |_, _| {
            "other targets are set for its delivery metrics".to_owned()
        });
        self.accepts();
    }

    /// What is relied on although nothing enforces it.
    fn accepts(&mut self) {
        let protected: Vec<EnvironmentName> = self
            .before
            .environments
            .iter()
            .filter(|(_, environment)| environment.protected)
            .map(|(name, _)| name.clone())
            .collect();
        for feature in &self.after.accepts {
            if !self.before.accepts.contains(feature) {
                let what = format!(
                    "accepts that {feature} is not enforced: {}",
                    feature.instead()
                );
                self.weaken(PLACE, what, &protected);
            }
        }
        for feature in &self.before.accepts {
            if !self.after.accepts.contains(feature) {
                self.say(
                    PLACE,
                    format!("no longer accepts that {feature} is not enforced"),
                );
            }
        }
    }

    /// Artifacts that came, went, or are others.
    pub fn artifacts(&mut self) {
        let (before, after) = (self.before, self.after);
        for (name, old) in &before.artifacts {
            let place = format!("artifact {name}");
            match after.artifacts.get(name) {
                None => self.say(&place, "is gone".to_owned()),
                Some(new) => {
                    self.artifact(&place, old, new);
                    self.signed(&place, name, old, new);
                }
            }
        }
        for (name, new) in &after.artifacts {
            if !before.artifacts.contains_key(name) {
                let what = format!("is new: {}", form(&new.form));
                self.say(&format!("artifact {name}"), what);
            }
        }
    }

    fn artifact(&mut self, place: &str, old: &Artifact, new: &Artifact) {
        self.changed(place, (&old.form, &new.form), |a, b| {
            format!("is {} instead of {}", form(b), form(a))
        });
        self.changed(place, (&old.keep, &new.keep), |a, b| {
            format!("the last {b} are kept instead of {a}")
        });
        self.changed(place, (&old.version, &new.version), |_, b| {
            format!(
                "is called by its {}",
                match b {
                    gatewright_domain::pipeline::Versioning::Commit => "commit",
                    gatewright_domain::pipeline::Versioning::Semver => "semantic version",
                }
            )
        });
        self.changed(place, (&old.from, &new.from), |_, b| match b {
            Some(from) => format!("comes from {} of {}", from.artifact, from.pipeline),
            None => "is built here".to_owned(),
        });
    }

    /// Whether it is still deployed only when its signature was verified.
    fn signed(&mut self, place: &str, name: &String, old: &Artifact, new: &Artifact) {
        match (old.signed, new.signed) {
            (true, false) => {
                let deployed = self.before.stages.iter().filter_map(|stage| {
                    let deploy = stage.deploy()?;
                    let there = deploy.artifacts.contains(name);
                    stage.environment.clone().filter(|_| there)
                });
                let mut environments: Vec<EnvironmentName> = deployed.collect();
                environments.sort();
                let what = "is deployed without a verified signature";
                self.weaken(place, what.to_owned(), &environments);
            }
            (false, true) => {
                let what = "is deployed only when its signature was verified";
                self.say(place, what.to_owned());
            }
            (true, true) | (false, false) => {}
        }
    }

    /// Triggers that came, went, or take other routes; and routes into a protected
    /// environment that pass less than every route did before.
    pub fn triggers(&mut self) {
        let (before, after) = (self.before, self.after);
        for old in &before.triggers {
            let place = format!("trigger {}", old.name);
            match after.trigger(&old.name) {
                None => self.say(&place, format!("is gone: {}", old.event)),
                Some(new) => self.trigger(&place, old, new),
            }
        }
        for new in &after.triggers {
            if before.trigger(&new.name).is_none() {
                let runs = environments(after, new);
                let what = format!("is new: {}, {runs}", new.event);
                self.say(&format!("trigger {}", new.name), what);
            }
        }
        let protected = before.environments.iter().filter(|(_, e)| e.protected);
        for (environment, _) in protected {
            self.passed(environment);
        }
    }

    fn trigger(&mut self, place: &str, old: &Trigger, new: &Trigger) {
        self.changed(place, (&old.event, &new.event), |a, b| {
            format!("matches {b} instead of {a}")
        });
        let budget = |trigger: &Trigger| trigger.budget;
        self.changed(place, (&budget(old), &budget(new)), |a, b| {
            let said = |s: &Option<gatewright_domain::pipeline::Seconds>| {
                s.map_or("the pipeline's".to_owned(), |s| spoken(s.get()))
            };
            instead("the budget of the route", said(a), said(b))
        });
        for stage in &old.stages {
            // A stage that is gone is said once, where it was.
            if !new.runs(stage) && self.after.stage(stage).is_some() {
                self.say(place, format!("no longer runs {stage}"));
            }
        }
        for stage in &new.stages {
            if !old.runs(stage) && self.before.stage(stage).is_some() {
                self.say(place, format!("now runs {stage}"));
            }
        }
    }

    /// Routes that skip, or run too late, what every route passed before.
    fn passed(&mut self, environment: &EnvironmentName) {
        let Some(known) = self.guards.ways_into(environment).cloned() else {
            return;
        };
        let here = [environment.clone()];
        for trigger in &self.after.triggers {
            let Some((first, then)) = split(self.after, trigger, environment) else {
                continue;
            };
            let place = format!("trigger {}", trigger.name);
            let still = |stage: &&_| self.after.stage(stage).is_some();
            let always: Vec<_> = known.always.iter().filter(still).cloned().collect();
            let afterwards: Vec<_> = known.afterwards.iter().filter(still).cloned().collect();
            for stage in always.iter().filter(|stage| !first.contains(stage)) {
                let what = if trigger.runs(stage) {
                    format!("changes {environment} before {stage}, no longer after it")
                } else {
                    format!("changes {environment} without {stage}, which every way there passed")
                };
                self.weaken(&place, what, &here);
            }
            for stage in &afterwards {
                if !then.contains(stage) && !first.contains(stage) {
                    let what = format!("changes {environment} without {stage} afterwards");
                    self.weaken(&place, what, &here);
                }
            }
        }
    }
}

fn environments(definition: &Definition, trigger: &Trigger) -> String {
    let mut names: Vec<String> = Vec::new();
    for (_, stage) in definition.path(Some(trigger)) {
        if let Some(name) = stage.works_in().map(ToString::to_string)
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    if names.is_empty() {
        "into no environment".to_owned()
    } else {
        format!("into {}", listed(&names))
    }
}

fn form(form: &Form) -> String {
    match form {
        Form::Image { repository } => format!("an image in {repository}"),
        Form::Archive { path } => format!("an archive at {path}"),
        Form::Plan { path } => format!("a plan at {path}"),
        Form::Files { paths } => format!("the files {}", paths.join(" ")),
    }
}
