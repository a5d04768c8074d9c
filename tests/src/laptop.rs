//! A release on the laptop stack: the same template, the same binary, the real
//! state machine, builds that really run.

use aws_config::SdkConfig;
use gatewright_aws::Store;
use gatewright_aws::table::dynamo::DynamoTable;
use gatewright_domain::ReleaseId;
use gatewright_domain::release::Head;
use gatewright_stack::{Options, Stack};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long anything may take before a test says that it hangs. A whole release
/// takes about half a minute.
const PATIENCE: Duration = Duration::from_secs(240);

/// A laptop stack for one test, on ports and data of its own.
#[derive(Debug)]
pub struct Laptop {
    /// The stack.
    pub stack: Stack,
    /// Its record.
    pub store: Store<DynamoTable>,
    /// The SDK's configuration for it.
    pub sdk: SdkConfig,
    http: reqwest::Client,
    data: tempfile::TempDir,
}

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap_or_else(|e| panic!("{e}"))
}

impl Laptop {
    /// Brings a stack up, changed as `change` says.
    ///
    /// # Panics
    /// When it does not come up; with what is missing.
    pub async fn up(change: impl FnOnce(&mut Options)) -> Self {
        let data = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let mut options = Options::of(&root(), data.path());
        options.pipelines = vec!["pl-gps-001".to_owned()];
        change(&mut options);
        let stack = Stack::up(&options, &|_| {})
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        let (store, sdk) = (
            stack.connection().store().await,
            stack.connection().sdk().await,
        );
        // Redirects are not followed: what a page answers is what is asserted.
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build();
        Self {
            stack,
            store,
            sdk,
            http: http.unwrap_or_else(|e| panic!("{e}")),
            data,
        }
    }

