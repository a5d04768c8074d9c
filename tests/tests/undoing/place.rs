//! A pipeline in a world of its own, one of its environments, and what people do
//! there.

use gatewright_aws::Clock;
use gatewright_domain::evidence::{BuildStatus, Percent};
use gatewright_domain::order::{Given, Order};
use gatewright_domain::pipeline::{Definition, Event, Trigger};
use gatewright_domain::undo::{RolledBack, TakenBack};
use gatewright_domain::{EnvironmentName, ErrorName};
use gatewright_tests::happily::input_for;
use gatewright_tests::world::id;
use gatewright_tests::{Run, World, definitions};
use serde_json::Value;

/// A pipeline in a world of its own, and one of its environments.
pub struct Place {
    pub world: World,
    pub definition: Definition,
    pub environment: EnvironmentName,
    pub trigger: Trigger,
}

pub fn definition(id: &str) -> Definition {
    let found = definitions().into_iter().find(|d| d.id.as_str() == id);
    found.unwrap_or_else(|| panic!("there is no pipeline {id}"))
}

/// A commit that is all this digit.
pub fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

impl Place {
    pub async fn of(definition: Definition, environment: &str) -> Self {
        let environment: EnvironmentName = environment.parse().unwrap();
        let deploys = |t: &&Trigger| {
            let mut path = definition.path(Some(t));
            let there = path
                .any(|(_, s)| s.deploy().is_some() && s.environment.as_ref() == Some(&environment));
            there && matches!(t.event, Event::Push { .. })
        };
        let trigger = definition.triggers.iter().find(deploys).unwrap().clone();
        Self {
            world: World::of(definition.clone()).await,
            definition,
            environment,
            trigger,
        }
    }

    pub fn input(&self, commit: &str) -> Value {
        input_for(&self.definition, &self.trigger, commit)
    }

    /// Releases these, one after the other, a minute apart.
    pub async fn release(&mut self, releases: &[(&str, char)]) {
        self.world.switch(self.definition.clone()).await;
        for (name, digit) in releases {
            self.world.clock.pass(60);
            let input = self.input(&commit(*digit));
            let (_, end) = self.world.release(name, input).await;
            let failure = self.world.head(name).await.failure;
            assert_eq!(end, "succeeded", "{name}: {failure:?}");
        }
    }

    /// The input of a rollback by hand, with this also said.
    pub fn back(&self, also: &Value) -> Value {
        let rollback = self.definition.rollback().unwrap();
        let of = |t: &&Trigger| matches!(&t.event, Event::Rollback { environment: e } if *e == self.environment);
        let trigger = rollback.triggers.iter().find(of).unwrap();
        let mut input = input_for(&rollback, trigger, &commit('0'));
        for (name, value) in also.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    }

    /// A rollback by hand from start to end: how it ended, and under which error.
    pub async fn roll_back(&mut self, name: &str, also: Value) -> (String, Option<String>) {
        let input = self.back(&also);
        self.world.switch(self.definition.rollback().unwrap()).await;
        self.world.clock.pass(60);
        let (_, end) = self.world.release(name, input).await;
        let failure = self.world.head(name).await.failure;
        (end, failure.map(|f| f.error))
    }

    /// The release whose version runs.
    pub async fn runs(&self) -> String {
        let current = self
            .world
            .store
            .current(&self.definition.id, &self.environment)
            .await;
        current.unwrap().unwrap().version_of().to_string()
    }

    pub async fn rollbacks(&self) -> Vec<RolledBack> {
        let (store, pipeline) = (&self.world.store, &self.definition.id);
        let all = store.rollbacks(pipeline, &self.environment, 50).await;
        all.unwrap().into_iter().map(|seen| seen.value).collect()
    }

    pub async fn taken_back(&self) -> Vec<TakenBack> {
        let (store, pipeline) = (&self.world.store, &self.definition.id);
        let all = store.all_taken_back(pipeline, &self.environment).await;
        all.unwrap().into_iter().map(|seen| seen.value).collect()
    }

    /// Priya orders this.
    pub async fn order(&self, order: Order) -> Result<Given, gatewright_handler::Failure> {
        let directory = self.world.store.directory().await.unwrap().value;
        let priya = directory.identified("priya@example.com").unwrap();
        let (store, registry) = (&self.world.store, &self.world.registry);
        gatewright_steps::order(store, registry, priya, order, self.world.clock.now()).await
    }

    pub async fn lift(&self, release: &str) -> Result<Given, gatewright_handler::Failure> {
        let order = Order::Lift {
            pipeline: self.definition.id.clone(),
            environment: self.environment.clone(),
            release: id(release),
            reason: " it was the network ".to_owned(),
        };
        self.order(order).await
    }

    pub async fn resolve(
        &self,
        release: &str,
        text: &str,
    ) -> Result<Given, gatewright_handler::Failure> {
        let (release, text) = (id(release), text.to_owned());
        self.order(Order::Resolve { release, text }).await
    }

    /// Releases; the first stage there that `failing` picks fails.
    pub async fn fails(&self, name: &str, digit: char, failing: &str) -> String {
        self.fails_in(name, self.input(&commit(digit)), failing)
            .await
    }

    /// A rollback by hand whose deploy fails.
    pub async fn fails_to_go_back(&mut self, name: &str, also: Value) -> String {
        let input = self.back(&also);
        let back = self.definition.rollback().unwrap();
        let there = |s: &&gatewright_domain::pipeline::Stage| {
            s.is_cleared() && s.environment.as_ref() == Some(&self.environment)
        };
        let failing = back.stages.iter().find(there).unwrap();
        let failing = failing.name.to_string();
        self.world.switch(back).await;
        self.world.clock.pass(60);
        self.fails_in(name, input, &failing).await
    }

    pub async fn fails_in(&self, name: &str, input: Value, failing: &str) -> String {
        let mut run = Run::start(&self.world, name, input);
        self.world
            .drive(&mut run, async |world, _| {
                let build = world.running_build().await.unwrap_or_default();
                let is_it = |s: &gatewright_domain::pipeline::Stage| s.name.as_str() == failing;
                if world.stage_of(&build).is_some_and(is_it) {
                    world.clock.pass(30);
                    let id = world.build_ends(BuildStatus::Failed, Percent(0)).await;
                    world.build_event(&id).await.unwrap();
                    world.clock.pass(90);
                    return true;
                }
                world.goes_well(name).await
            })
            .await
    }
}

pub async fn gps() -> Place {
    Place::of(definition("pl-gps-001"), "production").await
}

/// A pipeline that undoes by itself, with the name of the deploy that may fail.
pub async fn dairy() -> (Place, String) {
    let definition = definition("smart-dairy");
    let undoing =
        |s: &&gatewright_domain::pipeline::Stage| s.is_cleared() && s.on_failure.is_some();
    let stage = definition.stages.iter().find(undoing).unwrap().clone();
    let environment = stage.environment.unwrap().to_string();
    (
        Place::of(definition, &environment).await,
        stage.name.to_string(),
    )
}

const DONE: (&str, Option<String>) = ("succeeded", None);

pub fn done() -> (String, Option<String>) {
    (DONE.0.to_owned(), DONE.1)
}

pub fn refused(error: ErrorName) -> (String, Option<String>) {
    ("failed-clean".to_owned(), Some(error.to_string()))
}
