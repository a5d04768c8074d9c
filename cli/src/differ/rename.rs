//! Stages that are the same under another name.

use gatewright_domain::StageName;
use gatewright_domain::pipeline::{Definition, Stage, Work};

/// `before` with the names that its stages have in `after`, and which those are.
pub fn aligned(before: &Definition, after: &Definition) -> (Definition, Vec<(String, String)>) {
    let gone = before
        .stages
        .iter()
        .filter(|s| after.stage(&s.name).is_none());
    let mut new: Vec<&Stage> = after
        .stages
        .iter()
        .filter(|s| before.stage(&s.name).is_none())
        .collect();
    let mut renamed = Vec::new();
    for old in gone {
        if let Some(at) = new.iter().position(|new| is_same(old, new)) {
            renamed.push((old.name.clone(), new.remove(at).name.clone()));
        }
    }
    let mut aligned = before.clone();
    let to = |name: &mut StageName| {
        if let Some((_, new)) = renamed.iter().find(|(old, _)| old == name) {
            name.clone_from(new);
        }
    };
    for stage in &mut aligned.stages {
        to(&mut stage.name);
        stage
            .of
            .iter_mut()
            .chain(&mut stage.on_failure)
            .for_each(to);
    }
    let routes = aligned.triggers.iter_mut().flat_map(|t| &mut t.stages);
    let groups = aligned.groups.iter_mut().flat_map(|g| &mut g.stages);
    routes.chain(groups).for_each(to);
    let told = renamed
        .iter()
        .map(|(old, new)| (old.to_string(), new.to_string()));
    let told = told.collect();
    (aligned, told)
}

/// Whether they differ in their name alone, or ask people about one environment.
fn is_same(old: &Stage, new: &Stage) -> bool {
    match (&old.work, &new.work) {
        (Work::Approval(_), Work::Approval(_)) => old.environment == new.environment,
        _ => {
            let plain = |stage: &Stage| Stage {
                name: new.name.clone(),
                description: String::new(),
                of: None,
                on_failure: None,
                ..stage.clone()
            };
            plain(old) == plain(new)
        }
    }
}
