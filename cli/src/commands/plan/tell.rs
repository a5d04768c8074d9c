//! A plan in words.

use super::around::{Group, Unenforced};
use super::cost::{Cost, short};
use super::stage::{Asked, Stage};
use super::{Plan, Refused};
use crate::style::{BAD, GOOD, HEAD, SOFT, WAITING, paint};
use crate::table::drawn;
use crate::words::count;
use gatewright_domain::pipeline::{GroupKind, Migration};
use gatewright_domain::text::spoken;
use gatewright_domain::trigger::Cause;
use gatewright_views::text::{line, listed};
use gatewright_views::words;

impl Plan {
    /// The plan in lines.
    pub fn told(&self) -> Vec<String> {
        let title = paint(HEAD, format!("{}  {}", self.pipeline, line(&self.name)));
        let version = paint(SOFT, format!("definition {}", self.version.short()));
        let mut told = vec![format!("{title}  {version}"), self.admission()];
        if self.refused.is_some() {
            let pipeline = &self.pipeline;
            told.push(paint(
                SOFT,
                format!("`gatewright plan {pipeline}` lists what starts it."),
            ));
            return told;
        }
        told.extend(self.way());
        told.push(String::new());
        self.tell_stages(&mut told);
        self.tell_ways_back(&mut told);
        if !self.environments.is_empty() {
            told.push(paint(HEAD, "Environments"));
            let all = self.environments.iter();
            told.extend(all.map(|e| format!("    {:<12} {}", line(&e.name), e.told())));
            told.push(String::new());
        }
        unenforced(&self.unenforced, &mut told);
        self.tell_time(&mut told);
        self.tell_cost(&mut told);
        told
    }

    fn admission(&self) -> String {
        let what = words::reference(&self.reference);
        match (&self.refused, self.cause) {
            (Some(Refused { error, why }), _) => {
                let verdict = paint(BAD, format!("✗ refused ({error})"));
                format!("{verdict}: {}", line(why))
            }
            (None, cause) => {
                let why = match cause {
                    Some(Cause::Push) => format!("a push to {what}"),
                    Some(Cause::Manual) => format!("somebody's request for {what}"),
                    Some(Cause::PullRequest) => what,
                    Some(Cause::Schedule) => format!("a schedule on {what}"),
                    Some(Cause::Upstream) => format!("another pipeline's release, on {what}"),
                    Some(Cause::Rollback) => "a rollback".to_owned(),
                    Some(Cause::Tag) | None => what,
                };
                format!("{}: {why}", paint(GOOD, "✓ admitted"))
            }
        }
    }

    /// The route, and how much of the pipeline it is.
    fn way(&self) -> Option<String> {
        let route = self.route.as_ref()?;
        let (some, all) = (self.stages.len(), self.all_stages);
        let part = if some == all {
            format!("all {}", count(all, "stage"))
        } else {
            format!("{some} of {}", count(all, "stage"))
        };
        let budget = spoken(self.budget);
        Some(format!(
            "  route {}: {part}, within {budget}",
            paint(HEAD, line(route))
        ))
    }

    fn tell_stages(&self, told: &mut Vec<String>) {
        let (mut number, mut part, mut inside) = (0, 0, None);
        for (index, stage) in self.stages.iter().enumerate() {
            let group = stage
                .group
                .as_ref()
                .and_then(|name| self.groups.iter().find(|group| &group.name == name));
            if let Some(group) = group {
                if inside != Some(&group.name) {
                    (number, part) = (number + 1, 0);
                    told.push(group.told(number));
                }
                part += 1;
                inside = Some(&group.name);
                let first = self.stages[..index]
                    .iter()
                    .find(|other| other.group == stage.group);
                told.extend(stage.beside(number, part, first));
                continue;
            }
            inside = None;
            let (label, indent) = if stage.of.is_some() && number > 0 {
                part += 1;
                (format!("{number:>2}.{part}"), 5)
            } else {
                (number, part) = (number + 1, 0);
                (format!("{number:>2}."), 4)
            };
            told.extend(stage.told(&label, indent));
        }
        told.push(String::new());
    }

    fn tell_ways_back(&self, told: &mut Vec<String>) {
        if self.ways_back.is_empty() {
            return;
        }
        told.push(paint(HEAD, "When a change fails"));
        for stage in &self.ways_back {
            told.extend(stage.told("  ↩", 4));
        }
        told.push(String::new());
    }

    fn tell_time(&self, told: &mut Vec<String>) {
        let waiting = if self.waiting_seconds > 0 {
            format!(
                ", and at most {} of waiting for people",
                spoken(self.waiting_seconds)
            )
        } else {
            String::new()
        };
        told.push(format!(
            "At its time limits: {} of work along the longest way{waiting}.",
            spoken(self.work_seconds)
        ));
        told.push(format!(
            "At the longest, every wait and retry used up too: {}.",
            spoken(self.longest_seconds)
        ));
    }

    fn tell_cost(&self, told: &mut Vec<String>) {
        match &self.cost {
            None => told.push(format!(
                "When all goes well: {} state transitions, {:.4} USD in ap-south-1, builds not counted (--cost counts them).",
                self.transitions, self.usd
            )),
            Some(cost) => {
                told.push(String::new());
                told.extend(cost.told());
            }
        }
        told.push(paint(SOFT, format!("  {}", self.path.join(" → "))));
    }
}

