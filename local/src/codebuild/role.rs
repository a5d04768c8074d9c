//! As whom builds act: their project's role, in the emulator, which evaluates
//! what the role may do. So a right that a deployed role lacks shows on the laptop
//! and not first on AWS.

use serde_json::{Value, json};
use url::Url;

use crate::sigv4::{Credentials, Request};

/// CodeBuild's sessions have such names; `local/launch.py` lets root play CodeBuild
/// for them.
const SESSION: &str = "AWSCodeBuild-";

/// Why a build has no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct RoleError(String);

/// Sessions of projects' roles.
#[derive(Debug, Clone)]
pub(crate) struct Roles {
    pub(crate) http: reqwest::Client,
    pub(crate) emulator: Url,
    pub(crate) region: String,
    /// See [`StandInsConfig::root_key`](crate::StandInsConfig).
    pub(crate) root_key: Option<String>,
}

impl Roles {
    /// A session of the project's role; credentials that mean nothing when the
    /// emulator evaluates no rights.
    ///
    /// # Errors
    /// [`RoleError`] when there is no such project, or CodeBuild may not act as its
    /// role.
    pub(crate) async fn session(
        &self,
        project: &str,
        uuid: &str,
    ) -> Result<Credentials, RoleError> {
        if self.root_key.is_none() {
            return Ok(Credentials {
                key: "standin".to_owned(),
                secret: "standin".to_owned(),
                token: None,
            });
        }
        let role = self.role(project).await?;
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "AssumeRole")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", &role)
            .append_pair("RoleSessionName", &format!("{SESSION}{uuid}"))
            .finish();
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.call("sts", &kind, body).await?;
        let element = |name: &str| {
            let text = answer.split_once(&format!("<{name}>"))?.1;
            Some(text.split_once('<')?.0.to_owned())
        };
        let known = (element("AccessKeyId"), element("SecretAccessKey"));
        let (Some(key), Some(secret)) = known else {
            return Err(RoleError(format!("no session of {role}: {answer}")));
        };
        Ok(Credentials {
            key,
            secret,
            token: element("SessionToken"),
        })
    }

    async fn role(&self, project: &str) -> Result<String, RoleError> {
        let headers = [
            ("content-type", crate::aws_json::CONTENT_TYPE),
            ("x-amz-target", "CodeBuild_20161006.BatchGetProjects"),
        ];
        let request = json!({ "names": [project] }).to_string();
        let answer = self.call("codebuild", &headers, request).await?;
        let answer: Value = serde_json::from_str(&answer)
            .map_err(|error| RoleError(format!("BatchGetProjects: {error}")))?;
        let role = answer["projects"][0]["serviceRole"].as_str();
        role.map(str::to_owned)
            .ok_or_else(|| RoleError(format!("there is no project {project} with a role")))
    }

    /// As the emulator's root, whose signatures are not verified.
    async fn call(
        &self,
        service: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<String, RoleError> {
        let root = Credentials {
            key: self.root_key.clone().unwrap_or_default(),
            secret: String::new(),
            token: None,
        };
        let request = Request {
            method: "POST",
            url: &self.emulator,
            service,
            region: &self.region,
            headers,
            body: body.as_bytes(),
        };
        let signed = request.signed(&root, crate::ids::now());
        let mut call = self.http.post(self.emulator.clone());
        for (name, value) in signed {
            call = call.header(name, value);
        }
        let failed = |error| RoleError(format!("the emulator did not answer: {error}"));
        let answer = call.body(body).send().await.map_err(failed)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        if status.is_success() {
            Ok(text)
        } else {
            Err(RoleError(format!("{service}: {status}: {text}")))
        }
    }
}
