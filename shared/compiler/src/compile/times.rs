//! How long releases may take.

use super::states::{
    CALL_SECONDS, GRACE_SECONDS, LOST_ADMISSIONS, QUEUE_SECONDS, SCAN_SECONDS, clear_seconds,
    watch_seconds,
};
use gatewright_domain::pipeline::{Definition, Seconds, Stage, Trigger, Work};

/// How long a release takes in seconds, on the longest route, when every state
/// uses up its time limit, every retry of a build is needed, and the last change
/// is undone. Retries after Lambda's own failures are minutes and not counted.
pub fn longest(definition: &Definition) -> i64 {
    let routes = definition.triggers.iter().map(Some);
    let takes = |stage: &Stage| longest_stage(definition, stage);
    let on = |route| side_by_side(definition, route, takes);
    let stages = routes.map(on).max().unwrap_or_else(|| on(None));
    let undo = definition.stages.iter().filter(|stage| stage.undoes());
    let undo = undo.map(takes).max().unwrap_or(0);
    // Admit when its calls get lost, Finish and its three retries.
    stages + undo + i64::from(CALL_SECONDS) * i64::from(1 + LOST_ADMISSIONS + 4)
}

/// How long a release takes in seconds on a route when each build uses up its
/// own time limit, and neither queues nor people nor environments are waited for.
pub fn critical_path(definition: &Definition, route: Option<&Trigger>) -> i64 {
    side_by_side(definition, route, |stage| match stage.work {
        Work::Approval(_) => 0,
        Work::Build(_) | Work::Deploy(_) | Work::Watch(_) | Work::Pause(_) => {
            stage.time_limit().get()
        }
    })
}

/// The sum over a route's stages; of a group's stages the longest counts.
fn side_by_side(
    definition: &Definition,
    route: Option<&Trigger>,
    takes: impl Fn(&Stage) -> i64,
) -> i64 {
    let mut sum = 0;
    let mut in_group: Option<(&str, i64)> = None;
    for (_, stage) in definition.path(route) {
        let group = definition.group_of(&stage.name).map(|g| g.name.as_str());
        let seconds = takes(stage);
        match (group, &mut in_group) {
            (Some(name), Some((known, most))) if name == *known => *most = seconds.max(*most),
            (group, open) => {
                sum += open.map_or(0, |(_, most)| most);
                *open = group.map(|name| (name, seconds));
                if group.is_none() {
                    sum += seconds;
                }
            }
        }
    }
    sum + in_group.map_or(0, |(_, most)| most)
}

fn longest_stage(definition: &Definition, stage: &Stage) -> i64 {
    let build = stage.build().map_or(0, |build| {
        let attempts = i64::from(build.retries) + 1;
        attempts * (build.timeout.get() + i64::from(QUEUE_SECONDS))
    });
    let around = match &stage.work {
        Work::Build(_) | Work::Deploy(_) => 0,
        Work::Approval(approval) => approval.expires.get() + i64::from(GRACE_SECONDS),
        Work::Watch(watching) => i64::from(watch_seconds(watching.lasts, watching.decide_within)),
        Work::Pause(pause) => i64::from(watch_seconds(pause.lasts, Seconds(0))),
    };
    let clear = i64::from(stage.is_cleared()) * i64::from(clear_seconds(definition, stage));
    let scan = i64::from(stage.scan_gate().is_some()) * i64::from(SCAN_SECONDS);
    build + around + clear + scan
}
