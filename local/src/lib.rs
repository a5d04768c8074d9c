//! Gatewright's laptop stack: stand-ins for the services the AWS emulator
//! lacks.
//!
//! [`StandIns`] is one HTTP server on 127.0.0.1 that plays AWS CodeBuild,
//! Amazon ECR, Slack, an e-mail inbox fed by SNS, a Kubernetes cluster, n8n and
//! Odoo; the program `gatewright-standin` plays the tools that builds call
//! (`docker`, `kubectl`, `terraform` and others: `tools`), and `odoo` in deployed
//! services. All of them say that they are stand-ins, keep the real services'
//! rules where a release can run into them, and refuse by name what they do not
//! play.
//!
//! | path | what |
//! | --- | --- |
//! | `POST /codebuild` | CodeBuild's API (AWS JSON 1.1) |
//! | `GET /codebuild/builds`, `GET /codebuild/logs/<id>?offset=` | builds and their logs |
//! | `POST /codebuild/_faults` | [`CodeBuildFaults`] |
//! | `POST /ecr` | ECR's API (AWS JSON 1.1) |
//! | `POST /ecr/_findings`, `POST /ecr/_faults` | what scans find; [`EcrFaults`] |
//! | `POST /slack/api/<method>` | Slack's Web API |
//! | `GET /inbox`, `GET /inbox.json`, `POST /inbox/press` | what people got, and pressing a button |
//! | `POST /pagerduty/v2/enqueue` | PagerDuty's Events API v2 |
//! | `POST /sns` | the e-mail inbox's SNS subscription |
//! | `GET /n8n`, `/n8n/<environment>/api/v1/workflows…` | n8n: what is deployed; its public API |
//! | `GET /odoo`, `/odoo/<database>/…` | Odoo: what is installed; its health and external API |
//! | `/registry/…`, `/cluster/…`, `/terraform/…` | what the tools in builds talk to |
//! | `/scans/<tool>` | what the stand-ins for scanners find |

mod aws_json;
mod cluster;
mod codebuild;
mod codepipeline;
mod config;
mod ecr;
mod events;
mod ids;
mod inbox;
mod keys;
mod n8n;
mod odoo;
mod pagerduty;
mod process;
mod scans;
mod server;
mod sigv4;
mod slack;
mod sns;
mod sync;
mod tasks;
mod terraform;
pub mod tools;

pub use codebuild::CodeBuildFaults;
pub use config::{SlackChannel, SlackConfig, SlackUser, StandInsConfig};
pub use ecr::{EcrFaults, FindingsError};
pub use events::{Event, EventSink, RecordingSink, SinkError, SinkFuture};
pub use server::{StandIns, StartError};
