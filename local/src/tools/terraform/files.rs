//! Reading a folder's `.tf` files, and what Terraform would refuse of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use hcl::{Block, Body, Expression, Structure};

use super::{diagnostic, references};
use crate::tools::ToolError;

/// Block types with their number of labels.
const BLOCKS: [(&str, usize); 8] = [
    ("terraform", 0),
    ("locals", 0),
    ("provider", 1),
    ("variable", 1),
    ("output", 1),
    ("resource", 2),
    ("data", 2),
    ("moved", 0),
];

/// A folder's configuration: blocks by type, in the order of files and lines.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    blocks: Vec<(PathBuf, Block)>,
}

impl Configuration {
    /// Reads every `.tf` file of a folder.
    ///
    /// # Errors
    /// The first file that is no HCL, with its line, as Terraform shows it.
    pub(super) fn read(folder: &Path) -> Result<Self, ToolError> {
        let mut configuration = Self::default();
        for path in files(folder)? {
            let body = parse(&path)?;
            for structure in body.into_inner() {
                match structure {
                    Structure::Block(block) => configuration.blocks.push((path.clone(), block)),
                    Structure::Attribute(attribute) => {
                        return Err(diagnostic(
                            "Unsupported argument",
                            &format!(
                                "{}: an argument named \"{}\" is not expected here.",
                                path.display(),
                                attribute.key.as_str()
                            ),
                        ));
                    }
                }
            }
        }
        if configuration.blocks.is_empty() {
            return Err(diagnostic(
                "No configuration files",
                "This folder has no .tf file with anything in it.",
            ));
        }
        Ok(configuration)
    }

    /// The blocks of a type.
    pub(super) fn of<'c>(&'c self, kind: &'c str) -> impl Iterator<Item = &'c Block> {
        (self.blocks.iter().map(|(_, block)| block)).filter(move |block| block.identifier() == kind)
    }

    /// What `terraform validate` finds wrong, as far as it can be seen without
    /// the providers' schemas.
    ///
    /// # Errors
    /// The first finding.
    pub(super) fn validate(&self) -> Result<(), ToolError> {
        let mut seen = BTreeSet::new();
        for (path, block) in &self.blocks {
            let failed = |summary: &str, detail: &str| {
                Err(diagnostic(
                    summary,
                    &format!("{}: {detail}", path.display()),
                ))
            };
            let kind = block.identifier();
            if kind == "module" {
                return Err(ToolError::unknown(
                    "terraform",
                    "configuration with a module",
                    "it plays resources of the folder itself",
                ));
            }
            let Some((_, labels)) = BLOCKS.iter().find(|(known, _)| *known == kind) else {
                let detail = format!("blocks of type \"{kind}\" are not expected here.");
                return failed("Unsupported block type", &detail);
            };
            if block.labels().len() != *labels {
                let detail = format!(
                    "a {kind} block has {labels} labels, this has {}.",
                    block.labels().len()
                );
                return failed("Wrong number of labels", &detail);
            }
            let name = address(block);
            if *labels > 0 && kind != "provider" && !seen.insert(format!("{kind} {name}")) {
                return failed(
                    &format!("Duplicate {kind}"),
                    &format!("{name} is declared twice."),
                );
            }
        }
        self.check_references()
    }

    fn check_references(&self) -> Result<(), ToolError> {
        let declared = self.declared();
        let of_provider = |root: &str| {
            let provider = root.split_once('_').map(|(provider, _)| provider);
            let same = |kind: &str| kind.split_once('_').map(|(provider, _)| provider) == provider;
            provider.is_some() && declared.iter().any(|(kind, _)| same(kind))
        };
        for (path, block) in &self.blocks {
            for (root, name) in references::of(block.body()) {
                let what = match root.as_str() {
                    "var" => "input variable",
                    "local" => "local value",
                    // Other roots are of `for`, `dynamic` and the language itself.
                    root if of_provider(root) => "resource",
                    _ => continue,
                };
                if !declared.contains(&(root.clone(), name.clone())) {
                    return Err(diagnostic(
                        &format!("Reference to undeclared {what}"),
                        &format!(
                            "{}: {root}.{name} has not been declared in the root module.",
                            path.display()
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    fn declared(&self) -> BTreeSet<(String, String)> {
        let mut declared = BTreeSet::new();
        for (_, block) in &self.blocks {
            let labels: Vec<&str> = block.labels().iter().map(|label| label.as_str()).collect();
            match (block.identifier(), labels.as_slice()) {
                ("variable", [name]) => {
                    declared.insert(("var".to_owned(), (*name).to_owned()));
                }
                ("resource", [kind, name]) => {
                    declared.insert(((*kind).to_owned(), (*name).to_owned()));
                }
                ("locals", _) => declared.extend(
                    (block.body().attributes())
                        .map(|local| ("local".to_owned(), local.key().to_owned())),
                ),
                _ => {}
            }
        }
        declared
    }

    /// The backend's type and settings, if there is one.
    pub(super) fn backend(&self) -> Option<(String, BTreeMap<String, String>)> {
        let block = (self.of("terraform").flat_map(|block| block.body().blocks()))
            .find(|block| block.identifier() == "backend")?;
        let settings = (block.body().attributes())
            .map(|setting| (setting.key().to_owned(), plain(setting.expr())))
            .collect();
        Some((address(block), settings))
    }
}

/// A block's labels with dots between: `aws_s3_bucket.backups`.
pub(super) fn address(block: &Block) -> String {
    let labels: Vec<&str> = block.labels().iter().map(|label| label.as_str()).collect();
    labels.join(".")
}

/// An expression as text, a string without its quotes.
pub(super) fn plain(expression: &Expression) -> String {
    match expression {
        Expression::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A file of HCL.
///
/// # Errors
/// With the file and the line.
pub(super) fn parse(path: &Path) -> Result<Body, ToolError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ToolError::Failed(format!("{}: {error}", path.display())))?;
    text.parse::<Body>().map_err(|error| {
        diagnostic(
            "Invalid configuration syntax",
            &format!("on {}:\n{error}", path.display()),
        )
    })
}

/// The `.tf` files of a folder, sorted by name.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, ToolError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tf") {
            // `./main.tf` is shown as `main.tf`, as Terraform shows it.
            found.push(
                path.strip_prefix(".")
                    .map_or(path.clone(), Path::to_path_buf),
            );
        }
    }
    found.sort();
    Ok(found)
}
