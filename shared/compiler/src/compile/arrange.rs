//! Puts the stages' states in order: one after the other, side by side where a
//! group says so, and only on the routes that have them. What routes share is
//! there once; a Choice stands before each run of stages that only some have.

use super::states::{self, Otherwise, caught_by, clear_seconds, of_stage};
use super::{
    CompileError, FINISH, MOST_COMMENT, each_name, failed_name, passed_name, route_name,
    skipped_name, state_name,
};
use crate::asl::{
    Branch, Caught, Choice, Condition, Inner, Map, Next, Parallel, Pass, QueryLanguage, State,
    StateMachine, StateName, True,
};
use gatewright_domain::Digest;
use gatewright_domain::pipeline::{Definition, Group, GroupKind, Stage};
use gatewright_domain::text::shortened;
use indexmap::IndexMap;
use serde_json::{Value, json};

/// States that follow one another.
type Chain = Vec<(StateName, State)>;

/// A stage, or the stages of a group.
struct Item<'a> {
    group: Option<&'a Group>,
    stages: Vec<&'a Stage>,
    /// The triggers whose routes have it, in the definition's order.
    routes: Vec<String>,
}

impl<'a> Item<'a> {
    fn name(&self) -> &'a str {
        match (self.group, self.stages.first()) {
            (Some(group), _) => group.name.as_str(),
            (None, stage) => stage.map_or("", |stage| stage.name.as_str()),
        }
    }

    /// Where a failure leads.
    fn otherwise(&self) -> &'a str {
        let undo = self.stages.iter().find_map(|s| s.on_failure.as_ref());
        undo.map_or(FINISH, |stage| stage.as_str())
    }
}

/// The whole machine.
pub(super) fn machine(
    definition: &Definition,
    version: &Digest,
) -> Result<StateMachine, CompileError> {
    let items = items(definition);
    let all = definition.triggers.len();
    let conditional = |item: &Item<'_>| item.routes.len() < all;
    let partial = |item: &Item<'_>| {
        item.stages
            .iter()
            .any(|stage| routes_of(definition, stage).len() < all)
    };
    let mut blocks: Vec<Chain> = Vec::new();
    for block in items.chunk_by(|a, b| a.routes == b.routes) {
        let mut chain = Chain::new();
        for item in block {
            chain.extend(chain_of(definition, item)?);
        }
        if let (Some((first, _)), [item, ..]) = (chain.first(), block)
            && conditional(item)
        {
            chain.insert(0, only_on(item, first.clone())?);
        }
        blocks.push(chain);
    }
    let entries: Vec<StateName> = blocks
        .iter()
        .filter_map(|chain| chain.first().map(|(name, _)| name.clone()))
        .chain([state_name(FINISH)?])
        .collect();
    let mut admit = states::admit(definition, version, items.iter().any(partial))?;
    admit.next = Next::Then(entries[0].clone());
    let mut states = IndexMap::new();
    put(&mut states, states::first()?, State::Task(Box::new(admit)))?;
    for (chain, after) in blocks.into_iter().zip(&entries[1..]) {
        for (name, state) in linked(chain, after) {
            put(&mut states, name, state)?;
        }
    }
    for stage in definition.stages.iter().filter(|stage| stage.undoes()) {
        let name = stage.name.as_str();
        for (name, state) in of_stage(stage, name, &json!(name), Otherwise::Keeps(FINISH), 0)? {
            put(&mut states, name, state)?;
        }
    }
    let finish = states::finish(definition, version)?;
    put(
        &mut states,
        state_name(FINISH)?,
        State::Task(Box::new(finish)),
    )?;
    for (name, state) in states::ends()? {
        put(&mut states, name, state)?;
    }
    let comment = format!(
        "{} ({}), definition {version}",
        definition.name, definition.id
    );
    Ok(StateMachine {
        comment: shortened(&comment, MOST_COMMENT),
        query_language: QueryLanguage::Jsonata,
        start_at: states::first()?,
        timeout_seconds: definition.budget.0,
        states,
    })
}

fn put(
    states: &mut IndexMap<StateName, State>,
    name: StateName,
    state: State,
) -> Result<(), CompileError> {
    let within = inner_names(&state);
    let taken = |name: &StateName| {
        states.contains_key(name) || states.values().any(|s| inner_names(s).contains(&name))
    };
    // A name is one in the whole machine, inside of Maps and branches as well.
    if let Some(name) = within.into_iter().chain([&name]).find(|name| taken(name)) {
        return Err(CompileError::NameTaken {
            name: name.to_string(),
        });
    }
    states.insert(name, state);
    Ok(())
}

