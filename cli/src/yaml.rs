//! Values in the YAML that we write.

/// `text` as a scalar: plain where YAML reads plain text as just that text,
/// otherwise in double quotes, which escape as JSON does.
pub fn scalar(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// As [`scalar`], inside `[ ]` or `{ }`, where commas and brackets end it.
pub fn inline(text: &str) -> String {
    if is_plain(text) && !text.contains([',', '[', ']', '{', '}']) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// In double quotes.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn is_plain(text: &str) -> bool {
    let starts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '$' | '_' | '(');
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "~"];
    let number = text.parse::<f64>().is_ok()
        || text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | ':' | '-' | '_' | '+'))
        || text.starts_with("0x")
        || text.starts_with("0o")
        || text.starts_with('.') && !text.starts_with("./");
    text.starts_with(starts)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(char::is_control)
        && !reserved.contains(&text.to_ascii_lowercase().as_str())
        && !number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scalar_is_read_back_as_the_text_it_was() {
        for text in [
            "plain",
            "a b",
            "",
            "true",
            "No",
            "1.10",
            "2026-01-01",
            "12:30",
            "a: b",
            "a #b",
            "#b",
            "- x",
            "*x",
            "&x",
            "!x",
            "@x",
            "`x`",
            "{a}",
            "[a]",
            "a, b",
            "\"q\"",
            "it's",
            "a\nb",
            "\t",
            " x",
            "x ",
            "%x",
            "> x",
            "| x",
            "~",
            "null",
            ".inf",
            "0x1f",
            "é → ü",
            "${{ matrix.x }}",
            "$ECR/$NAME:$TAG",
            "./a/**",
            "x:",
            "=",
            "1e3",
            "0o7",
            "+1",
        ] {
            let block: Vec<String> =
                serde_saphyr::from_str(&format!("- {}\n", scalar(text))).unwrap();
            assert_eq!(block, [text]);
            let flow: Vec<String> =
                serde_saphyr::from_str(&format!("[{}, z]\n", inline(text))).unwrap();
            assert_eq!(flow, [text, "z"]);
            // Also for readers that know types.
            let typed: serde_json::Value =
                serde_saphyr::from_str(&format!("- {}\n", scalar(text))).unwrap();
            assert_eq!(typed[0], text, "{}", scalar(text));
        }
    }
}
