//! What each command does.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use hcl::Expression;
use serde_json::{Value, json};
use walkdir::WalkDir;

use super::{
    Command, Terraform, VERSION, Values, Workspace, diagnostic, evaluate,
    files::{self, Configuration, plain},
    format,
    plan::{Plan, shown},
    session::{self, Session},
};
use crate::{
    terraform::{Content, State},
    tools::{Console, ToolError, client::Client},
};

/// Runs a command.
pub(super) async fn run(terraform: Terraform, console: &mut Console) -> Result<(), ToolError> {
    let folder = terraform.chdir.unwrap_or_else(|| PathBuf::from("."));
    match terraform.command {
        Command::Init { backend_config, .. } => init(&folder, &backend_config, console),
        Command::Validate { .. } => {
            Configuration::read(&folder)?.validate()?;
            console.line("Success! The configuration is valid.");
            Ok(())
        }
        Command::Fmt { recursive, .. } => fmt(&folder, recursive, console),
        Command::Version { json } => {
            version(json, console);
            Ok(())
        }
        Command::Plan {
            values,
            out,
            detailed_exitcode,
            ..
        } => {
            let plan = make(&folder, &values, console).await?;
            planned(&plan, &folder, out.as_deref(), detailed_exitcode, console)
        }
        Command::Show { json, file, .. } => {
            let plan = Plan::read(&folder.join(file))?;
            match json {
                true => console.line(&plan.json().to_string()),
                false => console.line(&plan.text()),
            }
            Ok(())
        }
        Command::Apply {
            values,
            auto_approve,
            file,
            ..
        } => {
            let plan = match file {
                Some(file) => {
                    Session::load(&folder)?;
                    Plan::read(&folder.join(file))?
                }
                None if auto_approve => {
                    let plan = make(&folder, &values, console).await?;
                    console.line(&plan.text());
                    plan
                }
                None => return Err(nobody_to_ask()),
            };
            apply(&plan, console).await
        }
        Command::Output {
            json, raw, name, ..
        } => output(&folder, name.as_deref(), json, raw, console).await,
        Command::Workspace { command } => workspace(&folder, command, console).await,
    }
}

/// Shows a plan and saves it where it was asked for.
fn planned(
    plan: &Plan,
    folder: &Path,
    out: Option<&Path>,
    detailed_exitcode: bool,
    console: &mut Console,
) -> Result<(), ToolError> {
    console.line(&plan.text());
    if let Some(out) = out {
        plan.write(&folder.join(out))?;
        let out = out.display();
        console.line(&format!("\n─────\n\nSaved the plan to: {out}\n\nTo perform exactly these actions, run the following command to apply:\n    terraform apply \"{out}\""));
    }
    match detailed_exitcode && !plan.is_empty() {
        true => Err(ToolError::Code {
            code: 2,
            message: "terraform plan -detailed-exitcode: something would change".to_owned(),
        }),
        false => Ok(()),
    }
}

fn nobody_to_ask() -> ToolError {
    diagnostic(
        "Apply needs an approval",
        "There is nobody to ask in a build: apply a saved plan, or use -auto-approve.",
    )
}

fn init(folder: &Path, given: &[String], console: &mut Console) -> Result<(), ToolError> {
    let configuration = Configuration::read(folder)?;
    let mut settings = BTreeMap::new();
    for one in given {
        match one.split_once('=') {
            Some((key, value)) => {
                settings.insert(key.to_owned(), value.trim_matches('"').to_owned());
            }
            None => {
                let body = files::parse(&folder.join(one))?;
                let read =
                    |setting: &hcl::Attribute| (setting.key().to_owned(), plain(setting.expr()));
                settings.extend(body.attributes().map(read));
            }
        }
    }
    let session = Session::init(folder, &configuration, settings)?;
    console.note(&format!(
        "terraform init: no provider was fetched; the state of \"{}\" is kept on this machine",
        session.backend
    ));
    console.line("\nInitializing the backend...\n\nInitializing provider plugins...\n\nTerraform has been successfully initialized!");
    Ok(())
}

