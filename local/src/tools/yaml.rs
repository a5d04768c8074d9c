//! YAML documents as JSON values.

use std::{fs, path::Path};

use serde_json::Value;

use super::ToolError;

/// Every document of a file; empty documents are left out.
///
/// # Errors
/// With the file's name and the place.
pub(super) fn read(path: &Path) -> Result<Vec<Value>, ToolError> {
    let failed = |why: String| ToolError::Failed(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    parse(&text).map_err(failed)
}

/// Every document of a text.
///
/// # Errors
/// With the place.
pub(super) fn parse(text: &str) -> Result<Vec<Value>, String> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// A value as YAML.
///
/// # Errors
/// When it cannot be written as YAML.
pub(super) fn write(value: &Value) -> Result<String, ToolError> {
    serde_saphyr::to_string(value).map_err(|error| ToolError::Failed(error.to_string()))
}
