//! `gatewright halt`, `resume`, `hold`, `unhold`, `freeze`, `thaw`, `break-glass`
//! and `orders`.

mod place;
mod target;
mod times;

use crate::args::{BreakGlass, Freeze, Halt, Hold, Orders, Running, Thaw, Unhold};
use crate::connect::{Reach, reach};
use crate::error::{Code, Failed};
use crate::lookup;
use crate::out::Out;
use crate::signed::{self, What};
use crate::style::{COPY, GOOD, HEAD, SOFT, WAITING, paint};
use gatewright_aws::table::Table;
use gatewright_aws::{Clock, Store, SystemClock};
use gatewright_domain::Timestamp;
use gatewright_domain::control::{Controls, Halt as InForce};
use gatewright_domain::order::{Given, Order, Runs, Target, UnderWay, binds, place, verify};
use gatewright_views::text::{line, relative, utc};
use serde_json::json;
use std::path::Path;

const ORDER: What = What {
    name: "the order",
    again: "look with `gatewright orders` whether it was taken, and try again",
};

/// Stops a release, a pipeline or everything before its next change.
///
/// # Errors
/// When there is no such thing, or the order is refused.
pub async fn halt(args: &Halt, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let order = |of, reason| Order::Halt { of, reason };
    of_target(args, at, out, order).await
}

/// Lets go on what was halted.
///
/// # Errors
/// As [`halt`].
pub async fn resume(args: &Halt, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let order = |of, reason| Order::Resume { of, reason };
    of_target(args, at, out, order).await
}

async fn of_target(
    args: &Halt,
    at: Option<&Path>,
    out: &Out,
    order: impl FnOnce(Target, String) -> Order,
) -> Result<Code, Failed> {
    let reach = reach(at).await?;
    let of = target::of(&reach.store, &reach.pipelines(), &args.what).await?;
    let order = order(of, args.why.reason.clone());
    give(&reach, args.why.person.as_deref(), order, out).await
}

/// Keeps an environment from everybody new.
///
/// # Errors
/// When there is no such environment, or the order is refused.
pub async fn hold(args: &Hold, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let reach = reach(at).await?;
    let (pipeline, environment) = lookup::environment(&reach, &args.place).await?;
    let order = Order::Hold {
        pipeline,
        environment,
        reason: args.why.reason.clone(),
    };
    give(&reach, args.why.person.as_deref(), order, out).await
}

/// Gives an environment back.
///
/// # Errors
/// As [`hold`]; when a release left it unknown and nobody says what runs.
pub async fn unhold(args: &Unhold, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let reach = reach(at).await?;
    let (pipeline, environment) = lookup::environment(&reach, &args.place).await?;
    let runs = match args.runs.as_deref() {
        None => None,
        Some("nothing") => Some(Runs::Nothing),
        Some(named) => {
            let head =
                lookup::release(&reach.store, std::slice::from_ref(&pipeline), named).await?;
            Some(Runs::Release(head.release))
        }
    };
    let order = Order::Unhold {
        pipeline: pipeline.clone(),
        environment: environment.clone(),
        runs,
        reason: args.why.reason.clone(),
    };
    let code = give(&reach, args.why.person.as_deref(), order, out).await?;
    let (lock, _) = reach.store.lock(&pipeline, &environment).await?;
    if let Some(doubt) = lock.doubts.last().filter(|_| !out.json) {
        let release = &doubt.release;
        let back = format!("gatewright rollback {pipeline} {environment} --reason TEXT");
        out.aside(format!(
            "release {release} left it unknown, which keeps others out still: bring back what ran with {}, or look, and `unhold` with --runs",
            paint(COPY, back)
        ));
    }
    Ok(code)
}

/// Keeps deploys from happening for a time.
///
/// # Errors
/// When the times do not read, or the order is refused.
pub async fn freeze(args: &Freeze, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let now = SystemClock.now();
    let times = times::of(args, now)?;
    let (pipeline, environment) = place::frozen(&args.place)?;
    let order = Order::Freeze {
        pipeline: pipeline.clone(),
        environment: environment.clone(),
        times: times.clone(),
        running: match args.running {
            Running::Finish => UnderWay::Finish,
            Running::Stop => UnderWay::Stop,
        },
        rollbacks: args.rollbacks_too,
        reason: args.why.reason.clone(),
    };
    order.check(now).map_err(Failed::usage)?;
    let reach = reach(at).await?;
    let known = place::known(&reach.store, &reach.pipelines()).await?;
    let about = place::about(&known, pipeline.as_ref(), environment.as_ref())?;
    let code = give(&reach, args.why.person.as_deref(), order, out).await?;
    for warning in place::too_short(&about, &times, now) {
        out.aside(warning);
    }
    Ok(code)
}

/// Ends a freeze.
///
/// # Errors
/// When there is none of that number, or the order is refused.
pub async fn thaw(args: &Thaw, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let order = Order::Thaw {
        freeze: args.freeze,
        reason: args.why.reason.clone(),
    };
    give(&reach(at).await?, args.why.person.as_deref(), order, out).await
}

