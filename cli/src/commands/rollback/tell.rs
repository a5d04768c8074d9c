//! Ways back, in words and for programs.

use super::seen::{Candidate, Is, Seen};
use crate::style::{BAD, GOOD, HEAD, SOFT, WAITING, padded, paint, widest};
use gatewright_domain::Timestamp;
use gatewright_domain::release::Deployment;
use gatewright_domain::undo::Standing;
use gatewright_views::text::{line, listed, relative, short_line};
use serde_json::{Value, json};

impl Seen {
    /// What runs, what it can go back to, and what holds of that, in lines.
    pub fn told(&self, now: Timestamp) -> Vec<String> {
        let place = format!("{} {}", self.definition.id, self.environment);
        let runs = match &self.ways.current {
            None => "nothing runs there".to_owned(),
            Some(current) => self.running(current, now),
        };
        let mut told = vec![format!("{}  {runs}", paint(HEAD, place)), String::new()];
        told.push(paint(HEAD, "What ran there"));
        let titles: Vec<String> = self.candidates.iter().map(Candidate::title).collect();
        let width = widest(titles.iter().map(String::as_str));
        for candidate in &self.candidates {
            told.extend(self.one(candidate, width, now));
        }
        told.push(String::new());
        told.push(paint(HEAD, "Checks"));
        let width = widest(self.checks.iter().map(|check| check.what));
        for check in &self.checks {
            let mark = match check.is {
                Is::Good => paint(GOOD, "✓"),
                Is::Warning => paint(WAITING, "!"),
                Is::Refused => paint(BAD, "✗"),
            };
            let error = check.error.map_or_else(String::new, |e| format!("{e}: "));
            let says = short_line(&check.says, 600);
            told.push(format!(
                "  {mark} {}  {error}{says}",
                padded(check.what, width)
            ));
        }
        told
    }

    fn running(&self, current: &Deployment, now: Timestamp) -> String {
        let known = self
            .candidates
            .iter()
            .find(|c| c.version() == current.version_of());
        let title = known.map_or_else(|| line(&current.title), Candidate::title);
        let brought = match &current.restored {
            Some(_) => format!(", brought back by {}", line(&current.title)),
            None => String::new(),
        };
        format!(
            "runs {title} ({}, commit {}) since {}{brought}",
            current.digest().short(),
            current.commit.short(),
            relative(now, current.at)
        )
    }

    fn one(&self, candidate: &Candidate, width: usize, now: Timestamp) -> Vec<String> {
        let deployment = &candidate.target.deployment;
        let chosen = self.target.as_ref() == Some(candidate.version());
        let mark = if chosen {
            paint(GOOD, "→")
        } else {
            " ".to_owned()
        };
        let title = padded(&candidate.title(), width);
        let standing = standing(&candidate.target.standing);
        let mut told = vec![format!(
            "{mark} {title}  {:>16}  commit {}  {standing}",
            relative(now, deployment.at),
            deployment.commit.short()
        )];
        let mut under = |text: String| told.push(paint(SOFT, format!("    {text}")));
        let trigger = candidate.head.as_ref().and_then(|h| h.trigger.as_ref());
        if let Some(message) = trigger.and_then(|t| t.message.as_deref()) {
            under(format!("“{}”", short_line(message, 100)));
        }
        if !candidate.approved_by.is_empty() {
            under(format!("approved by {}", listed(&candidate.approved_by)));
        }
        let images: Vec<String> = candidate
            .images
            .iter()
            .map(|i| {
                format!(
                    "{} {}: findings {}",
                    i.artifact,
                    i.digest.short(),
                    i.findings
                )
            })
            .collect();
        images.into_iter().for_each(&mut under);
        if candidate.images.is_empty() {
            for artifact in &deployment.artifacts {
                under(format!(
                    "{} {}",
                    line(&artifact.name),
                    artifact.digest.short()
                ));
            }
        }
        if !candidate.target.across.is_empty() {
            let titles: Vec<String> = candidate.target.across.iter().map(|t| line(t)).collect();
            told.push(paint(
                WAITING,
                format!("    across what {} migrated forward only", listed(&titles)),
            ));
        }
        told
    }

    /// What is asked before anything is started.
    pub fn question(&self) -> String {
        let title = self.chosen().map(Candidate::title).unwrap_or_default();
        format!("Bring {} back to {title}?", self.environment)
    }

    /// The same for programs.
    pub fn document(&self, plan: Option<Value>) -> Value {
        let current = self.ways.current.as_ref().map(|current| {
            let known = self
                .candidates
                .iter()
                .find(|c| c.version() == current.version_of());
            let title = known.map_or_else(|| current.title.clone(), Candidate::title);
            version(current, &title)
        });
        let mut document = json!({
            "pipeline": self.definition.id,
            "environment": self.environment,
            "admitted": self.refused().is_none(),
            "current": current,
            "target": self.target,
            "targets": self.candidates.iter().map(target).collect::<Vec<_>>(),
            "checks": self.checks,
        });
        if let Some(plan) = plan {
            document["plan"] = plan;
        }
        document
    }
}

fn standing(standing: &Standing) -> String {
    match standing {
        Standing::Good => paint(GOOD, "good"),
        Standing::Runs => paint(SOFT, "runs now"),
        Standing::Failed => paint(WAITING, "a stage failed there"),
        Standing::TakenBack { why } => paint(BAD, format!("taken back: {}", short_line(why, 120))),
    }
}

fn version(deployment: &Deployment, title: &str) -> Value {
    json!({
        "release": deployment.version_of(),
        "title": title,
        "commit": deployment.commit,
        "digest": deployment.digest(),
        "since": deployment.at,
    })
}

fn target(candidate: &Candidate) -> Value {
    let (word, why) = match &candidate.target.standing {
        Standing::Good => ("good", None),
        Standing::Runs => ("runs", None),
        Standing::Failed => ("failed", None),
        Standing::TakenBack { why } => ("taken-back", Some(why)),
    };
    let trigger = candidate.head.as_ref().and_then(|h| h.trigger.as_ref());
    json!({
        "version": version(&candidate.target.deployment, &candidate.title()),
        "standing": word,
        "why": why,
        "across": candidate.target.across,
        "message": trigger.and_then(|t| t.message.as_deref()),
        "approved_by": candidate.approved_by,
        "images": candidate.images,
    })
}