    /// The stack's data folder.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Starts a release as CodePipeline's Step Functions action does; gives its id.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(&self, name: &str, input: &Value) -> ReleaseId {
        self.begin("pl-gps-001", name, input).await
    }

    /// The CodePipeline action that the input names waits for this execution, as
    /// the one that started it would.
    pub(crate) async fn codepipeline_waits(&self, input: &Value, execution: &str) {
        let origin = &input["codepipeline"];
        if origin.is_null() {
            return;
        }
        let action = json!({
            "pipeline": origin["pipeline"], "execution": origin["execution"],
            "externalExecutionId": execution, "status": "InProgress",
        });
        self.tell("/codepipeline/_actions", &action).await;
    }

    /// Waits until the release's head is as wanted.
    ///
    /// # Panics
    /// When it is not in time; with how it is.
    pub async fn until(
        &self,
        release: &ReleaseId,
        what: &str,
        wanted: impl Fn(&Head) -> bool,
    ) -> Head {
        let started = tokio::time::Instant::now();
        loop {
            let head = self
                .store
                .head(release)
                .await
                .unwrap_or_else(|e| panic!("{e}"))
                .map(|seen| seen.value);
            match head {
                Some(head) if wanted(&head) => return head,
                seen => assert!(
                    started.elapsed() < PATIENCE,
                    "{release} is not {what} in time: {seen:#?}"
                ),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the release asks for approval.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn until_asked(&self, release: &ReleaseId) {
        let started = tokio::time::Instant::now();
        while self
            .store
            .approvals(release)
            .await
            .unwrap_or_else(|e| panic!("{e}"))
            .is_empty()
        {
            let head = self
                .store
                .head(release)
                .await
                .unwrap_or_else(|e| panic!("{e}"))
                .map(|seen| seen.value);
            let ended = head.as_ref().is_some_and(|h| h.status.has_ended());
            assert!(
                !ended && started.elapsed() < PATIENCE,
                "{release} does not ask: {head:#?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The inbox: Slack and mail, as JSON.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn inbox(&self) -> Value {
        let url = format!("{}/inbox.json", self.stack.stand_ins_url());
        let reply = self
            .http
            .get(url)
            .send()
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        reply.json().await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// Waits until the inbox is as wanted.
    ///
    /// # Panics
    /// When it is not in time.
    pub async fn until_inbox<V>(&self, what: &str, wanted: impl Fn(&Value) -> Option<V>) -> V {
        let started = tokio::time::Instant::now();
        loop {
            let inbox = self.inbox().await;
            if let Some(found) = wanted(&inbox) {
                return found;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "no {what} in the inbox: {inbox:#}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The personal link in the newest direct message to the person of that first
    /// name.
    ///
    /// # Panics
    /// When none comes.
    pub async fn personal_link(&self, name: &str) -> String {
        self.until_inbox(&format!("personal link for {name}"), |inbox| {
            let mine = messages(inbox)
                .into_iter()
                .filter(|m| m["text"].as_str().is_some_and(|t| t.starts_with(name)));
            mine.filter_map(|message| link_in(&message.to_string()))
                .next_back()
        })
        .await
    }

    /// Asks for a page; gives status and text.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get(&self, url: &str) -> (u16, String) {
        self.answer(self.http.get(url)).await
    }

    /// Posts a form; gives status and text.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, url: &str, form: &[(&str, &str)]) -> (u16, String) {
        self.answer(self.http.post(url).form(form)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> (u16, String) {
        let reply = request.send().await.unwrap_or_else(|e| panic!("{e}"));
        let status = reply.status().as_u16();
        (status, reply.text().await.unwrap_or_else(|e| panic!("{e}")))
    }

    /// Posts JSON to a stand-in.
    ///
    /// # Panics
    /// When it does not accept it.
    pub async fn tell(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.stack.stand_ins_url());
        let reply = self
            .http
            .post(url)
            .json(body)
            .send()
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(
            reply.status().is_success(),
            "{path}: {}",
            reply.text().await.unwrap_or_default()
        );
        reply.json().await.unwrap_or(json!({}))
    }

    /// Puts something else into the artifacts' bucket under a key, as somebody with
    /// all rights on it could.
    ///
    /// # Panics
    /// When the bucket is not there.
    pub async fn put_artifact(&self, key: &str, content: &[u8]) {
        let connection = self.stack.connection();
        let root = connection.credentials.as_ref().map(|c| c.key.clone());
        let scope = format!(
            "{}/20260101/ap-south-1/s3/aws4_request",
            root.unwrap_or_default()
        );
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        let endpoint = connection.endpoint.clone().unwrap_or_default();
        let bucket = connection.artifacts.clone().unwrap_or_default();
        let request = self.http.put(format!("{endpoint}/{bucket}/{key}"));
        let request = request.header("authorization", authorization);
        let (status, said) = self.answer(request.body(content.to_vec())).await;
        assert_eq!(status, 200, "{said}");
    }

    /// Ends the stack.
    pub async fn down(self) {
        self.stack.down().await;
    }
}

/// Every message of the inbox, wherever it is filed.
pub fn messages(inbox: &Value) -> Vec<Value> {
    match inbox {
        Value::Array(all) => all.iter().flat_map(messages).collect(),
        Value::Object(map) if map.contains_key("ts") || map.contains_key("text") => {
            vec![inbox.clone()]
        }
        Value::Object(map) => map.values().flat_map(messages).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Every approval link in a message.
pub fn links_in(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut rest = text;
    while let Some(link) = link_in(rest) {
        let at = rest.find(&link).unwrap_or_default() + link.len();
        rest = &rest[at..];
        if !links.contains(&link) {
            links.push(link);
        }
    }
    links
}

/// The approval link in a message.
pub fn link_in(text: &str) -> Option<String> {
    let at = text.find("/approve?t=")?;
    let start = text[..at].rfind("http")?;
    let end = text[at..]
        .find(['"', '|', '>', ' ', '\\', '<'])
        .map_or(text.len(), |n| at + n);
    Some(text[start..end].to_owned())
}

/// The value of a hidden field of a page's form.
pub fn hidden(page: &str, name: &str) -> Option<String> {
    let at = page.find(&format!("name=\"{name}\""))?;
    let tag = &page[page[..at].rfind('<')?..];
    let tag = &tag[..tag.find('>')?];
    let value = tag.split("value=\"").nth(1)?;
    Some(value[..value.find('"')?].to_owned())
}
