//! The schedules on which releases start.

use super::cfn::{Template, allow, attribute, logical, reference, role};
use super::cron;
use gatewright_domain::Digest;
use gatewright_domain::pipeline::{Definition, Event};
use serde_json::{Value, json};

/// The longest name of a schedule (EventBridge Scheduler API, CreateSchedule).
const LONGEST_NAME: usize = 64;
/// What is kept of a digest in a name that had to be cut.
const DIGITS: usize = 8;

/// Adds a schedule for each trigger that is a clock, and the role with which
/// EventBridge Scheduler calls `start-release`, and nothing else.
pub(super) fn add(template: &mut Template, definition: &Definition) {
    let mut taken = Vec::new();
    for trigger in &definition.triggers {
        let Event::Schedule {
            cron, time_zone, ..
        } = &trigger.event
        else {
            continue;
        };
        if taken.is_empty() {
            caller(template);
        }
        let expressions = cron::expressions(cron);
        for (expression, also) in expressions.iter().zip(["", "-also"]) {
            let logical = logical(&format!("{}{also}", trigger.name), &mut taken);
            template.resource(
                &format!("Schedule{logical}"),
                "AWS::Scheduler::Schedule",
                json!({
                    "Name": name(&format!("gatewright-{}-{}{also}", definition.id, trigger.name)),
                    "Description": format!("{}: {cron} (crontab), {time_zone}", definition.id),
                    "ScheduleExpression": expression,
                    "ScheduleExpressionTimezone": time_zone,
                    "FlexibleTimeWindow": { "Mode": "OFF" },
                    "Target": target(definition, &trigger.name),
                }),
            );
        }
    }
}

fn caller(template: &mut Template) {
    let described = "The ARN of start-release, which starts what a schedule asks for.";
    template.parameter("StartRelease", described);
    let statements = [allow(
        &["lambda:InvokeFunction"],
        vec![reference("StartRelease")],
    )];
    let role = role("scheduler.amazonaws.com", &statements);
    template.resource("SchedulesRole", "AWS::IAM::Role", role);
}

fn target(definition: &Definition, trigger: &str) -> Value {
    let input = json!({
        "pipeline": definition.id,
        "schedule": trigger,
        // EventBridge Scheduler's own placeholder. The release's name is made from
        // it, so that a call that comes twice starts one release.
        "at": "<aws.scheduler.scheduled-time>",
    });
    json!({
        "Arn": reference("StartRelease"),
        "RoleArn": attribute("SchedulesRole", "Arn"),
        "Input": input.to_string(),
        // A release that is an hour late is better missed than mistaken for the
        // next one.
        "RetryPolicy": { "MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 20 },
    })
}

/// A name as EventBridge Scheduler takes it. One that had to be changed ends in a
/// digest of what it was, so that two triggers stay two.
fn name(wanted: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if wanted.len() <= LONGEST_NAME && wanted.chars().all(allowed) {
        return wanted.to_owned();
    }
    let kept: String = wanted
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .take(LONGEST_NAME - DIGITS - 1)
        .collect();
    let digest = Digest::of_bytes(wanted.as_bytes());
    format!("{kept}-{}", &digest.hex()[..DIGITS])
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_schedules_name_fits_and_stays_its_own() {
        assert_eq!(name("gatewright-x-nightly"), "gatewright-x-nightly");
        let (one, two) = (
            name("gatewright-x-0 0 * * *"),
            name("gatewright-x-0 0 * * ?"),
        );
        assert_ne!(one, two);
        assert!(one.starts_with("gatewright-x-0-0-------"), "{one}");
        assert_eq!(name(&"é".repeat(100)).len(), 64);
    }
}
