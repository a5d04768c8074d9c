//! Configuration from environment variables, each named when it is missing.

use gatewright_domain::PipelineId;
use gatewright_domain::text::shortened;

/// Where everything is. A function reads only what its role may use; what it has
/// no variable for stays `None` and is asked for by name when it is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The table's name.
    pub table: String,
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// The S3 bucket for artifacts that are no images.
    pub artifacts: Option<String>,
    /// What stands before the names of state machines.
    pub machine_prefix: String,
    /// The SNS topic's ARN.
    pub topic: Option<String>,
    /// Where people reach the pages, without a slash at the end.
    pub public_url: Option<String>,
    /// The secret with the key for personal links.
    pub link_secret: Option<String>,
    /// The secret with Slack's bot token and signing secret.
    pub slack_secret: Option<String>,
    /// Slack's API.
    pub slack_api_url: String,
    /// The Slack channel of pipelines that name none.
    pub slack_channel: Option<String>,
    /// The secret with PagerDuty's routing keys; none when nobody is paged.
    pub pagerduty_secret: Option<String>,
    /// PagerDuty's Events API.
    pub pagerduty_api_url: String,
    /// How fast watches go.
    pub pace: Pace,
}

/// How many real seconds a second of a watch takes. It is 1 wherever releases
/// are real; a laptop has no hour to watch a rollout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace(f64);

impl Default for Pace {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Pace {
    /// The slowest and the fastest pace: as written, and a thousand times that.
    fn new(seconds: f64) -> Option<Self> {
        (0.001..=1.0).contains(&seconds).then_some(Self(seconds))
    }

    /// How many real seconds `seconds` of a watch take, at least one.
    pub fn real(self, seconds: u32) -> i64 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most a year's seconds, and a pace of at most 1"
        )]
        let real = (f64::from(seconds) * self.0).round() as i64;
        real.max(1)
    }

    /// How many real seconds a sample of a minute is about: what CloudWatch has,
    /// which is 1, 5, 10, 30 or 60.
    pub fn period(self) -> u32 {
        let minute = self.real(60);
        let fits = [60, 30, 10, 5]
            .into_iter()
            .find(|p| i64::from(*p) <= minute);
        fits.unwrap_or(1)
    }
}

/// A variable that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not set.
    #[error("environment variable {0} is not set")]
    Missing(&'static str),
    /// It is set to something impossible.
    #[error("environment variable {name} is {value:?}: {why}")]
    Wrong {
        /// Which.
        name: &'static str,
        /// What it says.
        value: String,
        /// What would be right.
        why: &'static str,
    },
}

impl Config {
    /// Reads the configuration through `lookup`, so that tests need no environment.
    ///
    /// # Errors
    /// The first variable that is missing or impossible, by name.
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| {
            lookup(name)
                .map(|v| v.trim().to_owned())
                .filter(|v| !v.is_empty())
        };
        let required = |name: &'static str| set(name).ok_or(ConfigError::Missing(name));
        let public_url =
            set("GATEWRIGHT_PUBLIC_URL").map(|url| url.trim_end_matches('/').to_owned());
        if let Some(value) = public_url.as_ref().filter(|url| !url.starts_with("http")) {
            let (name, why) = (
                "GATEWRIGHT_PUBLIC_URL",
                "it must begin with https:// (or http:// on a laptop)",
            );
            return Err(ConfigError::Wrong {
                name,
                value: shortened(value, 200),
                why,
            });
        }
        let pace = match set("GATEWRIGHT_PACE") {
            None => Pace::default(),
            Some(value) => {
                let read = value.parse().ok().and_then(Pace::new);
                read.ok_or_else(|| ConfigError::Wrong {
                    name: "GATEWRIGHT_PACE",
                    value: shortened(&value, 200),
                    why: "it must be a number from 0.001 to 1, and is 1 wherever releases are real",
                })?
            }
        };
        Ok(Self {
            table: required("GATEWRIGHT_TABLE")?,
            account: required("GATEWRIGHT_ACCOUNT")?,
            region: required("AWS_REGION")?,
            artifacts: set("GATEWRIGHT_ARTIFACTS"),
            machine_prefix: set("GATEWRIGHT_MACHINE_PREFIX").unwrap_or_default(),
            topic: set("GATEWRIGHT_TOPIC"),
            public_url,
            link_secret: set("GATEWRIGHT_LINK_SECRET"),
            slack_secret: set("GATEWRIGHT_SLACK_SECRET"),
            slack_api_url: set("GATEWRIGHT_SLACK_API_URL")
                .unwrap_or_else(|| "https://slack.com/api".to_owned()),
            slack_channel: set("GATEWRIGHT_SLACK_CHANNEL"),
            pagerduty_secret: set("GATEWRIGHT_PAGERDUTY_SECRET"),
            pagerduty_api_url: set("GATEWRIGHT_PAGERDUTY_API_URL")
                .unwrap_or_else(|| "https://events.pagerduty.com".to_owned()),
            pace,
        })
    }

    /// The registry that images are pushed to.
    pub fn ecr_registry(&self) -> String {
        format!("{}.dkr.ecr.{}.amazonaws.com", self.account, self.region)
    }

    /// The ARN of a pipeline's state machine.
    pub fn machine(&self, pipeline: &PipelineId) -> String {
        format!(
            "arn:aws:states:{}:{}:stateMachine:{}{pipeline}",
            self.region, self.account, self.machine_prefix
        )
    }

    /// An optional part that is needed now.
    ///
    /// # Errors
    /// The name of the variable.
    pub fn need<'a>(value: &'a Option<String>, name: &'static str) -> Result<&'a str, ConfigError> {
        value.as_deref().ok_or(ConfigError::Missing(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        }
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = Config::from_vars(vars(&[
            ("AWS_REGION", "ap-south-1"),
            ("GATEWRIGHT_TABLE", " "),
        ]))
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable GATEWRIGHT_TABLE is not set"
        );
    }

    #[test]
    fn a_pace_makes_watches_shorter_and_never_longer() {
        let pace = |value: &str| {
            Config::from_vars(|name| match name {
                "GATEWRIGHT_PACE" => Some(value.to_owned()),
                _ => Some("x".to_owned()).filter(|_| !name.ends_with("URL")),
            })
            .map(|config| (config.pace.real(300), config.pace.period()))
        };
        assert_eq!(pace("1"), Ok((300, 60)));
        assert_eq!(pace(""), Ok((300, 60)));
        assert_eq!(pace("0.5"), Ok((150, 30)));
        assert_eq!(pace("0.0167"), Ok((5, 1)));
        for wrong in ["0", "1.1", "-1", "NaN", "fast"] {
            let error = pace(wrong).unwrap_err().to_string();
            assert!(error.contains("GATEWRIGHT_PACE"), "{error}");
        }
    }

    #[test]
    fn a_public_url_must_be_one() {
        let error =
            Config::from_vars(vars(&[("GATEWRIGHT_PUBLIC_URL", "example.com")])).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("GATEWRIGHT_PUBLIC_URL is \"example.com\": it must begin with https://")
        );
    }
}
