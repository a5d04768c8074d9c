//! One event, told to whom it concerns.

use crate::Desk;
use gatewright_aws::Clock;
use gatewright_aws::config::Config;
use gatewright_aws::links::{ApprovalLink, ReadLink};
use gatewright_aws::pagerduty::Pager;
use gatewright_aws::slack::{Chat, Message};
use gatewright_aws::store::StoreError;
use gatewright_aws::table::{Table, TableError};
use gatewright_aws::topics::Topics;
use gatewright_domain::decide::halt_in_force;
use gatewright_domain::ledger::{Event, Fact};
use gatewright_domain::pipeline::Definition;
use gatewright_domain::release::Head;
use gatewright_domain::{PersonId, Timestamp, after};
use gatewright_handler::Failure;
use gatewright_steps::known_definition;
use gatewright_views::slack::{self, ReleaseMessage, SlackMessage};
use gatewright_views::{Asked, mail};

/// How long a link to read a release works: as long as a mail is kept at hand.
const READ_SECONDS: i64 = 30 * 86_400;

pub(crate) async fn tell<T: Table, H: Chat, P: Pager, N: Topics, C: Clock>(
    desk: &Desk<'_, T, H, P, N, C>,
    event: &Event,
) -> Result<(), Failure> {
    let now = desk.clock.now();
    let head = desk.store.known_head(&event.release).await?.value;
    let definition = known_definition(desk.store, &head).await?;
    let page = page_url(desk, &head, now)?;
    if let Some(channel) = definition
        .notify
        .slack
        .clone()
        .or_else(|| desk.config.slack_channel.clone())
    {
        apart(
            in_slack(desk, event, &head, &definition, &channel, &page, now).await,
            event,
        )?;
    }
    if matches!(
        event.fact,
        Fact::ApprovalRequested { .. } | Fact::ApprovalReminded { .. }
    ) {
        apart(ask(desk, &head, &definition, now).await, event)?;
    }
    let records = if matches!(event.fact, Fact::ReleaseEnded { .. }) {
        desk.store.stages(&head.release).await?
    } else {
        Vec::new()
    };
    if let Some(mail) = mail::for_fact(&event.fact, &head, &definition, &records, &page) {
        desk.topic
            .publish(&mail.subject, &mail.text, &mail.attributes)
            .await?;
    }
    Ok(())
}

/// Where the release's page is, for whoever has the address.
pub(crate) fn page_url<T: Table, H: Chat, P: Pager, N: Topics, C: Clock>(
    desk: &Desk<'_, T, H, P, N, C>,
    head: &Head,
    now: Timestamp,
) -> Result<String, Failure> {
    let read = ReadLink {
        release: head.release.clone(),
        expires: after(now, READ_SECONDS),
    };
    let base = Config::need(&desk.config.public_url, "GATEWRIGHT_PUBLIC_URL")?;
    Ok(format!(
        "{base}/releases/{}?t={}",
        head.release,
        desk.links.issue(&read)?
    ))
}

/// A Slack that cannot work (a token that was never filled in) must not cost
/// anybody their mail; one that may work again holds the event back.
fn apart(told: Result<(), Failure>, event: &Event) -> Result<(), Failure> {
    match told {
        Err(failure) if !failure.may_pass() => {
            tracing::error!(release = %event.release, seq = event.seq, error = %failure.name, "not told in Slack: {}", failure.message);
            Ok(())
        }
        other => other,
    }
}

async fn in_slack<T: Table, H: Chat, P: Pager, N: Topics, C: Clock>(
    desk: &Desk<'_, T, H, P, N, C>,
    event: &Event,
    head: &Head,
    definition: &Definition,
    channel: &str,
    page: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let records = desk.store.stages(&head.release).await?;
    let request = desk.store.approvals(&head.release).await?.pop();
    let decisions = match &request {
        Some(request) => desk.store.decisions(&head.release, request.index).await?,
        None => Vec::new(),
    };
    let directory = desk.store.directory().await?.value;
    let asked = request.as_ref().map(|request| Asked {
        request,
        decisions: &decisions,
        directory: &directory,
    });
    let controls = desk.store.controls().await?.controls;
    let halted = halt_in_force(head, &controls);
    let view = ReleaseMessage {
        head,
        definition,
        records: &records,
        asked,
        halted: halted.as_ref(),
        page_url: page,
        now,
    };
    let message = slack::release_message(&view);
    let Some((channel, ts)) = thread(desk, head, channel, &message).await? else {
        return Ok(());
    };
    desk.chat
        .update(&channel, &ts, &posted(&channel, message, None))
        .await?;
    if let Some(text) = slack::thread_line(&event.fact) {
        let said = Message {
            channel,
            text,
            blocks: Vec::new(),
            thread: Some(ts),
        };
        desk.chat.post(&said).await?;
    }
    Ok(())
}

/// The release's thread; opened by whoever finds none, and then nothing is left
/// to update.
async fn thread<T: Table, H: Chat, P: Pager, N: Topics, C: Clock>(
    desk: &Desk<'_, T, H, P, N, C>,
    head: &Head,
    channel: &str,
    message: &SlackMessage,
) -> Result<Option<(String, String)>, Failure> {
    if let Some(known) = desk.store.thread(&head.release).await? {
        return Ok(Some(known));
    }
    let at = desk
        .chat
        .post(&posted(channel, message.clone(), None))
        .await?;
    match desk.store.open_thread(&head.release, &at).await {
        Ok(()) => Ok(Some(at)),
        // Somebody else opened one meanwhile: theirs is the release's.
        Err(StoreError::Table(TableError::Conflict(_))) => {
            Ok(desk.store.thread(&head.release).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Sends a personal link to everybody who is asked and has not decided.
async fn ask<T: Table, H: Chat, P: Pager, N: Topics, C: Clock>(
    desk: &Desk<'_, T, H, P, N, C>,
    head: &Head,
    definition: &Definition,
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(request) = &desk.store.approvals(&head.release).await?.pop() else {
        return Ok(());
    };
    let decisions = &desk.store.decisions(&head.release, request.index).await?;
    let directory = &desk.store.directory().await?.value;
    let asked = Asked {
        request,
        decisions,
        directory,
    };
    if !asked.is_open(now) {
        return Ok(());
    }
    let environment = definition
        .stages
        .get(request.index)
        .and_then(|s| s.environment.clone());
    let running = match &environment {
        Some(environment) => desk.store.current(&head.pipeline, environment).await?,
        None => None,
    };
    let mut people: Vec<PersonId> = request
        .quorum
        .iter()
        .flat_map(|line| asked.could_decide(&line.group))
        .collect();
    people.sort();
    people.dedup();
    let base = Config::need(&desk.config.public_url, "GATEWRIGHT_PUBLIC_URL")?;
    for person in people {
        let Some(member) = directory.person(&person).and_then(|p| p.slack.clone()) else {
            continue;
        };
        let link = ApprovalLink {
            release: head.release.clone(),
            index: request.index,
            person: person.clone(),
            evidence: request.evidence.clone(),
            expires: request.expires_at,
        };
        let url = format!("{base}/approve?t={}", desk.links.issue(&link)?);
        let message = slack::personal_request(head, &asked, &person, &url, running.as_ref());
        desk.chat.post(&posted(&member, message, None)).await?;
    }
    Ok(())
}

fn posted(channel: &str, message: SlackMessage, thread: Option<String>) -> Message {
    Message {
        channel: channel.to_owned(),
        text: message.text,
        blocks: message.blocks,
        thread,
    }
}
