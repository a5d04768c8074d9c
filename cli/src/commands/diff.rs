//! `gatewright diff`.

use crate::args::Diff as Args;
use crate::connect::{Reach, reach};
use crate::differ::{Change, compare, tell, weakened};
use crate::error::{Code, Failed};
use crate::meant::{is_file, meant};
use crate::out::Out;
use crate::style::{SOFT, paint};
use gatewright_aws::Store;
use gatewright_aws::store::StoreError;
use gatewright_aws::table::Table;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::Definition;
use gatewright_domain::{Digest, PipelineId};
use serde_json::json;
use std::path::Path;

/// A definition from somewhere.
#[derive(Debug)]
struct Side {
    what: String,
    definition: Definition,
    directory: Directory,
}

/// Compares.
///
/// # Errors
/// When either is not there, or wrong.
pub async fn run(args: &Args, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let recorded = |text: &str| text.contains('@');
    let alone = args.after.is_none();
    let needed = alone || recorded(&args.before) || args.after.as_deref().is_some_and(recorded);
    let reach = if needed { Some(reach(at).await?) } else { None };
    let first = side(&args.before, reach.as_ref(), out).await?;
    let (before, after) = match &args.after {
        Some(named) => (Some(first), side(named, reach.as_ref(), out).await?),
        None => (live_of(&first, reach.as_ref()).await?, first),
    };
    let Some(before) = before else {
        if out.json {
            let after = document(&after)?;
            out.json(&json!({ "before": null, "after": after, "different": true, "weakens": [], "changes": [] }));
        } else {
            let what = &after.what;
            out.line(format!(
                "nothing of {} is live: {what} is new",
                after.definition.id
            ));
        }
        return Ok(Code::Refused);
    };
    let directory = if after.directory.people.is_empty() {
        &before.directory
    } else {
        &after.directory
    };
    let changes = compare(&before.definition, &after.definition, directory);
    tell_all(&before, &after, &changes, out)
}

fn tell_all(before: &Side, after: &Side, changes: &[Change], out: &Out) -> Result<Code, Failed> {
    let version = |side: &Side| version_of(&side.definition);
    // Order alone, or what people never see, still makes another version.
    let different = version(before)? != version(after)?;
    if out.json {
        out.json(&json!({
            "before": document(before)?, "after": document(after)?,
            "different": different, "weakens": weakened(changes), "changes": changes,
        }));
    } else if !different {
        out.line(format!("{} and {} are the same", before.what, after.what));
    } else {
        let (a, b) = (version(before)?, version(after)?);
        let versions = format!(
            "{} ({}) → {} ({})",
            before.what,
            a.short(),
            after.what,
            b.short()
        );
        out.line(paint(SOFT, versions));
        tell::told(changes, 0)
            .iter()
            .for_each(|line| out.line(line));
        out.line("");
        out.line(tell::summary(changes));
    }
    Ok(if different { Code::Refused } else { Code::Done })
}

fn document(side: &Side) -> Result<serde_json::Value, Failed> {
    Ok(json!({
        "what": side.what,
        "pipeline": side.definition.id,
        "version": version_of(&side.definition)?,
    }))
}

fn version_of(definition: &Definition) -> Result<Digest, Failed> {
    definition
        .version()
        .map_err(|error| Failed::refused(error.to_string()))
}

/// What a name stands for.
async fn side(named: &str, reach: Option<&Reach>, out: &Out) -> Result<Side, Failed> {
    match (named.rsplit_once('@'), reach) {
        (Some((id, version)), Some(reach)) if !is_file(named) => {
            let id: PipelineId = id
                .parse()
                .map_err(|error| Failed::usage(format!("{error}")))?;
            let (digest, definition) = recorded(&reach.store, &id, version).await?;
            Ok(Side {
                what: match version {
                    "live" => format!("live {id}"),
                    _ => format!("{id}@{}", digest.short()),
                },
                definition,
                directory: known(&reach.store).await?,
            })
        }
        _ => {
            let found = meant(Some(named), out)?;
            Ok(Side {
                what: found.path.display().to_string(),
                definition: found.definition,
                directory: found.directory,
            })
        }
    }
}

async fn live_of(side: &Side, reach: Option<&Reach>) -> Result<Option<Side>, Failed> {
    let Some(reach) = reach else {
        return Ok(None);
    };
    let id = &side.definition.id;
    let Some(live) = reach.store.live_version(id).await? else {
        return Ok(None);
    };
    let definition = reach.store.definition(id, &live).await?;
    Ok(match definition {
        Some(definition) => Some(Side {
            what: format!("live {id}"),
            definition,
            directory: known(&reach.store).await?,
        }),
        None => None,
    })
}

/// Who is who, as recorded; nobody when nobody ever was.
///
/// # Errors
/// When the record cannot be read.
pub async fn known<T: Table>(store: &Store<T>) -> Result<Directory, Failed> {
    match store.directory().await {
        Ok(seen) => Ok(seen.value),
        Err(StoreError::Missing(_)) => Ok(Directory::default()),
        Err(error) => Err(error.into()),
    }
}

/// A recorded version: `live`, or the first digits of its hash.
///
/// # Errors
/// When there is none, or more than one.
pub async fn recorded<T: Table>(
    store: &Store<T>,
    id: &PipelineId,
    version: &str,
) -> Result<(Digest, Definition), Failed> {
    let list = format!("`gatewright versions {id}` lists them");
    let digest = if version == "live" {
        let live = store.live_version(id).await?;
        live.ok_or_else(|| {
            Failed::not_found(format!("no version of {id} is live"))
                .help("`gatewright apply` records one")
        })?
    } else {
        let digits = version.trim_start_matches("sha256:").to_ascii_lowercase();
        if digits.len() < 4 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            let what = format!(
                "{version:?} is no version: it must be `live`, or the first digits of its hash, at least 4"
            );
            return Err(Failed::usage(what).help(list));
        }
        let mut found = store.versions_beginning(id, &digits).await?.into_iter();
        match (found.next(), found.next()) {
            (Some(digest), None) => digest,
            (Some(one), Some(two)) => {
                let (one, two) = (one.short().to_owned(), two.short().to_owned());
                return Err(Failed::usage(format!("{version} could be {one} or {two}"))
                    .help("say more digits"));
            }
            (None, _) => {
                return Err(Failed::not_found(format!("{id} has no version {version}")).help(list));
            }
        }
    };
    let definition = store.definition(id, &digest).await?;
    let definition = definition
        .ok_or_else(|| Failed::not_found(format!("version {} of {id} is gone", digest.short())))?;
    Ok((digest, definition))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatewright_fakes::{MemoryTable, definition};

    #[tokio::test]
    async fn a_version_is_found_by_its_first_digits() {
        let store = Store::new(MemoryTable::default());
        let definition = definition();
        let id = &definition.id;
        let none = recorded(&store, id, "live").await.unwrap_err();
        assert_eq!(none.code, Code::NotFound);
        let version = store.apply(&definition).await.unwrap();
        for named in [
            "live",
            &version.hex()[..4],
            version.short(),
            version.as_str(),
        ] {
            let (found, _) = recorded(&store, id, named).await.unwrap();
            assert_eq!(found, version, "{named}");
        }
        let wrong = recorded(&store, id, "xyz").await.unwrap_err();
        assert_eq!(wrong.code, Code::Usage);
        let other = if version.hex().starts_with("0000") {
            "ffff"
        } else {
            "0000"
        };
        let absent = recorded(&store, id, other).await.unwrap_err();
        assert_eq!(absent.code, Code::NotFound);
    }
}
