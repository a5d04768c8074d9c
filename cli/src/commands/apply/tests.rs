//! What is applied, and what is not.

use super::*;
use crate::commands::example::plain;
use gatewright_domain::pipeline::Seconds;
use gatewright_fakes::{MemoryTable, definition, directory};

async fn look(store: &Store<MemoryTable>, definition: &Definition, who: &Directory) -> String {
    let changes = vec![change(store, definition, who).await.unwrap()];
    let people = people(store, Some(who)).await.unwrap();
    plain(&told(&changes, &people).join("\n"))
}

#[tokio::test]
async fn what_is_new_unchanged_and_changed_is_said() {
    let store = Store::new(MemoryTable::default());
    let (mut definition, mut who) = (definition(), directory());
    let first = look(&store, &definition, &who).await;
    assert!(
        first.starts_with("new        pl-gps-001  live: nothing → "),
        "{first}"
    );
    store.apply(&definition).await.unwrap();
    store.apply_directory(&who).await.unwrap();
    let second = look(&store, &definition, &who).await;
    assert!(
        second.starts_with("unchanged  pl-gps-001  live: "),
        "{second}"
    );
    definition.budget = Seconds(definition.budget.0 + 86_400);
    who.groups[1].members.remove(0);
    let third = look(&store, &definition, &who).await;
    assert!(
        third.starts_with("changed    pl-gps-001  live: "),
        "{third}"
    );
    assert!(
        third.contains("the budget is 8 d instead of 7 d")
            && third.contains("- devan in devops-lead"),
        "{third}"
    );
}

#[tokio::test]
async fn less_protection_needs_a_reason() {
    let store = Store::new(MemoryTable::default());
    let (mut definition, who) = (definition(), directory());
    store.apply(&definition).await.unwrap();
    definition.stages[4].gates.clear();
    let changes = [change(&store, &definition, &who).await.unwrap()];
    assert_eq!(changes[0].weakens, ["production"]);
    for none in [None, Some(""), Some("  ")] {
        let refused = demand_reason(&changes, none).unwrap_err();
        assert_eq!(refused.code, Code::Refused);
        assert!(
            refused.what.contains("would protect production less"),
            "{refused:?}"
        );
    }
    assert_eq!(demand_reason(&changes, Some("CAB-1")), Ok(()));
}

#[tokio::test]
async fn the_rollbacks_definition_is_recorded_and_not_live() {
    let store = Store::new(MemoryTable::default());
    let (definition, who) = (definition(), directory());
    let before = change(&store, &definition, &who).await.unwrap();
    let args = Apply {
        pipelines: Vec::new(),
        reason: Some("first".to_owned()),
        by: Some("lena".to_owned()),
        yes: true,
    };
    write(&store, &before, &definition, &args).await.unwrap();
    let rollback = definition.rollback().unwrap().version().unwrap();
    assert_eq!(before.rollback_version, Some(rollback.clone()));
    assert!(
        store
            .definition(&definition.id, &rollback)
            .await
            .unwrap()
            .is_some()
    );
    let live = store.live(&definition.id).await.unwrap().unwrap().value;
    assert_eq!(live.version, definition.version().unwrap());
    let applied = live.applied.unwrap();
    assert_eq!(
        (applied.by.as_str(), applied.reason.as_deref()),
        ("lena", Some("first"))
    );

    // Again: nothing changes, and nothing is noted twice.
    let after = change(&store, &definition, &who).await.unwrap();
    assert_eq!(after.is, Is::Unchanged);
    write(&store, &after, &definition, &args).await.unwrap();
    let noted = store.applications(&definition.id, 10).await.unwrap();
    assert_eq!(noted.len(), 1);
}

#[test]
fn a_pipeline_of_another_region_is_not_applied_here() {
    let example = definition();
    let here = example.region.clone();
    assert!(all_here(&[&example], &here).is_ok());
    let refused = all_here(&[&example], "eu-west-1").unwrap_err();
    let expected = format!("deploys in {here}, and this Gatewright is in eu-west-1");
    assert!(refused.what.contains(&expected), "{}", refused.what);
}
