//! Building a kustomization: bases, patches, images, replacements.
//!
//! The order is kustomize's: patches, then the namespace, then images, then
//! replacements. What is not played is refused by name, since leaving it out
//! would deploy something else than a real cluster gets.

use std::path::Path;

use serde_json::Value;

use super::{ToolError, merge, yaml};
use crate::cluster::image::Reference;

/// The names kustomize accepts for the file.
const FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The members of a kustomization that are played.
const PLAYED: [&str; 10] = [
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "namespace",
    "images",
    "patches",
    "patchesStrategicMerge",
    "replacements",
];

/// A folder's kustomization file.
///
/// # Errors
/// When there is none, or it is not one YAML document.
pub(super) fn load(folder: &Path) -> Result<(std::path::PathBuf, Value), ToolError> {
    let path = (FILES.iter().map(|name| folder.join(name)))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            ToolError::Failed(format!(
                "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{}'",
                folder.display()
            ))
        })?;
    let mut documents = yaml::read(&path)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document @ Value::Object(_)), true) => Ok((path, document)),
        _ => Err(ToolError::Failed(format!(
            "{}: not one YAML map",
            path.display()
        ))),
    }
}

/// Every resource of a folder's kustomization, and the namespace it sets.
///
/// # Errors
/// A sentence naming the file and the member.
pub(super) fn build(folder: &Path) -> Result<(Vec<Value>, Option<String>), ToolError> {
    let (path, kustomization) = load(folder)?;
    let failed = |why: String| ToolError::Failed(format!("{}: {why}", path.display()));
    refuse_unplayed(&kustomization).map_err(failed)?;
    let mut namespace = None;
    let mut resources = Vec::new();
    for entry in strings(&kustomization, "resources").chain(strings(&kustomization, "bases")) {
        let place = folder.join(entry);
        if place.is_dir() {
            let (inner, inner_namespace) = build(&place)?;
            resources.extend(inner);
            namespace = inner_namespace.or(namespace);
        } else {
            resources.extend(yaml::read(&place)?);
        }
    }
    for patch in patches(folder, &kustomization)? {
        apply_patch(&mut resources, &patch).map_err(failed)?;
    }
    if let Some(own) = kustomization["namespace"].as_str() {
        for resource in &mut resources {
            resource["metadata"]["namespace"] = own.into();
        }
        namespace = Some(own.to_owned());
    }
    for image in list(&kustomization, "images") {
        resources
            .iter_mut()
            .for_each(|resource| set_image(resource, image));
    }
    for replacement in list(&kustomization, "replacements") {
        replace(&mut resources, replacement).map_err(failed)?;
    }
    Ok((resources, namespace))
}

fn refuse_unplayed(kustomization: &Value) -> Result<(), String> {
    let members = kustomization
        .as_object()
        .into_iter()
        .flat_map(|members| members.keys());
    for member in members {
        if !PLAYED.contains(&member.as_str()) {
            return Err(format!(
                "`{member}` is not played by the laptop stand-in; it plays {}",
                PLAYED[3..].join(", ")
            ));
        }
    }
    Ok(())
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

fn strings<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v str> {
    list(value, name).filter_map(Value::as_str)
}

struct Patch {
    target: Option<Value>,
    content: Value,
}

fn patches(folder: &Path, kustomization: &Value) -> Result<Vec<Patch>, ToolError> {
    let mut found = Vec::new();
    let add = |documents: Vec<Value>, target: Option<&Value>, found: &mut Vec<Patch>| {
        found.extend(documents.into_iter().map(|content| Patch {
            target: target.cloned(),
            content,
        }));
    };
    for patch in list(kustomization, "patches") {
        let target = patch.get("target");
        let documents = match (patch["path"].as_str(), patch["patch"].as_str()) {
            (Some(path), None) => yaml::read(&folder.join(path))?,
            (None, Some(text)) => yaml::parse(text).map_err(ToolError::Failed)?,
            _ => {
                return Err(ToolError::Failed(
                    "a patch has either `path` or `patch`".to_owned(),
                ));
            }
        };
        add(documents, target, &mut found);
    }
    for path in strings(kustomization, "patchesStrategicMerge") {
        add(yaml::read(&folder.join(path))?, None, &mut found);
    }
    Ok(found)
}

fn apply_patch(resources: &mut [Value], patch: &Patch) -> Result<(), String> {
    if patch.content.is_array() {
        return Err(
            "JSON 6902 patches are not played by the laptop stand-in; use a strategic merge patch"
                .to_owned(),
        );
    }
    let wanted = |resource: &Value| match &patch.target {
        Some(target) => selects(target, resource),
        None => {
            resource["kind"] == patch.content["kind"]
                && resource["metadata"]["name"] == patch.content["metadata"]["name"]
        }
    };
    let mut any = false;
    for resource in resources.iter_mut().filter(|resource| wanted(resource)) {
        merge::merge(resource, &patch.content)?;
        any = true;
    }
    if any {
        Ok(())
    } else {
        Err(format!(
            "no resource matches the patch of {} {}",
            patch.content["kind"], patch.content["metadata"]["name"]
        ))
    }
}

/// Whether a `target` or `select` names a resource, by kind and name.
fn selects(selector: &Value, resource: &Value) -> bool {
    let agrees = |wanted: &Value, actual: &Value| wanted.is_null() || wanted == actual;
    agrees(&selector["kind"], &resource["kind"])
        && agrees(&selector["name"], &resource["metadata"]["name"])
        && agrees(&selector["namespace"], &resource["metadata"]["namespace"])
}

fn set_image(resource: &mut Value, image: &Value) {
    for list in ["containers", "initContainers"] {
        let pointer = format!("/spec/template/spec/{list}");
        let containers = resource.pointer_mut(&pointer).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            if let Some(new) = container["image"]
                .as_str()
                .and_then(|old| new_image(old, image))
            {
                container["image"] = new.into();
            }
        }
    }
}

