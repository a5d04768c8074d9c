//! `answer-task` as a binary of its own.

use gatewright_aws::tasks::StepFunctions;
use gatewright_handler::serve;

fn main() -> Result<(), lambda_runtime::Error> {
    gatewright_alone::start(|config| async move {
        let (store, sdk) = gatewright_alone::connect(&config).await;
        let tasks = StepFunctions::new(&sdk);
        serve("answer-task", |event| {
            gatewright_answer_task::handle(&store, &tasks, event)
        })
        .await
    })
}
