//! How tools talk to the stand-ins' server.

use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::{ToolError, URL_VARIABLE, install_crypto, variable, workload::Target};
use crate::{
    aws_json::CONTENT_TYPE,
    cluster::objects::{ObjectKey, PutObject},
};

/// A connection to the stand-ins.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    /// Finds the server through the environment.
    ///
    /// # Errors
    /// When the variable is not set or is no URL.
    pub(super) fn from_environment() -> Result<Self, ToolError> {
        let text = variable(URL_VARIABLE)?;
        let base = Url::parse(&text)
            .map_err(|error| ToolError::Failed(format!("{URL_VARIABLE}={text}: {error}")))?;
        install_crypto();
        let http = (reqwest::Client::builder().no_proxy().build())
            .map_err(|error| ToolError::Failed(error.to_string()))?;
        Ok(Self { http, base })
    }

    /// For requests to what runs on this machine.
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    fn url(&self, path: &str) -> Result<Url, ToolError> {
        (self.base.join(path)).map_err(|error| ToolError::Failed(format!("{path}: {error}")))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(u16, Vec<u8>), ToolError> {
        let failed = |error: reqwest::Error| {
            ToolError::Failed(format!(
                "the stand-ins at {} did not answer: {error}",
                self.base
            ))
        };
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        Ok((status, answer.bytes().await.map_err(failed)?.to_vec()))
    }

    /// GETs JSON; `Err(Failed)` carries the server's text.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ToolError> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        read(self.send(self.http.get(url)).await?)
    }

    /// POSTs JSON and reads JSON back.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, ToolError> {
        let request = self.http.post(self.url(path)?).json(body);
        read(self.send(request).await?)
    }

    /// An object that a cluster remembers, when there is one.
    pub(super) async fn object(
        &self,
        target: &Target,
        kind: &str,
        name: &str,
    ) -> Result<Option<Value>, ToolError> {
        let mut url = self.url("cluster/object")?;
        url.query_pairs_mut().extend_pairs([
            ("context", target.context.as_str()),
            ("namespace", &target.namespace),
            ("kind", kind),
            ("name", name),
        ]);
        match self.send(self.http.get(url)).await? {
            (404, _) => Ok(None),
            answer => read(answer).map(Some),
        }
    }

    /// Has a cluster remember an object, in place of what it had.
    pub(super) async fn keep_object(
        &self,
        target: &Target,
        kind: &str,
        name: &str,
        value: &Value,
    ) -> Result<(), ToolError> {
        let request = put(target, kind, name, value, false);
        let _: Value = self.post("cluster/object", &request).await?;
        Ok(())
    }

    /// Changes an object by a merge patch and returns what it is then.
    pub(super) async fn patch_object(
        &self,
        target: &Target,
        kind: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, ToolError> {
        let request = put(target, kind, name, patch, true);
        self.post("cluster/object", &request).await
    }

    /// Keeps a blob in the registry and returns its digest.
    pub(super) async fn put_blob(&self, content: Vec<u8>) -> Result<String, ToolError> {
        let request = self.http.post(self.url("registry/blobs")?).body(content);
        text(self.send(request).await?)
    }

    /// Calls an operation of ECR.
    pub(super) async fn ecr(&self, operation: &str, request: &Value) -> Result<Value, ToolError> {
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
        let call = (self.http.post(self.url("ecr")?))
            .header("x-amz-target", target)
            .header("content-type", CONTENT_TYPE)
            .body(request.to_string());
        let (status, body) = self.send(call).await?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let member = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Err(ToolError::Aws {
            kind: member("__type"),
            operation: operation.to_owned(),
            message: member("message"),
        })
    }
}

fn put(target: &Target, kind: &str, name: &str, value: &Value, patch: bool) -> PutObject {
    PutObject {
        key: ObjectKey {
            context: target.context.clone(),
            namespace: target.namespace.clone(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        },
        value: value.clone(),
        patch,
    }
}

fn text((status, body): (u16, Vec<u8>)) -> Result<String, ToolError> {
    let text = String::from_utf8_lossy(&body).into_owned();
    match status {
        200..300 => Ok(text),
        _ => Err(ToolError::Failed(text)),
    }
}

fn read<T: DeserializeOwned>(answer: (u16, Vec<u8>)) -> Result<T, ToolError> {
    let text = text(answer)?;
    // An empty answer is `null`: the caller asked for nothing.
    let text = if text.is_empty() { "null" } else { &text };
    serde_json::from_str(text)
        .map_err(|error| ToolError::Failed(format!("the stand-ins' answer: {error}")))
}
