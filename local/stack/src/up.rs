//! Brings the laptop stack up and down.

use crate::connection::Connection;
use crate::deploy::deploy;
use crate::emulator::Emulator;
use crate::{StackError, people, project, settings};
use gatewright_aws::Store;
use gatewright_aws::table::dynamo::DynamoTable;
use gatewright_domain::PipelineId;
use gatewright_domain::people::Directory;
use gatewright_domain::pipeline::{Artifact, Definition};
use gatewright_local::{SlackConfig, StandIns, StandInsConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The account that the emulator plays when root's key is no account's number.
const ACCOUNT: &str = "000000000000";
const REGION: &str = "ap-south-1";

/// What the laptop stack is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The project's folder: template, launcher, definitions, machines.
    pub root: PathBuf,
    /// Where everything is kept.
    pub data: PathBuf,
    /// The zip with the functions' bootstrap.
    pub bootstrap_zip: PathBuf,
    /// The program that plays docker, kubectl and the like inside builds.
    pub standin: PathBuf,
    /// The Python of the emulator's environment.
    pub python: PathBuf,
    /// What builds find on their `PATH`: the linters and test runners.
    pub tools: PathBuf,
    /// Which folder stands for which repository.
    pub sources: BTreeMap<String, PathBuf>,
    /// Folders copied over the source.
    pub overlays: Vec<PathBuf>,
    /// Folders copied over the source of one commit only.
    pub commits: BTreeMap<String, Vec<PathBuf>>,
    /// What image scans find.
    pub findings: Option<PathBuf>,
    /// The stand-ins' port; 0: a free one.
    pub port: u16,
    /// The pipelines that the stack has; all of `pipelines/` when none is named.
    pub pipelines: Vec<String>,
}

impl Options {
    /// The usual places below the project's folder; sources are the fixtures.
    pub fn of(root: &Path, data: &Path) -> Self {
        let fixtures = root.join("tests/fixtures");
        let source = |repository: &str, folder: &str| {
            let location = format!("https://github.com/example/{repository}");
            (location, fixtures.join(folder))
        };
        Self {
            root: root.to_owned(),
            data: data.to_owned(),
            bootstrap_zip: root.join("target/lambda/bootstrap.zip"),
            standin: root.join("target/debug/gatewright-standin"),
            python: root.join(".venv/laptop/bin/python"),
            tools: root.join(".venv/builds/bin"),
            sources: BTreeMap::from([
                source("transport-management", "tms"),
                source("smart-dairy", "smart-dairy"),
                source("ecommerce-product-service", "ecommerce"),
                source("influencegen-odoo-modules", "odoo-modules"),
                source("influencegen-n8n-workflows", "n8n-workflows"),
                source("influencegen-infrastructure", "iac"),
                source("influencegen-container-images", "container-images"),
            ]),
            overlays: Vec::new(),
            commits: BTreeMap::new(),
            findings: None,
            port: 0,
            pipelines: Vec::new(),
        }
    }
}

/// A laptop stack that is up.
pub struct Stack {
    emulator: Emulator,
    stand_ins: StandIns,
    connection: Connection,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack")
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

impl Stack {
    /// Brings everything up; `tell` hears what is being done.
    ///
    /// # Errors
    /// What did not come up, and why. Nothing is left running then.
    pub async fn up(options: &Options, tell: &(dyn Fn(&str) + Sync)) -> Result<Self, StackError> {
        gatewright_aws::clients::install_crypto();
        let definitions = project::definitions(&options.root, &options.pipelines)?;
        project::compiled(&options.root, &definitions)?;
        let directory = project::directory(&options.root)?;
        tell("starting the AWS emulator");
        let emulator = Emulator::start(&options.root, &options.python, &options.data).await?;
        let slack = project::slack(directory.clone(), &definitions);
        let pagerduty = project::pagerduty(&definitions);
        let secrets = [
            (
                "SlackSecretArn",
                json!({ "bot_token": slack.bot_token, "signing_secret": slack.signing_secret }),
            ),
            ("PagerDutySecretArn", json!(pagerduty)),
        ];
        tell("starting the stand-ins for CodeBuild, ECR scans, Slack and the clusters");
        let config = stand_ins_config(options, &emulator, slack, pagerduty)?;
        let stand_ins = match StandIns::start(config).await {
            Ok(stand_ins) => stand_ins,
            Err(error) => {
                emulator.stop().await;
                return Err(error.into());
            }
        };
        match Self::furnish(
            options,
            &emulator,
            &stand_ins,
            (&definitions, directory),
            &secrets,
            tell,
        )
        .await
        {
            Ok(connection) => Ok(Self {
                emulator,
                stand_ins,
                connection,
            }),
            Err(error) => {
                stand_ins.shutdown().await;
                emulator.stop().await;
                Err(error)
            }
        }
    }

