//! One decision, recorded in one transaction: the decision's own key makes a
//! second one by the same person impossible, the request's and the directory's
//! revisions make races fail instead of interleave.

use gatewright_aws::store::{Commit, Seen, Store, WaitKey, decision_write, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::approval::{Choice, Decision, Request, State};
use gatewright_domain::decide::{Outcome, Refusal, answer};
use gatewright_domain::ledger::Fact;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::Head;
use gatewright_domain::{ErrorName, ReleaseId, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::RESEND_SECONDS;
use gatewright_steps::{Running, answered_watch, flags, known_definition};

/// A request with everything that is needed to show or decide it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The release.
    pub head: Seen<Head>,
    /// The definition that it runs.
    pub definition: Definition,
    /// The request.
    pub request: Seen<Request>,
    /// The decisions so far.
    pub decisions: Vec<Decision>,
    /// Who is who now.
    pub directory: Seen<Directory>,
}

impl Case {
    /// Reads the request of the approval stage at `index`.
    pub async fn read<T: Table>(
        store: &Store<T>,
        release: &ReleaseId,
        index: usize,
    ) -> Result<Self, Failure> {
        let mut head = store.known_head(release).await?;
        let definition = known_definition(store, &head.value).await?;
        // Something may have been taken back since the release began.
        head.value.flags = flags(store, &definition, &head.value).await?;
        let request = store.approval(release, index).await?;
        let request = request.ok_or_else(|| {
            Failure::bad_input(format!("{} asks for no such approval", head.value.title()))
        })?;
        let decisions = store.decisions(release, index).await?;
        let directory = store.directory().await?;
        Ok(Self {
            head,
            definition,
            request,
            decisions,
            directory,
        })
    }
}

/// Why a decision was not recorded.
#[derive(Debug, Clone)]
pub(crate) enum NotRecorded {
    /// It does not count.
    Refused(Refusal),
    /// We could not know.
    Failed(Failure),
}

impl<E: Into<Failure>> From<E> for NotRecorded {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Records a decision; gives the case as it stands then, and what it did.
pub(crate) async fn record<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
    index: usize,
    decision: &Decision,
    now: Timestamp,
) -> Result<(Case, Outcome), NotRecorded> {
    let mut last = once(store, release, index, decision, now).await;
    for _ in 1..gatewright_aws::store::CONFLICT_TRIES {
        match &last {
            Err(NotRecorded::Failed(failure)) if failure.is_conflict() => {
                last = once(store, release, index, decision, now).await;
            }
            Ok(_) | Err(_) => break,
        }
    }
    last
}

async fn once<T: Table>(
    store: &Store<T>,
    release: &ReleaseId,
    index: usize,
    decision: &Decision,
    now: Timestamp,
) -> Result<(Case, Outcome), NotRecorded> {
    let mut case = Case::read(store, release, index).await?;
    let outcome = answer(
        &case.request.value,
        &case.decisions,
        &case.directory.value,
        decision,
        now,
    )
    .map_err(NotRecorded::Refused)?;
    let request = &mut case.request.value;
    let stage = request.stage.clone();
    let mut commit = Commit::of(&case.head)
        .write(decision_write(request, decision)?)
        .fact(Fact::DecisionRecorded {
            stage: stage.clone(),
            person: decision.person.clone(),
            choice: decision.choice,
            reason: decision.reason.clone(),
            via: decision.via,
            evidence: decision.evidence.clone(),
        });
    let running = Running {
        head: case.head.clone(),
        definition: case.definition.clone(),
    };
    let told = match &outcome {
        Outcome::Open(_) => None,
        Outcome::Approved(standing) => {
            request.state = State::Approved { at: now };
            let by = standing
                .filled
                .iter()
                .flat_map(|(_, people)| people.clone())
                .collect();
            commit = commit.fact(Fact::ApprovalReached {
                stage,
                by,
                evidence: request.evidence.clone(),
            });
            let (all, answer) = answered_watch(store, &running, request, commit, None, now).await?;
            commit = all;
            Some(answer)
        }
        Outcome::Rejected => {
            let (by, reason) = (decision.person.clone(), decision.reason.clone());
            let cause = format!(
                "{} rejected: {reason}",
                case.directory
                    .value
                    .person(&by)
                    .map_or(by.as_str(), |p| &p.name)
            );
            request.state = State::Rejected { by, reason };
            if request.about.is_none() {
                commit = commit.fact(Fact::StageFailed {
                    stage,
                    error: ErrorName::Rejected.to_string(),
                    cause: cause.clone(),
                });
            }
            let failure = Some((ErrorName::Rejected, cause));
            let (all, answer) =
                answered_watch(store, &running, request, commit, failure, now).await?;
            commit = all;
            Some(answer)
        }
    };
    if let Some(told) = told
        && let Some(mut wait) = store.wait(&WaitKey::approval(release, index)).await?
    {
        wait.value.answer = Some(told);
        wait.value.due = after(now, RESEND_SECONDS);
        commit = commit.write(wait_write(&wait.value, When::Rev(wait.rev))?);
    }
    // Written also when its state stays: its revision is what two decisions at
    // once race for.
    commit = commit
        .write(Store::<T>::approval_write(
            request,
            When::Rev(case.request.rev),
        )?)
        .write(Store::<T>::directory_check(&case.directory));
    case.head.value = store.commit(commit, now).await?;
    case.decisions.push(decision.clone());
    Ok((case, outcome))
}

/// What a refusal means to HTTP: somebody who may not, or something that is over.
pub(crate) fn status(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::NotAsked(_) | Refusal::OwnWork(_) => 403,
        Refusal::AlreadyDecided { .. } | Refusal::Over(_) | Refusal::OtherEvidence => 409,
        Refusal::NoReason => 422,
    }
}

/// The words of a choice in forms and requests.
pub(crate) fn choice(word: &str) -> Option<Choice> {
    match word {
        "approve" => Some(Choice::Approve),
        "reject" => Some(Choice::Reject),
        _ => None,
    }
}
