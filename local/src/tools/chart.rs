//! A Helm chart in a folder, rendered with its values.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use walkdir::WalkDir;

use super::{ToolError, template, yaml};

/// Whose rendering this is, for `.Release`.
pub(super) struct ReleaseName<'r> {
    pub(super) name: &'r str,
    pub(super) namespace: &'r str,
    pub(super) revision: u64,
}

/// What was given on the command line for a chart.
#[derive(Debug, Default)]
pub(super) struct Given<'g> {
    /// Files with values, the later ones win.
    pub(super) files: &'g [PathBuf],
    /// `a.b=value`, and whether the value is text whatever it looks like.
    pub(super) sets: Vec<(&'g str, bool)>,
}

/// A chart's own description.
pub(super) fn description(folder: &Path) -> Result<Value, ToolError> {
    let path = folder.join("Chart.yaml");
    let chart = yaml::read(&path)?.into_iter().next().unwrap_or_default();
    if chart["name"].is_null() || chart["version"].is_null() {
        return Err(ToolError::Failed(format!(
            "{}: a chart has a name and a version",
            path.display()
        )));
    }
    if !chart["dependencies"].is_null() {
        let why = "it plays charts without dependencies";
        return Err(ToolError::unknown("helm", "a chart with dependencies", why));
    }
    Ok(chart)
}

/// The chart's values: its own, then the files', then the ones set.
pub(super) fn values(folder: &Path, given: &Given<'_>) -> Result<Value, ToolError> {
    let own = folder.join("values.yaml");
    let mut values = json!({});
    let own = own.is_file().then_some(own);
    for file in own.iter().chain(given.files) {
        for document in yaml::read(file)? {
            merge(&mut values, document);
        }
    }
    for (assignment, text) in &given.sets {
        for one in assignments(assignment) {
            set(&mut values, one, *text)?;
        }
    }
    Ok(values)
}

/// `a=1,b=2` are two assignments; `\,` is a comma.
fn assignments(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        match (c, parts.last_mut()) {
            ('\\', _) if !escaped => {
                escaped = true;
                continue;
            }
            (',', _) if !escaped => parts.push(String::new()),
            (_, Some(last)) => last.push(c),
            (_, None) => {}
        }
        escaped = false;
    }
    parts
}

fn set(values: &mut Value, assignment: String, text: bool) -> Result<(), ToolError> {
    let (path, value) = assignment.split_once('=').ok_or_else(|| {
        ToolError::Failed(format!(
            "failed parsing --set data: key {assignment:?} has no value"
        ))
    })?;
    let value = match value {
        text_value if text => json!(text_value),
        "null" => Value::Null,
        "true" | "false" => json!(value == "true"),
        _ => value
            .parse::<i64>()
            .map_or_else(|_| json!(value), Value::from),
    };
    let mut place = values;
    for part in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[part];
    }
    *place = value;
    Ok(())
}

/// Members of `other` win; null takes a member away.
fn merge(values: &mut Value, other: Value) {
    match (values.as_object_mut(), other) {
        (Some(members), Value::Object(others)) => {
            for (name, value) in others {
                if value.is_null() {
                    members.remove(&name);
                } else {
                    merge(members.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (_, other) => *values = other,
    }
}

/// The chart's manifests.
///
/// # Errors
/// Naming the template and what is wrong with it.
pub(super) fn render(
    folder: &Path,
    values: &Value,
    release: &ReleaseName<'_>,
) -> Result<Vec<Value>, ToolError> {
    let chart = description(folder)?;
    let chart_members: Map<String, Value> = (chart.as_object().into_iter().flatten())
        .map(|(name, value)| (capital(name), value.clone()))
        .collect();
    let data = json!({
        "Values": values,
        "Chart": chart_members,
        "Release": {"Name": release.name, "Namespace": release.namespace,
            "Revision": release.revision, "Service": "Helm"},
    });
    let mut resources = Vec::new();
    let entries = WalkDir::new(folder.join("templates")).sort_by_file_name();
    for entry in entries {
        let entry = entry.map_err(|error| ToolError::Failed(format!("the chart: {error}")))?;
        let path = entry.path();
        let is_manifest = path
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml");
        if !entry.file_type().is_file() || !is_manifest {
            continue;
        }
        let failed =
            |why: String| ToolError::Failed(format!("template: {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let filled = template::fill(&text, &data).map_err(failed)?;
        resources.extend(yaml::parse(&filled).map_err(failed)?);
    }
    Ok(resources)
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn values_are_merged_in_helms_order_and_put_into_the_manifests() {
        let chart = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(chart.path().join(name), text).unwrap();
        fs::create_dir(chart.path().join("templates")).unwrap();
        write(
            "Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: '7'\n",
        );
        write(
            "values.yaml",
            "image: {repository: r, tag: none}\nreplicas: 1\n",
        );
        write("production.yaml", "replicas: 3\n");
        write(
            "templates/service.yaml",
            "kind: Service\nmetadata: {name: {{ .Release.Name }}}\nspec: {image: '{{ .Values.image.repository }}:{{ .Values.image.tag }}', replicas: {{ .Values.replicas }}, app: {{ .Chart.AppVersion | quote }}}\n",
        );
        let files = [chart.path().join("production.yaml")];
        let given = Given {
            files: &files,
            sets: vec![("image.tag=v1,weight=5", false), ("build=007", true)],
        };
        let values = values(chart.path(), &given).unwrap();
        assert_eq!(
            values,
            json!({"image": {"repository": "r", "tag": "v1"}, "replicas": 3, "weight": 5, "build": "007"})
        );
        let release = ReleaseName {
            name: "r1",
            namespace: "n",
            revision: 2,
        };
        let rendered = render(chart.path(), &values, &release).unwrap();
        assert_eq!(
            rendered,
            [json!({"kind": "Service", "metadata": {"name": "r1"},
            "spec": {"image": "r:v1", "replicas": 3, "app": "7"}})]
        );
    }
}