/// Lets a release pass what rules of time keep it from.
///
/// # Errors
/// When there is no such release, or the order is refused.
pub async fn break_glass(args: &BreakGlass, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let reach = reach(at).await?;
    let head = lookup::release(&reach.store, &reach.pipelines(), &args.release).await?;
    let place = match &args.environment {
        Some(environment) => environment.to_string(),
        None => "the environment that it waits for".to_owned(),
    };
    let question = format!(
        "Let {} pass freezes, windows, soak time and queue of {place}? It is recorded and told.",
        head.title()
    );
    if !out.confirm(&question, args.yes)? {
        return Err(Failed::refused("nothing was ordered"));
    }
    let order = Order::BreakGlass {
        release: head.release,
        environment: args.environment.clone(),
        reason: args.why.reason.clone(),
    };
    give(&reach, args.why.person.as_deref(), order, out).await
}

/// Gives the order, signed by `person` or by the caller's own credentials.
///
/// # Errors
/// When it is refused or cannot be sent.
pub(super) async fn give(
    reach: &Reach,
    person: Option<&str>,
    order: Order,
    out: &Out,
) -> Result<Code, Failed> {
    let credentials = reach.credentials(person).await?;
    let answer = signed::post(reach, &credentials, "/api/orders", &order, ORDER).await?;
    if out.json {
        out.json(&answer);
        return Ok(Code::Done);
    }
    let who = answer["by"].as_str().unwrap_or("somebody");
    // What was ordered, as it was understood: with the environment where it counts.
    let what = answer["order"].as_str().unwrap_or("gave the order");
    out.line(format!("{} {} {}", paint(GOOD, "✓"), line(who), line(what)));
    if let (Order::Freeze { .. }, Some(number)) = (&order, answer["number"].as_u64()) {
        let thaw = paint(COPY, format!("gatewright thaw {number} --reason TEXT"));
        out.aside(format!("end it early with {thaw}"));
    }
    Ok(Code::Done)
}

/// Lists what is in force and what was ordered.
///
/// # Errors
/// When the record cannot be read.
pub async fn orders(args: &Orders, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let reach = reach(at).await?;
    let seen = Listed::read(&reach.store, args).await?;
    if out.json {
        out.json(&json!({
            "in_force": { "halts": seen.controls.halts, "freezes": seen.controls.freezes },
            "orders": seen.given,
            "verified": seen.verified.as_ref().map(Result::is_ok),
            "broken": seen.verified.as_ref().and_then(|v| v.as_ref().err()),
        }));
    } else {
        seen.lines(SystemClock.now())
            .iter()
            .for_each(|line| out.line(line));
    }
    match seen.verified {
        Some(Err(_)) => Ok(Code::Refused),
        Some(Ok(())) | None => Ok(Code::Done),
    }
}

/// What `orders` shows.
struct Listed {
    controls: Controls,
    given: Vec<Given>,
    verified: Option<Result<(), String>>,
}

impl Listed {
    async fn read<T: Table>(store: &Store<T>, args: &Orders) -> Result<Self, Failed> {
        let controls = store.controls().await?.controls;
        let limit = (!args.verify).then_some(args.limit);
        let mut given = store.orders(limit).await?;
        let verified = args.verify.then(|| {
            let oldest_first: Vec<Given> = given.iter().rev().cloned().collect();
            verify(&oldest_first).and_then(|()| controls.verify(&oldest_first))
        });
        given.truncate(args.limit as usize);
        Ok(Self {
            controls,
            given,
            verified,
        })
    }

    fn lines(&self, now: Timestamp) -> Vec<String> {
        let mut told = in_force(&self.controls, now);
        if self.given.is_empty() {
            told.push("Nobody has ordered anything yet.".to_owned());
        }
        for given in &self.given {
            told.push(format!(
                "{}  {}  {} {}: {}",
                paint(SOFT, format!("#{}", given.seq)),
                paint(SOFT, utc(given.at)),
                given.by,
                line(&given.order.to_string()),
                line(given.order.reason())
            ));
        }
        match &self.verified {
            Some(Ok(())) => told.push(paint(GOOD, "The orders' ledger holds together.")),
            Some(Err(why)) => told.push(paint(
                WAITING,
                format!("The orders' ledger is broken: {why}"),
            )),
            None => {}
        }
        told
    }
}

/// The halts and freezes in force, in lines.
pub fn in_force(controls: &Controls, now: Timestamp) -> Vec<String> {
    let mut told = Vec::new();
    for InForce { pipeline, said } in &controls.halts {
        let what = place(pipeline.as_ref(), None);
        told.push(paint(
            WAITING,
            format!(
                "{what} is halted by {} {}: {}",
                said.by,
                relative(now, said.at),
                line(&said.reason)
            ),
        ));
    }
    for freeze in &controls.freezes {
        let what = place(freeze.pipeline.as_ref(), freeze.environment.as_ref());
        let held = freeze.times.holding(now).ok().flatten();
        let state = held.map_or_else(String::new, |interval| {
            format!(", in force until {}", utc(interval.until))
        });
        told.push(format!(
            "{} of {what}, {}{}{}: {} ({})",
            paint(HEAD, format!("freeze {}", freeze.number)),
            line(&freeze.times.to_string()),
            binds(freeze.running, freeze.rollbacks),
            paint(WAITING, state),
            line(&freeze.said.reason),
            freeze.said.by
        ));
    }
    if !told.is_empty() {
        told.push(String::new());
    }
    told
}

#[cfg(test)]
mod tests;
