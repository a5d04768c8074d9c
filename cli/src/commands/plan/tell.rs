//! A plan in words.

use super::{Asked, Plan, Stage};
use crate::style::{BAD, GOOD, HEAD, SOFT, WAITING, paint};
use gatewright_domain::text::spoken;
use gatewright_domain::trigger::Cause;
use gatewright_views::text::{line, listed};
use gatewright_views::words;

impl Plan {
    /// The plan in lines.
    pub fn told(&self) -> Vec<String> {
        let title = paint(HEAD, format!("{}  {}", self.pipeline, line(&self.name)));
        let version = paint(SOFT, format!("definition {}", self.version.short()));
        let mut told = vec![
            format!("{title}  {version}"),
            self.admission(),
            String::new(),
        ];
        for (index, stage) in self.stages.iter().enumerate() {
            told.extend(stage.told(index + 1));
        }
        told.push(String::new());
        told.push(format!(
            "When all goes well: {} state transitions, {:.4} USD in ap-south-1, builds not counted.",
            self.transitions, self.usd
        ));
        told.push(format!("  {}", self.path.join(" → ")));
        told.push(format!(
            "At the longest, every time limit and retry used up: {}.",
            spoken(self.longest_seconds)
        ));
        told
    }

    fn admission(&self) -> String {
        let what = words::reference(&self.reference);
        match (&self.refused, self.cause) {
            (Some(refused), _) => {
                let verdict = paint(BAD, format!("✗ refused ({})", refused.error));
                format!("{verdict}: {}", line(&refused.why))
            }
            (None, cause) => {
                let why = match cause {
                    Some(Cause::Push) => format!("a push to {what}"),
                    Some(Cause::Manual) => format!("somebody's request for {what}"),
                    Some(Cause::PullRequest) => format!("a pull request from {what}"),
                    Some(Cause::Schedule) => format!("a schedule on {what}"),
                    Some(Cause::Upstream) => format!("another pipeline's release, on {what}"),
                    Some(Cause::Rollback) => "a rollback".to_owned(),
                    Some(Cause::Tag) | None => what,
                };
                format!("{}: {why}", paint(GOOD, "✓ admitted"))
            }
        }
    }
}

impl Stage {
    fn told(&self, number: usize) -> Vec<String> {
        let mut about = vec![self.kind.to_owned()];
        if let Some(artifact) = &self.artifact {
            about.push(format!("of {artifact}, by digest,"));
        }
        if let Some(environment) = &self.environment {
            let preposition = if self.kind == "deploy" { "to" } else { "for" };
            let protected = if self.protected { " (protected)" } else { "" };
            about.push(format!("{preposition} {environment}{protected}"));
        }
        let limit = format!("at most {}", spoken(self.seconds));
        let name = paint(HEAD, line(&self.name));
        let about = paint(SOFT, format!("{}; {limit}", about.join(" ")));
        let mut told = vec![format!("{number:>2}. {name}  {about}")];
        let mut row = |label: &str, text: String| told.push(format!("    {label:<8} {text}"));
        for (index, step) in self.steps.iter().enumerate() {
            row(if index == 0 { "steps" } else { "" }, line(step));
        }
        for (index, gate) in self.gates.iter().enumerate() {
            row(
                if index == 0 { "gates" } else { "" },
                format!("refused unless {}", line(gate)),
            );
        }
        if let Some(artifact) = &self.produces {
            row(
                "makes",
                format!("{}, pinned by its digest from here on", line(artifact)),
            );
        }
        for (index, asked) in self.asked.iter().enumerate() {
            row(if index == 0 { "asks" } else { "" }, asked.told());
        }
        match self.reachable {
            Some(true) => row("quorum", paint(GOOD, "can be reached")),
            Some(false) => row(
                "quorum",
                paint(
                    BAD,
                    "cannot be reached: too few people are left who may decide",
                ),
            ),
            None => {}
        }
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