/// An image as an entry of `images` changes it; `None` when it is another.
fn new_image(old: &str, entry: &Value) -> Option<String> {
    let reference = Reference::parse(old);
    if entry["name"].as_str() != Some(&reference.name) {
        return None;
    }
    let name = entry["newName"].as_str().unwrap_or(&reference.name);
    Some(match (entry["digest"].as_str(), entry["newTag"].as_str()) {
        (Some(digest), _) => format!("{name}@{digest}"),
        (None, Some(tag)) => format!("{name}:{tag}"),
        (None, None) => format!("{name}{}", &old[reference.name.len()..]),
    })
}

fn replace(resources: &mut [Value], replacement: &Value) -> Result<(), String> {
    let source = &replacement["source"];
    let path = source["fieldPath"].as_str().unwrap_or("metadata.name");
    let found = (resources.iter_mut())
        .find(|resource| selects(source, resource))
        .and_then(|resource| merge::field(resource, path))
        .and_then(|value| value.as_str().map(str::to_owned))
        .ok_or_else(|| format!("replacement: the source has no text at {path}"))?;
    let value = part_of(&found, &source["options"])?;
    for target in list(replacement, "targets") {
        if target.get("options").is_some() || target.get("reject").is_some() {
            return Err(
                "replacement: options and reject of a target are not played by the laptop stand-in"
                    .to_owned(),
            );
        }
        for resource in resources
            .iter_mut()
            .filter(|one| selects(&target["select"], one))
        {
            for path in strings(target, "fieldPaths") {
                let field = merge::field(resource, path)
                    .ok_or_else(|| format!("replacement: there is no field {path}"))?;
                *field = value.as_str().into();
            }
        }
    }
    Ok(())
}

fn part_of(text: &str, options: &Value) -> Result<String, String> {
    let Some(delimiter) = options["delimiter"].as_str() else {
        return Ok(text.to_owned());
    };
    let index = usize::try_from(options["index"].as_u64().unwrap_or(0)).unwrap_or(0);
    (text.split(delimiter).nth(index))
        .map(str::to_owned)
        .ok_or_else(|| format!("replacement: {text} has no part {index} between {delimiter:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn images_are_renamed_tagged_and_pinned() {
        let pinned = json!({"name": "gps", "newName": "r.io/gps", "digest": "sha256:ab"});
        assert_eq!(new_image("gps:v1", &pinned).unwrap(), "r.io/gps@sha256:ab");
        let renamed = json!({"name": "gps", "newName": "other"});
        assert_eq!(new_image("gps:v1", &renamed).unwrap(), "other:v1");
        assert!(new_image("gps-web", &pinned).is_none());
    }

    #[test]
    fn a_member_that_is_not_played_is_refused_by_name() {
        let error = refuse_unplayed(&json!({"resources": [], "helmCharts": []})).unwrap_err();
        assert!(error.contains("`helmCharts`"), "{error}");
    }

    #[test]
    fn a_replacement_takes_a_part_of_a_field() {
        let mut resources = vec![json!({"kind": "Deployment", "metadata": {"name": "gps"},
            "image": "gps@sha256:ab", "env": [{"name": "DIGEST", "value": "unknown"}]})];
        let replacement = json!({
            "source": {"kind": "Deployment", "fieldPath": "image", "options": {"delimiter": "@", "index": 1}},
            "targets": [{"select": {"name": "gps"}, "fieldPaths": ["env.[name=DIGEST].value"]}]});
        replace(&mut resources, &replacement).unwrap();
        assert_eq!(resources[0]["env"][0]["value"], "sha256:ab");
    }
}
