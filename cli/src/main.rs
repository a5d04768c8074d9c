//! `gatewright`: definitions, releases, approvals, the record and the laptop
//! stack, on the command line.
//!
//! `args` says what can be asked, `commands` and `local` answer, `out` is the one
//! place that prints. Commands that read the record are generic over its table,
//! so that their tests need none.

mod args;
mod commands;
mod connect;
mod differ;
mod error;
mod files;
mod going_back;
mod import;
mod local;
mod lookup;
mod meant;
mod out;
mod progress;
mod sign;
mod signed;
mod story;
mod style;
mod table;
mod trigger;
mod watch;
mod words;
mod yaml;

use args::{Cli, Command, Local};
use clap::{CommandFactory, FromArgMatches};
use error::{Code, Failed};
use out::Out;
use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = Cli::command()
        .color(args::colour_of_help(std::env::args()))
        .get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let out = Out::new(cli.global.json, cli.global.color);
    let code = run(&cli, &out).unwrap_or_else(|failed| {
        out.failed(&failed);
        failed.code
    });
    ExitCode::from(code as u8)
}

fn run(cli: &Cli, out: &Out) -> Result<Code, Failed> {
    // reqwest is built without a TLS provider of its own.
    gatewright_aws::clients::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failed::unreachable(format!("no threads to run on: {error}")))?;
    let code = runtime.block_on(answer(cli, out));
    // A second Ctrl-C leaves tasks behind that nobody waits for.
    runtime.shutdown_background();
    code
}

async fn answer(cli: &Cli, out: &Out) -> Result<Code, Failed> {
    let at = cli.global.connection.as_deref();
    match &cli.command {
        Command::Validate(args) => commands::validate::run(args, out),
        Command::Compile(args) => commands::compile::run(args, out),
        Command::Plan(args) => commands::plan::run(args, out),
        Command::Graph(args) => commands::graph::run(args, out),
        Command::Diff(args) => commands::diff::run(args, at, out).await,
        Command::Init(args) => commands::init::run(args, out),
        Command::Import(args) => commands::import::run(args, out),
        Command::Versions(args) => commands::versions::run(args, at, out).await,
        Command::Start(args) => commands::start::run(args, at, out).await,
        Command::Rollback(args) => commands::rollback::run(args, at, out).await,
        Command::Lift(args) => commands::undone::lift(args, at, out).await,
        Command::Resolve(args) => commands::undone::resolve(args, at, out).await,
        Command::Status(args) => commands::status::run(args, at, out).await,
        Command::Halt(args) => commands::orders::halt(args, at, out).await,
        Command::Resume(args) => commands::orders::resume(args, at, out).await,
        Command::Hold(args) => commands::orders::hold(args, at, out).await,
        Command::Unhold(args) => commands::orders::unhold(args, at, out).await,
        Command::Freeze(args) => commands::orders::freeze(args, at, out).await,
        Command::Thaw(args) => commands::orders::thaw(args, at, out).await,
        Command::BreakGlass(args) => commands::orders::break_glass(args, at, out).await,
        Command::Orders(args) => commands::orders::orders(args, at, out).await,
        Command::Approve(args) => commands::decide::approve(args, at, out).await,
        Command::Reject(args) => commands::decide::reject(args, at, out).await,
        Command::History(args) => commands::history::run(args, at, out).await,
        Command::Show(args) => commands::show::run(args, at, out).await,
        Command::Explain(args) => commands::explain::run(args, at, out).await,
        Command::Runbook(args) => commands::runbook::run(args, at, out).await,
        Command::Logs(args) => commands::logs::run(args, at, out).await,
        Command::Apply(args) => commands::apply::run(args, at, out).await,
        Command::Local(Local::Up(args)) => local::up::run(args, out).await,
        Command::Local(Local::Demo(args)) => local::demo::run(args, out).await,
        Command::Local(Local::Metric(args)) => local::metric::metric(args, at, out).await,
        Command::Local(Local::Alarm(args)) => local::metric::alarm(args, at, out).await,
    }
}
