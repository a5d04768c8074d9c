//! `admit-release` as a binary of its own.

use gatewright_aws::SystemClock;
use gatewright_handler::serve;

fn main() -> Result<(), lambda_runtime::Error> {
    gatewright_alone::start(|config| async move {
        let (store, _) = gatewright_alone::connect(&config).await;
        serve("admit-release", |event| {
            gatewright_admit_release::handle(&store, &SystemClock, event)
        })
        .await
    })
}
