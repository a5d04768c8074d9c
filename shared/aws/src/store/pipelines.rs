//! Definitions, their live version, and the people who may decide.

use super::{Seen, Store, StoreError, body, keys, read};
use crate::table::{Range, Table, When, Write};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::{Digest, PipelineId};
use serde::{Deserialize, Serialize};

/// A definition is kept as text: DynamoDB's maps do not keep the order in which
/// environments and variables were written.
#[derive(Serialize, Deserialize)]
struct Version {
    definition: String,
}

#[derive(Serialize, Deserialize)]
struct Live {
    version: Digest,
}

impl<T: Table> Store<T> {
    /// A version of a pipeline's definition, verified against its own hash.
    ///
    /// # Errors
    /// When the table cannot be read or the definition is not what its version
    /// says.
    pub async fn definition(
        &self,
        pipeline: &PipelineId,
        version: &Digest,
    ) -> Result<Option<Definition>, StoreError> {
        let Some(item) = self.table.get(&keys::version(pipeline, version)).await? else {
            return Ok(None);
        };
        let damaged = |why: String| StoreError::Damaged {
            at: format!("{pipeline} {version}"),
            why,
        };
        let stored: Version = read(item)?.value;
        let definition: Definition =
            serde_json::from_str(&stored.definition).map_err(|e| damaged(e.to_string()))?;
        let found = definition.version().map_err(|e| damaged(e.to_string()))?;
        if &found != version {
            return Err(damaged(format!("its content has version {found}")));
        }
        Ok(Some(definition))
    }

    /// The live version of a pipeline, for readers such as the CLI. A release
    /// carries its own version.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn live_version(&self, pipeline: &PipelineId) -> Result<Option<Digest>, StoreError> {
        let item = self.table.get(&keys::live(pipeline)).await?;
        Ok(item
            .map(read::<Live>)
            .transpose()?
            .map(|seen| seen.value.version))
    }

    /// Records a definition and makes it the live one. Doing it again changes
    /// nothing; an existing version is never overwritten.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn apply(&self, definition: &Definition) -> Result<Digest, StoreError> {
        let damaged = |e: serde_json::Error| StoreError::Damaged {
            at: definition.id.to_string(),
            why: e.to_string(),
        };
        let version = definition.version().map_err(damaged)?;
        let definition_json = serde_json::to_string(definition).map_err(damaged)?;
        let key = keys::version(&definition.id, &version);
        let mut writes = vec![Write::Put {
            key: keys::live(&definition.id),
            due: None,
            body: body(&Live {
                version: version.clone(),
            })?,
            when: When::Any,
        }];
        if self.table.get(&key).await?.is_none() {
            let stored = body(&Version {
                definition: definition_json,
            })?;
            writes.push(Write::Put {
                key,
                due: None,
                body: stored,
                when: When::Absent,
            });
        }
        self.table.write(writes).await?;
        Ok(version)
    }

    /// The last release number of a pipeline.
    pub(super) async fn counter(
        &self,
        pipeline: &PipelineId,
    ) -> Result<Option<Seen<u64>>, StoreError> {
        self.table
            .get(&keys::counter(pipeline))
            .await?
            .map(read)
            .transpose()
    }

    /// Who may decide, as of now.
    ///
    /// # Errors
    /// When the table cannot be read, or nobody was ever recorded: unknown
    /// approvers approve nothing.
    pub async fn directory(&self) -> Result<Seen<Directory>, StoreError> {
        match self.table.get(&keys::directory()).await? {
            Some(item) => read(item),
            None => Err(StoreError::Missing(
                "nobody is recorded who may decide: run `gatewright apply` with an approvers.yaml"
                    .to_owned(),
            )),
        }
    }

    /// Records who may decide from now on.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn apply_directory(&self, directory: &Directory) -> Result<(), StoreError> {
        let seen = self
            .table
            .get(&keys::directory())
            .await?
            .map(|item| item.rev);
        let put = Write::Put {
            key: keys::directory(),
            due: None,
            body: body(directory)?,
            when: When::still(seen),
        };
        Ok(self.table.write(vec![put]).await?)
    }

    /// A condition that the directory is still the one that was read.
    pub fn directory_check(seen: &Seen<Directory>) -> Write {
        Write::Check {
            key: keys::directory(),
            when: When::Rev(seen.rev),
        }
    }

    /// A pipeline's releases, newest first: their ids, at most `limit`, only
    /// those numbered below `below` when given. One query whatever the length of
    /// the history.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn releases_of(
        &self,
        pipeline: &PipelineId,
        below: Option<u64>,
        limit: u32,
    ) -> Result<Vec<gatewright_domain::ReleaseId>, StoreError> {
        let range = Range {
            prefix: "RELEASE#".to_owned(),
            newest_first: true,
            limit: Some(limit),
            beyond: below.map(|number| keys::numbered(pipeline, number).sk),
        };
        let items = self.table.query(&keys::pipeline(pipeline), range).await?;
        items
            .into_iter()
            .map(|item| Ok(read(item)?.value))
            .collect()
    }
}
