//! The command line on the laptop stack, as a person uses it.

use crate::Laptop;
use crate::laptop::root;
use gatewright_domain::decide::Obstacle;
use gatewright_domain::ledger::Fact;
use gatewright_domain::pipeline::Work;
use gatewright_domain::release::Head;
use std::process::Output;

impl Laptop {
    /// Runs `gatewright` with these arguments against the stack.
    ///
    /// # Panics
    /// When there is no such program; `cargo build -p gatewright` makes it.
    pub async fn gatewright(&self, args: &[&str]) -> Output {
        let program = root().join("target/debug/gatewright");
        let ran = tokio::process::Command::new(&program)
            .args(args)
            .arg("--connection")
            .arg(self.data().join("connection.json"))
            .current_dir(root())
            .output()
            .await;
        ran.unwrap_or_else(|e| panic!("{}: {e}; build it first", program.display()))
    }

    /// As [`Laptop::gatewright`], which must end with 0; gives what it prints.
    ///
    /// # Panics
    /// When it does not.
    pub async fn says(&self, args: &[&str]) -> String {
        let ran = self.gatewright(args).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&ran.stdout), text(&ran.stderr));
        assert!(ran.status.success(), "{args:?}: {}\n{out}{err}", ran.status);
        out
    }

    /// Breaks the glass for a release that a freeze, a window or a soak time keeps
    /// waiting, as somebody who approves there; whether it had to.
    ///
    /// # Panics
    /// When the record cannot be read or nobody may.
    pub async fn breaks_the_glass(&self, head: &Head) -> bool {
        let events = self.store.ledger(&head.release).await;
        let last = events.unwrap_or_else(|e| panic!("{e}")).pop();
        let Some(Fact::DeployDelayed { stage, because, .. }) = last.map(|event| event.fact) else {
            return false;
        };
        let by_the_clock = because.iter().any(|o| o.until().is_some());
        let all_yield = because.iter().all(Obstacle::yields_to_glass);
        if !by_the_clock || !all_yield {
            return false;
        }
        let definition = self.store.definition(&head.pipeline, &head.version).await;
        let definition = definition.unwrap_or_else(|e| panic!("{e}"));
        let definition = definition.unwrap_or_else(|| panic!("{head:?}"));
        let environment = definition
            .stage(&stage)
            .and_then(|(_, s)| s.environment.clone());
        if environment
            .as_ref()
            .is_some_and(|e| head.glass_in(e).is_some())
        {
            return false;
        }
        let group = definition.stages.iter().find_map(|s| match &s.work {
            Work::Approval(asked) if s.environment == environment => {
                Some(asked.quorum.first()?.group.clone())
            }
            Work::Approval(_)
            | Work::Build(_)
            | Work::Deploy(_)
            | Work::Watch(_)
            | Work::Pause(_) => None,
        });
        let directory = self.store.directory().await;
        let directory = directory.unwrap_or_else(|e| panic!("{e}")).value;
        let member = group.and_then(|group| directory.group(&group)?.members.first().cloned());
        let person = member.unwrap_or_else(|| panic!("nobody approves {environment:?}"));
        let release = head.release.as_str();
        let reason = "the test does not wait for Saturday";
        let args = [
            "break-glass",
            release,
            "--as",
            person.as_str(),
            "--reason",
            reason,
            "--yes",
        ];
        self.says(&args).await;
        true
    }
}
