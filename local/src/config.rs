//! What a caller decides about the stand-ins.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::events::EventSink;

/// Everything [`StandIns::start`](crate::StandIns::start) needs to know.
#[derive(Clone)]
pub struct StandInsConfig {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The folder everything is kept in; made when absent.
    pub data: PathBuf,
    /// The AWS emulator, which gets every ECR call the stand-in does not know
    /// and resolves builds' secrets.
    pub emulator: Url,
    /// The access key of the emulator's root, when the emulator evaluates IAM
    /// policies: then every build acts as its project's role. Without it, builds
    /// have credentials that mean nothing.
    pub root_key: Option<String>,
    /// Where CodeBuild's and ECR's events go.
    pub event_sink: Arc<dyn EventSink>,
    /// Which folder stands for which source repository: its URL, with or
    /// without a trailing `.git`, to a folder.
    pub sources: BTreeMap<String, PathBuf>,
    /// Folders whose files are copied over a build's source, same relative
    /// paths, in this order.
    pub overlays: Vec<PathBuf>,
    /// Folders that are copied over the source of one commit only, after those of
    /// `overlays`: what the commit changes.
    pub commits: BTreeMap<String, Vec<PathBuf>>,
    /// What image scans find: a file with a `DescribeImageScanFindings` answer
    /// or a sequence of them; two LOW findings when absent.
    pub findings: Option<PathBuf>,
    /// Put before the system's `PATH` in builds and in deployed services, such
    /// as the `bin` of a Python environment.
    pub tools_path: Vec<PathBuf>,
    /// The `gatewright-standin` program, which builds find as `docker`,
    /// `kubectl`, `terraform` and so on, and deployed services as `odoo`.
    pub tool_binary: PathBuf,
    /// The Slack workspace.
    pub slack: SlackConfig,
    /// PagerDuty's services: the name of each to its routing key, which has 32
    /// characters.
    pub pagerduty: BTreeMap<String, String>,
    /// The AWS region in ARNs, such as `eu-central-1`.
    pub region: String,
    /// The AWS account in ARNs: twelve digits.
    pub account: String,
    /// How long one minute of `timeoutInMinutes` lasts. A minute, unless a
    /// test cannot wait that long: CodeBuild allows no time-out under five.
    pub build_minute: Duration,
}

impl fmt::Debug for StandInsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandInsConfig")
            .field("port", &self.port)
            .field("data", &self.data)
            .field("emulator", &self.emulator.as_str())
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

/// The Slack workspace the stand-in plays.
#[derive(Clone)]
pub struct SlackConfig {
    /// Signs what is sent to `interactivity_url`.
    pub signing_secret: String,
    /// The bearer token API calls must carry.
    pub bot_token: String,
    /// Where pressed buttons are posted; can be set later with
    /// [`StandIns::set_interactivity_url`](crate::StandIns::set_interactivity_url).
    pub interactivity_url: Option<Url>,
    /// The people in the workspace: who can press buttons and get messages.
    pub users: Vec<SlackUser>,
    /// The channels the bot is in.
    pub channels: Vec<SlackChannel>,
}

impl fmt::Debug for SlackConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret and the token stay out of logs, even local ones.
        f.debug_struct("SlackConfig")
            .field("interactivity_url", &self.interactivity_url)
            .field("users", &self.users)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

/// A person in the Slack workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackUser {
    /// The user's id, `U…`.
    pub id: String,
    /// The user's name, as shown.
    pub name: String,
}

/// A channel of the Slack workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlackChannel {
    /// The channel's id, `C…`.
    pub id: String,
    /// The channel's name, without `#`.
    pub name: String,
}
