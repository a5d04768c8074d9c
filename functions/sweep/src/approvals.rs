//! Approvals that nobody completes: reminded, then expired.

use gatewright_aws::store::{Commit, Store, WaitKey, wait_write};
use gatewright_aws::table::{Table, When};
use gatewright_domain::approval::State;
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::Work;
use gatewright_domain::text::spoken;
use gatewright_domain::wait::Wait;
use gatewright_domain::{ErrorName, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_handler::task::RESEND_SECONDS;
use gatewright_steps::{Running, answered_watch};

/// Reminds those who have not answered, or closes the request at its deadline.
pub(crate) async fn remind_or_expire<T: Table>(
    store: &Store<T>,
    wait: &Wait,
    now: Timestamp,
) -> Result<(), Failure> {
    let running = Running::read(store, &wait.release).await?;
    let Some(request) = store.approval(&wait.release, wait.index).await? else {
        return Ok(());
    };
    let Some(mut waiting) = store.wait(&WaitKey::of(wait)).await? else {
        return Ok(());
    };
    if request.value.state != State::Open || waiting.value.answer.is_some() {
        return Ok(());
    }
    let stage = wait.stage.clone();
    let commit = Commit::of(&running.head);
    let commit = if now >= request.value.expires_at {
        let waited =
            spoken(request.value.expires_at.as_second() - request.value.requested_at.as_second());
        let reason = format!("nobody completed the quorum within {waited}");
        let mut closed = request.value.clone();
        closed.state = State::Closed {
            reason: reason.clone(),
        };
        let failure = Some((ErrorName::ApprovalExpired, reason.clone()));
        let (commit, answer) =
            answered_watch(store, &running, &closed, commit, failure, now).await?;
        waiting.value.answer = Some(answer);
        waiting.value.due = after(now, RESEND_SECONDS);
        commit
            .fact(Fact::ApprovalClosed { stage, reason })
            .write(Store::<T>::approval_write(&closed, When::Rev(request.rev))?)
    } else {
        let work = running
            .definition
            .stages
            .get(wait.index)
            .map(|stage| &stage.work);
        let remind = match work {
            Some(Work::Approval(approval)) => approval.remind.get(),
            Some(Work::Watch(watching)) => watching.decide_within.get() / 2,
            Some(Work::Build(_) | Work::Deploy(_) | Work::Pause(_)) | None => {
                return Err(Failure::bug("an approval without its stage"));
            }
        };
        waiting.value.due = after(now, remind.max(60)).min(request.value.expires_at);
        commit.fact(Fact::ApprovalReminded { stage })
    };
    store
        .commit(
            commit.write(wait_write(&waiting.value, When::Rev(waiting.rev))?),
            now,
        )
        .await?;
    Ok(())
}
