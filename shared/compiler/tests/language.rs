//! The reference page and the schema are written from the tables of the language.
//! `GATEWRIGHT_EXPECT=write cargo test` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use boon::{Compiler, SchemaIndex, Schemas};
use gatewright_compiler::{reference, schema};
use serde_json::Value;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn check(path: &str, said: &str) {
    let path = Path::new(ROOT).join(path);
    if std::env::var("GATEWRIGHT_EXPECT").is_ok_and(|v| v == "write") {
        std::fs::write(&path, said).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        said == committed,
        "{} is out of date: run GATEWRIGHT_EXPECT=write cargo test -p gatewright-compiler --test language",
        path.display()
    );
}

#[test]
fn the_reference_page_is_what_the_tables_say() {
    check("docs/definition.md", &reference());
}

#[test]
fn the_schema_is_what_the_tables_say() {
    check("pipelines/schema.json", &schema());
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(ROOT).join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .filter(|path| path.file_name().is_some_and(|n| n != "approvers.yaml"))
        .collect();
    files.sort();
    files
}

fn compiled(schemas: &mut Schemas) -> SchemaIndex {
    let mut compiler = Compiler::new();
    let parsed: Value = serde_json::from_str(&schema()).unwrap();
    compiler.add_resource("schema.json", parsed).unwrap();
    compiler.compile("schema.json", schemas).unwrap()
}

/// What the schema says against `text`, if anything; `None` too when it is not
/// YAML, which an editor sees without it.
fn refused(text: &str, schemas: &Schemas, index: SchemaIndex) -> Option<String> {
    let value: Value = serde_saphyr::from_str(text).ok()?;
    schemas.validate(&value, index).err().map(|e| e.to_string())
}

#[test]
fn what_the_compiler_accepts_the_schema_accepts() {
    let mut schemas = Schemas::new();
    let index = compiled(&mut schemas);
    let mut files = yaml_files("pipelines");
    assert!(!files.is_empty());
    files.extend(yaml_files("tests/definitions/accepted"));
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let said = refused(&text, &schemas, index);
        assert_eq!(said, None, "{}", path.display());
    }
}

#[test]
fn what_the_page_shows_the_schema_accepts() {
    let mut schemas = Schemas::new();
    let index = compiled(&mut schemas);
    let page = reference();
    let whole = page.split("```yaml\n").skip(1);
    let whole = whole.filter_map(|rest| rest.split("```").next());
    let whole = whole.filter(|text| text.starts_with("language:") && text.contains("stages:"));
    let mut seen = 0;
    for text in whole {
        assert_eq!(refused(text, &schemas, index), None, "{text}");
        seen += 1;
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn the_schema_finds_mistakes_while_people_type() {
    let mut schemas = Schemas::new();
    let index = compiled(&mut schemas);
    let files = yaml_files("tests/definitions/rejected");
    let found = files
        .iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            refused(&text, &schemas, index).is_some()
        })
        .count();
    // The rest is about how parts fit together, which only the compiler knows.
    assert!(found * 4 >= files.len(), "{found} of {}", files.len());
}
