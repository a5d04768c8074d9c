//! A stand-in for `kustomize`.

use std::{fs, path::Path};

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use super::{Console, ToolError, kustomization, yaml};
use crate::cluster::image::Reference;

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "kustomize", disable_version_flag = true)]
pub(super) struct Kustomize {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Change the kustomization of the current folder.
    Edit {
        #[command(subcommand)]
        command: Edit,
    },
}

#[derive(Debug, Subcommand)]
enum Edit {
    /// Set something.
    Set {
        #[command(subcommand)]
        command: Set,
    },
}

#[derive(Debug, Subcommand)]
enum Set {
    /// Set images: NAME=NEW[:TAG|@DIGEST]. Comments in the file are lost.
    Image {
        #[arg(required = true)]
        images: Vec<String>,
    },
}

/// Runs a command.
pub(super) fn run(kustomize: &Kustomize, console: &mut Console) -> Result<(), ToolError> {
    let Command::Edit {
        command: Edit::Set {
            command: Set::Image { images },
        },
    } = &kustomize.command;
    let (path, mut file) = kustomization::load(Path::new("."))?;
    for image in images {
        set_image(&mut file, image)?;
    }
    fs::write(&path, yaml::write(&file)?)?;
    console.note(&format!(
        "kustomize: rewrote {} (its comments are lost)",
        path.display()
    ));
    Ok(())
}

/// `NAME=NEW:TAG`, `NAME=NEW@DIGEST`, or `NEW:TAG` for an image of that name.
fn set_image(file: &mut Value, argument: &str) -> Result<(), ToolError> {
    let (name, new) = argument.split_once('=').unwrap_or(("", argument));
    let reference = Reference::parse(new);
    let name = if name.is_empty() {
        reference.name.as_str()
    } else {
        name
    };
    let mut entry = json!({"name": name});
    if name != reference.name {
        entry["newName"] = reference.name.as_str().into();
    }
    match (&reference.digest, &reference.tag) {
        (Some(digest), _) => entry["digest"] = digest.as_str().into(),
        (None, Some(tag)) => entry["newTag"] = tag.as_str().into(),
        (None, None) if argument.contains('=') => {}
        _ => {
            return Err(ToolError::Failed(format!(
                "{argument}: expected <image>=<newimage>:<newtag>, <image>=<newimage>@<digest> or <image>:<newtag>"
            )));
        }
    }
    if file["images"].is_null() {
        file["images"] = json!([]);
    }
    let Some(images) = file["images"].as_array_mut() else {
        return Err(ToolError::Failed(
            "`images` in the kustomization is no list".to_owned(),
        ));
    };
    images.retain(|image| image["name"] != name);
    images.push(entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_an_image_replaces_its_entry_and_keeps_the_others() {
        let mut file =
            json!({"images": [{"name": "gps", "newTag": "old"}, {"name": "other", "newTag": "1"}]});
        set_image(&mut file, "gps=r.io/gps@sha256:ab").unwrap();
        let expected = json!([{"name": "other", "newTag": "1"},
            {"name": "gps", "newName": "r.io/gps", "digest": "sha256:ab"}]);
        assert_eq!(file["images"], expected);
        assert!(set_image(&mut file, "gps").is_err());
    }
}
