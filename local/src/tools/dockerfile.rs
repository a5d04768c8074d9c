//! A Dockerfile, as far as the laptop uses it.
//!
//! Nothing is run and no base image is fetched: the instructions that say how
//! the image is started become its configuration, all others become its
//! history, so that a change in any of them is another image.

use serde_json::{Map, Value, json};

/// What a Dockerfile says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Dockerfile {
    /// The `config` of an OCI image configuration.
    pub(super) config: Map<String, Value>,
    /// Every instruction, continued lines joined.
    pub(super) instructions: Vec<String>,
}

/// Instructions that change nothing about how a process is started here.
const RECORDED: [&str; 9] = [
    "RUN",
    "COPY",
    "ADD",
    "ARG",
    "HEALTHCHECK",
    "VOLUME",
    "SHELL",
    "STOPSIGNAL",
    "MAINTAINER",
];

impl Dockerfile {
    /// Reads a Dockerfile.
    ///
    /// # Errors
    /// The line with what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut file = Self::default();
        let mut from = false;
        for instruction in instructions(text) {
            let (name, rest) = instruction
                .split_once(char::is_whitespace)
                .unwrap_or((&instruction, ""));
            let name = name.to_uppercase();
            if name == "FROM" {
                // The last stage is the image; what came before only fed it.
                file.config = Map::new();
                from = true;
            } else if !from && name != "ARG" {
                return Err(format!(
                    "Dockerfile: {instruction}: the first instruction must be FROM"
                ));
            }
            file.apply(&name, rest.trim())
                .map_err(|why| format!("Dockerfile: {instruction}: {why}"))?;
            file.instructions.push(instruction);
        }
        if from {
            Ok(file)
        } else {
            Err("Dockerfile: there is no FROM".to_owned())
        }
    }

    fn apply(&mut self, name: &str, rest: &str) -> Result<(), String> {
        match name {
            "FROM" => {
                self.member("Labels")["org.opencontainers.image.base.name"] =
                    rest.split_whitespace().next().unwrap_or_default().into()
            }
            "WORKDIR" => self.set("WorkingDir", rest),
            "USER" => self.set("User", rest),
            "CMD" => {
                self.config.insert("Cmd".to_owned(), command(rest)?);
            }
            "ENTRYPOINT" => {
                self.config.insert("Entrypoint".to_owned(), command(rest)?);
            }
            "ENV" => self.environment(rest)?,
            "LABEL" => {
                for (key, value) in pairs(rest)? {
                    self.member("Labels")[key] = value.into();
                }
            }
            "EXPOSE" => {
                for port in rest.split_whitespace() {
                    let port = if port.contains('/') {
                        port.to_owned()
                    } else {
                        format!("{port}/tcp")
                    };
                    self.member("ExposedPorts")[port] = json!({});
                }
            }
            recorded if RECORDED.contains(&recorded) => {}
            other => {
                return Err(format!(
                    "the laptop stand-in for docker does not know {other}"
                ));
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) {
        self.config.insert(key.to_owned(), value.into());
    }

    fn member(&mut self, key: &str) -> &mut Value {
        self.config.entry(key).or_insert_with(|| json!({}))
    }

    fn environment(&mut self, rest: &str) -> Result<(), String> {
        let mut entries = match self.config.remove("Env") {
            Some(Value::Array(entries)) => entries,
            _ => vec![],
        };
        for (name, value) in pairs(rest)? {
            let start = format!("{name}=");
            entries.retain(|entry| {
                !entry
                    .as_str()
                    .is_some_and(|entry| entry.starts_with(&start))
            });
            entries.push(format!("{start}{value}").into());
        }
        self.config.insert("Env".to_owned(), entries.into());
        Ok(())
    }
}

/// The instructions, comments left out and continued lines joined.
fn instructions(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('#') || (line.is_empty() && open.is_empty()) {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(part) => open.push_str(&format!("{} ", part.trim_end())),
            None => {
                open.push_str(line);
                found.push(std::mem::take(&mut open).trim().to_owned());
            }
        }
    }
    if !open.trim().is_empty() {
        found.push(open.trim().to_owned());
    }
    found
}

/// CMD and ENTRYPOINT: the exec form is a JSON array, anything else is the
/// shell form.
fn command(rest: &str) -> Result<Value, String> {
    if !rest.starts_with('[') {
        return Ok(json!(["/bin/sh", "-c", rest]));
    }
    let words: Vec<String> = serde_json::from_str(rest)
        .map_err(|error| format!("the exec form is a JSON array: {error}"))?;
    Ok(json!(words))
}

/// `KEY=value KEY2="other value"`, or the old form `KEY value`.
fn pairs(rest: &str) -> Result<Vec<(String, String)>, String> {
    let first = rest.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (key, value) = rest
            .split_once(char::is_whitespace)
            .ok_or("a value is missing")?;
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    let mut pairs = Vec::new();
    let mut rest = rest.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once('=')
            .ok_or_else(|| format!("{rest} has no `=`"))?;
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        pairs.push((key.to_owned(), value.to_owned()));
        rest = left.trim_start();
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_the_image_is_read_and_the_rest_recorded() {
        let text = "# comment\nFROM python:3.11-slim\nENV A=1 \\\n    B=\"two words\"\nWORKDIR /srv\n\
                    RUN pip install x\nUSER 10001:10001\nEXPOSE 8080\nCMD [\"uvicorn\", \"app:app\"]\n";
        let file = Dockerfile::parse(text).unwrap();
        assert_eq!(file.config["Env"], json!(["A=1", "B=two words"]));
        assert_eq!(file.config["ExposedPorts"], json!({"8080/tcp": {}}));
        assert_eq!(file.config["Cmd"], json!(["uvicorn", "app:app"]));
        assert_eq!(file.instructions.len(), 7);
        assert!(file.instructions.contains(&"RUN pip install x".to_owned()));
    }

    #[test]
    fn mistakes_name_their_line() {
        assert!(Dockerfile::parse("RUN ls\n").unwrap_err().contains("FROM"));
        let error = Dockerfile::parse("FROM x\nCOPPY a b\n").unwrap_err();
        assert!(error.contains("COPPY a b"), "{error}");
        assert!(Dockerfile::parse("FROM x\nCMD [uvicorn]\n").is_err());
    }
}
