//! The few colours there are. Whether anybody sees them, [`crate::out`] knows.

use anstyle::{AnsiColor, Style};

/// It is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// It is not.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Somebody or something is awaited.
pub const WAITING: Style = AnsiColor::Yellow.on_default();
/// Not important.
pub const SOFT: Style = Style::new().dimmed();
/// A heading.
pub const HEAD: Style = Style::new().bold();
/// A command or an address to copy.
pub const COPY: Style = AnsiColor::Cyan.on_default();

/// `text` in that style.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// `text`, filled up with spaces to `width` characters.
pub fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

/// The longest of these, in characters.
pub fn widest<'a>(texts: impl IntoIterator<Item = &'a str>) -> usize {
    let widths = texts.into_iter().map(|text| text.chars().count());
    widths.max().unwrap_or(0)
}
