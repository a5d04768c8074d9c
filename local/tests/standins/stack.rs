//! A running set of stand-ins, and a tiny emulator behind it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Json, Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use gatewright_local::{
    Event, RecordingSink, SlackChannel, SlackConfig, SlackUser, StandIns, StandInsConfig,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

/// The repository every test's build comes from.
pub const REPOSITORY: &str = "https://github.com/acme/service";
/// What signs presses.
pub const SIGNING_SECRET: &str = "a signing secret";
/// What API calls carry.
pub const BOT_TOKEN: &str = "xoxb-test";
pub const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";
/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Running stand-ins; the folders go when it does.
pub struct Stack {
    pub stand_ins: StandIns,
    pub sink: Arc<RecordingSink>,
    pub emulator: Emulator,
    pub http: reqwest::Client,
    pub folder: TempDir,
}

/// What a test wants different.
#[derive(Default)]
pub struct Wishes {
    pub source: Option<PathBuf>,
    pub tools_path: Vec<PathBuf>,
    pub build_minute: Option<Duration>,
    pub interactivity_url: Option<Url>,
}

impl Stack {
    pub async fn start() -> Self {
        Self::start_with(Wishes::default()).await
    }

    pub async fn start_with(wishes: Wishes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = wishes.source.unwrap_or_else(|| {
            let source = folder.path().join("source");
            fs::create_dir_all(&source).unwrap();
            fs::write(source.join("README"), "source\n").unwrap();
            source
        });
        let sink = Arc::new(RecordingSink::default());
        let emulator = Emulator::start().await;
        let config = StandInsConfig {
            port: 0,
            data: folder.path().join("data"),
            emulator: emulator.url.clone(),
            root_key: None,
            event_sink: sink.clone(),
            sources: BTreeMap::from([(format!("{REPOSITORY}.git"), source)]),
            overlays: vec![],
            commits: BTreeMap::new(),
            findings: None,
            tools_path: wishes.tools_path,
            tool_binary: PathBuf::from(env!("CARGO_BIN_EXE_gatewright-standin")),
            slack: SlackConfig {
                signing_secret: SIGNING_SECRET.to_owned(),
                bot_token: BOT_TOKEN.to_owned(),
                interactivity_url: wishes.interactivity_url,
                users: ["Ada", "Grace"]
                    .map(|name| SlackUser {
                        id: format!("U{}", name.to_uppercase()),
                        name: name.to_owned(),
                    })
                    .into(),
                channels: vec![SlackChannel {
                    id: "C0RELEASES".to_owned(),
                    name: "releases".to_owned(),
                }],
            },
            pagerduty: BTreeMap::from([
                ("default".to_owned(), ROUTING_KEY.to_owned()),
                ("on-call".to_owned(), "b".repeat(32)),
            ]),
            region: "eu-central-1".to_owned(),
            account: "123456789012".to_owned(),
            build_minute: wishes.build_minute.unwrap_or(Duration::from_secs(60)),
        };
        Self {
            stand_ins: StandIns::start(config).await.unwrap(),
            sink,
            emulator,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            folder,
        }
    }

