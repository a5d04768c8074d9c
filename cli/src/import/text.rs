//! `${{ … }}` in commands and values.

/// What the workflow says in plain text, and what was found on the way.
#[derive(Debug, Default)]
pub struct Texts {
    /// Plain variables, the innermost last.
    pub env: Vec<(String, String)>,
    /// Secrets that were named, by the workflow's name.
    pub secrets: Vec<String>,
    /// What a person must decide.
    pub decide: Vec<String>,
}

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Into {
    /// A shell reads it.
    Shell,
    /// Nobody reads it: variables do not work there.
    Plain,
}

impl Texts {
    /// The text with our variables in the place of GitHub's expressions. Those of
    /// a matrix stay, the language knows them.
    pub fn filled(&mut self, text: &str, into: Into) -> String {
        let mut done = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${{") {
            let Some(length) = rest[start..].find("}}") else {
                break;
            };
            done.push_str(&rest[..start]);
            let expression = rest[start + 3..start + length].trim();
            rest = &rest[start + length + 2..];
            let next = rest.chars().next();
            done.push_str(&self.replaced(expression, into, next));
        }
        done.push_str(rest);
        done
    }

    fn replaced(&mut self, expression: &str, into: Into, next: Option<char>) -> String {
        let plain = |name: &str| {
            let glued = next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
            if glued {
                format!("${{{name}}}")
            } else {
                format!("${name}")
            }
        };
        let (context, name) = expression.split_once('.').unwrap_or((expression, ""));
        let simple = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        match context {
            "matrix" if simple => format!("${{{{ matrix.{name} }}}}"),
            "env" if simple => match (into, self.known(name)) {
                (Into::Plain, Some(value)) => value,
                _ => plain(name),
            },
            "secrets" if simple => {
                self.secret(name);
                plain(name)
            }
            _ => match variable(expression) {
                Some(Ok(name)) => plain(name),
                Some(Err(text)) => text.to_owned(),
                None => {
                    let name = shouted(expression);
                    self.decide.push(format!(
                        "what `{expression}` is here: ${name} is nothing yet"
                    ));
                    plain(&name)
                }
            },
        }
    }

    /// The value of a plain variable.
    pub fn known(&self, name: &str) -> Option<String> {
        let mut all = self.env.iter().rev();
        all.find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
    }

    /// Notes that a secret is used.
    pub fn secret(&mut self, name: &str) {
        if !self.secrets.iter().any(|known| known == name) {
            self.secrets.push(name.to_owned());
        }
    }
}

/// Our variable for GitHub's, or the text that it always is.
fn variable(expression: &str) -> Option<Result<&'static str, &'static str>> {
    Some(match expression {
        "github.sha" => Ok("COMMIT_SHA"),
        "github.ref" => Ok("REF"),
        "github.ref_name" => Ok("BRANCH_OR_TAG"),
        "github.workspace" => Ok("CODEBUILD_SRC_DIR"),
        "github.run_id" | "github.run_number" => Ok("GATEWRIGHT_RELEASE"),
        "runner.os" => Err("Linux"),
        "runner.arch" => Err("X64"),
        "runner.temp" => Err("/tmp"),
        _ => return None,
    })
}

/// The secret's name, when a value is a secret and nothing else.
pub fn only_secret(value: &str) -> Option<&str> {
    let inner = value.trim().strip_prefix("${{")?.strip_suffix("}}")?;
    let name = inner.trim().strip_prefix("secrets.")?;
    let simple = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    simple.then_some(name)
}

/// `snyk-token` of `SNYK_TOKEN`: how the secret is called in Secrets Manager.
pub fn secret_id(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// `NEEDS_BUILD_OUTPUTS_TAG` of `needs.build.outputs.tag`.
fn shouted(expression: &str) -> String {
    let kept = expression.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    let name: String = kept.take(40).collect();
    let name = name.trim_matches('_');
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.to_owned()
    } else {
        format!("X{name}")
    }
}
