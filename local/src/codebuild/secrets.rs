//! Where a build's secret variables come from: the emulator, asked as the
//! project's role.

use serde_json::{Value, json};
use url::Url;

use crate::sigv4::{Credentials, Request};

/// Why a reference could not be resolved; the text ends up in the build's
/// DOWNLOAD_SOURCE phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SecretError(String);

/// Resolves references through the emulator's Secrets Manager and Parameter
/// Store.
#[derive(Debug, Clone)]
pub(crate) struct SecretResolver {
    http: reqwest::Client,
    emulator: Url,
    region: String,
}

impl SecretResolver {
    pub(crate) fn new(http: reqwest::Client, emulator: Url, region: String) -> Self {
        Self {
            http,
            emulator,
            region,
        }
    }

    /// A Secrets Manager reference, `secret-id:json-key:version-stage:version-id`
    /// (the secret id may be an ARN; everything after it is optional).
    ///
    /// # Errors
    /// [`SecretError`] when the emulator has no such secret, or the secret no
    /// such key.
    pub(crate) async fn secret(
        &self,
        by: &Credentials,
        reference: &str,
    ) -> Result<String, SecretError> {
        let parsed = SecretReference::parse(reference);
        let mut request = json!({"SecretId": parsed.id});
        if let Some(stage) = parsed.stage {
            request["VersionStage"] = stage.into();
        }
        if let Some(version) = parsed.version {
            request["VersionId"] = version.into();
        }
        let target = ("secretsmanager", "secretsmanager.GetSecretValue");
        let answer = self.call(by, target, reference, &request).await?;
        let text = (answer["SecretString"].as_str())
            .ok_or_else(|| SecretError(format!("the secret {reference} has no text value")))?;
        match parsed.key {
            None => Ok(text.to_owned()),
            Some(key) => json_key(text, key, reference),
        }
    }

    /// A Parameter Store parameter's value.
    ///
    /// # Errors
    /// [`SecretError`] when the emulator has no such parameter.
    pub(crate) async fn parameter(
        &self,
        by: &Credentials,
        name: &str,
    ) -> Result<String, SecretError> {
        // The operation that CodeBuild uses, and its projects' roles allow.
        let request = json!({"Names": [name], "WithDecryption": true});
        let target = ("ssm", "AmazonSSM.GetParameters");
        let answer = self.call(by, target, name, &request).await?;
        (answer
            .pointer("/Parameters/0/Value")
            .and_then(Value::as_str))
        .map(str::to_owned)
        .ok_or_else(|| SecretError(format!("the parameter {name} has no value")))
    }

    async fn call(
        &self,
        by: &Credentials,
        (service, target): (&str, &str),
        what: &str,
        request: &Value,
    ) -> Result<Value, SecretError> {
        let body = request.to_string();
        let signed = Request {
            method: "POST",
            url: &self.emulator,
            service,
            region: &self.region,
            headers: &[
                ("content-type", crate::aws_json::CONTENT_TYPE),
                ("x-amz-target", target),
            ],
            body: body.as_bytes(),
        }
        .signed(by, crate::ids::now());
        let mut call = self.http.post(self.emulator.clone());
        for (name, value) in signed {
            call = call.header(name, value);
        }
        let response = (call.body(body))
            .send()
            .await
            .map_err(|error| SecretError(format!("the emulator did not answer: {error}")))?;
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        if !status.is_success() {
            return Err(SecretError(format!("{target} of {what}: {status}: {text}")));
        }
        serde_json::from_str(&text)
            .map_err(|error| SecretError(format!("{target} of {what}: {error}")))
    }
}

fn json_key(text: &str, key: &str, reference: &str) -> Result<String, SecretError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|_| SecretError(format!("the secret {reference} is not a JSON object")))?;
    match &value[key] {
        Value::Null => Err(SecretError(format!(
            "the secret {reference} has no key {key}"
        ))),
        Value::String(text) => Ok(text.clone()),
        other => Ok(other.to_string()),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct SecretReference<'r> {
    id: &'r str,
    key: Option<&'r str>,
    stage: Option<&'r str>,
    version: Option<&'r str>,
}

impl<'r> SecretReference<'r> {
    fn parse(reference: &'r str) -> Self {
        // An ARN of a secret has seven parts of its own.
        let own_parts = if reference.starts_with("arn:") { 7 } else { 1 };
        let end = (reference.match_indices(':').nth(own_parts - 1))
            .map_or(reference.len(), |(index, _)| index);
        let mut rest = reference[end..].split(':').skip(1);
        let mut next = || rest.next().filter(|part| !part.is_empty());
        Self {
            id: &reference[..end],
            key: next(),
            stage: next(),
            version: next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_taken_apart() {
        assert_eq!(
            SecretReference::parse("db:password::v2"),
            SecretReference {
                id: "db",
                key: Some("password"),
                stage: None,
                version: Some("v2"),
            }
        );
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:db-AbCdEf";
        assert_eq!(SecretReference::parse(arn).id, arn);
        assert_eq!(
            SecretReference::parse(&format!("{arn}:user")).key,
            Some("user")
        );
    }
}
