//! Wrong files and what people are told about them. Each file under
//! `tests/definitions/rejected` has its message beside it in `.expected`; after a
//! change of wording, `GATEWRIGHT_EXPECT=write cargo test` writes them anew, and
//! the diff is for reading.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::{Diagnostics, Level, read, read_directory};
use std::path::{Path, PathBuf};

const DEFINITIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/definitions");

fn rejected() -> Vec<PathBuf> {
    let folder = Path::new(DEFINITIONS).join("rejected");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    files
}

fn refusal(path: &Path) -> Result<Diagnostics, String> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let refused = if name.starts_with("approvers-") {
        read_directory(name, &text).err()
    } else {
        let people = std::fs::read_to_string(Path::new(DEFINITIONS).join("approvers.yaml"));
        let directory = read_directory("approvers.yaml", &people.unwrap()).unwrap();
        read(name, &text, Some(&directory)).err()
    };
    refused.ok_or_else(|| format!("{name} is accepted"))
}

#[test]
fn every_wrong_file_is_refused_with_the_message_beside_it() {
    let write = std::env::var("GATEWRIGHT_EXPECT").is_ok_and(|v| v == "write");
    let mut wrong = Vec::new();
    for path in rejected() {
        let said = match refusal(&path) {
            Ok(diagnostics) => format!("{diagnostics}\n"),
            Err(accepted) => {
                wrong.push(accepted);
                continue;
            }
        };
        let beside = path.with_extension("expected");
        if write {
            std::fs::write(&beside, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if said != expected {
            wrong.push(format!(
                "{}\nsays\n{said}\nand not\n{expected}",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(rejected().len() >= 190);
}

#[test]
fn every_refusal_has_a_place_in_the_file_and_an_error() {
    for path in rejected() {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().count().max(1);
        let found = refusal(&path).unwrap().0;
        assert!(found.iter().any(|d| d.level == Level::Error), "{path:?}");
        for one in &found {
            assert!((1..=lines + 1).contains(&one.line), "{path:?}: {one}");
            assert!(one.column >= 1 && one.width >= 1, "{path:?}: {one}");
        }
        assert!(found.is_sorted_by_key(|d| (d.line, d.column)), "{path:?}");
    }
}
