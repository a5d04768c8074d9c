//! The reference page.

/// The page.
pub fn reference() -> String {
    String::new()
}
