//! What is known of an environment's ways back, and what is made of it.

use super::images::{Image, about, images, verifies};
use crate::commands::history::approved_by;
use crate::error::Failed;
use crate::going_back::under_way;
use gatewright_aws::Store;
use gatewright_aws::registry::Registry;
use gatewright_aws::store::StoreError;
use gatewright_aws::table::Table;
use gatewright_domain::decide::undo::{Check, Why, judge_rollback, may_ask, targets};
use gatewright_domain::decide::{Admission, admit};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::{Definition, Work};
use gatewright_domain::release::Head;
use gatewright_domain::trigger::TriggerInput;
use gatewright_domain::undo::{Standing, Target, WaysBack};
use gatewright_domain::{EnvironmentName, ErrorName, PipelineId, ReleaseId, Timestamp};
use gatewright_views::text::line;

/// How many versions are shown.
const SHOWN: usize = 6;

/// A version that ran, with what is known of it now.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub target: Target,
    /// Its release, while it is recorded.
    pub head: Option<Head>,
    pub approved_by: Vec<String>,
    pub images: Vec<Image>,
}

impl Candidate {
    /// `pl-gps-001#142`.
    pub fn title(&self) -> String {
        let id = || self.target.deployment.version_of().to_string();
        line(&self.head.as_ref().map_or_else(id, Head::title))
    }

    pub fn version(&self) -> &ReleaseId {
        self.target.deployment.version_of()
    }
}

/// What one check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Is {
    Good,
    Warning,
    Refused,
}

/// One check, in words.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Line {
    pub what: &'static str,
    pub is: Is,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorName>,
    pub says: String,
}

/// All that is known, and what is made of it.
#[derive(Debug)]
pub struct Seen {
    /// The definition of the pipeline's rollbacks.
    pub definition: Definition,
    pub environment: EnvironmentName,
    pub directory: Directory,
    pub input: TriggerInput,
    pub ways: WaysBack,
    pub candidates: Vec<Candidate>,
    /// What it goes back to.
    pub target: Option<ReleaseId>,
    pub checks: Vec<Line>,
    /// The rollout that is under way there, and what ends it at once.
    rollout: Option<String>,
    /// The rollbacks of it that are under way, each in a sentence.
    others: Vec<String>,
}

impl Seen {
    /// Reads what is known, and judges.
    ///
    /// # Errors
    /// When the record cannot be read. What a registry does not say is unknown.
    pub async fn read<T: Table, R: Registry>(
        store: &Store<T>,
        registry: &R,
        definition: Definition,
        input: TriggerInput,
        now: Timestamp,
    ) -> Result<Self, Failed> {
        let environment = input
            .environment
            .clone()
            .ok_or_else(|| Failed::usage("which environment?"))?;
        let directory = match store.directory().await {
            Ok(seen) => seen.value,
            Err(StoreError::Missing(_)) => Directory::default(),
            Err(error) => return Err(error.into()),
        };
        let ways = store.ways_back(&definition.id, &environment).await?;
        let judged = judge_rollback(&ways, &environment, &input).target;
        let chosen = judged.map(|target| target.deployment.version_of().clone());
        let mut candidates = Vec::new();
        for (index, target) in targets(&ways).into_iter().enumerate() {
            let version = target.deployment.version_of().clone();
            if index >= SHOWN && chosen.as_ref() != Some(&version) {
                continue;
            }
            candidates.push(Candidate {
                head: store.head(&version).await?.map(|seen| seen.value),
                approved_by: approved_by(store, &version, &directory).await?,
                images: images(registry, &definition, &target.deployment).await,
                target,
            });
        }
        let rollout = rollout(store, &definition.id, &environment).await?;
        let mut seen = Self {
            rollout,
            others: others(store, &definition.id, &environment, now).await?,
            definition,
            environment,
            directory,
            input,
            ways,
            candidates,
            target: None,
            checks: Vec::new(),
        };
        seen.judge();
        Ok(seen)
    }

    /// Judges what is asked for, as `admit-release` will.
    pub fn judge(&mut self) {
        let mut checks = Vec::new();
        let trigger = match admit(&self.definition, &self.input) {
            Admission::Admitted { route, .. } => Ok(format!("takes the route {route}")),
            Admission::Refused { error, why } => Err((error, why)),
        };
        checks.push(judged("the trigger", trigger));
        let requester = self.input.requester.as_deref();
        let asks = may_ask(
            &self.definition,
            &self.environment,
            requester,
            &self.directory,
        );
        checks.push(judged("who asks", asks));
        let judgement = judge_rollback(&self.ways, &self.environment, &self.input);
        let each = judgement.checks.into_iter();
        checks.extend(each.map(|Check { what, verdict }| judged(what, verdict)));
        self.target = judgement
            .target
            .map(|target| target.deployment.version_of().clone());
        if let Some(chosen) = self.chosen() {
            let careful = match &chosen.target.standing {
                Standing::Failed => Some("a stage of its release failed there"),
                Standing::Runs => Some("it is what runs already: the same is deployed again"),
                Standing::Good | Standing::TakenBack { .. } => None,
            };
            checks.extend(careful.map(|says| warned("the target", says.to_owned())));
            for image in &chosen.images {
                checks.extend(about(image));
                checks.extend(verifies(&self.definition, image));
            }
        }
        let rollout = self.rollout.iter();
        checks.extend(rollout.map(|says| warned("the rollout", says.clone())));
        let others = self.others.iter();
        checks.extend(others.map(|says| warned("under way", says.clone())));
        self.checks = checks;
    }

