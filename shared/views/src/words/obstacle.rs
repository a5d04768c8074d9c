//! What stands in the way of a deploy, and people's orders, in words.

use super::fact::of_kind;
use crate::text::{listed, short_line, utc};
use gatewright_domain::Timestamp;
use gatewright_domain::control::{Halted, Said};
use gatewright_domain::decide::Obstacle;
use gatewright_domain::ledger::Fact;
use gatewright_domain::order::Target;

const MOST: usize = 300;

/// One thing that stands in the way.
pub fn obstacle(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::Lock { holder } => format!("release {holder} changes it now"),
        Obstacle::Queue { behind } => format!("release {behind} is first in line"),
        Obstacle::Hold { by, reason, since } => format!(
            "{by} holds it since {}: {}",
            utc(*since),
            short_line(reason, MOST)
        ),
        Obstacle::Doubt {
            release,
            reason,
            since,
        } => format!(
            "release {release} left it unknown since {}: {}",
            utc(*since),
            short_line(reason, MOST)
        ),
        Obstacle::Freeze {
            freeze,
            by,
            reason,
            until,
        } => format!(
            "it is frozen until {} (freeze {freeze} of {by}: {})",
            utc(*until),
            short_line(reason, MOST)
        ),
        Obstacle::Window { opens } => format!("its next window opens {}", utc(*opens)),
        Obstacle::Soak { environment, until } => {
            format!("it has to run in {environment} until {}", utc(*until))
        }
    }
}

/// All that stands in the way, in one clause.
pub fn obstacles(all: &[Obstacle]) -> String {
    let each: Vec<String> = all.iter().map(obstacle).collect();
    listed(&each)
}

/// That a release is given up before what it waits for is over, where it is.
pub fn too_early(until: Option<Timestamp>, given_up: Option<Timestamp>) -> Option<String> {
    let at = given_up.filter(|at| until.is_some_and(|until| *at < until))?;
    Some(format!(
        "It is given up {}, before that is over: the environment's `wait` is shorter",
        utc(at)
    ))
}

/// That a release is halted: by whom, since when and why.
pub fn halted(halt: &Halted) -> String {
    let what = match &halt.of {
        Target::Release(_) => "It is halted".to_owned(),
        Target::Pipeline(pipeline) => format!("All releases of {pipeline} are halted"),
        Target::All => "Everything is halted".to_owned(),
    };
    let Said { by, at, reason } = &halt.said;
    format!(
        "{what} by {by} since {}: {}",
        utc(*at),
        short_line(reason, MOST)
    )
}

/// What becomes of a release that is halted, and what lets it go on.
pub fn halt_means(halt: &Halted) -> String {
    format!(
        "It begins nothing more and ends before its next step, unless this comes first: {}",
        resumes(halt)
    )
}

/// The command that ends a halt.
pub fn resumes(halt: &Halted) -> String {
    let what = match &halt.of {
        Target::Release(release) => release.as_str(),
        Target::Pipeline(pipeline) => pipeline.as_str(),
        Target::All => "all",
    };
    format!("gatewright resume {what} --reason TEXT")
}

/// What people ordered of a release, and what it means for its environments.
pub(super) fn of_order(fact: &Fact) -> String {
    let by = |said: &Said| format!("{}: {}", said.by, short_line(&said.reason, MOST));
    match fact {
        Fact::DeployDelayed {
            environment,
            because,
            until,
            given_up,
            ..
        } => {
            let early = too_early(*until, *given_up).map(|early| format!(". {early}"));
            let until =
                until.map_or_else(String::new, |at| format!(", until {} at least", utc(at)));
            format!(
                "It waits for {environment}{until}: {}{}",
                obstacles(because),
                early.unwrap_or_default()
            )
        }
        Fact::ReleaseHalted { said } => format!("It was told to stop by {}", by(said)),
        Fact::ReleaseResumed { said } => format!("It was told to go on by {}", by(said)),
        Fact::GlassBroken { environment, said } => format!(
            "The glass of {environment} was broken for it, past freezes, windows, soak times and the queue there, by {}",
            by(said)
        ),
        Fact::EnvironmentHeld {
            environment,
            reason,
        } => format!(
            "{environment} is kept from everybody until somebody has looked: {}",
            short_line(reason, MOST)
        ),
        Fact::EnvironmentFreed { environment } => {
            format!("{environment} is known again, and free for others")
        }
        other => of_kind(other),
    }
}
