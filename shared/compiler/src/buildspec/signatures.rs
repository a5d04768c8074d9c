//! The commands that a signature gate brings along: they verify the image, by the
//! digest that the release has pinned, before anything else is done with it.

use super::{quoted, strict};
use gatewright_domain::exported;
use gatewright_domain::gate::Gate;
use gatewright_domain::pipeline::Stage;

/// The commands that verify what the stage's gates name, and say of which digest
/// they did. Whatever fails here fails the build before its first step.
///
/// Notation ends with 0 although it has verified nothing where its trust policy
/// says `skip`. So its own words for a success are wanted too.
pub(super) fn verify(stage: &Stage) -> Vec<String> {
    let gates = stage.gates.iter().filter_map(Gate::verifies);
    gates.flat_map(commands).collect()
}

/// The same for a person's own shell, which an image that is not verified must not
/// close.
pub(super) fn verified_by_hand(stage: &Stage) -> Vec<String> {
    let gates = stage.gates.iter().filter_map(Gate::verifies);
    let commands = gates.map(commands);
    commands.map(|[_, run]| format!("(\n{run}\n)")).collect()
}

fn commands(artifact: &str) -> [String; 2] {
    let image = format!("IMAGE_{}", exported::shouted(artifact));
    let missing = format!("the release has no image {artifact}, so there is nothing to verify");
    let skipped = format!(
        "notation has not verified the signature of {artifact}: its trust policy has to enforce it"
    );
    let run = format!(
        ": \"${{{image}:?{missing}}}\"\n\
         if ! said=\"$(notation verify \"${image}\" 2>&1)\"; then echo \"$said\" >&2; exit 1; fi\n\
         echo \"$said\"\n\
         case \"$said\" in *\"Successfully verified\"*) ;; *) echo {} >&2; exit 1 ;; esac\n\
         export {}=\"${{{image}##*@}}\"",
        quoted(&skipped),
        exported::signed(artifact),
    );
    let headline = format!("=== Verify the signature of {artifact}");
    [format!("echo {}", quoted(&headline)), strict(&run)]
}

/// The variables by which a build says what it verified.
pub(super) fn exported(stage: &Stage) -> impl Iterator<Item = String> {
    let gates = stage.gates.iter().filter_map(Gate::verifies);
    gates.map(exported::signed)
}
