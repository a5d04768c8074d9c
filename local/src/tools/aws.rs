//! A stand-in for the AWS CLI.

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

use super::{
    Console, ToolError, client::Client, codedeploy, codedeploy::Deploy, kubeconfig::KubeConfig,
    s3::S3,
};

/// The commands this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "aws", disable_version_flag = true)]
pub(super) struct Aws {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, Args)]
struct Global {
    /// Recorded nowhere: the stand-ins play one region.
    #[arg(long, global = true)]
    region: Option<String>,
    #[arg(long, global = true, default_value = "json")]
    output: String,
    #[arg(long, global = true)]
    query: Option<String>,
    #[arg(long, global = true)]
    no_cli_pager: bool,
}

#[derive(Debug, Subcommand)]
enum Service {
    /// Amazon ECR.
    Ecr {
        #[command(subcommand)]
        command: Ecr,
    },
    /// Amazon EKS.
    Eks {
        #[command(subcommand)]
        command: Eks,
    },
    /// AWS CodeDeploy.
    Deploy {
        #[command(subcommand)]
        command: Deploy,
    },
    /// Amazon S3.
    S3 {
        #[command(subcommand)]
        command: S3,
    },
}

#[derive(Debug, Subcommand)]
enum Ecr {
    /// Start a scan of an image.
    StartImageScan {
        #[arg(long)]
        repository_name: String,
        #[arg(long)]
        image_id: String,
    },
    /// Show images.
    DescribeImages {
        #[arg(long)]
        repository_name: String,
        #[arg(long, num_args = 1..)]
        image_ids: Vec<String>,
    },
    /// Show images' manifests.
    BatchGetImage {
        #[arg(long)]
        repository_name: String,
        #[arg(long, num_args = 1.., required = true)]
        image_ids: Vec<String>,
    },
    /// Put a manifest into a repository, under one more tag.
    PutImage {
        #[arg(long)]
        repository_name: String,
        #[arg(long)]
        image_tag: Option<String>,
        #[arg(long)]
        image_manifest: String,
        #[arg(long)]
        image_manifest_media_type: Option<String>,
        #[arg(long)]
        image_digest: Option<String>,
    },
    /// Print a password the stand-in for docker takes.
    GetLoginPassword,
}

#[derive(Debug, Subcommand)]
enum Eks {
    /// Make a cluster kubectl's current one.
    UpdateKubeconfig {
        #[arg(long)]
        name: String,
        #[arg(long)]
        alias: Option<String>,
        #[arg(long)]
        role_arn: Option<String>,
    },
}

