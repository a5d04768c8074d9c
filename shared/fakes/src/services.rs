//! Services in memory, with the rules that handlers rely on.

use gatewright_aws::builds::{BuildOrder, BuildSeen, Builds};
use gatewright_aws::error::{Kind, ServiceError};
use gatewright_aws::pagerduty::{Page, Pager};
use gatewright_aws::slack::{Chat, Message, Respond};
use gatewright_aws::tasks::{Executions, Tasks};
use gatewright_aws::topics::Topics;
use gatewright_aws::{Clock, Patience};
use gatewright_domain::evidence::{BuildStatus, ReportResult};
use gatewright_domain::wait::{Answer, TaskToken};
use gatewright_domain::{Timestamp, after};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

pub(crate) fn locked<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A clock that goes only when it is told to.
#[derive(Debug)]
pub struct FixedClock(Mutex<Timestamp>);

impl FixedClock {
    /// A clock at some time of 2026.
    pub fn new() -> Self {
        Self(Mutex::new(after(Timestamp::UNIX_EPOCH, 1_790_000_000)))
    }

    /// Moves it on.
    pub fn pass(&self, seconds: i64) {
        let mut now = locked(&self.0);
        *now = after(*now, seconds);
    }
}

impl Default for FixedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *locked(&self.0)
    }
}

/// Nothing in memory takes time: what is not ready at once never will be.
impl Patience for FixedClock {
    async fn within<F: Future>(&self, seconds: u32, work: F) -> Option<F::Output> {
        let mut work = std::pin::pin!(work);
        let once = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        match once {
            Poll::Ready(done) => Some(done),
            Poll::Pending => {
                self.pass(i64::from(seconds));
                None
            }
        }
    }
}

/// CodeBuild in memory: the same idempotency token gives the same build; another
/// order under the same token is an error.
#[derive(Debug, Default)]
pub struct FakeBuilds {
    builds: Mutex<BTreeMap<String, (BuildOrder, BuildSeen)>>,
    reports: Mutex<BTreeMap<String, (String, ReportResult)>>,
    refusal: Mutex<Option<ServiceError>>,
}

impl FakeBuilds {
    /// The next starts fail with this error; `None`: they succeed again.
    pub fn refuse(&self, error: Option<(Kind, &str)>) {
        *locked(&self.refusal) =
            error.map(|(kind, why)| ServiceError::of("codebuild:StartBuild", kind, why));
    }

    /// Every order that started a build.
    pub fn orders(&self) -> Vec<BuildOrder> {
        locked(&self.builds)
            .values()
            .map(|(order, _)| order.clone())
            .collect()
    }

    /// The ids of all builds.
    pub fn ids(&self) -> Vec<String> {
        locked(&self.builds).keys().cloned().collect()
    }

    /// Where a build stands.
    pub fn status(&self, id: &str) -> Option<BuildStatus> {
        locked(&self.builds).get(id).map(|(_, seen)| seen.status)
    }

    /// What was ordered when a build was started.
    pub fn order(&self, id: &str) -> Option<BuildOrder> {
        locked(&self.builds).get(id).map(|(order, _)| order.clone())
    }

    /// A build exports a variable.
    pub fn exports(&self, id: &str, name: &str, value: &str) {
        if let Some((_, seen)) = locked(&self.builds).get_mut(id) {
            seen.exported.insert(name.to_owned(), value.to_owned());
        }
    }

    /// What CodeBuild says of the command that fails in a build.
    pub fn complains(&self, id: &str, message: &str) {
        if let Some((_, seen)) = locked(&self.builds).get_mut(id) {
            seen.message = Some(message.to_owned());
        }
    }

    /// Ends a build, with reports by name.
    pub fn end(&self, id: &str, status: BuildStatus, reports: &[(&str, ReportResult)]) {
        let mut builds = locked(&self.builds);
        let Some((order, seen)) = builds.get_mut(id) else {
            return;
        };
        seen.status = status;
        seen.seconds = Some(7);
        let pipeline = order
            .env
            .get("GATEWRIGHT_PIPELINE")
            .cloned()
            .unwrap_or_default();
        for (name, result) in reports {
            let arn = format!(
                "arn:aws:codebuild:ap-south-1:1:report/{}-{pipeline}-{name}:{id}",
                order.project
            );
            let group = format!("{}-{pipeline}-{name}", order.project);
            locked(&self.reports).insert(arn.clone(), (group, result.clone()));
            seen.reports.push(arn);
        }
    }

