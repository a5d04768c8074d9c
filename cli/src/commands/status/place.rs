//! `gatewright status ENVIRONMENT`: one environment on one screen.

use super::{involved, runs, since, titles};
use crate::commands::orders;
use crate::error::Failed;
use crate::going_back::{GoingBack, under_way};
use crate::style::{BAD, HEAD, SOFT, WAITING, paint};
use gatewright_aws::Store;
use gatewright_aws::table::Table;
use gatewright_domain::approval::Choice;
use gatewright_domain::calendar::{Opening, opening};
use gatewright_domain::control::{Controls, Said};
use gatewright_domain::lock::{Lock, Waiting, in_turn};
use gatewright_domain::pipeline::Environment;
use gatewright_domain::release::Deployment;
use gatewright_domain::undo::{RolledBack, TakenBack};
use gatewright_domain::{EnvironmentName, PipelineId, ReleaseId, Timestamp};
use gatewright_views::text::{line, listed, utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many versions that stay back are shown.
const MOST: usize = 5;

/// An environment, with all that concerns who changes it next.
#[derive(Debug, Serialize)]
pub struct Place {
    pipeline: PipelineId,
    environment: EnvironmentName,
    current: Option<Deployment>,
    approved_by: Vec<String>,
    lock: Lock,
    waiting: Vec<Waiting>,
    /// The rollbacks by hand that are under way.
    going_back: Vec<GoingBack>,
    /// The halts and freezes that are about it.
    controls: Controls,
    /// Which of those who have it or wait for it are halted themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    halted: Vec<HaltedHere>,
    /// What its windows say now.
    window: Option<WindowNow>,
    stays_back: Vec<TakenBack>,
    last_rollback: Option<RolledBack>,
    #[serde(skip)]
    titles: BTreeMap<ReleaseId, String>,
}

/// A release that is halted itself.
#[derive(Debug, Serialize)]
struct HaltedHere {
    release: ReleaseId,
    #[serde(flatten)]
    said: Said,
}

/// What an environment's windows say.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum WindowNow {
    /// One is open.
    Open { closes: Timestamp },
    /// None is.
    Closed { opens: Timestamp },
    /// Nobody can tell, so nothing is deployed.
    Unreadable { why: String },
}

impl Place {
    /// Reads an environment of a pipeline.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn read<T: Table>(
        store: &Store<T>,
        pipeline: &PipelineId,
        environment: &EnvironmentName,
        now: Timestamp,
    ) -> Result<Self, Failed> {
        let definition = store.live_definition(pipeline).await?;
        let declared = definition.and_then(|d| d.environments.get(environment).cloned());
        let current = store.current(pipeline, environment).await?;
        let rollbacks = store.rollbacks(pipeline, environment, 1).await?;
        let back = store.all_taken_back(pipeline, environment).await?;
        let back = back.into_iter().map(|seen| seen.value);
        let controls = store.controls().await?.controls;
        let mut place = Self {
            approved_by: approvers(store, current.as_ref(), environment).await?,
            current,
            lock: store.lock(pipeline, environment).await?.0,
            waiting: in_turn(store.queue(pipeline, environment).await?),
            going_back: Vec::new(),
            controls: about(controls, pipeline, environment),
            window: declared.as_ref().and_then(|d| window(d, now)),
            stays_back: back.filter(TakenBack::is_active).collect(),
            last_rollback: rollbacks.into_iter().next().map(|seen| seen.value),
            halted: Vec::new(),
            titles: BTreeMap::new(),
            pipeline: pipeline.clone(),
            environment: environment.clone(),
        };
        let holder = place.lock.holder.as_ref().map(|holder| &holder.release);
        let doubts = place.lock.doubts.iter().map(|doubt| &doubt.release);
        let who = holder.into_iter().chain(doubts);
        let known = involved(place.lock.holder.as_ref(), &place.waiting);
        place.going_back = under_way(store, pipeline, known.clone(), now).await?;
        place
            .going_back
            .retain(|back| &back.environment == environment);
        for release in known {
            let said = store.head(&release).await?.and_then(|h| h.value.halted);
            place
                .halted
                .extend(said.map(|said| HaltedHere { release, said }));
        }
        place.titles = titles(store, who, place.current.as_ref(), &place.waiting).await?;
        Ok(place)
    }

    /// In lines, for one screen.
    pub fn lines(&self, now: Timestamp) -> Vec<String> {
        let title = format!("{}/{}", self.pipeline, self.environment);
        let mut told = vec![paint(HEAD, title)];
        let rows = self.runs(now).into_iter().chain(self.next(now));
        told.extend(rows.map(|(what, text)| format!("  {what:<12} {text}")));
        let orders = orders::in_force(&self.controls, now);
        let orders = orders.into_iter().filter(|line| !line.is_empty());
        told.extend(orders.map(|line| format!("  {line}")));
        told
    }

    /// What runs, since when, and by whom approved.
    fn runs(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let Some(current) = &self.current else {
            return vec![("runs", paint(SOFT, "nothing yet"))];
        };
        let approved = match self.approved_by.as_slice() {
            [] => paint(SOFT, "nobody was asked"),
            people => listed(people),
        };
        vec![
            ("runs", runs(current, &self.title(current.version_of()))),
            (
                "since",
                format!("{}, for {}", utc(current.at), since(now, current.at)),
            ),
            ("approved by", approved),
        ]
    }

    /// Who has it or waits, when it opens, and how it was left.
    fn next(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        rows.extend(
            self.held(now)
                .into_iter()
                .map(|text| ("held", paint(WAITING, text))),
        );
        let back = self.going_back.iter();
        rows.extend(back.map(|back| ("rollback", paint(WAITING, back.told(now)))));
        for (n, waiting) in self.waiting.iter().enumerate() {
            let order = if n == 0 { "next" } else { "then" };
            let waits = since(now, waiting.since);
            rows.push((
                order,
                format!("{}, for {waits}", self.title(&waiting.release)),
            ));
        }
        for HaltedHere { release, said } in &self.halted {
            let text = format!(
                "{} by {}: {}",
                self.title(release),
                said.by,
                line(&said.reason)
            );
            rows.push(("halted", paint(BAD, text)));
        }
        let window = match &self.window {
            None => paint(SOFT, "none: at any time"),
            Some(WindowNow::Open { closes }) => format!("open until {}", utc(*closes)),
            Some(WindowNow::Closed { opens }) => paint(WAITING, format!("opens {}", utc(*opens))),
            Some(WindowNow::Unreadable { why }) => paint(BAD, line(why)),
        };
        rows.push(("window", window));
        for back in self.stays_back.iter().take(MOST) {
            rows.push((
                "stays back",
                format!("{}: {}", line(&back.named()), line(&back.why)),
            ));
        }
        let rolled = match &self.last_rollback {
            None => paint(SOFT, "never"),
            Some(rolled) => rolled_back(rolled, now),
        };
        rows.push(("rolled back", rolled));
        rows
    }

    fn title(&self, release: &ReleaseId) -> String {
        let known = self.titles.get(release);
        line(&known.cloned().unwrap_or_else(|| release.to_string()))
    }

    /// Who has it, and who keeps it.
    fn held(&self, now: Timestamp) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(holder) = &self.lock.holder {
            let held = since(now, holder.since);
            found.push(format!(
                "{} changes it for {held}",
                self.title(&holder.release)
            ));
        }
        for doubt in &self.lock.doubts {
            found.push(format!(
                "{} left it unknown, for {}: {}",
                self.title(&doubt.release),
                since(now, doubt.since),
                line(&doubt.reason)
            ));
        }
        if let Some(hold) = &self.lock.hold {
            found.push(format!(
                "{} keeps it from everybody new, for {}: {}",
                hold.by,
                since(now, hold.since),
                line(&hold.reason)
            ));
        }
        found
    }
}

