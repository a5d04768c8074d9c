//! What a stage produces, known by its digest from then on.

use crate::ids::PipelineId;
use serde::{Deserialize, Serialize};

/// Something that is built once and deployed as it was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// What it is, and where it is found when it was built.
    pub form: Form,
    /// What it is called for people. Machines know it by its digest.
    #[serde(default, skip_serializing_if = "Versioning::is_commit")]
    pub version: Versioning,
    /// How many of them are kept.
    pub keep: u32,
    /// The pipeline that builds it, when it is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    /// Whether it is deployed only when its signature was verified. Of images.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
}

impl Artifact {
    /// The ECR repository of an image.
    pub fn repository(&self) -> Option<&str> {
        match &self.form {
            Form::Image { repository } => Some(repository),
            Form::Archive { .. } | Form::Plan { .. } | Form::Files { .. } => None,
        }
    }
}

/// The forms that an artifact has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Form {
    /// A container image in Amazon ECR; its digest is the manifest's.
    Image {
        /// The ECR repository's name.
        repository: String,
    },
    /// One file, such as a zip; its digest is the file's SHA-256.
    Archive {
        /// The file, relative to the source path.
        path: String,
    },
    /// A plan of changes, such as Terraform's; its digest is the file's SHA-256.
    Plan {
        /// The file, relative to the source path.
        path: String,
    },
    /// A set of files; its digest is the SHA-256 of a tar archive of them in
    /// which names, order, times and owners are fixed.
    Files {
        /// Patterns as a shell expands them, relative to the source path.
        paths: Vec<String>,
    },
}

impl Form {
    /// The word for it, as in a definition.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Image { .. } => "image",
            Self::Archive { .. } => "archive",
            Self::Plan { .. } => "plan",
            Self::Files { .. } => "files",
        }
    }
}

/// What an artifact is called for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Versioning {
    /// The commit it was built from.
    #[default]
    Commit,
    /// A semantic version: the release's tag without its `v`, or what a stage
    /// exports as `VERSION`.
    Semver,
}

impl Versioning {
    fn is_commit(&self) -> bool {
        matches!(self, Self::Commit)
    }
}

/// An artifact of another pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    /// The pipeline that builds it.
    pub pipeline: PipelineId,
    /// Its name there.
    pub artifact: String,
}