    async fn furnish(
        options: &Options,
        emulator: &Emulator,
        stand_ins: &StandIns,
        (definitions, directory): (&[Definition], Directory),
        secrets: &[(&str, Value)],
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<Connection, StackError> {
        tell("deploying infra/template.yaml, the one that deploys to AWS");
        let base = stand_ins.url().as_str().trim_end_matches('/').to_owned();
        let mut parameters = vec![
            ("CodeBuildEndpoint", format!("{base}/codebuild")),
            ("EcrEndpoint", format!("{base}/ecr")),
            ("CodePipelineEndpoint", format!("{base}/codepipeline")),
            ("SlackApiUrl", format!("{base}/slack/api")),
            ("PagerDutyApiUrl", format!("{base}/pagerduty")),
            ("Pace", crate::emulator::WAIT_SCALE.to_owned()),
        ];
        let core = deploy(options, emulator, &parameters, &[]).await?;
        // The API's address is known only now; the functions' links need it.
        let public_url = format!(
            "{}/_aws/execute-api/{}/$default",
            emulator.url(),
            core.output("ApiId")?
        );
        parameters.push(("PublicUrl", public_url.clone()));
        let pipelines: Vec<&PipelineId> = definitions.iter().map(|d| &d.id).collect();
        tell(&format!("deploying {}", stacks(&pipelines)));
        let deployed = deploy(options, emulator, &parameters, &pipelines).await?;
        for (output, value) in secrets {
            let secret =
                json!({ "SecretId": core.output(output)?, "SecretString": value.to_string() });
            emulator
                .call("secretsmanager", "secretsmanager.PutSecretValue", &secret)
                .await?;
        }
        subscribe(emulator, &core.output("TopicArn")?, &format!("{base}/sns")).await?;
        settings::furnish(emulator, stand_ins, &options.data, definitions).await?;
        if let Ok(url) = format!("{public_url}/slack/interactions").parse() {
            stand_ins.set_interactivity_url(url);
        }
        let connection = Connection {
            region: REGION.to_owned(),
            endpoint: Some(emulator.url().to_owned()),
            registry: Some(format!("{base}/ecr")),
            credentials: Some(emulator.credentials().clone()),
            table: core.output("TableName")?,
            machines: deployed.of_pipelines("StateMachineArn"),
            rollbacks: deployed.of_pipelines("RollbackStateMachineArn"),
            artifacts: Some(core.output("ArtifactsBucket")?),
            public_url,
            inbox: Some(format!("{base}/inbox")),
            people: people::users(emulator, &directory).await?,
        };
        tell("applying the definitions and the approvers");
        let directory = people::with_users(directory, ACCOUNT);
        apply(&directory, &connection, definitions).await?;
        repositories(&base, definitions).await?;
        write_connection(&options.data, &connection)?;
        Ok(connection)
    }

    /// How to reach it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The stand-ins' address.
    pub fn stand_ins_url(&self) -> &str {
        self.stand_ins.url().as_str().trim_end_matches('/')
    }

    /// The calls that IAM evaluation has denied.
    pub fn denied(&self) -> Vec<String> {
        self.emulator.denied()
    }

    /// Ends everything, builds and deployed services included.
    pub async fn down(self) {
        self.stand_ins.shutdown().await;
        self.emulator.stop().await;
    }
}

/// One pipeline's stack by name, or how many there are.
fn stacks(pipelines: &[&PipelineId]) -> String {
    match pipelines {
        [one] => format!("the stack of {one}"),
        many => format!("the stacks of {} pipelines", many.len()),
    }
}

fn stand_ins_config(
    options: &Options,
    emulator: &Emulator,
    slack: SlackConfig,
    pagerduty: BTreeMap<String, String>,
) -> Result<StandInsConfig, StackError> {
    if !options.standin.exists() {
        let path = options.standin.display().to_string();
        return Err(StackError::NotSetUp {
            what: "the program that plays docker and kubectl",
            path,
        });
    }
    let url = emulator
        .url()
        .parse()
        .map_err(|e| StackError::Service(format!("{}: {e}", emulator.url())))?;

    Ok(StandInsConfig {
        port: options.port,
        data: options.data.join("stand-ins"),
        emulator: url,
        root_key: Some(emulator.credentials().key.clone()),
        event_sink: Arc::new(emulator.sink()),
        sources: options.sources.clone(),
        overlays: options.overlays.clone(),
        commits: options.commits.clone(),
        findings: options.findings.clone(),
        tools_path: vec![options.tools.clone()],
        tool_binary: options.standin.clone(),
        slack,
        pagerduty,
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        build_minute: Duration::from_secs(60),
    })
}

async fn subscribe(emulator: &Emulator, topic: &str, endpoint: &str) -> Result<(), StackError> {
    let parameters = [
        ("TopicArn", topic),
        ("Protocol", "http"),
        ("Endpoint", endpoint),
    ];
    emulator
        .query("sns", "Subscribe", "2010-03-31", &parameters)
        .await
        .map(|_| ())
}

async fn apply(
    directory: &Directory,
    connection: &Connection,
    definitions: &[Definition],
) -> Result<(), StackError> {
    let store: Store<DynamoTable> = connection.store().await;
    let failed = |error: gatewright_aws::store::StoreError| StackError::Service(error.to_string());
    store.apply_directory(directory).await.map_err(failed)?;
    for definition in definitions {
        store.apply(definition).await.map_err(failed)?;
        if let Some(rollback) = definition.rollback() {
            store.record(&rollback).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// The repositories that the templates have CloudFormation make; images are the
/// stand-in's, so it must have them too.
async fn repositories(base: &str, definitions: &[Definition]) -> Result<(), StackError> {
    let artifacts = definitions.iter().flat_map(|d| d.artifacts.values());
    for repository in artifacts.filter_map(Artifact::repository) {
        let body = json!({ "repositoryName": repository, "imageTagMutability": "IMMUTABLE" });
        let target = "AmazonEC2ContainerRegistry_V20150921.CreateRepository";
        let reply = reqwest::Client::new()
            .post(format!("{base}/ecr"))
            .header("X-Amz-Target", target)
            .header("Content-Type", "application/x-amz-json-1.1")
            .body(body.to_string())
            .send()
            .await
            .map_err(|error| StackError::Service(format!("{target}: {error}")))?;
        let (ok, said) = (
            reply.status().is_success(),
            reply.text().await.unwrap_or_default(),
        );
        if !ok && !said.contains("RepositoryAlreadyExistsException") {
            return Err(StackError::Service(format!("{target}: {said}")));
        }
    }
    Ok(())
}

fn write_connection(data: &Path, connection: &Connection) -> Result<(), StackError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = data.join("connection.json");
    let text =
        serde_json::to_string_pretty(connection).map_err(|e| StackError::Service(e.to_string()))?;
    // It holds the emulator's root key: for this user alone.
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .map_err(StackError::file(&path))?;
    file.write_all(text.as_bytes())
        .map_err(StackError::file(&path))
}
