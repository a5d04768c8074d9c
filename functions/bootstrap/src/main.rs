//! The one binary of all functions: `_HANDLER`, which `infra/template.yaml` sets
//! for each function, says which one this process is (docs/decisions/0001).
//!
//! Wiring only: clients and configuration are made once, the handlers borrow
//! them. What a function may do is said by its role, not here.

use aws_config::SdkConfig;
use gatewright_answer_approval::Desk;
use gatewright_aws::builds::CodeBuild;
use gatewright_aws::clients;
use gatewright_aws::config::Config;
use gatewright_aws::links::Links;
use gatewright_aws::metrics::CloudWatch;
use gatewright_aws::origins::Around;
use gatewright_aws::pagerduty::{PagerDuty, RoutingKeys};
use gatewright_aws::registry::Ecr;
use gatewright_aws::secrets::SecretsManager;
use gatewright_aws::slack::Slack;
use gatewright_aws::table::dynamo::DynamoTable;
use gatewright_aws::tasks::StepFunctions;
use gatewright_aws::topics::SnsTopic;
use gatewright_aws::{Kind, Store, SystemClock};
use gatewright_handler::{serve, start_logging};
use lambda_runtime::Error;

fn main() -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    start_logging(variable("GATEWRIGHT_LOG"));
    let config = Config::from_vars(variable)?;
    let handler = variable("_HANDLER").unwrap_or_default();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(&handler, &config))
}

async fn run(handler: &str, config: &Config) -> Result<(), Error> {
    let sdk = &clients::for_function().await;
    let store = &Store::new(DynamoTable::new(
        aws_sdk_dynamodb::Client::new(sdk),
        &config.table,
    ));
    let clock = &SystemClock;
    let builds = || CodeBuild::new(sdk);
    let registry = || Ecr::new(sdk);
    let outside = || Around::new(sdk);
    match handler {
        "admit-release" => {
            serve("admit-release", |event| {
                gatewright_admit_release::handle(store, clock, event)
            })
            .await
        }
        "start-release" => {
            let executions = &StepFunctions::new(sdk);
            serve("start-release", |event| {
                gatewright_start_release::handle(store, executions, clock, config, event)
            })
            .await
        }
        "start-build" => {
            let builds = &builds();
            serve("start-build", |event| {
                gatewright_start_build::handle(store, builds, clock, config, event)
            })
            .await
        }
        "finish-build" => {
            let (builds, outside) = &(builds(), outside());
            serve("finish-build", |event| {
                gatewright_finish_build::handle(store, builds, outside, clock, event)
            })
            .await
        }
        "judge-scan" => {
            let registry = &registry();
            serve("judge-scan", |event| {
                gatewright_judge_scan::handle(store, registry, clock, event)
            })
            .await
        }
        "clear-deploy" => {
            let outside = &outside();
            serve("clear-deploy", |event| {
                gatewright_clear_deploy::handle(store, outside, clock, event)
            })
            .await
        }
        "take-order" => {
            let outside = &outside();
            serve("take-order", |event| {
                gatewright_take_order::handle(store, outside, clock, event)
            })
            .await
        }
        "request-approval" => {
            serve("request-approval", |event| {
                gatewright_request_approval::handle(store, clock, event)
            })
            .await
        }
        "watch-rollout" => {
            serve("watch-rollout", |event| {
                gatewright_watch_rollout::handle(store, clock, config, event)
            })
            .await
        }
        "answer-task" => {
            let tasks = &StepFunctions::new(sdk);
            serve("answer-task", |event| {
                gatewright_answer_task::handle(store, tasks, event)
            })
            .await
        }
        "finish-release" => {
            let (builds, outside) = &(builds(), outside());
            serve("finish-release", |event| {
                gatewright_finish_release::handle(store, builds, outside, clock, event)
            })
            .await
        }
        "sweep" => {
            let (builds, outside) = &(builds(), outside());
            let (metrics, executions) = &(CloudWatch::new(sdk), StepFunctions::new(sdk));
            serve("sweep", |event| {
                gatewright_sweep::handle(store, builds, outside, metrics, executions, clock, event)
            })
            .await
        }
        "answer-approval" => {
            let links = &links(sdk, config).await?;
            let secrets = slack_secrets(sdk, config).await?;
            let respond = &Slack::new(&config.slack_api_url, secrets.bot_token)?;
            let signing_secret = &secrets.signing_secret;
            let desk = &Desk {
                store,
                links,
                signing_secret,
                respond,
                clock,
                config,
            };
            serve("answer-approval", |event| {
                gatewright_answer_approval::handle(desk, event)
            })
            .await
        }
        "notify" => {
            let links = &links(sdk, config).await?;
            let chat = &Slack::new(
                &config.slack_api_url,
                slack_secrets(sdk, config).await?.bot_token,
            )?;
            let pager = &pager(sdk, config).await?;
            let topic = &SnsTopic::new(sdk, Config::need(&config.topic, "GATEWRIGHT_TOPIC")?);
            let desk = &gatewright_notify::Desk {
                store,
                chat,
                pager,
                topic,
                links,
                clock,
                config,
            };
            serve("notify", |event| gatewright_notify::handle(desk, event)).await
        }
        "history" => {
            let links = &links(sdk, config).await?;
            serve("history", |event| {
                gatewright_history::handle(store, links, clock, event)
            })
            .await
        }
        other => Err(format!("_HANDLER is {other:?}, which is none of our functions").into()),
    }
}

async fn links(sdk: &SdkConfig, config: &Config) -> Result<Links, Error> {
    let id = Config::need(&config.link_secret, "GATEWRIGHT_LINK_SECRET")?;
    Ok(Links::new(&SecretsManager::new(sdk).text(id).await?)?)
}

async fn slack_secrets(
    sdk: &SdkConfig,
    config: &Config,
) -> Result<gatewright_aws::secrets::SlackSecrets, Error> {
    let id = Config::need(&config.slack_secret, "GATEWRIGHT_SLACK_SECRET")?;
    Ok(SecretsManager::new(sdk).slack(id).await?)
}

/// PagerDuty with the keys that somebody filled in. A secret that says nothing or
/// nonsense pages nobody, which is said once a process, and costs nobody their
/// message; one that cannot be read for the moment is read again.
async fn pager(sdk: &SdkConfig, config: &Config) -> Result<PagerDuty, Error> {
    let keys = match &config.pagerduty_secret {
        None => RoutingKeys::new(),
        Some(id) => match SecretsManager::new(sdk).pagerduty(id).await {
            Ok(keys) => keys,
            Err(error) if error.kind == Kind::Transient => return Err(error.into()),
            Err(error) => {
                tracing::error!("PagerDuty's routing keys: {error}");
                RoutingKeys::new()
            }
        },
    };
    let pager = PagerDuty::new(&config.pagerduty_api_url, keys)?;
    if pager.services().next().is_none() {
        tracing::warn!("there is no routing key of PagerDuty: nobody is paged");
    }
    Ok(pager)
}
