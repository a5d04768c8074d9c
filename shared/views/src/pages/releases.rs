//! The list of releases, newest first, by pipeline.

use super::parts::{Code, When};
use super::rendered;
use crate::text::{line, relative, safe_url, short_line};
use crate::words;
use askama::Template;
use gatewright_domain::release::{Head, Status};
use gatewright_domain::{PipelineId, Timestamp};

/// What the list shows.
#[derive(Debug, Clone, Copy)]
pub struct ReleasesView<'a> {
    /// The pipelines, in the order in which they are shown.
    pub pipelines: &'a [PipelineRow<'a>],
    /// The time.
    pub now: Timestamp,
}

/// A pipeline and some of its releases.
#[derive(Debug, Clone)]
pub struct PipelineRow<'a> {
    /// Its id.
    pub id: &'a PipelineId,
    /// Its name for people.
    pub name: &'a str,
    /// Its releases, in any order.
    pub releases: Vec<ReleaseRow<'a>>,
    /// Where older releases are, when there are any.
    pub older_url: Option<String>,
}

/// A release of the list.
#[derive(Debug, Clone)]
pub struct ReleaseRow<'a> {
    /// The release.
    pub head: &'a Head,
    /// Where its page is, when the reader may open it.
    pub url: Option<String>,
}

#[derive(Template)]
#[template(path = "releases.html")]
struct Page {
    style: &'static str,
    pipelines: Vec<Pipeline>,
}

struct Pipeline {
    id: String,
    name: String,
    rows: Vec<Row>,
    older_url: Option<String>,
}

struct Row {
    title: String,
    url: Option<String>,
    class: &'static str,
    status: &'static str,
    stage: Option<String>,
    commit: Option<Code>,
    message: String,
    reference: String,
    started: When,
    ago: String,
}

/// The list of releases, newest first per pipeline.
pub fn releases(view: &ReleasesView<'_>) -> String {
    let pipelines = view.pipelines.iter().map(|pipeline| {
        let mut heads: Vec<&ReleaseRow<'_>> = pipeline.releases.iter().collect();
        heads.sort_by(|a, b| {
            let key = |row: &ReleaseRow<'_>| (row.head.started_at, row.head.number);
            key(b).cmp(&key(a))
        });
        Pipeline {
            id: pipeline.id.to_string(),
            name: pipeline.name.to_owned(),
            rows: heads.into_iter().map(|head| row(head, view.now)).collect(),
            older_url: pipeline
                .older_url
                .as_deref()
                .and_then(safe_url)
                .map(str::to_owned),
        }
    });
    rendered(&Page {
        style: super::STYLE,
        pipelines: pipelines.collect(),
    })
}

/// For the style: the class of a status.
pub(super) fn class(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Succeeded => "passed",
        Status::FailedClean => "failed",
        Status::FailedDirty => "dirty",
    }
}

fn row(row: &ReleaseRow<'_>, now: Timestamp) -> Row {
    let head = row.head;
    let trigger = head.trigger.as_ref();
    let message = trigger.and_then(|t| t.message.as_deref());
    Row {
        title: head.title(),
        url: row.url.as_deref().and_then(safe_url).map(str::to_owned),
        class: class(head.status),
        status: words::status(head.status),
        stage: head.stage.as_ref().map(|stage| line(stage.as_str())),
        commit: trigger.map(|t| Code::from(&t.commit)),
        message: short_line(
            message
                .unwrap_or_default()
                .lines()
                .next()
                .unwrap_or_default(),
            100,
        ),
        reference: trigger.map_or_else(String::new, |t| words::reference(&t.reference)),
        started: When::new(head.started_at),
        ago: relative(now, head.started_at),
    }
}
