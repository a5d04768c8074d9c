//! What a plan is, how it is made, and how it is shown.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{VERSION, diagnostic};
use crate::{
    terraform::{Content, Place, Resource, State},
    tools::ToolError,
};

/// What is to happen to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Create,
    Update,
    Delete,
}

/// One resource that would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) address: String,
    pub(super) action: Action,
    pub(super) before: Option<Resource>,
    pub(super) after: Option<Resource>,
}

/// A plan. As a file it holds no time and nothing random: the same
/// configuration against the same state is the same file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    stand_in: String,
    terraform_version: String,
    pub(super) place: Place,
    /// The state it was made against.
    serial: u64,
    state: String,
    pub(super) changes: Vec<Change>,
    pub(super) outputs_before: BTreeMap<String, Value>,
    pub(super) wanted: Content,
}

impl Plan {
    /// What has to change so that `state` becomes what is wanted.
    pub(super) fn make(state: &State, wanted: Content) -> Self {
        let before = &state.content.resources;
        let change = |address: &String| {
            let (before, after) = (before.get(address), wanted.resources.get(address));
            let action = match (before, after) {
                (None, Some(_)) => Action::Create,
                (Some(_), None) => Action::Delete,
                (Some(before), Some(after)) if before != after => Action::Update,
                _ => return None,
            };
            Some(Change {
                address: address.clone(),
                action,
                before: before.cloned(),
                after: after.cloned(),
            })
        };
        let mut addresses: Vec<&String> = before.keys().chain(wanted.resources.keys()).collect();
        addresses.sort();
        addresses.dedup();
        Self {
            stand_in: "plan of the laptop stand-in for Terraform".to_owned(),
            terraform_version: VERSION.to_owned(),
            place: state.place.clone(),
            serial: state.serial,
            state: state.digest(),
            changes: addresses.into_iter().filter_map(change).collect(),
            outputs_before: state.content.outputs.clone(),
            wanted,
        }
    }

    /// Whether applying it would change nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.outputs_before == self.wanted.outputs
    }

    /// How many are created, updated and deleted.
    pub(super) fn counts(&self) -> [usize; 3] {
        [Action::Create, Action::Update, Action::Delete].map(|action| {
            (self.changes.iter())
                .filter(|change| change.action == action)
                .count()
        })
    }

    /// The state after an apply.
    ///
    /// # Errors
    /// When the state is not the one the plan was made against.
    pub(super) fn applied_to(&self, state: &State) -> Result<State, ToolError> {
        if state.serial != self.serial || state.digest() != self.state {
            return Err(stale());
        }
        Ok(State {
            serial: state.serial + 1,
            content: self.wanted.clone(),
            ..state.clone()
        })
    }

    /// Writes the plan file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<(), ToolError> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from)?;
        Ok(fs::write(path, text)?)
    }

    /// Reads a plan file.
    ///
    /// # Errors
    /// When there is none, or it is not this stand-in's.
    pub(super) fn read(path: &Path) -> Result<Self, ToolError> {
        let failed = |why: String| {
            let detail = format!("{}: {why}", path.display());
            diagnostic("Failed to load plan file", &detail)
        };
        let text = fs::read(path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&text)
            .map_err(|error| failed(format!("not a plan of the laptop stand-in: {error}")))
    }

    /// The plan as `terraform plan` and `terraform show` print it.
    pub(super) fn text(&self) -> String {
        if self.is_empty() {
            return "No changes. Your infrastructure matches the configuration.\n\n\
                    Terraform has compared your real infrastructure against your configuration\n\
                    and found no differences, so no changes are needed."
                .to_owned();
        }
        let mut lines = vec![
            "Terraform used the selected providers to generate the following execution".to_owned(),
            "plan. Resource actions are indicated with the following symbols:".to_owned(),
        ];
        let [add, change, destroy] = self.counts();
        let symbols = [
            (add, "  + create"),
            (change, "  ~ update in-place"),
            (destroy, "  - destroy"),
        ];
        lines.extend(
            (symbols.iter().filter(|(count, _)| *count > 0)).map(|(_, text)| (*text).to_owned()),
        );
        lines.push("\nTerraform will perform the following actions:".to_owned());
        self.changes
            .iter()
            .for_each(|change| show(change, &mut lines));
        lines.push(format!(
            "\nPlan: {add} to add, {change} to change, {destroy} to destroy."
        ));
        let outputs = differences(&self.outputs_before, &self.wanted.outputs);
        if !outputs.is_empty() {
            lines.push("\nChanges to Outputs:".to_owned());
            lines.extend(outputs.iter().map(|line| format!("  {line}")));
        }
        lines.join("\n")
    }

    /// The plan as `terraform show -json` prints it, as far as it is played.
    pub(super) fn json(&self) -> Value {
        let values = |resource: &Option<Resource>| {
            resource.as_ref().map(|resource| json!(resource.attributes))
        };
        let changes: Vec<Value> = (self.changes.iter())
            .map(|change| {
                let one = change.after.as_ref().or(change.before.as_ref());
                json!({
                    "address": change.address,
                    "mode": "managed",
                    "type": one.map(|resource| &resource.kind),
                    "name": one.map(|resource| &resource.name),
                    "change": {
                        "actions": [change.action],
                        "before": values(&change.before),
                        "after": values(&change.after),
                    },
                })
            })
            .collect();
        json!({
            "format_version": "1.2",
            "terraform_version": self.terraform_version,
            "resource_changes": changes,
            "applyable": !self.is_empty(),
        })
    }
}

/// The real one's words for a plan whose state has moved on.
pub(super) fn stale() -> ToolError {
    diagnostic(
        "Saved plan is stale",
        "The given plan file can no longer be applied because the state was\n\
         changed by another operation after the plan was created.",
    )
}

fn show(change: &Change, lines: &mut Vec<String>) {
    let (word, sign) = match change.action {
        Action::Create => ("created", '+'),
        Action::Update => ("updated in-place", '~'),
        Action::Delete => ("destroyed", '-'),
    };
    let Some(one) = change.after.as_ref().or(change.before.as_ref()) else {
        return;
    };
    let empty = BTreeMap::new();
    let attributes = |resource: &Option<Resource>| {
        (resource.as_ref()).map_or_else(|| empty.clone(), |resource| resource.attributes.clone())
    };
    lines.push(format!("\n  # {} will be {word}", change.address));
    lines.push(format!(
        "  {sign} resource \"{}\" \"{}\" {{",
        one.kind, one.name
    ));
    let inside = differences(&attributes(&change.before), &attributes(&change.after));
    lines.extend(inside.iter().map(|line| format!("      {line}")));
    lines.push("    }".to_owned());
}

/// A line for each value that differs.
fn differences(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let width = names
        .iter()
        .map(|name| name.len())
        .max()
        .unwrap_or_default();
    (names.into_iter())
        .filter_map(|name| match (before.get(name), after.get(name)) {
            (None, Some(new)) => Some(format!("+ {name:width$} = {}", shown(new))),
            (Some(old), None) => Some(format!("- {name:width$} = {} -> null", shown(old))),
            (Some(old), Some(new)) if old != new => Some(format!(
                "~ {name:width$} = {} -> {}",
                shown(old),
                shown(new)
            )),
            _ => None,
        })
        .collect()
}

/// A value; what is not known before an apply is shown as its expression.
pub(super) fn shown(value: &Value) -> String {
    match value.as_str().and_then(|text| text.strip_prefix("${")) {
        Some(expression) => format!("(known after apply: {})", expression.trim_end_matches('}')),
        None => value.to_string(),
    }
}
