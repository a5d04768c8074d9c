//! The pieces that pages are made of: domain values in words. Templates escape;
//! nothing here does.

use crate::asked::{Asked, name};
use crate::text::{line, safe_url, utc};
use crate::words;
use gatewright_domain::approval::{Choice, Decision};
use gatewright_domain::control::Halted;
use gatewright_domain::evidence::{BuildEvidence, ReportResult, ScanEvidence, Severity};
use gatewright_domain::gate::{Gate, Judged};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::{Head, StageRecord, StageStatus};
use gatewright_domain::text::spoken;
use gatewright_domain::{CommitSha, Digest, Timestamp};
use std::collections::BTreeMap;

/// How many findings a page names; the counts have all.
const FINDINGS: usize = 10;

/// A point in time.
pub(super) struct When {
    pub iso: String,
    pub shown: String,
}

impl When {
    pub fn new(at: Timestamp) -> Self {
        Self {
            iso: at.to_string(),
            shown: utc(at),
        }
    }
}

/// A digest or a commit: short to read, whole in the title.
pub(super) struct Code {
    pub short: String,
    pub full: String,
}

impl From<&Digest> for Code {
    fn from(digest: &Digest) -> Self {
        Self {
            short: digest.short().to_owned(),
            full: digest.to_string(),
        }
    }
}

impl From<&CommitSha> for Code {
    fn from(commit: &CommitSha) -> Self {
        Self {
            short: commit.short().to_owned(),
            full: commit.to_string(),
        }
    }
}

/// Which change is released.
pub(super) struct Change {
    pub commit: Code,
    pub commit_url: Option<String>,
    pub subject: String,
    pub body: String,
    pub author: Option<String>,
    pub requester: Option<String>,
    pub reference: String,
    pub cause: Option<String>,
    /// What people should know before they let it through.
    pub flags: Vec<String>,
}

impl Change {
    pub fn of(head: &Head, definition: Option<&Definition>, directory: &Directory) -> Option<Self> {
        let trigger = head.trigger.as_ref()?;
        let message = trigger.message.as_deref().unwrap_or_default().trim();
        let (subject, body) = message.split_once('\n').unwrap_or((message, ""));
        // Whoever is known by an address is shown by name: a page needs no
        // addresses.
        let known = |who: &String| {
            directory
                .identified(who)
                .map_or_else(|| line(who), |person| line(&person.name))
        };
        Some(Self {
            commit: (&trigger.commit).into(),
            commit_url: github(definition)
                .map(|repository| format!("{repository}/commit/{}", trigger.commit)),
            subject: line(subject),
            body: gatewright_domain::text::shortened(body.trim(), 4_000),
            author: trigger.author.as_ref().map(known),
            requester: trigger.requester.as_ref().map(known),
            reference: words::reference(&trigger.reference),
            cause: trigger.cause.map(|cause| cause.to_string()),
            flags: head.flags.iter().map(words::flag).collect(),
        })
    }
}

/// The repository's address, when it is on GitHub, whose pages we know how to
/// link to.
pub(super) fn github(definition: Option<&Definition>) -> Option<&str> {
    let repository = safe_url(definition?.source.repository.trim_end_matches('/'))?;
    let repository = repository.strip_suffix(".git").unwrap_or(repository);
    let path = repository.strip_prefix("https://github.com/")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    (path.split('/').count() == 2 && path.chars().all(plain)).then_some(repository)
}

/// A stage and what was measured in it.
pub(super) struct Stage {
    pub name: String,
    pub environment: Option<String>,
    /// For the style: `passed`, `failed`, `running` or `waiting`.
    pub class: &'static str,
    pub mark: &'static str,
    pub state: &'static str,
    pub attempt: Option<u32>,
    pub started: Option<When>,
    pub ended: Option<When>,
    pub took: Option<String>,
    pub log: Option<String>,
    pub failure: Vec<String>,
    pub gates: Vec<GateLine>,
    pub measured: Vec<String>,
    pub scan: Option<Scan>,
    pub evidence: Option<Code>,
}

