//! Background tasks that a shutdown waits for.

use std::{future::Future, sync::Mutex};

use tokio::task::JoinHandle;

use crate::sync::locked;

/// Tasks somebody started and nobody awaits.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<Vec<JoinHandle<()>>>);

impl Tasks {
    /// Starts a task.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = locked(&self.0);
        tasks.retain(|task| !task.is_finished());
        tasks.push(tokio::spawn(task));
    }

    /// Waits for all of them, those started meanwhile included.
    pub(crate) async fn finish(&self) {
        loop {
            let Some(task) = locked(&self.0).pop() else {
                return;
            };
            if let Err(error) = task.await {
                tracing::warn!("stand-ins: a background task failed: {error}");
            }
        }
    }
}
