//! `local up`, `local demo`, and what a rollout there is judged by.

use super::help;
use super::values::{parse_dimension, parse_duration, parse_number, parse_source};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// The laptop stack.
#[derive(Debug, Subcommand)]
pub enum Local {
    /// Bring the laptop stack up and keep it until Ctrl-C
    #[command(after_long_help = help::UP)]
    Up(Up),
    /// Bring a stack up, release on it, and tell how it went: what `make demo` runs
    #[command(after_long_help = help::DEMO)]
    Demo(Demo),
    /// Put a number into the laptop's CloudWatch, for a rollout that is watched
    #[command(after_long_help = help::METRIC)]
    Metric(Metric),
    /// Put an alarm of the laptop's CloudWatch into a state
    #[command(after_long_help = help::ALARM)]
    Alarm(Alarm),
}

/// `local metric`.
#[derive(Debug, Args)]
pub struct Metric {
    /// Its namespace, as in the definition's `watch`
    #[arg(value_name = "NAMESPACE")]
    pub namespace: String,
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it is from now on
    #[arg(value_name = "VALUE", value_parser = parse_number)]
    pub value: f64,
    /// A dimension; all that the definition names must be there, and no other
    #[arg(long = "dimension", value_name = "NAME=VALUE", value_parser = parse_dimension)]
    pub dimensions: Vec<(String, String)>,
    /// For how long [default: until Ctrl-C]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub lasts: Option<Duration>,
}

/// `local alarm`.
#[derive(Debug, Args)]
pub struct Alarm {
    /// Its name, as in the definition's `watch`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Its state
    #[arg(value_enum, value_name = "STATE", ignore_case = true)]
    pub state: AlarmState,
}

/// An alarm's state, in CloudWatch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlarmState {
    /// All is well
    #[value(name = "OK")]
    Ok,
    /// It is not
    #[value(name = "ALARM")]
    Alarm,
    /// Nobody can tell
    #[value(name = "INSUFFICIENT_DATA")]
    InsufficientData,
}

impl AlarmState {
    /// CloudWatch's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// `local up`.
#[derive(Debug, Args)]
pub struct Up {
    /// The pipelines that the stack has [default: all of pipelines/]
    #[arg(value_name = "PIPELINE")]
    pub pipelines: Vec<String>,
    /// Where everything is kept; a folder that does not exist is made
    #[arg(long, value_name = "DIR", default_value = ".stack")]
    pub data: PathBuf,
    /// The stand-ins' port [default: a free one]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// Which folder stands for which repository; may be repeated
    #[arg(long, value_name = "REPO=DIR", value_parser = parse_source)]
    pub source: Vec<(String, PathBuf)>,
    /// A folder that is copied over the source; may be repeated
    #[arg(long, value_name = "DIR")]
    pub overlay: Vec<PathBuf>,
    /// What image scans find, as ECR's DescribeImageScanFindings answers
    #[arg(long, value_name = "FILE")]
    pub findings: Option<PathBuf>,
    /// The project's folder [default: the nearest above here with infra/template.yaml]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// How a demo goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// To production, approved by two people
    Good,
    /// The unit tests cover too little
    LowCoverage,
    /// The image scan finds something critical
    CriticalFinding,
    /// An approver rejects
    Rejected,
}

/// `local demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// How it goes
    #[arg(long, value_enum, default_value = "good")]
    pub scenario: Scenario,
    /// You decide: in the inbox, by a personal link
    #[arg(long)]
    pub interactive: bool,
    /// Where everything is kept [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep the stack up afterwards, until Ctrl-C, to look around
    #[arg(long)]
    pub keep: bool,
    /// The project's folder [default: the nearest above here with infra/template.yaml]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}