    /// A build that somebody else started, with this environment.
    pub fn foreign(&self, id: &str, env: &[(&str, &str)], status: BuildStatus) {
        let env: BTreeMap<_, _> = env
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let order = BuildOrder {
            project: "foreign".to_owned(),
            idempotency: id.to_owned(),
            repository: String::new(),
            commit: String::new(),
            image: String::new(),
            compute: String::new(),
            timeout_minutes: 5,
            buildspec: String::new(),
            env: env.clone(),
        };
        let seen = BuildSeen {
            id: id.to_owned(),
            status,
            message: None,
            seconds: None,
            log: None,
            env,
            exported: BTreeMap::new(),
            reports: Vec::new(),
        };
        locked(&self.builds).insert(id.to_owned(), (order, seen));
    }
}

impl Builds for FakeBuilds {
    async fn start(&self, order: &BuildOrder) -> Result<BuildSeen, ServiceError> {
        if let Some(error) = locked(&self.refusal).clone() {
            return Err(error);
        }
        let id = format!("{}:{}", order.project, order.idempotency);
        let mut builds = locked(&self.builds);
        if let Some((known, seen)) = builds.get(&id) {
            return if known == order {
                Ok(seen.clone())
            } else {
                Err(ServiceError::of(
                    "codebuild:StartBuild",
                    Kind::Other,
                    "the token was used with other parameters",
                ))
            };
        }
        let seen = BuildSeen {
            id: id.clone(),
            status: BuildStatus::InProgress,
            message: None,
            seconds: None,
            log: Some(format!("https://logs.example/{id}")),
            env: order.env.clone(),
            exported: BTreeMap::new(),
            reports: Vec::new(),
        };
        builds.insert(id, (order.clone(), seen.clone()));
        Ok(seen)
    }

    async fn get(&self, id: &str) -> Result<Option<BuildSeen>, ServiceError> {
        Ok(locked(&self.builds).get(id).map(|(_, seen)| seen.clone()))
    }

    async fn reports(&self, arns: &[String]) -> Result<Vec<(String, ReportResult)>, ServiceError> {
        let reports = locked(&self.reports);
        Ok(arns
            .iter()
            .filter_map(|arn| reports.get(arn).cloned())
            .collect())
    }

    async fn stop(&self, id: &str) -> Result<(), ServiceError> {
        if let Some((_, seen)) = locked(&self.builds).get_mut(id)
            && seen.status == BuildStatus::InProgress
        {
            seen.status = BuildStatus::Stopped;
        }
        Ok(())
    }
}

/// Step Functions' side of tasks: a token can be answered once.
#[derive(Debug, Default)]
pub struct FakeTasks {
    answers: Mutex<Vec<(String, Answer)>>,
}

impl FakeTasks {
    /// What was answered, in order.
    pub fn answers(&self) -> Vec<(String, Answer)> {
        locked(&self.answers).clone()
    }
}

impl Tasks for FakeTasks {
    async fn answer(&self, token: &TaskToken, answer: &Answer) -> Result<bool, ServiceError> {
        let mut answers = locked(&self.answers);
        if answers.iter().any(|(known, _)| known == token.reveal()) {
            return Ok(false);
        }
        answers.push((token.reveal().to_owned(), answer.clone()));
        Ok(true)
    }
}

/// Executions that run until they are said to have ended.
#[derive(Debug, Default)]
pub struct FakeExecutions {
    ended: Mutex<Vec<String>>,
    started: Mutex<BTreeMap<(String, String), String>>,
}

impl FakeExecutions {
    /// Ends an execution.
    pub fn end(&self, execution: &str) {
        locked(&self.ended).push(execution.to_owned());
    }

    /// What was started: machine, name and input.
    pub fn started(&self) -> Vec<(String, String, String)> {
        let started = locked(&self.started);
        let of = |((machine, name), input): (&(String, String), &String)| {
            (machine.clone(), name.clone(), input.clone())
        };
        started.iter().map(of).collect()
    }
}

impl Executions for FakeExecutions {
    async fn is_running(&self, execution: &str) -> Result<Option<bool>, ServiceError> {
        Ok(Some(
            !locked(&self.ended).iter().any(|known| known == execution),
        ))
    }

    async fn start(&self, machine: &str, name: &str, input: &str) -> Result<String, ServiceError> {
        let arn = format!("{machine}:{name}");
        let key = (machine.to_owned(), name.to_owned());
        let known = locked(&self.started).insert(key, input.to_owned());
        match known {
            Some(other) if other != input => Err(ServiceError::of(
                "states:StartExecution",
                Kind::Conflict,
                "ExecutionAlreadyExists",
            )),
            _ => Ok(arn),
        }
    }
}

/// Slack in memory.
#[derive(Debug, Default)]
pub struct FakeChat {
    messages: Mutex<Vec<Message>>,
    updates: Mutex<Vec<(String, Message)>>,
    responses: Mutex<Vec<(String, String)>>,
    refusal: Mutex<Option<Kind>>,
}

