//! A stand-in for `argocd`.
//!
//! Where the real one reads the chart from Git, this one reads it from the
//! build's own source (`CODEBUILD_SRC_DIR`), which is a checkout of the commit.
//! Applications are remembered with the cluster `argocd`, their history too.

mod application;
mod line;

use serde_json::Map;

use super::{Console, ToolError, client::Client, kubeconfig::KubeConfig};
use application::{Application, place};
pub(super) use line::ArgoCd;
use line::{App, Command};

/// Runs a command.
pub(super) async fn run(argocd: ArgoCd, console: &mut Console) -> Result<(), ToolError> {
    let command = match argocd.command {
        Command::Login { server, .. } => {
            console.note(&format!(
                "argocd login: there is no server {server} here; nothing was sent"
            ));
            console.line(&format!("Context '{server}' updated"));
            return Ok(());
        }
        Command::App { command } => command,
    };
    let client = Client::from_environment()?;
    match command {
        App::Create { .. } => create(&client, command, console).await,
        App::Set { name, settings } => {
            let mut app = Application::load(&client, &name).await?;
            app.take(&settings)?;
            app.keep(&client).await
        }
        App::Sync { name, revision, .. } => {
            let mut app = Application::load(&client, &name).await?;
            app.revision = revision.unwrap_or(app.revision);
            let manifests = app.render()?;
            app.bring(&client, manifests, console).await?;
            console.line(&format!(
                "Operation: Sync\nApplication: {name}\nPhase: Succeeded"
            ));
            Ok(())
        }
        App::Wait { name, timeout, .. } => {
            let app = Application::load(&client, &name).await?;
            app.until_healthy(&client, timeout).await?;
            console.line(&format!("{name}: Synced, Healthy"));
            Ok(())
        }
        App::Get { name } | App::History { name } => {
            let app = Application::load(&client, &name).await?;
            console.line(&format!(
                "Name: {name}\nServer: {}\nNamespace: {}",
                app.context, app.namespace
            ));
            console.line("ID\tDATE\tREVISION");
            for one in &app.history {
                console.line(&format!("{}\t{}\t{}", one.id, one.at, one.revision));
            }
            Ok(())
        }
        App::Diff { name, .. } => {
            let app = Application::load(&client, &name).await?;
            app.diff(&client, console).await
        }
        App::Rollback {
            name, id, timeout, ..
        } => {
            let mut app = Application::load(&client, &name).await?;
            app.roll_back(&client, id, timeout, console).await
        }
    }
}

async fn create(client: &Client, command: App, console: &mut Console) -> Result<(), ToolError> {
    let App::Create {
        name,
        repo,
        path,
        dest_name,
        dest_namespace,
        settings,
        upsert,
        ..
    } = command
    else {
        return Ok(());
    };
    let before = client.object(&place(), "application", &name).await?;
    if before.is_some() && !upsert {
        let text = format!(
            "existing application spec of {name} is different, use upsert flag to force update"
        );
        return Err(ToolError::Failed(text));
    }
    let context = match dest_name {
        Some(context) => context,
        None => KubeConfig::load()?.context()?.to_owned(),
    };
    let history = before.map(|before| before["history"].clone());
    let mut app = Application {
        kind: "Application".to_owned(),
        name,
        repo,
        path,
        context,
        namespace: dest_namespace,
        revision: "HEAD".to_owned(),
        values: vec![],
        parameters: Map::new(),
        history: (history.and_then(|history| serde_json::from_value(history).ok()))
            .unwrap_or_default(),
    };
    app.take(&settings)?;
    app.keep(client).await?;
    console.line(&format!("application '{}' created", app.name));
    Ok(())
}
