//! Changing parts of manifests: strategic merge patches and field paths.

use serde_json::{Map, Value};

/// Applies a strategic merge patch (Kubernetes, *Strategic Merge Patch*): maps
/// are merged, `null` takes away, and lists of things with a name or a port are
/// merged by it; every other list is replaced.
///
/// # Errors
/// For a `$patch` directive, which is not played.
pub(super) fn merge(target: &mut Value, patch: &Value) -> Result<(), String> {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => merge_maps(target, patch),
        (Value::Array(target), Value::Array(patch)) if merge_key(patch).is_some() => {
            patch.iter().try_for_each(|item| merge_item(target, item))
        }
        (target, patch) => {
            *target = patch.clone();
            Ok(())
        }
    }
}

fn merge_maps(target: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<(), String> {
    for (key, value) in patch {
        if key.starts_with('$') {
            return Err(format!(
                "the patch directive {key} is not played by the laptop stand-in"
            ));
        }
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value)?;
        }
    }
    // What a source of a value replaces: `value` and `valueFrom` exclude each
    // other in a container's environment.
    if patch.contains_key("valueFrom") {
        target.remove("value");
    } else if patch.contains_key("value") {
        target.remove("valueFrom");
    }
    Ok(())
}

fn merge_item(target: &mut Vec<Value>, item: &Value) -> Result<(), String> {
    let key = merge_key(std::slice::from_ref(item)).unwrap_or("name");
    match target.iter_mut().find(|known| known[key] == item[key]) {
        Some(known) => merge(known, item),
        None => {
            target.push(item.clone());
            Ok(())
        }
    }
}

/// The member a list is merged by: containers, environment variables and
/// volumes by name, ports by their number.
fn merge_key(items: &[Value]) -> Option<&'static str> {
    (!items.is_empty()).then_some(())?;
    ["containerPort", "name", "port"]
        .into_iter()
        .find(|key| items.iter().all(|item| !item[*key].is_null()))
}

/// A field by its kustomize path, such as
/// `spec.template.spec.containers.[name=web].image`.
pub(super) fn field<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    let mut value = value;
    for part in parts(path) {
        value = match part
            .strip_prefix('[')
            .and_then(|part| part.strip_suffix(']'))
        {
            Some(condition) => {
                let (key, wanted) = condition.split_once('=')?;
                (value.as_array_mut()?.iter_mut()).find(|item| item[key] == wanted)?
            }
            None => match value {
                Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?)?,
                other => other.get_mut(part)?,
            },
        };
    }
    Some(value)
}

/// The parts of a path: dots inside brackets belong to the condition.
fn parts(path: &str) -> Vec<&str> {
    let mut depth = 0;
    path.split(|c| {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        c == '.' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_merged_by_name_and_null_takes_away() {
        let mut target = json!({"containers": [
            {"name": "web", "image": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
            {"name": "side"}]});
        let patch = json!({"containers": [{"name": "web", "image": null,
            "env": [{"name": "Y", "valueFrom": {"secretKeyRef": {}}}, {"name": "Z", "value": "3"}]}]});
        merge(&mut target, &patch).unwrap();
        let expected = json!({"containers": [
            {"name": "web", "env": [{"name": "X", "value": "1"},
                {"name": "Y", "valueFrom": {"secretKeyRef": {}}}, {"name": "Z", "value": "3"}]},
            {"name": "side"}]});
        assert_eq!(target, expected);
    }

    #[test]
    fn a_field_is_found_through_a_condition_with_a_dot() {
        let mut value = json!({"env": [{"name": "a.b", "value": "x"}]});
        *field(&mut value, "env.[name=a.b].value").unwrap() = "y".into();
        assert_eq!(value["env"][0]["value"], "y");
        assert!(field(&mut value, "env.[name=c].value").is_none());
    }
}
