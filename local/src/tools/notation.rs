//! A stand-in for `notation` with the AWS Signer plugin.
//!
//! No cryptography: it remembers which digests were signed, and that is what
//! it verifies. Images are signed and verified by digest only, as Notation
//! advises, and only those that the registry has.

use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use super::{Console, ToolError, client::Client, workload::Target};
use crate::{cluster::image::Reference, ids};

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "notation", disable_version_flag = true)]
pub(super) struct Notation {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sign an image.
    Sign {
        #[arg(long)]
        plugin: Option<String>,
        /// The signing profile's ARN.
        #[arg(long)]
        id: Option<String>,
        #[arg(long)]
        signature_format: Option<String>,
        #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
        force_referrers_tag: bool,
        image: String,
    },
    /// End with 1 unless the image was signed.
    Verify { image: String },
}

/// Runs a command.
pub(super) async fn run(notation: Notation, console: &mut Console) -> Result<(), ToolError> {
    let client = Client::from_environment()?;
    console.note("notation: no cryptography here; signed is what was signed on this laptop");
    let (Command::Sign { image, .. } | Command::Verify { image }) = &notation.command;
    let reference = Reference::parse(image);
    let Some(digest) = &reference.digest else {
        let text =
            format!("notation: {image}: sign and verify by digest (NAME@sha256:…): a tag can move");
        return Err(ToolError::Failed(text));
    };
    let target = Target {
        context: "registry".to_owned(),
        namespace: reference.repository.clone(),
    };
    match &notation.command {
        // By then the repository's tags cannot be moved.
        Command::Sign {
            force_referrers_tag: true,
            ..
        } => {
            let text = "notation: the stand-in keeps no referrers' tags: sign with --force-referrers-tag=false";
            return Err(ToolError::Failed(text.to_owned()));
        }
        Command::Sign { id, .. } => {
            let request = json!({"repositoryName": reference.repository, "imageIds": [{"imageDigest": digest}]});
            client.ecr("DescribeImages", &request).await?;
            let signature = json!({"standIn": "laptop stand-in for notation", "profile": id,
                "digest": digest, "at": ids::now().to_string()});
            client
                .keep_object(&target, "signature", digest, &signature)
                .await?;
            console.line(&format!("Successfully signed {image}"));
        }
        Command::Verify { .. } => {
            let signature: Option<Value> = client.object(&target, "signature", digest).await?;
            if signature.is_none() {
                let text = format!(
                    "Error: signature verification failed: no signature is associated with {image:?}, make sure the artifact was signed successfully"
                );
                return Err(ToolError::Failed(text));
            }
            console.line(&format!("Successfully verified signature for {image}"));
        }
    }
    Ok(())
}