impl Group {
    fn told(&self, number: usize) -> String {
        let kind = match self.kind {
            GroupKind::Matrix => "a matrix, ",
            GroupKind::Parallel => "",
        };
        let fails = if self.fail_fast {
            "the first failure stops the others"
        } else {
            "every one runs to its end"
        };
        let about = format!("{kind}{} side by side; {fails}", self.stages.len());
        format!(
            "{number:>2}. {}  {}",
            paint(HEAD, line(&self.name)),
            paint(SOFT, about)
        )
    }
}

impl Stage {
    fn told(&self, label: &str, indent: usize) -> Vec<String> {
        let mut about = vec![self.kind.to_owned()];
        if let Some(artifact) = &self.artifact {
            about.push(format!("of {artifact}, by digest,"));
        }
        if let Some(environment) = &self.environment {
            let preposition = if self.kind == "deploy" { "to" } else { "for" };
            let protected = if self.protected { " (protected)" } else { "" };
            about.push(format!("{preposition} {environment}{protected}"));
        }
        let limit = match self.kind {
            "pause" | "watch" => spoken(self.seconds),
            _ => format!("at most {}", spoken(self.seconds)),
        };
        let name = paint(HEAD, line(&self.name));
        let about = paint(SOFT, format!("{}; {limit}", about.join(" ")));
        let mut told = vec![format!("{label} {name}  {about}")];
        told.extend(self.rows(indent));
        told
    }

    /// As part of a group: a leg that differs from the first in its name alone is
    /// one line.
    fn beside(&self, number: usize, part: usize, first: Option<&Self>) -> Vec<String> {
        let label = format!("{number:>2}.{part}");
        let same = first.is_some_and(|first| {
            first.of.is_some()
                && (first.of == self.of)
                && (first.steps == self.steps && first.seconds == self.seconds)
        });
        if !same {
            return self.told(&label, 5);
        }
        let makes = self.produces.as_ref();
        let makes = makes.map_or_else(String::new, |made| format!("; makes {}", line(made)));
        vec![format!(
            "{label} {}  {}",
            paint(HEAD, line(&self.name)),
            paint(SOFT, format!("as above{makes}"))
        )]
    }

    fn rows(&self, indent: usize) -> Vec<String> {
        let mut told = Vec::new();
        let mut rows = |label: &str, texts: Vec<String>| {
            for (index, text) in texts.into_iter().enumerate() {
                let label = if index == 0 { label } else { "" };
                told.push(format!("{:indent$}{label:<8} {text}", ""));
            }
        };
        rows("steps", self.steps.iter().map(|step| line(step)).collect());
        let gates = self.gates.iter();
        rows(
            "gates",
            gates
                .map(|gate| format!("refused unless {}", line(gate)))
                .collect(),
        );
        let makes = self.produces.iter();
        rows(
            "makes",
            makes
                .map(|made| format!("{}, pinned by its digest from here on", line(made)))
                .collect(),
        );
        rows("kept", self.kept.iter().map(|kept| line(kept)).collect());
        rows("asks", self.asked.iter().map(Asked::told).collect());
        let quorum = self.reachable.iter().map(|reachable| match reachable {
            true => paint(GOOD, "can be reached"),
            false => paint(
                BAD,
                "cannot be reached: too few people are left who may decide",
            ),
        });
        rows("quorum", quorum.collect());
        let data = self.migration.map(|kind| match kind {
            Migration::ForwardOnly => paint(
                WAITING,
                "migrated, forward-only: nothing older is put on top of it by itself",
            ),
            Migration::Reversible => "migrated, reversible".to_owned(),
        });
        rows("data", data.into_iter().collect());
        let fails = self.on_failure.iter();
        rows("fails", fails.map(|to| format!("→ {}", line(to))).collect());
        told
    }
}

impl Asked {
    fn told(&self) -> String {
        let who = if self.people.is_empty() {
            paint(BAD, "nobody")
        } else {
            listed(&self.people)
        };
        let mut told = format!("{} × {}: {who}", self.count, line(&self.title));
        if !self.excluded.is_empty() {
            let out = format!(" (not {}: own work)", listed(&self.excluded));
            told.push_str(&paint(WAITING, out));
        }
        told
    }
}

/// The section about what nothing enforces.
pub fn unenforced(all: &[Unenforced], told: &mut Vec<String>) {
    if all.is_empty() {
        return;
    }
    told.push(paint(HEAD, "Not enforced yet"));
    for found in all {
        let style = if found.protected { WAITING } else { SOFT };
        told.push(paint(style, format!("    {}", line(&found.told()))));
    }
    told.push(String::new());
}

impl Cost {
    fn told(&self) -> Vec<String> {
        let rows = self.states.iter().map(|row| {
            vec![
                line(&row.state),
                row.transitions.to_string(),
                row.compute.as_deref().map(short).unwrap_or_default(),
                row.minutes
                    .map_or_else(String::new, |minutes| minutes.to_string()),
                format!("{:.4}", row.usd),
            ]
        });
        let head = ["state", "transitions", "compute", "minutes", "usd"];
        let by_compute: Vec<String> = self
            .minutes
            .iter()
            .map(|(compute, minutes)| format!("{minutes} {}", short(compute)))
            .collect();
        let minutes = if by_compute.is_empty() {
            "none".to_owned()
        } else {
            listed(&by_compute)
        };
        vec![
            drawn(&head, rows.collect(), &[1, 3, 4]),
            String::new(),
            format!(
                "At their limits: {:.2} USD in ap-south-1, {:.4} for {} transitions with the start and {:.2} for build minutes ({minutes}); list prices, no free tier, no taxes.",
                self.usd,
                self.transitions_usd,
                self.states.len() + 1,
                self.builds_usd
            ),
        ]
    }
}