fn rolled_back(rolled: &RolledBack, now: Timestamp) -> String {
    let by = rolled.by.as_deref().unwrap_or("itself");
    let resolved = match &rolled.resolution {
        Some(resolution) => line(&resolution.text),
        None => "unresolved".to_owned(),
    };
    format!(
        "{} ago, from {} to {} by {}: {}; {resolved}",
        since(now, rolled.at),
        line(&rolled.from.title),
        line(&rolled.to.title),
        line(by),
        line(&rolled.why)
    )
}

/// Who approved that the version that runs there now may run there, by name.
async fn approvers<T: Table>(
    store: &Store<T>,
    current: Option<&Deployment>,
    environment: &EnvironmentName,
) -> Result<Vec<String>, Failed> {
    let Some(current) = current else {
        return Ok(Vec::new());
    };
    let version = current.version_of();
    let head = store.known_head(version).await?.value;
    let definition = store.definition(&head.pipeline, &head.version).await?;
    let about = |index: usize| {
        let stage = definition.as_ref().and_then(|d| d.stages.get(index));
        stage.is_some_and(|stage| stage.environment.as_ref() == Some(environment))
    };
    let mut names = Vec::new();
    let requests = store.approvals(version).await?;
    for request in requests.iter().filter(|request| about(request.index)) {
        let decisions = store.decisions(version, request.index).await?;
        let directory = store.directory().await?.value;
        for decision in decisions.iter().filter(|d| d.choice == Choice::Approve) {
            let name = gatewright_views::asked::name(&directory, &decision.person);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

fn about(mut controls: Controls, pipeline: &PipelineId, environment: &EnvironmentName) -> Controls {
    let of = |known: &Option<PipelineId>| known.as_ref().is_none_or(|p| p == pipeline);
    controls.halts.retain(|halt| of(&halt.pipeline));
    controls.freezes.retain(|freeze| {
        of(&freeze.pipeline) && freeze.environment.as_ref().is_none_or(|e| e == environment)
    });
    controls
}

fn window(declared: &Environment, now: Timestamp) -> Option<WindowNow> {
    if declared.windows.is_empty() {
        return None;
    }
    Some(match opening(&declared.windows, now) {
        Ok(Opening::Open { closes }) => WindowNow::Open { closes },
        Ok(Opening::Closed { opens }) => WindowNow::Closed { opens },
        Err(why) => WindowNow::Unreadable {
            why: why.to_string(),
        },
    })
}
