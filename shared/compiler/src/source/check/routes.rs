//! Routes: every stage is on one, no ref is on two, and what people are asked
//! about happens.

use super::overlap;
use crate::source::pipeline::RawPipeline;
use crate::source::routes::Route;
use crate::source::sink::Sink;
use crate::source::stage::Kind;
use crate::source::triggers::RawTrigger;
use gatewright_domain::pipeline::{Definition, Event, Seconds, Trigger, Work};
use gatewright_domain::text::spoken;

/// Checks the routes.
pub(super) fn check(raw: &RawPipeline, routes: &[Route<'_>], sink: &Sink) {
    if raw.on.unclear {
        return;
    }
    reachable(raw, routes, sink);
    for (index, route) in routes.iter().enumerate() {
        if let Some(trigger) = route.trigger {
            let nothing = route.stages.is_empty() && !route.unclear;
            if nothing && !raw.stages.stages.is_empty() {
                sink.error(
                    &trigger.at,
                    format!("the trigger {:?} runs no stage at all", route.name),
                );
            }
            schedule_name(raw, route, trigger, sink);
            let earlier = routes[..index].iter();
            distinct(route, trigger, earlier, sink);
        }
        asked_for_something(raw, route, routes, sink);
    }
}

fn reachable(raw: &RawPipeline, routes: &[Route<'_>], sink: &Sink) {
    if routes.iter().any(|route| route.unclear) {
        return;
    }
    let known = |word: &str| {
        let mut events = routes.iter().filter_map(|route| route.trigger);
        routes.iter().any(|route| route.name == word) || events.any(|t| t.event.kind() == word)
    };
    for (index, stage) in raw.stages.stages.iter().enumerate() {
        // An `on` that names nothing is reported as such.
        let misnamed = stage
            .on
            .as_ref()
            .is_some_and(|on| on.is_empty() || on.iter().any(|word| !known(&word.value)));
        if misnamed || routes.iter().any(|route| route.runs(index)) {
            continue;
        }
        let help = match (&stage.on, &stage.environment) {
            (Some(_), _) => {
                "its `on` names triggers that leave it out; change one or the other".to_owned()
            }
            (None, Some(environment)) => format!(
                "a trigger that says `deploy: {}` would; or remove the stage",
                environment.value
            ),
            (None, None) => {
                "name it in the `stages` of a trigger, take it out of `skip`, or remove it"
                    .to_owned()
            }
        };
        sink.error_help(&stage.at, "no trigger ever runs this stage", help);
    }
}

/// A ref leads to one route.
fn distinct<'a>(
    route: &Route<'_>,
    trigger: &RawTrigger,
    earlier: impl Iterator<Item = &'a Route<'a>>,
    sink: &Sink,
) {
    for other in earlier {
        let Some(both) = other
            .trigger
            .and_then(|other| in_common(&trigger.event, &other.event))
        else {
            continue;
        };
        let message = format!(
            "{both} would start both {:?} and {:?}",
            other.name, route.name
        );
        if route.stages == other.stages {
            sink.warn(
                &trigger.at,
                format!("{message}, which run the same stages"),
                "the first of them is taken; keep one",
            );
        } else {
            sink.error_help(
                &trigger.at,
                format!("{message}, and a release has one route"),
                match trigger.event {
                    Event::Manual { .. } | Event::Upstream { .. } => "keep one of them",
                    _ => "change the patterns so that nothing matches both",
                },
            );
        }
    }
}

/// Something that both events are about.
fn in_common(one: &Event, other: &Event) -> Option<String> {
    let example = |these: &[String], those: &[String]| {
        let mut pairs = these.iter().flat_map(|p| those.iter().map(move |q| (p, q)));
        pairs.find_map(|(p, q)| overlap::example(p, q))
    };
    match (one, other) {
        (Event::Push { branches }, Event::Push { branches: others }) => {
            example(branches, others).map(|name| format!("a push to {name:?}"))
        }
        (Event::PullRequest { into }, Event::PullRequest { into: others }) => {
            example(into, others).map(|name| format!("a pull request into {name:?}"))
        }
        (Event::Tag { patterns }, Event::Tag { patterns: others }) => {
            example(patterns, others).map(|name| format!("the tag {name:?}"))
        }
        (Event::Manual { environment }, Event::Manual { environment: other })
            if environment == other =>
        {
            Some(match environment {
                Some(environment) => format!("a request for {environment}"),
                None => "a request".to_owned(),
            })
        }
        (
            Event::Upstream { pipeline, .. },
            Event::Upstream {
                pipeline: other, ..
            },
        ) if pipeline == other => Some(format!("a release of {pipeline}")),
        _ => None,
    }
}

/// The longest name of a schedule (EventBridge Scheduler API, CreateSchedule).
const LONGEST_SCHEDULE: usize = 64;

fn schedule_name(raw: &RawPipeline, route: &Route<'_>, trigger: &RawTrigger, sink: &Sink) {
    let (Some(id), Event::Schedule { .. }) = (&raw.id, &trigger.event) else {
        return;
    };
    let name = format!("gatewright-{id}-{}", route.name);
    if name.len() > LONGEST_SCHEDULE {
        let at = trigger.name.as_ref().map_or(&trigger.at, |name| &name.at);
        sink.error_help(
            at,
            format!(
                "the schedule in AWS would be called {name:?}, {} characters, and at most {LONGEST_SCHEDULE} are allowed",
                name.len()
            ),
            "shorten the trigger's name",
        );
    }
}

/// Nobody is asked about an environment that the release leaves alone. Before a
/// change, an approval allows it; after one, it is a sign-off.
fn asked_for_something(raw: &RawPipeline, route: &Route<'_>, all: &[Route<'_>], sink: &Sink) {
    let on_route = || route.stages.iter().map(|index| &raw.stages.stages[*index]);
    for stage in on_route() {
        let (Kind::Approval(_), Some(environment)) = (&stage.kind, &stage.environment) else {
            continue;
        };
        let touched = on_route().any(|other| match other.kind {
            Kind::Build | Kind::Deploy { .. } => other
                .environment
                .as_ref()
                .is_some_and(|e| e.value == environment.value),
            Kind::Unclear => true,
            Kind::Approval(_) => false,
        });
        if !touched {
            sink.warn(
                &stage.at,
                format!(
                    "people are asked about {}, and nothing works there{}",
                    environment.value,
                    super::on_route(route, all)
                ),
                "leave the approval out, or deploy there",
            );
        }
    }
}