impl FakeChat {
    /// The next calls fail so; `None`: they succeed again.
    pub fn refuse(&self, kind: Option<Kind>) {
        *locked(&self.refusal) = kind;
    }

    /// What was posted, in order.
    pub fn messages(&self) -> Vec<Message> {
        locked(&self.messages).clone()
    }

    /// What was updated, in order: timestamp and message.
    pub fn updates(&self) -> Vec<(String, Message)> {
        locked(&self.updates).clone()
    }

    /// What members were told: address and text.
    pub fn responses(&self) -> Vec<(String, String)> {
        locked(&self.responses).clone()
    }

    fn refused(&self, action: &'static str) -> Result<(), ServiceError> {
        match *locked(&self.refusal) {
            Some(kind) => Err(ServiceError::of(
                action,
                kind,
                "a failure that the test asked for",
            )),
            None => Ok(()),
        }
    }
}

impl Chat for FakeChat {
    async fn post(&self, message: &Message) -> Result<(String, String), ServiceError> {
        self.refused("slack:chat.postMessage")?;
        let mut messages = locked(&self.messages);
        messages.push(message.clone());
        Ok((message.channel.clone(), format!("{}.0", messages.len())))
    }

    async fn update(
        &self,
        _channel: &str,
        ts: &str,
        message: &Message,
    ) -> Result<(), ServiceError> {
        self.refused("slack:chat.update")?;
        locked(&self.updates).push((ts.to_owned(), message.clone()));
        Ok(())
    }
}

impl Respond for FakeChat {
    async fn respond(&self, url: &str, text: &str) -> Result<(), ServiceError> {
        self.refused("slack:response_url")?;
        locked(&self.responses).push((url.to_owned(), text.to_owned()));
        Ok(())
    }
}

/// PagerDuty in memory: one incident a service and key, as the real one keeps
/// them.
#[derive(Debug, Default)]
pub struct FakePager {
    services: Vec<String>,
    incidents: Mutex<BTreeMap<(String, String), Vec<Page>>>,
    refusals: Mutex<BTreeMap<String, Kind>>,
    hangs: Mutex<bool>,
}

impl FakePager {
    /// Whether pages get no answer from now on.
    pub fn hangs(&self, hangs: bool) {
        *locked(&self.hangs) = hangs;
    }

    /// A PagerDuty with routing keys for these services.
    pub fn with(services: &[&str]) -> Self {
        Self {
            services: services.iter().map(|s| (*s).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// The next pages to this service fail so; `None`: they succeed again.
    pub fn refuse(&self, service: &str, kind: Option<Kind>) {
        let mut refusals = locked(&self.refusals);
        match kind {
            Some(kind) => refusals.insert(service.to_owned(), kind),
            None => refusals.remove(service),
        };
    }

    /// The incidents: service and key, and every page that was sent for it.
    pub fn incidents(&self) -> Vec<((String, String), Vec<Page>)> {
        let incidents = locked(&self.incidents);
        incidents
            .iter()
            .map(|(place, pages)| (place.clone(), pages.clone()))
            .collect()
    }
}

impl Pager for FakePager {
    fn knows(&self, service: &str) -> bool {
        self.services.iter().any(|known| known == service)
    }

    async fn trigger(&self, service: &str, page: &Page) -> Result<(), ServiceError> {
        let action = "pagerduty:trigger";
        let hangs = *locked(&self.hangs);
        if hangs {
            return std::future::pending().await;
        }
        if let Some(kind) = locked(&self.refusals).get(service) {
            let why = "a failure that the test asked for";
            return Err(ServiceError::of(action, *kind, why));
        }
        if !self.knows(service) {
            return Err(ServiceError::of(action, Kind::Missing, "no routing key"));
        }
        let place = (service.to_owned(), page.key.clone());
        let mut incidents = locked(&self.incidents);
        incidents.entry(place).or_default().push(page.clone());
        Ok(())
    }
}

/// What was published: subject, message, attributes.
pub type Published = (String, String, BTreeMap<&'static str, String>);

/// A topic in memory.
#[derive(Debug, Default)]
pub struct FakeTopic {
    published: Mutex<Vec<Published>>,
}

impl FakeTopic {
    /// What was published: subject, message, attributes.
    pub fn published(&self) -> Vec<Published> {
        locked(&self.published).clone()
    }
}

impl Topics for FakeTopic {
    async fn publish(
        &self,
        subject: &str,
        message: &str,
        attributes: &BTreeMap<&'static str, String>,
    ) -> Result<(), ServiceError> {
        locked(&self.published).push((subject.to_owned(), message.to_owned(), attributes.clone()));
        Ok(())
    }
}
