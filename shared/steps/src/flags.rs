//! What people should know about a release before they let it through.

use crate::route_of;
use gatewright_aws::store::Store;
use gatewright_aws::table::Table;
use gatewright_domain::EnvironmentName;
use gatewright_domain::decide;
use gatewright_domain::pipeline::{Definition, Purpose};
use gatewright_domain::release::Head;
use gatewright_domain::undo::Flag;
use gatewright_handler::Failure;

/// What people should know about the release: what was taken back from an
/// environment that its route deploys to and that it seems to contain, as it is known now.
///
/// # Errors
/// When the table cannot be read.
pub async fn flags<T: Table>(
    store: &Store<T>,
    definition: &Definition,
    head: &Head,
) -> Result<Vec<Flag>, Failure> {
    if definition.purpose == Purpose::Rollback {
        return Ok(Vec::new());
    }
    let mut environments: Vec<&EnvironmentName> = Vec::new();
    for (_, stage) in definition.path(route_of(head, definition)) {
        match &stage.environment {
            Some(name) if stage.deploy().is_some() && !environments.contains(&name) => {
                environments.push(name);
            }
            Some(_) | None => {}
        }
    }
    let mut found = Vec::new();
    for environment in environments {
        let taken_back = store.all_taken_back(&definition.id, environment).await?;
        let taken_back: Vec<_> = taken_back.into_iter().map(|seen| seen.value).collect();
        let known = definition.environments.get(environment);
        let protected = known.is_none_or(|environment| environment.protected);
        found.extend(decide::undo::flags(&taken_back, head, protected));
    }
    Ok(found)
}
