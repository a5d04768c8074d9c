//! `gatewright local up`.

use super::root;
use super::stop::Stop;
use crate::args::Up;
use crate::error::{Code, Failed};
use crate::out::Out;
use crate::style::{COPY, GOOD, HEAD, SOFT, paint};
use gatewright_stack::{Connection, Options, Stack};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Brings the stack up and keeps it.
///
/// # Errors
/// When it does not come up.
pub async fn run(args: &Up, out: &Out) -> Result<Code, Failed> {
    let root = root::find(args.root.as_deref())?;
    let data = root::data(&args.data)?;
    refuse_second(&data).await?;
    let mut options = Options::of(&root, &data);
    options.port = args.port;
    options.pipelines.clone_from(&args.pipelines);
    for (repository, folder) in &args.source {
        options
            .sources
            .insert(repository.clone(), existing(folder)?);
    }
    for folder in &args.overlay {
        options.overlays.push(existing(folder)?);
    }
    options.findings = args.findings.as_deref().map(existing).transpose()?;
    let mut stop = Stop::listen()?;
    let tell = |what: &str| out.aside(paint(SOFT, format!("  {what}")));
    let stack = tokio::select! {
        stack = Stack::up(&options, &tell) => stack?,
        () = stop.asked() => return Ok(Code::Interrupted),
    };
    let file = data.join("connection.json");
    let connection = stack.connection();
    if out.json {
        out.json(&json!({
            "connection": file, "inbox": connection.inbox, "pages": connection.public_url,
            "table": connection.table, "machines": connection.machines, "rollbacks": connection.rollbacks,
            "endpoint": connection.endpoint,
        }));
    } else {
        told(connection, &file, &args.data)
            .iter()
            .for_each(|line| out.line(line));
    }
    stop.asked().await;
    Ok(stop.down(stack, &data, out, Code::Done).await)
}

/// A path that must be there, in full.
fn existing(path: impl AsRef<Path>) -> Result<std::path::PathBuf, Failed> {
    let path = path.as_ref();
    path.canonicalize()
        .map_err(|error| crate::error::file(path, &error))
}

/// Two stacks on one folder would overwrite each other's logs and connection.
///
/// # Errors
/// When one runs there.
pub async fn refuse_second(data: &Path) -> Result<(), Failed> {
    let file = data.join("connection.json");
    let Ok(connection) = Connection::read(&file) else {
        return Ok(());
    };
    let endpoint = connection.endpoint.unwrap_or_default();
    let address = endpoint.trim_start_matches("http://").to_owned();
    let look = tokio::net::TcpStream::connect(address);
    let there = tokio::time::timeout(Duration::from_secs(1), look).await;
    if matches!(there, Ok(Ok(_))) {
        return Err(
            Failed::refused(format!("a stack runs on {} already", data.display()))
                .help("stop it with Ctrl-C where it runs, or choose another folder with --data"),
        );
    }
    Ok(())
}

fn pipelines(connection: &Connection) -> String {
    let ids: Vec<&str> = connection.machines.keys().map(String::as_str).collect();
    ids.join(", ")
}

fn told(connection: &Connection, file: &Path, data: &Path) -> Vec<String> {
    // The commands find the usual place by themselves.
    let named = if data == Path::new(".stack") {
        String::new()
    } else {
        format!(" --connection {}", file.display())
    };
    let row = |name: &str, value: &str| format!("  {name:<11} {value}");
    let command = |text: &str| format!("  {}", paint(COPY, format!("gatewright{named} {text}")));
    let pipeline = connection
        .machines
        .keys()
        .next()
        .map_or("PIPELINE", String::as_str);
    vec![
        format!(
            "{} It is a laptop stack: every AWS service here is an emulator or a stand-in.",
            paint(GOOD, "The stack is up.")
        ),
        row("pipelines", &pipelines(connection)),
        row("inbox", connection.inbox.as_deref().unwrap_or_default()),
        row("pages", &connection.public_url),
        row("AWS", connection.endpoint.as_deref().unwrap_or_default()),
        row("connection", &file.display().to_string()),
        String::new(),
        paint(HEAD, "Try"),
        command("status"),
        command(&format!(
            "start {pipeline} --commit $(git rev-parse HEAD) --branch main --watch"
        )),
        command(&format!("show {pipeline}#1 --ledger --verify")),
        String::new(),
        "Ctrl-C stops it; a second one does so at once.".to_owned(),
    ]
}
