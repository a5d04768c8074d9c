//! What `kubectl` does with objects that run nothing here, and `kubectl run`
//! for smoke tests.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::{Console, ToolError, client::Client, workload::Target};
use crate::cluster::model::Record;

/// How long one request of a smoke test may take without `--max-time`.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// What curl ends with when it cannot reach a server.
const CURL_NOT_CONNECTED: u8 = 7;

/// What `curl --fail` ends with when a server answers 400 or more.
const CURL_REFUSED: u8 = 22;

/// `KIND/NAME` or `KIND NAME`, the kind as the cluster keeps it.
pub(super) fn object(kind: &str, name: Option<&str>) -> Result<(String, String), ToolError> {
    let (kind, name) = match (kind.split_once('/'), name) {
        (Some((kind, name)), None) => (kind, name),
        (None, Some(name)) => (kind, name),
        _ => {
            let text = format!("say which object: {kind} NAME or {kind}/NAME");
            return Err(ToolError::Failed(text));
        }
    };
    let kind = kind.to_lowercase();
    let kind = kind.split('.').next().unwrap_or_default();
    let kind = match kind {
        "svc" => "service",
        "ing" => "ingress",
        "ingresses" => "ingress",
        "deploy" => "deployment",
        "cm" => "configmap",
        one if one.ends_with("ss") => one,
        other => other.strip_suffix('s').unwrap_or(other),
    };
    Ok((kind.to_owned(), name.to_owned()))
}

/// Changes an object by a merge patch and shows what changed.
pub(super) async fn patch(
    client: &Client,
    target: &Target,
    (kind, name): (String, String),
    patch: &Value,
    (verb, console): (&str, &mut Console),
) -> Result<(), ToolError> {
    if kind == "deployment" && patch.get("spec").is_some() {
        let why = "it patches what runs nothing; use apply, scale or helm for deployments";
        return Err(ToolError::unknown(
            "kubectl",
            format!("{verb} {kind} {name}"),
            why,
        ));
    }
    (client.patch_object(target, &kind, &name, patch).await)
        .map_err(|error| ToolError::Failed(format!("Error from server (NotFound): {error}")))?;
    console.line(&format!("{kind}/{name} {verb}"));
    Ok(())
}

/// The patch that sets annotations: `key=value`, or `key-` to remove one.
pub(super) fn annotations(pairs: &[String]) -> Result<Value, ToolError> {
    let mut annotations = json!({});
    if pairs.is_empty() {
        let text = "at least one annotation update is required: KEY=VALUE or KEY-";
        return Err(ToolError::Failed(text.to_owned()));
    }
    for pair in pairs {
        match (pair.split_once('='), pair.strip_suffix('-')) {
            (Some((key, value)), _) => annotations[key] = value.into(),
            (None, Some(key)) => annotations[key] = Value::Null,
            _ => {
                let text = format!("{pair}: expected KEY=VALUE, or KEY- to remove it");
                return Err(ToolError::Failed(text));
            }
        }
    }
    Ok(json!({"metadata": {"annotations": annotations}}))
}

/// Shows an object that was applied, or the part of it that `-o` asks for.
pub(super) async fn get(
    client: &Client,
    target: &Target,
    (kind, name): (String, String),
    output: &str,
    console: &mut Console,
) -> Result<(), ToolError> {
    let object = client.object(target, &kind, &name).await?.ok_or_else(|| {
        ToolError::Failed(format!(
            "Error from server (NotFound): {kind} {name:?} not found in namespace {:?}",
            target.namespace
        ))
    })?;
    let path = output.strip_prefix("jsonpath=");
    match (output, path) {
        ("json", _) => console.line(&format!("{object:#}")),
        ("yaml", _) => console.line(super::yaml::write(&object)?.trim_end()),
        (_, Some(path)) => {
            let path = path.trim_matches(|c| "{}'\"".contains(c));
            match jsonpath(&object, path) {
                Value::Null => console.line(""),
                Value::String(text) => console.line(&text),
                other => console.line(&other.to_string()),
            }
        }
        _ => {
            let why = "it knows -o json, -o yaml and -o jsonpath={.a.b[0]}";
            return Err(ToolError::unknown(
                "kubectl",
                format!("get {kind} -o {output}"),
                why,
            ));
        }
    }
    Ok(())
}

/// Members and indexes; `\.` is a dot in a member's name.
fn jsonpath(object: &Value, path: &str) -> Value {
    let path = path.replace("\\.", "\u{0}");
    let mut value = object;
    for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
        value = match part.strip_suffix(']').map(str::parse::<usize>) {
            Some(Ok(index)) => &value[index],
            _ => &value[part.replace('\u{0}', ".").as_str()],
        };
    }
    value.clone()
}

