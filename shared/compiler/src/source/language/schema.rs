//! The JSON Schema.

/// The schema.
pub fn schema() -> String {
    String::new()
}
