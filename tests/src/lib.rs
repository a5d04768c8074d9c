//! A release in memory: the *compiled* state machine walked state by state with
//! the *real* handlers over fakes that evaluate conditions. What a person, a
//! build or a registry does is told by the test.

pub mod command;
pub mod happily;
pub mod journey;
pub mod laptop;
pub mod machine;
mod orders;
pub mod shop;
pub mod stream;
pub mod world;

pub use laptop::Laptop;
pub use machine::Run;
pub use world::World;

use gatewright_domain::pipeline::Definition;
use std::path::Path;

/// The definition that this text is.
///
/// # Panics
/// When it is none.
pub fn read(text: &str) -> Definition {
    let directory = gatewright_fakes::directory();
    let read = gatewright_compiler::read("shop.yaml", text, Some(&directory));
    read.unwrap_or_else(|d| panic!("{d}")).definition
}

/// Every definition in `pipelines/`, in the order of their files' names.
///
/// # Panics
/// When one does not read, or there is none.
pub fn definitions() -> Vec<Definition> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines");
    let directory = gatewright_fakes::directory();
    let read = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let wanted = |path: &&std::path::PathBuf| {
        path.extension().is_some_and(|e| e == "yaml") && !path.ends_with("approvers.yaml")
    };
    let definitions: Vec<Definition> = files
        .iter()
        .filter(wanted)
        .map(|path| {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{name}: {e}"));
            let read = gatewright_compiler::read(&name, &text, Some(&directory));
            read.unwrap_or_else(|d| panic!("{d}")).definition
        })
        .collect();
    assert!(!definitions.is_empty(), "{} is empty", folder.display());
    definitions
}