/// A gate's verdict.
pub(super) struct GateLine {
    pub passed: bool,
    pub demand: String,
    pub because: String,
}

/// A settled scan.
pub(super) struct Scan {
    pub counts: String,
    pub image: Code,
    pub status: String,
    pub worst: Vec<FindingLine>,
    pub more: u64,
}

/// One vulnerability.
pub(super) struct FindingLine {
    pub id: String,
    pub severity: &'static str,
    pub package: Option<String>,
    pub url: Option<String>,
}

impl Stage {
    pub fn of(record: &StageRecord) -> Self {
        let (class, mark) = match record.status {
            StageStatus::Running => ("running", "…"),
            StageStatus::Scanning => ("waiting", "⏳"),
            StageStatus::Passed => ("passed", "✓"),
            StageStatus::Failed => ("failed", "✗"),
        };
        let log = record
            .log
            .as_deref()
            .or_else(|| record.evidence.as_ref()?.log.as_deref());
        Self {
            name: record.stage.to_string(),
            environment: record.environment.as_ref().map(ToString::to_string),
            class,
            mark,
            state: match (&record.watch, record.status) {
                (Some(_), StageStatus::Running) => "waiting for people",
                (Some(_) | None, status) => words::stage_status(status),
            },
            attempt: (record.attempt > 1).then_some(record.attempt),
            started: Some(When::new(record.started_at)),
            ended: record.ended_at.map(When::new),
            took: record
                .ended_at
                .map(|end| spoken(end.as_second() - record.started_at.as_second())),
            log: log.and_then(safe_url).map(str::to_owned),
            failure: failure_of(record),
            gates: record.gates.iter().map(GateLine::of).collect(),
            measured: measured(record),
            scan: record.scan.as_ref().map(Scan::of),
            evidence: record
                .evidence
                .as_ref()
                .and_then(|seen| Digest::of(seen).ok())
                .or_else(|| Digest::of(record.watch.as_ref()?).ok())
                .as_ref()
                .map(Code::from),
        }
    }

    /// A stage that has not begun.
    pub fn to_come(name: String, environment: Option<String>, ended: bool) -> Self {
        Self {
            name,
            environment,
            class: "waiting",
            mark: if ended { "–" } else { "○" },
            state: if ended { "not run" } else { "to come" },
            attempt: None,
            started: None,
            ended: None,
            took: None,
            log: None,
            failure: Vec::new(),
            gates: Vec::new(),
            measured: Vec::new(),
            scan: None,
            evidence: None,
        }
    }
}

/// What was measured and no gate speaks about.
fn measured(record: &StageRecord) -> Vec<String> {
    let built = record.evidence.iter();
    let built = built.flat_map(|seen| not_judged(seen, &record.gates));
    built
        .chain(record.watch.iter().flat_map(words::measured))
        .collect()
}

fn failure_of(record: &StageRecord) -> Vec<String> {
    let Some((error, cause)) = &record.failure else {
        return Vec::new();
    };
    let mut said = vec![format!(
        "{error}: {}",
        crate::text::short_line(cause, 2_000)
    )];
    said.extend(words::helps(error.as_str()).iter().map(|s| (*s).to_owned()));
    said
}

impl GateLine {
    fn of(judged: &Judged) -> Self {
        Self {
            passed: judged.passed,
            demand: judged.gate.demand(),
            because: judged.because.clone(),
        }
    }
}