    /// What it goes back to.
    pub fn chosen(&self) -> Option<&Candidate> {
        let target = self.target.as_ref()?;
        self.candidates.iter().find(|c| c.version() == target)
    }

    /// The title of the newest release whose migrations it leads across.
    pub fn newest_across(&self) -> Option<String> {
        self.chosen()?.target.across.first().cloned()
    }

    /// Under which names it is refused.
    pub fn refusals(&self) -> impl Iterator<Item = ErrorName> {
        self.checks.iter().filter_map(|check| check.error)
    }

    /// Why it is refused, when it is.
    pub fn refused(&self) -> Option<Why> {
        let refused: Vec<&Line> = self.checks.iter().filter(|c| c.error.is_some()).collect();
        let all: Vec<&str> = refused.iter().map(|c| c.says.as_str()).collect();
        Some((refused.first()?.error?, all.join("; and ")))
    }

    /// What a person can do about a refusal.
    pub fn what_helps(&self, error: ErrorName) -> String {
        let (pipeline, environment) = (&self.definition.id, &self.environment);
        let requester = self.input.requester.as_deref().map(str::trim);
        match (error, self.newest_across()) {
            (ErrorName::BadInput, _) if requester.is_none_or(str::is_empty) => {
                "say who asks for it: --requester WHO, since $USER is empty".to_owned()
            }
            (ErrorName::Irreversible, Some(title)) => {
                format!(
                    "if the older version can live with the newer data: --acknowledge \"{title}\""
                )
            }
            (ErrorName::TakenBack, _) => format!(
                "`gatewright lift {pipeline} {environment} RELEASE --reason …` allows it again"
            ),
            (ErrorName::AccessDenied, _) => {
                "somebody of these groups has to ask: --requester, by an identity in approvers.yaml"
                    .to_owned()
            }
            _ => format!(
                "`gatewright history {pipeline} --environment {environment}` lists what ran there"
            ),
        }
    }
}

/// A release that holds the environment and is in a pause or a watch of its
/// rollout: to halt it is quicker than to wait for it.
async fn rollout<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
    environment: &EnvironmentName,
) -> Result<Option<String>, Failed> {
    let Some(holder) = store.lock(pipeline, environment).await?.0.holder else {
        return Ok(None);
    };
    let Some(head) = store.head(&holder.release).await?.map(|seen| seen.value) else {
        return Ok(None);
    };
    let definition = store.definition(&head.pipeline, &head.version).await?;
    let stage = head.stage.as_ref().zip(definition.as_ref());
    let Some((_, stage)) = stage.and_then(|(name, definition)| definition.stage(name)) else {
        return Ok(None);
    };
    let undoes = match (&stage.work, &stage.on_failure) {
        (Work::Watch(_) | Work::Pause(_), Some(_)) => "undoes it at once",
        (Work::Watch(_) | Work::Pause(_), None) => "ends it at once",
        (Work::Build(_) | Work::Deploy(_) | Work::Approval(_), _) => return Ok(None),
    };
    let (title, release) = (head.title(), &head.release);
    Ok(Some(format!(
        "{title} has {environment} and is in “{}”; the rollback waits until it is over. `gatewright halt {release} --reason TEXT` {undoes}",
        stage.name
    )))
}

/// The rollbacks of the environment that somebody has asked for already.
async fn others<T: Table>(
    store: &Store<T>,
    pipeline: &PipelineId,
    environment: &EnvironmentName,
    now: Timestamp,
) -> Result<Vec<String>, Failed> {
    let holder = store.lock(pipeline, environment).await?.0.holder;
    let queue = store.queue(pipeline, environment).await?;
    let known = holder.into_iter().map(|holder| holder.release);
    let known = known.chain(queue.into_iter().map(|waiting| waiting.release));
    let mut all = under_way(store, pipeline, known, now).await?;
    all.retain(|one| &one.environment == environment);
    Ok(all.iter().map(|one| one.told(now)).collect())
}

pub(super) fn judged(what: &'static str, verdict: Result<String, Why>) -> Line {
    match verdict {
        Ok(says) => Line {
            what,
            is: Is::Good,
            error: None,
            says: line(&says),
        },
        Err((error, why)) => Line {
            what,
            is: Is::Refused,
            error: Some(error),
            says: line(&why),
        },
    }
}

pub(super) fn warned(what: &'static str, says: String) -> Line {
    Line {
        what,
        is: Is::Warning,
        error: None,
        says: line(&says),
    }
}
