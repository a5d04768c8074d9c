//! `local up` and `local demo`.

use super::help;
use super::values::parse_source;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The laptop stack.
#[derive(Debug, Subcommand)]
pub enum Local {
    /// Bring the laptop stack up and keep it until Ctrl-C
    #[command(after_long_help = help::UP)]
    Up(Up),
    /// Bring a stack up, release on it, and tell how it went: what `make demo` runs
    #[command(after_long_help = help::DEMO)]
    Demo(Demo),
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