    pub fn url(&self, path: &str) -> Url {
        self.stand_ins.url().join(path).unwrap()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One AWS JSON call; the HTTP status and the answer.
    pub async fn aws(&self, path: &str, target: &str, body: &Value) -> (u16, Value) {
        let answer = (self.http.post(self.url(path)))
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// An operation of CodeBuild that must succeed.
    pub async fn codebuild(&self, operation: &str, body: Value) -> Value {
        let target = format!("CodeBuild_20161006.{operation}");
        let (status, answer) = self.aws("codebuild", &target, &body).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    /// An operation of ECR that must succeed.
    pub async fn ecr(&self, operation: &str, body: Value) -> Value {
        let (status, answer) = self.try_ecr(operation, body).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    pub async fn try_ecr(&self, operation: &str, body: Value) -> (u16, Value) {
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
        self.aws("ecr", &target, &body).await
    }

    /// Starts a build of a buildspec and returns its id.
    pub async fn start_build(&self, buildspec: &str) -> String {
        let request = json!({
            "projectName": "gatewright",
            "sourceLocationOverride": REPOSITORY,
            "buildspecOverride": buildspec,
            "timeoutInMinutesOverride": 5,
        });
        let started = self.codebuild("StartBuild", request).await;
        started["build"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn build(&self, id: &str) -> Value {
        let answer = self.codebuild("BatchGetBuilds", json!({"ids": [id]})).await;
        answer["builds"][0].clone()
    }

    /// Waits for a build's last event and returns the build.
    pub async fn finished(&self, id: &str) -> Value {
        self.finished_within(PATIENCE, id).await
    }

    /// The same for a build that may take its time.
    pub async fn finished_within(&self, patience: Duration, id: &str) -> Value {
        let ended = self.sink.wait_until(patience, |events| {
            (events.iter()).any(|event| {
                event.detail["build-id"]
                    .as_str()
                    .is_some_and(|arn| arn.ends_with(id))
                    && event.detail["build-status"] != "IN_PROGRESS"
            })
        });
        ended.await.unwrap();
        // The event leaves a moment before the API shows the end.
        self.eventually("the build is complete", async || {
            let build = self.build(id).await;
            (build["buildComplete"] == true).then_some(build)
        })
        .await
    }

    pub async fn run_build(&self, buildspec: &str) -> Value {
        let id = self.start_build(buildspec).await;
        self.finished(&id).await
    }

    pub async fn until(&self, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        self.sink.wait_until(PATIENCE, enough).await.unwrap()
    }

    pub async fn log(&self, build: &Value) -> String {
        let link = build["logs"]["deepLink"].as_str().unwrap();
        self.http
            .get(link)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }

    /// Asks until there is an answer.
    pub async fn eventually<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        (tokio::time::timeout(PATIENCE, asking).await).unwrap_or_else(|_| panic!("never: {what}"))
    }

    pub async fn get_json(&self, path: &str) -> Value {
        self.http
            .get(self.url(path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> reqwest::Response {
        self.http
            .post(self.url(path))
            .json(body)
            .send()
            .await
            .unwrap()
    }
}

/// Whether a process is running; a killed one nobody has reaped is not.
pub fn is_running(pid: &str) -> bool {
    let output = std::process::Command::new("ps")
        .args(["-o", "stat=", "-p", pid])
        .output();
    let stat = String::from_utf8(output.unwrap().stdout).unwrap();
    !stat.trim().is_empty() && !stat.trim().starts_with('Z')
}

/// The content of a file some process writes, once it is there and whole.
pub async fn written(stack: &Stack, path: &Path) -> String {
    stack
        .eventually(&format!("{} is written", path.display()), async || {
            fs::read_to_string(path)
                .ok()
                .filter(|text| text.ends_with('\n'))
        })
        .await
        .trim()
        .to_owned()
}

/// A request the emulator got.
#[derive(Clone)]
pub struct Seen {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The emulator, as far as the stand-ins ask it anything.
pub struct Emulator {
    pub url: Url,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl Emulator {
    async fn start() -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let router = Router::new()
            .route("/", post(emulated))
            .with_state(Arc::clone(&seen));
        let url = serve(router).await;
        Self { url, seen }
    }
}

/// Serves a router for as long as the test's runtime lives.
pub async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

async fn emulated(
    State(seen): State<Arc<Mutex<Vec<Seen>>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (axum::http::StatusCode, Json<Value>) {
    let target = headers["x-amz-target"].to_str().unwrap().to_owned();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    seen.lock().unwrap().push(Seen { headers, body });
    let operation = target.rsplit('.').next().unwrap();
    let known = request["SecretId"] == "db" || request["repositoryNames"][0] == "made-by-stack";
    let answer = match operation {
        "GetSecretValue" if known => json!({"SecretString": "{\"password\": \"hunter2\"}"}),
        "DescribeRepositories" if known => json!({"repositories": [
            {"repositoryName": "made-by-stack", "imageTagMutability": "IMMUTABLE"}]}),
        "GetLifecyclePolicy" => json!({"lifecyclePolicyText": "{}"}),
        _ => {
            let error = json!({"__type": "ResourceNotFoundException", "message": "none"});
            return (axum::http::StatusCode::BAD_REQUEST, Json(error));
        }
    };
    (axum::http::StatusCode::OK, Json(answer))
}