fn inner_names(state: &State) -> Vec<&StateName> {
    super::inner(state)
        .into_iter()
        .flat_map(|inner| inner.states.keys())
        .collect()
}

/// The definition's stages as they are arranged, without those that undo.
fn items(definition: &Definition) -> Vec<Item<'_>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    for (_, stage) in definition.path(None) {
        let group = definition.group_of(&stage.name);
        match (items.last_mut(), group) {
            (Some(last), Some(group)) if last.group.is_some_and(|g| g.name == group.name) => {
                last.stages.push(stage);
            }
            _ => items.push(Item {
                group,
                stages: vec![stage],
                routes: Vec::new(),
            }),
        }
    }
    for item in &mut items {
        let on = |name: &String| {
            let route = definition.trigger(name);
            route.is_some_and(|route| item.stages.iter().any(|s| route.runs(&s.name)))
        };
        let names = definition.triggers.iter().map(|t| t.name.clone());
        item.routes = names.filter(on).collect();
    }
    items
}

fn routes_of(definition: &Definition, stage: &Stage) -> Vec<String> {
    let triggers = definition.triggers.iter();
    triggers
        .filter(|trigger| trigger.runs(&stage.name))
        .map(|trigger| trigger.name.clone())
        .collect()
}

/// The Choice that lets only some routes go to `then`. Where the others go,
/// `link` says.
fn only_on(item: &Item<'_>, then: StateName) -> Result<(StateName, State), CompileError> {
    let choice = Choice {
        comment: shortened(
            &format!("Only on: {}", item.routes.join(", ")),
            MOST_COMMENT,
        ),
        choices: vec![Branch {
            condition: Condition::Route(item.routes.clone()),
            next: then,
        }],
        default: state_name(FINISH)?,
    };
    Ok((state_name(route_name(item.name()))?, State::Choice(choice)))
}

fn chain_of(definition: &Definition, item: &Item<'_>) -> Result<Chain, CompileError> {
    match (item.group, item.stages.as_slice()) {
        (Some(group), _) if group.kind == GroupKind::Matrix => matrix(group, item),
        (Some(group), _) => parallel(definition, group, item),
        (None, [stage, ..]) => {
            let name = stage.name.as_str();
            let otherwise = Otherwise::Goes(item.otherwise());
            of_stage(
                stage,
                name,
                &json!(name),
                otherwise,
                clear_seconds(definition, stage),
            )
        }
        (None, []) => Ok(Chain::new()),
    }
}

/// One iteration a leg, each of them a stage of the definition.
fn matrix(group: &Group, item: &Item<'_>) -> Result<Chain, CompileError> {
    let Some(leg) = item.stages.first() else {
        return Ok(Chain::new());
    };
    let each = each_name(group.name.as_str());
    let named = json!("{% $states.context.Map.Item.Value %}");
    let told = failed_name(&each);
    let otherwise = inside(group, &told);
    let inner = closed(of_stage(leg, &each, &named, otherwise, 0)?, otherwise)?;
    let legs: Vec<String> = item.stages.iter().map(|s| s.name.to_string()).collect();
    let map = Map {
        comment: shortened(&format!("Side by side: {}", legs.join(", ")), MOST_COMMENT),
        items: legs,
        item_processor: inner,
        catch: around(group, item)?,
        assign: first_failure(group),
        output: states::NOTHING.to_owned(),
        next: state_name(FINISH)?,
    };
    together(group, item, State::Map(Box::new(map)))
}

/// One branch a stage.
fn parallel(
    definition: &Definition,
    group: &Group,
    item: &Item<'_>,
) -> Result<Chain, CompileError> {
    let mut branches = Vec::new();
    for stage in &item.stages {
        let name = stage.name.as_str();
        let told = failed_name(name);
        let otherwise = inside(group, &told);
        let states = of_stage(stage, name, &json!(name), otherwise, 0)?;
        let mut inner = closed(states, otherwise)?;
        let routes = routes_of(definition, stage);
        if routes != item.routes {
            inner = unless_skipped(name, routes, inner)?;
        }
        branches.push(inner);
    }
    let names: Vec<&str> = item.stages.iter().map(|s| s.name.as_str()).collect();
    let state = Parallel {
        comment: shortened(&format!("Side by side: {}", names.join(", ")), MOST_COMMENT),
        branches,
        catch: around(group, item)?,
        assign: first_failure(group),
        output: states::NOTHING.to_owned(),
        next: state_name(FINISH)?,
    };
    together(group, item, State::Parallel(Box::new(state)))
}

