//! A stand-in for `odoo-bin`.
//!
//! It plays `-u` and `-i` with `--stop-after-init`: modules are found in the
//! addons folders, loaded in the order of their dependencies, and their due
//! migrations run; the versions are then those of the database's instance, kept
//! by the stand-ins' server. With `--test-enable` the modules' own tests run in
//! a small framework, and nothing is kept: that database is there for the tests
//! alone. `odoo-bin list -d DATABASE` is of this stand-in: it shows an instance.
//!
//! Python does the loading (`odoo_bin/runner.py`): a manifest is a Python literal
//! and a migration a Python script. It needs `python3` on the PATH.

use std::{fs, path::PathBuf, process::Stdio};

use clap::Parser;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{Console, ToolError, client::Client};
use crate::odoo::{Instance, ModuleUpdate, Update};

/// Loads modules; needs the framework beside it.
const RUNNER: &str = include_str!("odoo_bin/runner.py");
/// The part of Odoo's framework that modules here may use.
const FRAMEWORK: &str = include_str!("odoo_bin/framework.py");

/// The command line this stand-in plays.
#[derive(Debug, Parser)]
#[command(name = "odoo-bin", disable_version_flag = true)]
pub(super) struct Odoo {
    /// Only `list`, and only here.
    command: Option<String>,
    /// The database.
    #[arg(short, long)]
    database: String,
    /// The folders modules are in.
    #[arg(long, value_delimiter = ',')]
    addons_path: Vec<PathBuf>,
    /// Modules to update; one that is not installed is refused.
    #[arg(short, long, value_delimiter = ',')]
    update: Vec<String>,
    /// Modules to install, or to update where they are.
    #[arg(short, long, value_delimiter = ',')]
    init: Vec<String>,
    #[arg(long)]
    stop_after_init: bool,
    /// Run the modules' tests.
    #[arg(long)]
    test_enable: bool,
    // There is no database server and no port to listen on here.
    #[arg(long = "db_host")]
    db_host: Option<String>,
    #[arg(long = "db_port")]
    db_port: Option<u16>,
    #[arg(long = "db_user", short = 'r')]
    db_user: Option<String>,
    #[arg(long)]
    no_http: bool,
}

/// What the runner is to do.
#[derive(Serialize)]
struct Order {
    addons: Vec<PathBuf>,
    modules: Vec<String>,
    installed: std::collections::BTreeMap<String, String>,
    tests: bool,
}

/// What the runner has done.
#[derive(Deserialize)]
struct Done {
    modules: Vec<ModuleUpdate>,
    tests: Option<Tests>,
}

#[derive(Deserialize)]
struct Tests {
    run: u64,
    failed: u64,
}

/// Runs a command.
pub(super) async fn run(odoo: Odoo, console: &mut Console) -> Result<(), ToolError> {
    let client = Client::from_environment()?;
    let state = format!("odoo/{}/state", odoo.database);
    let instance: Instance = client.get(&state, &[]).await?;
    if odoo.command.is_some() {
        return list(&odoo, &instance, console);
    }
    let modules = asked(&odoo, &instance)?;
    console.note(&format!(
        "odoo-bin: database {}; modules are loaded and migrations run, without Odoo and without a database",
        odoo.database
    ));
    let order = Order {
        addons: odoo.addons_path.clone(),
        modules,
        installed: if odoo.test_enable {
            std::collections::BTreeMap::default()
        } else {
            instance.modules
        },
        tests: odoo.test_enable,
    };
    let done = load(&order).await?;
    for module in &done.modules {
        console.line(&told(module));
    }
    if let Some(tests) = &done.tests {
        return judged(tests);
    }
    let update = Update {
        modules: done.modules,
    };
    let path = format!("odoo/{}/update", odoo.database);
    client.post::<Instance>(&path, &update).await.map(|_| ())
}

/// The modules to load, if the line is one that is played.
fn asked(odoo: &Odoo, instance: &Instance) -> Result<Vec<String>, ToolError> {
    let unknown = |why: &str| Err(ToolError::unknown("odoo-bin", line(odoo), why));
    if !odoo.stop_after_init {
        return unknown("it plays updates that end: --stop-after-init is needed");
    }
    if odoo.addons_path.is_empty() {
        return unknown("it has no addons of its own: --addons-path is needed");
    }
    // Named in both, a module is installed or updated, whichever it needs.
    let mut modules: Vec<String> = (odoo.init.iter().chain(&odoo.update)).cloned().collect();
    modules.sort();
    modules.dedup();
    if modules.is_empty() {
        return unknown("it plays -u MODULES and -i MODULES");
    }
    // Odoo only logs this; a release that updates nothing should not pass here.
    let absent: Vec<&str> = (odoo.update.iter())
        .filter(|name| !instance.modules.contains_key(*name) && !odoo.init.contains(name))
        .map(String::as_str)
        .collect();
    if absent.is_empty() || odoo.test_enable {
        return Ok(modules);
    }
    Err(ToolError::Failed(format!(
        "{} cannot be updated: not installed in {}; install with -i",
        absent.join(", "),
        odoo.database
    )))
}

fn line(odoo: &Odoo) -> String {
    format!(
        "-d {} -u {} -i {}",
        odoo.database,
        odoo.update.join(","),
        odoo.init.join(",")
    )
}

/// Has Python load the modules; what it logs goes to standard error.
async fn load(order: &Order) -> Result<Done, ToolError> {
    let failed = |error: &dyn std::fmt::Display| ToolError::Failed(format!("odoo-bin: {error}"));
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    fs::write(file("framework.py"), FRAMEWORK)?;
    fs::write(file("runner.py"), RUNNER)?;
    let order = serde_json::to_vec(order).map_err(|error| failed(&error))?;
    fs::write(file("order.json"), order)?;
    let status = Command::new("python3")
        .arg(file("runner.py"))
        .args([file("order.json"), file("done.json")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| failed(&format!("python3: {error}")))?;
    if !status.success() {
        return Err(ToolError::Failed(
            "odoo-bin: the modules could not be loaded; nothing was recorded".to_owned(),
        ));
    }
    serde_json::from_slice(&fs::read(file("done.json"))?).map_err(|error| failed(&error))
}

fn told(module: &ModuleUpdate) -> String {
    let from = (module.from.as_deref()).map_or("installed".to_owned(), |from| {
        format!("updated from {from}")
    });
    let migrations = match module.migrations.len() {
        0 => "no migration".to_owned(),
        1 => "1 migration".to_owned(),
        many => format!("{many} migrations"),
    };
    format!("{}: {from} to {}, {migrations}", module.name, module.to)
}

/// Odoo ends with 1 when a test has failed. A run without tests proves nothing.
fn judged(tests: &Tests) -> Result<(), ToolError> {
    match tests {
        Tests { run: 0, .. } => Err(ToolError::Failed(
            "odoo-bin: --test-enable, and the modules have no tests".to_owned(),
        )),
        Tests { failed: 0, .. } => Ok(()),
        Tests { run, failed } => Err(ToolError::Failed(format!(
            "odoo-bin: {failed} of {run} tests failed"
        ))),
    }
}

fn list(odoo: &Odoo, instance: &Instance, console: &mut Console) -> Result<(), ToolError> {
    if odoo.command.as_deref() != Some("list") {
        let line = odoo.command.clone().unwrap_or_default();
        let why = "it plays -u, -i and, of its own, `list -d DATABASE`";
        return Err(ToolError::unknown("odoo-bin", line, why));
    }
    for (name, version) in &instance.modules {
        console.line(&format!("{name} {version}"));
    }
    Ok(())
}
