//! Commands with values in them.

use crate::buildspec::quoted;
use gatewright_domain::given::Variables;
use gatewright_domain::pipeline::Variable;

/// What means the same inside quotes, outside of them, and to every shell.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./:@".contains(c)
}

/// `text` as one line of a comment.
pub(super) fn plain(text: &str) -> String {
    let seen: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A command as it may be shown: without characters that steer a terminal.
pub(super) fn printable(command: &str) -> String {
    command
        .trim_end()
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

/// `command` with `$NAME` and `${NAME}` replaced by their values, where the shell
/// would replace them: not in single quotes, not after a backslash. A value that
/// would need quotes of its own stays a variable.
pub(super) fn filled_in(command: &str, variables: &Variables) -> String {
    let mut said = String::with_capacity(command.len());
    let (mut single, mut double) = (false, false);
    let mut rest = command;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '\\' if !single => {
                said.push(c);
                rest = after;
                if let Some(escaped) = rest.chars().next() {
                    said.push(escaped);
                    rest = &rest[escaped.len_utf8()..];
                }
                continue;
            }
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '$' if !single => {
                if let Some((value, behind)) = value_at(after, variables) {
                    said.push_str(value);
                    rest = behind;
                    continue;
                }
            }
            _ => {}
        }
        said.push(c);
        rest = after;
    }
    said
}

/// The value of the variable whose name begins `text`, and what is behind it.
fn value_at<'v, 't>(text: &'t str, variables: &'v Variables) -> Option<(&'v str, &'t str)> {
    let (name, behind) = match text.strip_prefix('{') {
        Some(inner) => inner.split_once('}')?,
        None => {
            let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            text.split_at(end.unwrap_or(text.len()))
        }
    };
    let value = variables.get(name)?;
    (!value.is_empty() && value.chars().all(is_plain)).then_some((value.as_str(), behind))
}

/// The command with which a person sets a variable whose value is elsewhere. The
/// value itself is never here.
pub(super) fn elsewhere(name: &str, variable: &Variable) -> Option<String> {
    match variable {
        Variable::Plain { .. } => None,
        Variable::Parameter { name: parameter } => Some(format!(
            "export {name}=\"$(aws ssm get-parameter --with-decryption --name {} --query Parameter.Value --output text)\"",
            quoted(parameter)
        )),
        Variable::Secret { id } => {
            let (secret, key) = secret_and_key(id);
            let read = format!(
                "aws secretsmanager get-secret-value --secret-id {} --query SecretString --output text",
                quoted(&secret)
            );
            Some(match key {
                Some(key) => {
                    let picked = quoted(&format!(".[\"{key}\"]"));
                    format!("export {name}=\"$({read} | jq --raw-output {picked})\"")
                }
                None => format!("export {name}=\"$({read})\""),
            })
        }
    }
}

/// CodeBuild's `secret-id:json-key:…`, where the id may be an ARN, which has
/// seven parts of its own.
fn secret_and_key(id: &str) -> (String, Option<&str>) {
    let parts: Vec<&str> = id.split(':').collect();
    let own = if id.starts_with("arn:") { 7 } else { 1 };
    let secret = parts[..own.min(parts.len())].join(":");
    let key = parts.get(own).copied().filter(|key| !key.is_empty());
    (secret, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Variables {
        let owned = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        owned.collect()
    }

    #[test]
    fn values_stand_where_the_shell_would_put_them() {
        let variables = of(&[("NAMESPACE", "production"), ("NAME", "x"), ("ODD", "a b")]);
        for (command, said) in [
            (
                "kubectl -n \"$NAMESPACE\" get",
                "kubectl -n \"production\" get",
            ),
            (
                "curl http://a.${NAMESPACE}.svc",
                "curl http://a.production.svc",
            ),
            (
                "echo '$NAMESPACE' \"it's $NAME\"",
                "echo '$NAMESPACE' \"it's x\"",
            ),
            (
                "echo \\$NAMESPACE $NAMESPACES",
                "echo \\$NAMESPACE $NAMESPACES",
            ),
            ("echo $ODD ${OTHER:-$NAME} $", "echo $ODD ${OTHER:-x} $"),
        ] {
            assert_eq!(filled_in(command, &variables), said);
        }
    }

    #[test]
    fn secrets_are_named_and_not_read() {
        let secret = |id: &str| Variable::Secret { id: id.to_owned() };
        let said = |id: &str| elsewhere("TOKEN", &secret(id)).unwrap();
        assert_eq!(
            said("team/token"),
            "export TOKEN=\"$(aws secretsmanager get-secret-value --secret-id team/token --query SecretString --output text)\""
        );
        assert!(
            said("team/token:api").ends_with("--output text | jq --raw-output '.[\"api\"]')\"")
        );
        assert!(
            said("arn:aws:secretsmanager:eu-central-1:1:secret:t-Ab12:k:")
                .contains("--secret-id 'arn:aws:secretsmanager:eu-central-1:1:secret:t-Ab12' ")
        );
    }

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\n\tc\r\n"), "a[2Jb\n\tc");
        assert_eq!(plain("one\n# two\u{7}"), "one # two");
    }
}