/// Runs a command.
pub(super) async fn run(aws: Aws, console: &mut Console) -> Result<(), ToolError> {
    let client = Client::from_environment()?;
    let answer = match aws.service {
        // Files, and no answer that could be asked for parts of it.
        Service::S3 { command } => return super::s3::run(command, console).await,
        Service::Ecr {
            command:
                Ecr::StartImageScan {
                    repository_name,
                    image_id,
                },
        } => {
            let request =
                json!({"repositoryName": repository_name, "imageId": shorthand(&image_id)?});
            client.ecr("StartImageScan", &request).await?
        }
        Service::Ecr {
            command:
                Ecr::DescribeImages {
                    repository_name,
                    image_ids,
                },
        } => {
            let ids = (image_ids.iter().map(|id| shorthand(id))).collect::<Result<Vec<_>, _>>()?;
            let request = json!({"repositoryName": repository_name, "imageIds": ids});
            client.ecr("DescribeImages", &request).await?
        }
        Service::Ecr {
            command:
                Ecr::BatchGetImage {
                    repository_name,
                    image_ids,
                },
        } => {
            let ids = (image_ids.iter().map(|id| shorthand(id))).collect::<Result<Vec<_>, _>>()?;
            let request = json!({"repositoryName": repository_name, "imageIds": ids});
            client.ecr("BatchGetImage", &request).await?
        }
        Service::Ecr {
            command:
                Ecr::PutImage {
                    repository_name,
                    image_tag,
                    image_manifest,
                    image_manifest_media_type,
                    image_digest,
                },
        } => {
            let request = json!({
                "repositoryName": repository_name,
                "imageTag": image_tag,
                "imageManifest": image_manifest,
                "imageManifestMediaType": image_manifest_media_type,
                "imageDigest": image_digest,
            });
            client.ecr("PutImage", &request).await?
        }
        Service::Deploy { command } => codedeploy::run(command, &client, console).await?,
        Service::Ecr {
            command: Ecr::GetLoginPassword,
        } => {
            console.note("aws ecr get-login-password: a placeholder; no AWS credentials were used");
            console.line("laptop-stand-in-password");
            return Ok(());
        }
        Service::Eks {
            command: Eks::UpdateKubeconfig { name, alias, .. },
        } => {
            let context = alias.unwrap_or(name);
            KubeConfig::change(|config| config.current_context.clone_from(&context))?;
            console.note(&format!(
                "aws eks: cluster {context} is played on this machine"
            ));
            console.line(&format!("Updated context {context} in kubeconfig"));
            return Ok(());
        }
    };
    console.line(&shown(&answer, &aws.global)?);
    Ok(())
}

/// `imageTag=x,imageDigest=y`, the CLI's shorthand for a structure.
fn shorthand(text: &str) -> Result<Value, ToolError> {
    let mut structure = json!({});
    for pair in text.split(',') {
        let Some((key, value)) = pair.split_once('=') else {
            let text =
                format!("Error parsing parameter: {text}: expected imageTag=… or imageDigest=…");
            return Err(ToolError::Failed(text));
        };
        structure[key] = value.into();
    }
    Ok(structure)
}

/// The answer as `--query` and `--output` want it.
fn shown(answer: &Value, global: &Global) -> Result<String, ToolError> {
    let selected = match &global.query {
        None => answer.clone(),
        Some(query) => select(answer, query)?,
    };
    match (global.output.as_str(), &selected) {
        ("json", value) => Ok(format!("{value:#}")),
        ("text", Value::Null) => Ok("None".to_owned()),
        ("text", Value::String(text)) => Ok(text.clone()),
        ("text", Value::Number(number)) => Ok(number.to_string()),
        (output, _) => Err(ToolError::unknown(
            "aws",
            format!("--output {output}"),
            "it knows json, and text for a --query that selects one value",
        )),
    }
}

/// The part of JMESPath that is played: members and indexes, `a[0].b`.
fn select(value: &Value, query: &str) -> Result<Value, ToolError> {
    let unknown = || {
        let why = "it knows members and indexes, such as imageDetails[0].imageDigest";
        ToolError::unknown("aws", format!("--query {query}"), why)
    };
    let mut value = value;
    for part in query.split('.') {
        let (member, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
        if member.is_empty() || !member.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(unknown());
        }
        value = &value[member];
        for index in indexes.split_terminator(']') {
            let index: usize = (index.strip_prefix('[').and_then(|index| index.parse().ok()))
                .ok_or_else(unknown)?;
            value = &value[index];
        }
    }
    Ok(value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_of_members_and_indexes_are_played_and_others_refused() {
        let answer = json!({"imageDetails": [{"imageDigest": "sha256:ab"}]});
        assert_eq!(
            select(&answer, "imageDetails[0].imageDigest").unwrap(),
            "sha256:ab"
        );
        assert_eq!(
            select(&answer, "imageDetails[1].imageDigest").unwrap(),
            Value::Null
        );
        for refused in [
            "imageDetails[?x]",
            "length(imageDetails)",
            "imageDetails[*].imageDigest",
        ] {
            assert_eq!(select(&answer, refused).unwrap_err().code(), 2, "{refused}");
        }
    }
}
