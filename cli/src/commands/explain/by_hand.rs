//! What brings an environment back that a release left in doubt, in short.

use crate::commands::logs::harmless;
use crate::commands::runbook;
use crate::error::Failed;
use crate::story::Story;
use crate::style::{COPY, HEAD, paint};
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_domain::EnvironmentName;
use gatewright_domain::decide::in_doubt;
use gatewright_domain::given::Stores;
use gatewright_domain::release::Status;
use serde::Serialize;

/// How an environment is brought back by hand, in short.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ByHand {
    /// The environment.
    pub environment: EnvironmentName,
    /// The commands that go back, with their values in them.
    pub commands: Vec<String>,
    /// The command that prints the whole procedure.
    pub all: String,
}

impl ByHand {
    /// The commands that go back, ready to be copied, and where the rest is. They are
    /// not indented: a here-document would never end.
    pub fn told(&self) -> String {
        let heading = format!("By hand, to bring {} back", self.environment);
        let mut said = format!("\n{}\n", paint(HEAD, heading));
        for command in &self.commands {
            said.push_str(&format!("{}\n", harmless(command.trim_end())));
        }
        said.push_str(&format!(
            "\nAll of it, step by step: {}",
            paint(COPY, &self.all)
        ));
        said
    }
}

/// How the environments are brought back that the release left in doubt.
///
/// # Errors
/// When the record cannot be read.
pub async fn by_hand<T: Table>(
    store: &Store<T>,
    story: &Story,
    stores: Option<&Stores>,
) -> Result<Vec<ByHand>, Failed> {
    let head = &story.head;
    let (Status::FailedDirty, Some(definition)) = (head.status, &story.definition) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for environment in in_doubt(Some(definition), head, &story.records) {
        let found = runbook::found(store, &head.pipeline, &environment, None).await?;
        let procedure = runbook::procedure(definition, &environment, &found, stores)?;
        let commands = procedure.short.into_iter().map(|command| command.run);
        all.push(ByHand {
            commands: commands.collect(),
            all: format!("gatewright runbook {} {environment}", head.pipeline),
            environment,
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::example::Example;

    #[tokio::test]
    async fn a_release_that_left_production_in_doubt_ends_with_what_brings_it_back() {
        let example = Example::dirty_production().await;
        let story = example.story().await;
        let stores = crate::commands::example::stores();
        let said = by_hand(&example.store, &story, Some(&stores))
            .await
            .unwrap();
        let [production] = said.as_slice() else {
            panic!("{said:?}");
        };
        insta::assert_snapshot!(crate::commands::example::plain(&production.told()));
        let clean = Example::low_coverage().await;
        let said = by_hand(&clean.store, &clean.story().await, None).await;
        assert_eq!(said.unwrap(), []);
    }

    #[test]
    fn a_here_document_can_be_pasted() {
        let one = ByHand {
            environment: "production".parse().unwrap(),
            commands: vec!["deploy <<'END'\n{\n  \"version\": 1\n}\nEND\n".to_owned()],
            all: "gatewright runbook shop production".to_owned(),
        };
        let said = crate::commands::example::plain(&one.told());
        let command = "\ndeploy <<'END'\n{\n  \"version\": 1\n}\nEND\n";
        assert!(said.contains(command), "{said}");
    }
}