/// A branch that some of the group's routes do not have.
fn unless_skipped(name: &str, routes: Vec<String>, inner: Inner) -> Result<Inner, CompileError> {
    let (asks, skipped) = (
        state_name(route_name(name))?,
        state_name(skipped_name(name))?,
    );
    let choice = Choice {
        comment: shortened(&format!("Only on: {}", routes.join(", ")), MOST_COMMENT),
        choices: vec![Branch {
            condition: Condition::Route(routes),
            next: inner.start_at,
        }],
        default: skipped.clone(),
    };
    let mut states = IndexMap::from([(asks.clone(), State::Choice(choice))]);
    states.extend(inner.states);
    let pass = Pass {
        comment: String::new(),
        output: json!(states::NOTHING),
        next: Next::End(True),
    };
    states.insert(skipped, State::Pass(pass));
    Ok(Inner {
        start_at: asks,
        states,
    })
}

/// Who catches what fails inside of a group: the group at once, or the stage,
/// which tells the group in the end.
fn inside<'a>(group: &Group, told: &'a str) -> Otherwise<'a> {
    if group.fail_fast {
        Otherwise::Fails
    } else {
        Otherwise::Tells(told)
    }
}

/// A chain as a machine inside of a state: its last state ends it.
fn closed(chain: Chain, otherwise: Otherwise<'_>) -> Result<Inner, CompileError> {
    let names: Vec<StateName> = chain.iter().map(|(name, _)| name.clone()).collect();
    let mut states = IndexMap::new();
    for (index, (name, mut state)) in chain.into_iter().enumerate() {
        if let State::Task(task) = &mut state {
            let after = names.get(index + 1).cloned();
            task.next = after.map_or(Next::End(True), Next::Then);
        }
        states.insert(name, state);
    }
    if let Otherwise::Tells(told) = otherwise {
        let pass = Pass {
            comment: "The others go on; the group fails when all are over.".to_owned(),
            output: json!("{% $states.input %}"),
            next: Next::End(True),
        };
        states.insert(state_name(told)?, State::Pass(pass));
    }
    Ok(Inner {
        start_at: names
            .first()
            .cloned()
            .map_or_else(|| state_name(FINISH), Ok)?,
        states,
    })
}

/// What the state around the stages catches: everything that they do not.
fn around(group: &Group, item: &Item<'_>) -> Result<Vec<crate::asl::Catch>, CompileError> {
    let otherwise = Otherwise::Goes(item.otherwise());
    let stage = json!(group.name);
    let catch = caught_by(vec![Caught::All], &stage, otherwise)?;
    Ok(catch.into_iter().collect())
}

/// Without fail-fast the group's result has a failure for each stage that failed.
fn first_failure(group: &Group) -> IndexMap<String, Value> {
    if group.fail_fast {
        return IndexMap::new();
    }
    let first = "{% $count($states.result[error]) > 0 ? ($states.result[error])[0] : null %}";
    states::members([("failure", json!(first))])
}

/// The group's state and, where it goes on after a failure, the Choice that asks
/// in the end.
fn together(group: &Group, item: &Item<'_>, state: State) -> Result<Chain, CompileError> {
    let mut chain = vec![(state_name(group.name.as_str())?, state)];
    if !group.fail_fast {
        let choice = Choice {
            comment: "All of them have ended; has any failed?".to_owned(),
            choices: vec![Branch {
                condition: Condition::Expression("{% $failure = null %}".to_owned()),
                next: state_name(FINISH)?,
            }],
            default: state_name(item.otherwise())?,
        };
        let asks = state_name(passed_name(group.name.as_str()))?;
        chain.push((asks, State::Choice(choice)));
    }
    Ok(chain)
}

/// Leads each state of a chain to the one after it, the last to `after`, and a
/// Choice of routes past the chain.
fn linked(mut chain: Chain, after: &StateName) -> Chain {
    let names: Vec<StateName> = chain.iter().map(|(name, _)| name.clone()).collect();
    for (index, (_, state)) in chain.iter_mut().enumerate() {
        let next = names.get(index + 1).unwrap_or(after).clone();
        match state {
            State::Task(task) => task.next = Next::Then(next),
            State::Map(map) => map.next = next,
            State::Parallel(parallel) => parallel.next = next,
            State::Pass(pass) => pass.next = Next::Then(next),
            State::Choice(choice) => {
                let branch = choice.choices.first_mut();
                match branch {
                    Some(branch) if matches!(branch.condition, Condition::Route(_)) => {
                        choice.default = after.clone();
                    }
                    Some(branch) => branch.next = next,
                    None => {}
                }
            }
            State::Succeed(_) | State::Fail(_) => {}
        }
    }
    chain
}
