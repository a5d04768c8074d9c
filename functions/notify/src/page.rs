//! Waking somebody up, when a release ended and nobody knows what an environment
//! runs.

use crate::Desk;
use crate::tell::page_url;
use gatewright_aws::Clock;
use gatewright_aws::pagerduty::{Page, Pager};
use gatewright_aws::slack::Chat;
use gatewright_aws::table::Table;
use gatewright_aws::topics::Topics;
use gatewright_compiler::by_hand::{Known, by_hand};
use gatewright_domain::EnvironmentName;
use gatewright_domain::decide::in_doubt;
use gatewright_domain::decide::undo::way_back;
use gatewright_domain::given::Stores;
use gatewright_domain::ledger::{Event, Fact};
use gatewright_domain::pipeline::{Definition, NotifyEvent};
use gatewright_domain::release::{Failure as Ended, Head, Status, log_to_read};
use gatewright_domain::undo::Target;
use gatewright_handler::Failure;
use gatewright_steps::known_definition;
use gatewright_views::paging::{self, InDoubt};

/// The service of pipelines that name none, and of those whose own has no key.
const DEFAULT: &str = "default";

/// Pages whom the definition names for `recovery-needed`, when the event is the
/// end of a release that left an environment in doubt. A page is known by the
/// release: sent again, it wakes nobody a second time.
///
/// # Errors
/// What may pass when it is tried again. Everything else is logged: it would
/// hold up the events behind this one, and Slack and the mail say it too.
pub(crate) async fn page<T: Table, H: Chat, P: Pager, N: Topics, C: Clock>(
    desk: &Desk<'_, T, H, P, N, C>,
    event: &Event,
) -> Result<(), Failure> {
    let Fact::ReleaseEnded {
        status: Status::FailedDirty,
        failure,
    } = &event.fact
    else {
        return Ok(());
    };
    let head = desk.store.known_head(&event.release).await?.value;
    let definition = known_definition(desk.store, &head).await?;
    let services = services(desk.pager, &definition);
    if services.is_empty() {
        tracing::warn!(release = %event.release, "an environment is in doubt and nobody is paged: PagerDuty's secret has no routing key for it");
        return Ok(());
    }
    let page = made(desk, event, &head, &definition, failure.as_ref()).await?;
    let mut later = None;
    let mut reached = false;
    for service in &services {
        match desk.pager.trigger(service, &page).await {
            Ok(()) => reached = true,
            Err(error) => later = refused(event, service, error.into()).or(later),
        }
    }
    // A key that PagerDuty does not take must not let everybody sleep.
    let spare = desk.pager.knows(DEFAULT) && !services.iter().any(|s| s == DEFAULT);
    if !reached && later.is_none() && spare {
        let sent = desk.pager.trigger(DEFAULT, &page).await;
        later = sent
            .err()
            .and_then(|error| refused(event, DEFAULT, error.into()));
    }
    later.map_or(Ok(()), Err)
}

/// A failure that may pass; another one is only logged.
fn refused(event: &Event, service: &str, failure: Failure) -> Option<Failure> {
    if failure.may_pass() {
        return Some(failure);
    }
    tracing::error!(release = %event.release, service, error = %failure.name, "not paged: {}", failure.message);
    None
}

/// The services that are paged: those of the routes for `recovery-needed`, and
/// the default one where none is named or a named one has no routing key.
fn services(pager: &impl Pager, definition: &Definition) -> Vec<String> {
    let routes = definition.notify.routes.iter();
    let named = routes
        .filter(|route| route.on.contains(&NotifyEvent::RecoveryNeeded))
        .filter_map(|route| route.pagerduty.as_deref());
    let mut services: Vec<String> = Vec::new();
    let mut unknown = false;
    for service in named {
        if !pager.knows(service) {
            unknown = true;
            tracing::error!(pipeline = %definition.id, service, "PagerDuty's secret has no routing key for a service that the definition names");
        } else if !services.iter().any(|known| known == service) {
            services.push(service.to_owned());
        }
    }
    if (services.is_empty() || unknown)
        && pager.knows(DEFAULT)
        && !services.iter().any(|known| known == DEFAULT)
    {
        services.push(DEFAULT.to_owned());
    }
    services
}

async fn made<T: Table, H: Chat, P: Pager, N: Topics, C: Clock>(
    desk: &Desk<'_, T, H, P, N, C>,
    event: &Event,
    head: &Head,
    definition: &Definition,
    failure: Option<&Ended>,
) -> Result<Page, Failure> {
    let records = desk.store.stages(&head.release).await?;
    let mut environments: Vec<(EnvironmentName, Option<Target>)> = Vec::new();
    for environment in in_doubt(Some(definition), head, &records) {
        let mut ways = desk.store.ways_back(&head.pipeline, &environment).await?;
        ways.doubted.push(head.release.clone());
        environments.push((environment, way_back(&ways, None)));
    }
    let stores = Stores {
        registry: desk.config.ecr_registry(),
        bucket: desk.config.artifacts.clone(),
    };
    let procedure = environments.first().and_then(|(environment, before)| {
        let known = Known {
            holder: Some(&head.release),
            log: log_to_read(&records, Some(environment)).map(|record| &record.stage),
            running: false,
            held: false,
            doubted: true,
            back_to: before.as_ref(),
            record: true,
            stores: Some(&stores),
        };
        by_hand(definition, environment, &known)
    });
    let said = paging::page(&InDoubt {
        head,
        failure,
        environments: &environments,
        procedure: &procedure.map(|p| p.shell()).unwrap_or_default(),
        page_url: &page_url(desk, head, desk.clock.now())?,
    });
    Ok(Page {
        key: head.release.to_string(),
        summary: said.summary,
        source: format!("{}/{}", head.pipeline, said.component),
        at: event.at,
        component: said.component,
        group: head.pipeline.to_string(),
        class: "recovery-needed".to_owned(),
        details: said.details,
        link: said.link,
    })
}