fn fmt(folder: &Path, recursive: bool, console: &mut Console) -> Result<(), ToolError> {
    let deep = if recursive { usize::MAX } else { 1 };
    let mut wrong = false;
    for entry in WalkDir::new(folder).max_depth(deep).sort_by_file_name() {
        let entry = entry.map_err(std::io::Error::from)?;
        let path = entry.path();
        let hidden = path
            .components()
            .any(|part| part.as_os_str() == ".terraform");
        let ours = (path.extension()).is_some_and(|end| end == "tf" || end == "tfvars");
        if !ours || hidden {
            continue;
        }
        if !format::is_formatted(&fs::read_to_string(path)?) {
            let path = path.strip_prefix(".").unwrap_or(path);
            console.line(&path.display().to_string());
            wrong = true;
        }
    }
    console.note("terraform fmt: indentation, spaces and `=` were checked, nothing else");
    match wrong {
        // The real one's exit code for files that are not formatted.
        true => Err(ToolError::Code {
            code: 3,
            message: "terraform fmt -check: these files are not formatted".to_owned(),
        }),
        false => Ok(()),
    }
}

fn version(as_json: bool, console: &mut Console) {
    console.note("terraform: a stand-in; nothing is built anywhere");
    match as_json {
        true => console
            .line(&json!({"terraform_version": VERSION, "platform": "linux_amd64"}).to_string()),
        false => console.line(&format!("Terraform v{VERSION}\non linux_amd64")),
    }
}

/// Plans what the folder wants.
async fn make(folder: &Path, values: &Values, console: &mut Console) -> Result<Plan, ToolError> {
    let session = Session::load(folder)?;
    let configuration = Configuration::read(folder)?;
    configuration.validate()?;
    check_version(&configuration)?;
    let variables = evaluate::variables(&configuration, folder, &values.var_file, &values.var)?;
    let resources = evaluate::resources(&configuration, &variables)?;
    let outputs = evaluate::outputs(&configuration, &variables, &resources);
    let place = session.place(&values.var_file);
    let state = session::read_state(&Client::from_environment()?, &place).await?;
    console.note(&format!(
        "terraform plan: against what this stand-in remembers of workspace {} (serial {}); no provider was asked",
        place.workspace, state.serial
    ));
    Ok(Plan::make(&state, Content { resources, outputs }))
}

/// `required_version`, as far as `~> 1.8.0`, `>= 1.8` and `1.8.5` go.
fn check_version(configuration: &Configuration) -> Result<(), ToolError> {
    let wanted = (configuration
        .of("terraform")
        .flat_map(|block| block.body().attributes()))
    .find(|attribute| attribute.key() == "required_version");
    let Some(Expression::String(wanted)) = wanted.map(|attribute| attribute.expr()) else {
        return Ok(());
    };
    let number = |text: &str| -> Vec<u64> {
        text.trim()
            .split('.')
            .map_while(|part| part.parse().ok())
            .collect()
    };
    let own = number(VERSION);
    let fits = wanted.split(',').all(|one| {
        let one = one.trim();
        let digits = one.find(|c: char| c.is_ascii_digit()).unwrap_or(one.len());
        let asked = number(&one[digits..]);
        match one[..digits].trim() {
            "~>" => own >= asked && own.starts_with(&asked[..asked.len().saturating_sub(1)]),
            ">=" => own >= asked,
            "<" => own < asked,
            "" | "=" => own == asked,
            _ => false,
        }
    });
    match fits {
        true => Ok(()),
        false => Err(diagnostic(
            "Unsupported Terraform Core version",
            &format!("This configuration needs {wanted}; this stand-in plays {VERSION}."),
        )),
    }
}

async fn apply(plan: &Plan, console: &mut Console) -> Result<(), ToolError> {
    let client = Client::from_environment()?;
    let before = session::read_state(&client, &plan.place).await?;
    let after = plan.applied_to(&before)?;
    console.note("terraform apply: nothing is built; the stand-in remembers what would be");
    if !plan.is_empty() {
        session::write_state(&client, &after).await?;
    }
    for change in &plan.changes {
        use super::plan::Action;
        let (doing, done) = match change.action {
            Action::Create => ("Creating", "Creation"),
            Action::Update => ("Modifying", "Modifications"),
            Action::Delete => ("Destroying", "Destruction"),
        };
        console.line(&format!("{}: {doing}...", change.address));
        console.line(&format!("{}: {done} complete after 0s", change.address));
    }
    let [added, changed, destroyed] = plan.counts();
    console.line(&format!(
        "\nApply complete! Resources: {added} added, {changed} changed, {destroyed} destroyed."
    ));
    if !after.content.outputs.is_empty() {
        console.line("\nOutputs:\n");
        print_outputs(&after.content.outputs, console);
    }
    Ok(())
}

