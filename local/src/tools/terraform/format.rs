//! `terraform fmt -check`: the rules of Terraform's style that are about
//! layout, line by line.
//!
//! Indentation by two, no tabs, nothing after a line's end, and `=` of
//! neighbouring single-line arguments below each other. The real one knows
//! more; what fails here fails there.

/// Whether a file's text is formatted.
pub(super) fn is_formatted(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let endings = lines
        .iter()
        .all(|line| line.trim_end() == *line && !line.contains('\t'));
    endings && indented(&lines) && aligned(&lines)
}

/// The lines of heredocs are whatever their author wrote.
fn heredoc_end(line: &str) -> Option<String> {
    let (_, after) = line.split_once("<<")?;
    let name = after.trim_start_matches('-').trim();
    let word = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    word.then(|| name.to_owned())
}

/// A line without its strings and its comment: brackets in there mean nothing.
fn code(line: &str) -> String {
    let mut kept = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for character in line.chars() {
        if quoted {
            quoted = escaped || character != '"';
            escaped = character == '\\' && !escaped;
        } else if character == '#' || kept.ends_with('/') && character == '/' {
            break;
        } else if character == '"' {
            quoted = true;
            kept.push('"');
        } else {
            kept.push(character);
        }
    }
    kept
}

fn indented(lines: &[&str]) -> bool {
    let mut depth: usize = 0;
    let mut heredoc: Option<String> = None;
    for line in lines {
        if let Some(end) = &heredoc {
            if line.trim() == end {
                heredoc = None;
            }
            continue;
        }
        let code = code(line);
        let closing = code
            .trim_start()
            .chars()
            .take_while(|c| "}])".contains(*c))
            .count();
        // Several brackets that open on one line indent what follows once.
        let expected = depth.saturating_sub(usize::from(closing > 0));
        if !line.is_empty() && line.len() - line.trim_start().len() != expected * 2 {
            return false;
        }
        let count = |set: &str| code.chars().filter(|c| set.contains(*c)).count();
        match count("{[(").cmp(&count("}])")) {
            std::cmp::Ordering::Greater => depth += 1,
            std::cmp::Ordering::Less => depth = depth.saturating_sub(1),
            std::cmp::Ordering::Equal => {}
        }
        heredoc = heredoc_end(line);
    }
    true
}

fn aligned(lines: &[&str]) -> bool {
    let mut group: Vec<(usize, usize)> = Vec::new();
    for line in lines {
        match assignment(line) {
            Some(one) => group.push(one),
            None if in_one_column(&group) => group.clear(),
            None => return false,
        }
    }
    in_one_column(&group)
}

/// Where a single-line argument's name ends and where its `=` is.
fn assignment(line: &str) -> Option<(usize, usize)> {
    let name = line.trim_start();
    let length = name.find(|c: char| !(c.is_alphanumeric() || "_-".contains(c)))?;
    let start = line.len() - name.len();
    let (between, value) = name[length..].split_once('=')?;
    let plain = length > 0 && between.chars().all(|c| c == ' ') && !value.starts_with('=');
    let whole = !value.trim_end().ends_with(['{', '[', '(']) && heredoc_end(value).is_none();
    (plain && whole).then(|| (start + length, start + length + between.len()))
}

fn in_one_column(group: &[(usize, usize)]) -> bool {
    let wanted = group.iter().map(|(end, _)| end + 1).max();
    group.iter().all(|(_, equals)| Some(*equals) == wanted)
}

#[cfg(test)]
mod tests {
    use super::is_formatted;

    #[test]
    fn layout_is_checked_line_by_line() {
        let good = "resource \"a\" \"b\" {\n  name     = \"x {\" # {\n  quantity = 2\n\n  tags = {\n    one = 1\n  }\n  list = [for x in y : {\n    a = x\n  }]\n}\n";
        assert!(is_formatted(good));
        for bad in [
            "a {\n name = 1\n}\n",
            "a {\n\tname = 1\n}\n",
            "a {\n  name = 1 \n}\n",
            "a {\n  name = 1\n  longer = 2\n}\n",
            "a {\n  name  = 1\n}\n",
        ] {
            assert!(!is_formatted(bad), "{bad}");
        }
        assert!(is_formatted(
            "a = <<-EOT\n   whatever\n\tis here\n  EOT\n"
                .replace('\t', " ")
                .as_str()
        ));
    }
}
