//! States of approval stages (they hold a token): writes the request, bound to
//! the evidence digest, and leaves a wait. `notify` asks the people; it reads the
//! request from the ledger's event, so that a Slack that is down delays asking
//! and fails nothing.

use gatewright_aws::Clock;
use gatewright_aws::store::{Commit, Store, WaitKey, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::approval::{Request, State};
use gatewright_domain::ledger::Fact;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Work;
use gatewright_domain::release::evidence_before;
use gatewright_domain::wait::{Answer, Awaited, Wait};
use gatewright_domain::{ErrorName, Timestamp, after};
use gatewright_handler::task::{TaskInput, answer_failure, passed};
use gatewright_handler::{Failure, parse};
use gatewright_steps::{Running, steered, until_settled};
use serde_json::{Value, json};

/// Requests the stage's approval, or takes up a request that was made before.
///
/// # Errors
/// What the state's own retry may help; everything else becomes the task's
/// answer.
pub async fn handle<T: Table, C: Clock>(
    store: &Store<T>,
    clock: &C,
    raw: Value,
) -> Result<Value, Failure> {
    let input: TaskInput = parse(raw)?;
    match until_settled(|| request(store, &input, clock.now())).await {
        Ok(()) => {}
        Err(failure) => answer_failure(store, &input, failure, clock.now()).await?,
    }
    Ok(json!({}))
}

async fn request<T: Table>(
    store: &Store<T>,
    input: &TaskInput,
    now: Timestamp,
) -> Result<(), Failure> {
    let running = Running::read(store, &input.release).await?;
    let (index, stage) = running.stage(&input.stage)?;
    let Work::Approval(wanted) = &stage.work else {
        return Err(Failure::bad_input(format!(
            "stage {:?} asks for no approval",
            stage.name.as_str()
        )));
    };
    if let Some(known) = store.approval(&input.release, index).await? {
        return take_up(store, input, index, &known.value, now).await;
    }
    steered(store, &running, stage, now).await?;
    let head = &running.head.value;
    let records = store.stages(&input.release).await?;
    let evidence = evidence_before(head, &records, index)
        .ok_or_else(|| Failure::bug("a release without a trigger"))?;
    let request = Request {
        release: input.release.clone(),
        index,
        stage: stage.name.clone(),
        evidence: evidence.digest()?,
        quorum: wanted.quorum.clone(),
        checklist: wanted.checklist.clone(),
        about: None,
        excluded: head.excluded(),
        requested_at: now,
        expires_at: after(now, wanted.expires.get()),
        state: State::Open,
    };
    can_be_reached(&request, &store.directory().await?.value)?;
    let requested = Fact::ApprovalRequested {
        stage: stage.name.clone(),
        evidence: request.evidence.clone(),
        quorum: request.quorum.clone(),
        expires_at: request.expires_at,
    };
    let mut commit = Commit::of(&running.head)
        .fact(requested)
        .write(Store::<T>::approval_write(&request, When::Absent)?)
        .write(wait_write(
            &wait(input, index, &request, after(now, wanted.remind.get())),
            When::Any,
        )?);
    commit.head.stage = Some(stage.name.clone());
    store.commit(commit, now).await?;
    Ok(())
}

/// A ban on deciding one's own work that nobody could satisfy was found, for
/// others, at the first live release; here it is found before anybody waits.
fn can_be_reached(request: &Request, directory: &Directory) -> Result<(), Failure> {
    match request.out_of_reach(directory) {
        None => Ok(()),
        Some(why) => Err(Failure::new(ErrorName::NotApproved, why)),
    }
}

/// The state was entered again: the request stays as it is, its token is new.
async fn take_up<T: Table>(
    store: &Store<T>,
    input: &TaskInput,
    index: usize,
    known: &Request,
    now: Timestamp,
) -> Result<(), Failure> {
    let answer = match &known.state {
        State::Open => {
            let seen = store
                .wait(&WaitKey::approval(&input.release, index))
                .await?;
            let when = When::still(seen.map(|s| s.rev));
            store
                .table()
                .write(vec![wait_write(
                    &wait(input, index, known, known.expires_at),
                    when,
                )?])
                .await?;
            return Ok(());
        }
        State::Approved { .. } => passed(),
        State::Rejected { by, reason } => {
            Answer::failure(ErrorName::Rejected, &format!("{by} rejected: {reason}"))
        }
        State::Closed { reason } => Answer::failure(ErrorName::ApprovalExpired, reason),
    };
    store
        .table()
        .write(vec![input.answer_write(index, answer, now)?])
        .await?;
    Ok(())
}

fn wait(input: &TaskInput, index: usize, request: &Request, remind_at: Timestamp) -> Wait {
    Wait {
        release: input.release.clone(),
        index,
        stage: input.stage.clone(),
        awaited: Awaited::Approval,
        token: input.token.clone(),
        since: request.requested_at,
        deadline: request.expires_at,
        due: remind_at.min(request.expires_at),
        answer: None,
    }
}