/// A route's own budget holds its stages, the longest of those side by side.
pub(super) fn budgets(definition: &Definition, routes: &[Route<'_>], sink: &Sink) {
    for (trigger, route) in definition.triggers.iter().zip(routes) {
        let Some(budget) = route.trigger.and_then(|t| t.budget.as_ref()) else {
            continue;
        };
        let needed = critical_path(definition, trigger);
        if budget.value.get() < needed {
            sink.error_help(
                &budget.at,
                format!(
                    "the budget of {} is less than the {} that the stages of the route {:?} may take",
                    spoken(budget.value.get()),
                    spoken(needed),
                    trigger.name
                ),
                "that is the sum of their timeouts, of those side by side the longest; allow more, or lower the timeouts",
            );
        }
    }
}

/// How long the builds and pauses of a route may take, in seconds.
fn critical_path(definition: &Definition, trigger: &Trigger) -> i64 {
    let lasts = |work: &Work| match work {
        Work::Build(build) => build.timeout,
        Work::Deploy(deploy) => deploy.build.timeout,
        Work::Watch(watching) => watching.lasts,
        Work::Pause(pause) => pause.lasts,
        Work::Approval(_) => Seconds(0),
    };
    let path: Vec<_> = definition.path(Some(trigger)).map(|(_, s)| s).collect();
    let alone = path
        .iter()
        .filter(|stage| definition.group_of(&stage.name).is_none())
        .map(|stage| lasts(&stage.work).get());
    let side_by_side = definition.groups.iter().map(|group| {
        let members = path.iter().filter(|s| group.stages.contains(&s.name));
        members.map(|s| lasts(&s.work).get()).max().unwrap_or(0)
    });
    alone.chain(side_by_side).sum()
}
