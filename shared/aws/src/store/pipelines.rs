//! Definitions, their live version, and the people who may decide.

use super::{Seen, Store, StoreError, body, keys, read};
use crate::table::{Range, Table, When, Write};
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::{Digest, PipelineId, Timestamp};
use serde::{Deserialize, Serialize};

/// A definition is kept as text: DynamoDB's maps do not keep the order in which
/// environments and variables were written.
#[derive(Serialize, Deserialize)]
struct Version {
    definition: String,
}

/// Which version is live, and since when; nothing but the version where it was
/// applied before that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The version.
    pub version: Digest,
    /// Who made it live, when and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
}

/// A definition that was made live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Its version.
    pub version: Digest,
    /// The version that was live until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// When.
    pub at: Timestamp,
    /// Who did it, in their own words: AWS's own record of the call says whose
    /// credentials they were.
    pub by: String,
    /// Why, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn live_write(
    pipeline: &PipelineId,
    version: Digest,
    applied: Option<Applied>,
    when: When,
) -> Result<Write, StoreError> {
    Ok(Write::Put {
        key: keys::live(pipeline),
        due: None,
        body: body(&Live { version, applied })?,
        when,
    })
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
        Ok(self.live(pipeline).await?.map(|seen| seen.value.version))
    }

    /// The live definition of a pipeline; nothing when none was applied or its
    /// version is gone.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn live_definition(
        &self,
        pipeline: &PipelineId,
    ) -> Result<Option<Definition>, StoreError> {
        match self.live_version(pipeline).await? {
            Some(version) => self.definition(pipeline, &version).await,
            None => Ok(None),
        }
    }

    /// The live version of a pipeline, with who made it live.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn live(&self, pipeline: &PipelineId) -> Result<Option<Seen<Live>>, StoreError> {
        let item = self.table.get(&keys::live(pipeline)).await?;
        item.map(read).transpose()
    }

    /// Records a definition and makes it the live one. Doing it again changes
    /// nothing; an existing version is never overwritten.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn apply(&self, definition: &Definition) -> Result<Digest, StoreError> {
        let (version, stored) = self.version_write(definition).await?;
        let mut writes = vec![live_write(
            &definition.id,
            version.clone(),
            None,
            When::Any,
        )?];
        writes.extend(stored);
        self.table.write(writes).await?;
        Ok(version)
    }

    /// As [`Store::apply`], with a record of who did it, when and why. `seen` is
    /// the live version that the change was shown against: when another has been
    /// applied since, nothing is written.
    ///
    /// # Errors
    /// When the table cannot be written, or another version is live by now.
    pub async fn apply_by(
        &self,
        definition: &Definition,
        seen: Option<&Seen<Live>>,
        (by, reason): (String, Option<String>),
        at: Timestamp,
    ) -> Result<Applied, StoreError> {
        let (version, stored) = self.version_write(definition).await?;
        let applied = Applied {
            version: version.clone(),
            previous: seen.map(|live| live.value.version.clone()),
            at,
            by,
            reason,
        };
        let still = When::still(seen.map(|live| live.rev));
        let noted = Write::Put {
            key: keys::applied(&definition.id, at),
            due: None,
            body: body(&applied)?,
            when: When::Absent,
        };
        let live = live_write(&definition.id, version, Some(applied.clone()), still)?;
        let mut writes = vec![live, noted];
        writes.extend(stored);
        self.table.write(writes).await?;
        Ok(applied)
    }

    /// Records a definition as a version without making it live: that of a
    /// pipeline's rollbacks, which its own machine names.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn record(&self, definition: &Definition) -> Result<Digest, StoreError> {
        let (version, stored) = self.version_write(definition).await?;
        let writes: Vec<Write> = stored.into_iter().collect();
        if !writes.is_empty() {
            self.table.write(writes).await?;
        }
        Ok(version)
    }

    /// A definition's version, and the write of it unless it is there already.
    async fn version_write(
        &self,
        definition: &Definition,
    ) -> Result<(Digest, Option<Write>), StoreError> {
        let damaged = |e: serde_json::Error| StoreError::Damaged {
            at: definition.id.to_string(),
            why: e.to_string(),
        };
        let version = definition.version().map_err(damaged)?;
        let key = keys::version(&definition.id, &version);
        if self.table.get(&key).await?.is_some() {
            return Ok((version, None));
        }
        let definition = serde_json::to_string(definition).map_err(damaged)?;
        let stored = Write::Put {
            key,
            due: None,
            body: body(&Version { definition })?,
            when: When::Absent,
        };
        Ok((version, Some(stored)))
    }

    /// What was made live of a pipeline, newest first, at most `limit`. Nothing
    /// from before that was recorded. One query.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn applications(
        &self,
        pipeline: &PipelineId,
        limit: u32,
    ) -> Result<Vec<Applied>, StoreError> {
        let range = Range {
            prefix: "APPLIED#".to_owned(),
            newest_first: true,
            limit: Some(limit),
            beyond: None,
        };
        let items = self.table.query(&keys::pipeline(pipeline), range).await?;
        items
            .into_iter()
            .map(|item| Ok(read(item)?.value))
            .collect()
    }

    /// The recorded versions of a pipeline whose hex digits begin with `digits`,
    /// at most two: enough to know whether it is one.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn versions_beginning(
        &self,
        pipeline: &PipelineId,
        digits: &str,
    ) -> Result<Vec<Digest>, StoreError> {
        let range = Range {
            prefix: format!("VERSION#{digits}"),
            newest_first: false,
            limit: Some(2),
            beyond: None,
        };
        let items = self.table.query(&keys::pipeline(pipeline), range).await?;
        let hex = items
            .iter()
            .filter_map(|item| item.key.sk.strip_prefix("VERSION#"));
        Ok(hex
            .filter_map(|hex| format!("sha256:{hex}").parse().ok())
            .collect())
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
