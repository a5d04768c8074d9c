//! `gatewright lift` and `resolve`: what people say afterwards about what was
//! undone.

use super::orders::give;
use crate::args::{Lift, Resolve};
use crate::connect::reach;
use crate::error::{Code, Failed};
use crate::lookup;
use crate::out::Out;
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_domain::order::Order;
use gatewright_domain::{EnvironmentName, PipelineId};
use std::path::Path;

/// Allows again what was taken back from an environment.
///
/// # Errors
/// When nothing of that release was taken back there, or the order is refused.
pub async fn lift(args: &Lift, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let reach = reach(at).await?;
    reach.machine(&args.pipeline)?;
    let order = lifting(args, &reach.store).await?;
    give(&reach, args.why.person.as_deref(), order, out).await
}

/// Writes down what became of the reason for a rollback.
///
/// # Errors
/// When there is no such release, or the order is refused.
pub async fn resolve(args: &Resolve, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let reach = reach(at).await?;
    let head = lookup::release(&reach.store, &reach.pipelines(), &args.release).await?;
    let order = Order::Resolve {
        release: head.release,
        text: args.text.clone(),
    };
    give(&reach, args.person.as_deref(), order, out).await
}

/// The order, when there is something to lift.
async fn lifting<T: Table>(args: &Lift, store: &Store<T>) -> Result<Order, Failed> {
    let wrong = |error: &dyn std::fmt::Display| Failed::usage(error.to_string());
    let pipeline: PipelineId = args.pipeline.parse().map_err(|e| wrong(&e))?;
    let environment: EnvironmentName = args.environment.parse().map_err(|e| wrong(&e))?;
    let head = lookup::release(store, std::slice::from_ref(&pipeline), &args.release).await?;
    let all = store.all_taken_back(&pipeline, &environment).await?;
    let active: Vec<_> = all.iter().filter(|seen| seen.value.is_active()).collect();
    if !active.iter().any(|seen| seen.value.release == head.release) {
        let titles: Vec<&str> = active.iter().map(|s| s.value.title.as_str()).collect();
        let what = format!("{} does not stay back from {environment}", head.title());
        return Err(Failed::refused(what).help(match titles.is_empty() {
            true => format!("nothing of {pipeline} does"),
            false => format!("what does: {}", titles.join(", ")),
        }));
    }
    Ok(Order::Lift {
        pipeline,
        environment,
        release: head.release,
        reason: args.why.reason.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Why;
    use crate::commands::example::Example;
    use gatewright_aws::store::taken_back_write;
    use gatewright_aws::table::When;
    use gatewright_domain::Digest;
    use gatewright_domain::undo::TakenBack;

    fn args(release: &str) -> Lift {
        Lift {
            pipeline: "pl-gps-001".to_owned(),
            environment: "staging".to_owned(),
            release: release.to_owned(),
            why: Why {
                reason: "it was the network".to_owned(),
                person: None,
            },
        }
    }

    #[tokio::test]
    async fn only_what_stays_back_is_lifted_and_the_rest_is_named() {
        let example = Example::two_on_staging().await;
        let nothing = lifting(&args("2"), &example.store).await.unwrap_err();
        assert_eq!(nothing.code, Code::Refused);
        assert_eq!(nothing.help.as_deref(), Some("nothing of pl-gps-001 does"));
        let back = TakenBack {
            pipeline: "pl-gps-001".parse().unwrap(),
            environment: "staging".parse().unwrap(),
            digest: Digest::of_bytes(b"next"),
            release: "cp-2".parse().unwrap(),
            title: "pl-gps-001#2".to_owned(),
            number: Some(2),
            commit: "b".repeat(40).parse().unwrap(),
            reference: "refs/heads/main".to_owned(),
            why: "it lost positions".to_owned(),
            by: None,
            at: example.now(),
            lifted: None,
        };
        let write = taken_back_write(&back, When::Absent).unwrap();
        example.store.table().write(vec![write]).await.unwrap();
        let other = lifting(&args("1"), &example.store).await.unwrap_err();
        assert_eq!(other.what, "pl-gps-001#1 does not stay back from staging");
        assert_eq!(other.help.as_deref(), Some("what does: pl-gps-001#2"));
        let order = lifting(&args("pl-gps-001#2"), &example.store)
            .await
            .unwrap();
        let said = serde_json::to_value(&order).unwrap();
        assert_eq!(
            (&said["order"], &said["release"]),
            (&"lift".into(), &"cp-2".into())
        );
    }
}