fn print_outputs(outputs: &BTreeMap<String, Value>, console: &mut Console) {
    for (name, value) in outputs {
        console.line(&format!("{name} = {}", shown(value)));
    }
}

/// Outputs of the one state of this folder and workspace, whatever variable
/// files it was applied with.
async fn output(
    folder: &Path,
    name: Option<&str>,
    as_json: bool,
    raw: bool,
    console: &mut Console,
) -> Result<(), ToolError> {
    let session = Session::load(folder)?;
    let states = session::states(&Client::from_environment()?, &session.backend).await?;
    let here: Vec<&State> = (states.iter())
        .filter(|state| state.place.workspace == session.workspace)
        .filter(|state| state.content != Content::default())
        .collect();
    if here.len() > 1 {
        return Err(ToolError::unknown(
            "terraform",
            "output",
            "this folder has a state for each of several variable files: use workspaces",
        ));
    }
    let outputs = here
        .first()
        .map(|state| state.content.outputs.clone())
        .unwrap_or_default();
    let Some(name) = name else {
        if as_json {
            let shown: BTreeMap<_, _> = (outputs.iter())
                .map(|(name, value)| (name, json!({"value": value})))
                .collect();
            console.line(&json!(shown).to_string());
        } else {
            print_outputs(&outputs, console);
        }
        return Ok(());
    };
    let value = outputs.get(name).ok_or_else(|| {
        let detail = format!("The output variable \"{name}\" could not be found in the state.");
        diagnostic("Output not found", &detail)
    })?;
    match value.as_str() {
        Some(text) if raw => console.line(text),
        _ => console.line(&value.to_string()),
    }
    Ok(())
}

async fn workspace(
    folder: &Path,
    command: Workspace,
    console: &mut Console,
) -> Result<(), ToolError> {
    let session = Session::load(folder)?;
    let client = Client::from_environment()?;
    let states = session::states(&client, &session.backend).await?;
    let mut known: Vec<String> = (states.into_iter())
        .map(|state| state.place.workspace)
        .chain(["default".to_owned()])
        .collect();
    known.sort();
    known.dedup();
    let (name, create) = match command {
        Workspace::Show => {
            console.line(&session.workspace);
            return Ok(());
        }
        Workspace::List => {
            for name in known {
                let mark = if name == session.workspace { '*' } else { ' ' };
                console.line(&format!("{mark} {name}"));
            }
            return Ok(());
        }
        Workspace::New { name } => (name, true),
        Workspace::Select { name, or_create } => {
            let create = or_create && !known.contains(&name);
            (name, create)
        }
    };
    if create == known.contains(&name) {
        return Err(not_that_workspace(&name, create));
    }
    let session = Session {
        workspace: name.clone(),
        ..session
    };
    if create {
        let mut state = State::empty(session.place(&[]));
        state.serial = 1;
        session::write_state(&client, &state).await?;
        console.line(&format!("Created and switched to workspace \"{name}\"!"));
    } else {
        console.line(&format!("Switched to workspace \"{name}\"."));
    }
    session.write(folder)
}

/// One that should be made and is there, or should be chosen and is not.
fn not_that_workspace(name: &str, create: bool) -> ToolError {
    if create {
        let summary = format!("Workspace \"{name}\" already exists");
        return diagnostic(&summary, "Choose it with `terraform workspace select`.");
    }
    let summary = format!("Workspace \"{name}\" doesn't exist.");
    let detail = "You can create this workspace with the \"new\" subcommand\n\
                  or include the \"-or-create\" flag with the \"select\" subcommand.";
    diagnostic(&summary, detail)
}