/// `kubectl run … -- curl URL`: the request is really sent, to the process
/// behind the service that the URL's host names.
pub(super) async fn smoke(
    client: &Client,
    target: &Target,
    image: &str,
    command: &[String],
    console: &mut Console,
) -> Result<(), ToolError> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let unknown = |why: &str| {
        ToolError::unknown(
            "kubectl",
            format!("run --image={image} -- {}", command.join(" ")),
            why,
        )
    };
    if !image.contains("curl") || words.first() != Some(&"curl") {
        return Err(unknown("it plays curl in an image with curl"));
    }
    let mut options = Curl::default();
    let mut words = words.into_iter().skip(1);
    while let Some(word) = words.next() {
        match word {
            "-f" | "--fail" => options.fail = true,
            "-s" | "--silent" | "-S" | "--show-error" | "-L" | "--location" => {}
            "-fsS" | "-sf" | "-fs" | "-sSf" | "-fsSL" => options.fail = true,
            "--retry-connrefused" | "--retry-all-errors" => {}
            "--retry" | "--retry-delay" | "--connect-timeout" => {
                words.next();
            }
            "-m" | "--max-time" => {
                let seconds = words.next().and_then(|word| word.parse().ok());
                options.within = seconds.map(Duration::from_secs);
            }
            url if url.starts_with("http://") => options.url = Some(url),
            _ => {
                return Err(unknown(
                    "of curl it knows -f, -s, -S, -L, --retry, --max-time and one http:// URL",
                ));
            }
        }
    }
    options.send(client, target, console).await
}

#[derive(Default)]
struct Curl<'u> {
    url: Option<&'u str>,
    fail: bool,
    within: Option<Duration>,
}

impl Curl<'_> {
    async fn send(
        &self,
        client: &Client,
        target: &Target,
        console: &mut Console,
    ) -> Result<(), ToolError> {
        let text = self.url.unwrap_or_default();
        let mut url = Url::parse(text)
            .map_err(|error| ToolError::Failed(format!("curl: {text}: {error}")))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let record = behind(client, target, &host).await?;
        let not_connected = |why: &str| ToolError::Code {
            code: CURL_NOT_CONNECTED,
            message: format!("curl: (7) Failed to connect to {host}: {why}"),
        };
        let address = record
            .address
            .as_deref()
            .ok_or_else(|| not_connected(&record.message))?;
        let port = address
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        let _ = url.set_host(Some("127.0.0.1")).and_then(|()| {
            url.set_port(port)
                .map_err(|()| url::ParseError::InvalidPort)
        });
        console.note(&format!(
            "kubectl run: {host} is {address}, deployment {}",
            record.name
        ));
        let answer = (client.http().get(url))
            .timeout(self.within.unwrap_or(REQUEST_WITHIN))
            .send()
            .await
            .map_err(|error| not_connected(&error.to_string()))?;
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap_or_default();
        if self.fail && status >= 400 {
            return Err(ToolError::Code {
                code: CURL_REFUSED,
                message: format!("curl: (22) The requested URL returned error: {status}: {body}"),
            });
        }
        console.line(&body);
        Ok(())
    }
}

/// The deployment behind `SERVICE[.NAMESPACE[.svc.cluster.local]]`.
async fn behind(client: &Client, target: &Target, host: &str) -> Result<Record, ToolError> {
    let mut parts = host.split('.');
    let service = parts.next().unwrap_or_default();
    let namespace = parts.next().unwrap_or(&target.namespace);
    let query = [
        ("context", target.context.as_str()),
        ("namespace", namespace),
        ("kind", "service"),
        ("name", service),
    ];
    (client.get("cluster/service", &query).await).map_err(|error| ToolError::Code {
        code: 6,
        message: format!("curl: (6) Could not resolve host: {host} ({error})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_in_both_of_kubectls_ways() {
        let ingress = ("ingress".to_owned(), "web".to_owned());
        assert_eq!(object("ingress/web", None).unwrap(), ingress);
        assert_eq!(object("ing", Some("web")).unwrap(), ingress);
        assert_eq!(
            object("VirtualRouter.appmesh.k8s.aws", Some("r"))
                .unwrap()
                .0,
            "virtualrouter"
        );
        assert!(object("ingress", None).is_err());
    }

    #[test]
    fn a_jsonpath_reaches_members_with_dots() {
        let object = json!({"metadata": {"annotations": {"a.b/c": "5"}}, "list": [{"x": 1}]});
        assert_eq!(jsonpath(&object, ".metadata.annotations.a\\.b/c"), "5");
        assert_eq!(jsonpath(&object, ".list[0].x"), 1);
        assert_eq!(jsonpath(&object, ".none.at.all"), Value::Null);
    }
}