/// The reports that no gate speaks about: they were measured all the same.
fn not_judged(seen: &BuildEvidence, gates: &[Judged]) -> Vec<String> {
    let judged = |name: &str| {
        gates.iter().any(|judged| match &judged.gate {
            Gate::Tests { report }
            | Gate::Coverage { report, .. }
            | Gate::Findings { report, .. } => report == name,
            Gate::Steps | Gate::Scan { .. } | Gate::Signature { .. } => false,
        })
    };
    seen.reports
        .iter()
        .filter(|(name, _)| !judged(name))
        .map(|(name, result)| match result {
            ReportResult::Tests(t) => format!(
                "{name}: {} of {} tests passed, {} failed, {} skipped",
                t.passed, t.total, t.failed, t.skipped
            ),
            ReportResult::Coverage { lines } => format!("{name}: {lines} of lines covered"),
            ReportResult::Findings(found) => format!("{name}: {}", counted(&found.counts)),
            ReportResult::Unreadable { why } => format!("{name}: cannot be read, {why}"),
        })
        .collect()
}

/// So many of each severity, the worst first.
fn counted(counts: &BTreeMap<Severity, u64>) -> String {
    let counts: Vec<String> = Severity::ORDER
        .iter()
        .filter_map(|severity| counts.get(severity).map(|n| (n, severity)))
        .filter(|(n, _)| **n > 0)
        .map(|(n, severity)| format!("{n} {severity}"))
        .collect();
    if counts.is_empty() {
        return "no findings".to_owned();
    }
    counts.join(", ")
}

impl Scan {
    fn of(seen: &ScanEvidence) -> Self {
        let mut worst: Vec<_> = seen.worst.iter().collect();
        worst.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.id.cmp(&b.id)));
        worst.truncate(FINDINGS);
        let total = seen
            .counts
            .values()
            .fold(0u64, |sum, n| sum.saturating_add(*n));
        Self {
            counts: counted(&seen.counts),
            image: (&seen.digest).into(),
            status: seen.status.clone(),
            more: total.saturating_sub(worst.len() as u64),
            worst: worst
                .into_iter()
                .map(|finding| FindingLine {
                    id: finding.id.clone(),
                    severity: finding.severity.as_str(),
                    package: finding.package.clone(),
                    url: finding.uri.as_deref().and_then(safe_url).map(str::to_owned),
                })
                .collect(),
        }
    }
}

/// A line of the quorum.
pub(super) struct QuorumLine {
    pub title: String,
    pub count: u32,
    pub given: Vec<String>,
    pub missing: u32,
    pub could: Vec<String>,
}

/// The quorum, line by line.
pub(super) fn quorum(asked: &Asked<'_>) -> Vec<QuorumLine> {
    let names = |people: &[gatewright_domain::PersonId]| -> Vec<String> {
        people.iter().map(|person| asked.name(person)).collect()
    };
    let standing = asked.standing();
    asked
        .request
        .quorum
        .iter()
        .zip(&standing.filled)
        .map(|(line, (group, seated))| QuorumLine {
            title: asked.title(group),
            count: line.count,
            given: names(seated),
            missing: line
                .count
                .saturating_sub(u32::try_from(seated.len()).unwrap_or(u32::MAX)),
            could: names(&asked.could_decide(group)),
        })
        .collect()
}

/// A decision.
pub(super) struct DecisionLine {
    pub who: String,
    pub what: &'static str,
    pub class: &'static str,
    pub when: When,
    pub via: &'static str,
    pub reason: String,
    pub evidence: Code,
}

impl DecisionLine {
    pub fn of(decision: &Decision, directory: &Directory) -> Self {
        Self {
            who: name(directory, &decision.person),
            what: words::choice(decision.choice),
            class: match decision.choice {
                Choice::Approve => "passed",
                Choice::Reject => "failed",
            },
            when: When::new(decision.at),
            via: words::via(decision.via),
            reason: decision.reason.trim().to_owned(),
            evidence: (&decision.evidence).into(),
        }
    }
}

/// The banner of a release that is halted.
pub(super) fn halted(halted: Option<&Halted>) -> Vec<String> {
    let said = halted.into_iter();
    said.flat_map(|halt| [words::halted(halt), words::halt_means(halt)])
        .collect()
}
