//! Tasks that hold a token: whatever becomes of them, the token is answered.

use crate::Failure;
use gatewright_aws::store::{Store, WaitKey, wait_write};
use gatewright_aws::table::{Table, When, Write};
use gatewright_domain::wait::{Answer, Awaited, TaskToken, Wait};
use gatewright_domain::{ReleaseId, StageName, Timestamp, after};
use serde::Deserialize;

/// What every state with a token sends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskInput {
    /// The release.
    pub release: ReleaseId,
    /// The stage that the state belongs to.
    pub stage: StageName,
    /// What resumes the state.
    pub token: TaskToken,
}

/// How soon the sweep sends an answer again that has not been delivered.
pub const RESEND_SECONDS: i64 = 60;

impl TaskInput {
    /// A wait that is answered already: nothing is awaited any more.
    pub fn answered(&self, index: usize, answer: Answer, now: Timestamp) -> Wait {
        Wait {
            release: self.release.clone(),
            index,
            stage: self.stage.clone(),
            awaited: Awaited::Nothing,
            token: self.token.clone(),
            since: now,
            deadline: after(now, 86_400),
            due: after(now, RESEND_SECONDS),
            answer: Some(answer),
        }
    }

    /// Where [`TaskInput::answered`] is: there is an answer on its way, if there is
    /// anything.
    pub fn answer_key(&self) -> WaitKey {
        let nothing = Answer::Success {
            output: serde_json::Value::Null,
        };
        WaitKey::of(&self.answered(0, nothing, Timestamp::UNIX_EPOCH))
    }

    /// Writes [`TaskInput::answered`].
    ///
    /// # Errors
    /// Never for waits of this crate; the signature is serde's.
    pub fn answer_write(
        &self,
        index: usize,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Write, Failure> {
        Ok(wait_write(&self.answered(index, answer, now), When::Any)?)
    }
}

/// The answer of a task that lets the release go on.
pub fn passed() -> Answer {
    Answer::Success {
        output: serde_json::json!({ "verdict": "passed" }),
    }
}

/// Turns a failure that no retry can help into the task's answer, so that it
/// reaches the state machine under its own name. What a retry may help is
/// returned for the state's own `Retry`.
///
/// # Errors
/// What a retry may help, and that the answer could not be written.
pub async fn answer_failure<T: Table>(
    store: &Store<T>,
    input: &TaskInput,
    failure: Failure,
    now: Timestamp,
) -> Result<(), Failure> {
    if failure.may_pass() {
        return Err(failure);
    }
    let answer = Answer::failure(failure.name, &failure.message);
    store
        .table()
        .write(vec![input.answer_write(0, answer, now)?])
        .await?;
    Ok(())
}
