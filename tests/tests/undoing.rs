//! Going back, by hand and by itself: to what, past what, and what stays known.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_aws::Clock;
use gatewright_domain::evidence::{BuildStatus, Percent};
use gatewright_domain::order::{Given, Order, Runs, Target};
use gatewright_domain::pipeline::{Definition, Event, Migration, Trigger};
use gatewright_domain::release::Status;
use gatewright_domain::undo::{RolledBack, TakenBack};
use gatewright_domain::{EnvironmentName, ErrorName};
use gatewright_tests::happily::input_for;
use gatewright_tests::machine::Stand;
use gatewright_tests::world::id;
use gatewright_tests::{Run, World, definitions};
use serde_json::{Value, json};

/// A pipeline in a world of its own, and one of its environments.
struct Place {
    world: World,
    definition: Definition,
    environment: EnvironmentName,
    trigger: Trigger,
}

fn definition(id: &str) -> Definition {
    let found = definitions().into_iter().find(|d| d.id.as_str() == id);
    found.unwrap_or_else(|| panic!("there is no pipeline {id}"))
}

/// A commit that is all this digit.
fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

impl Place {
    async fn of(definition: Definition, environment: &str) -> Self {
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

    fn input(&self, commit: &str) -> Value {
        input_for(&self.definition, &self.trigger, commit)
    }

    /// Releases these, one after the other, a minute apart.
    async fn release(&mut self, releases: &[(&str, char)]) {
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
    fn back(&self, also: &Value) -> Value {
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
    async fn roll_back(&mut self, name: &str, also: Value) -> (String, Option<String>) {
        let input = self.back(&also);
        self.world.switch(self.definition.rollback().unwrap()).await;
        self.world.clock.pass(60);
        let (_, end) = self.world.release(name, input).await;
        let failure = self.world.head(name).await.failure;
        (end, failure.map(|f| f.error))
    }

    /// The release whose version runs.
    async fn runs(&self) -> String {
        let current = self
            .world
            .store
            .current(&self.definition.id, &self.environment)
            .await;
        current.unwrap().unwrap().version_of().to_string()
    }

    async fn rollbacks(&self) -> Vec<RolledBack> {
        let (store, pipeline) = (&self.world.store, &self.definition.id);
        let all = store.rollbacks(pipeline, &self.environment, 50).await;
        all.unwrap().into_iter().map(|seen| seen.value).collect()
    }

    async fn taken_back(&self) -> Vec<TakenBack> {
        let (store, pipeline) = (&self.world.store, &self.definition.id);
        let all = store.all_taken_back(pipeline, &self.environment).await;
        all.unwrap().into_iter().map(|seen| seen.value).collect()
    }

    /// Priya orders this.
    async fn order(&self, order: Order) -> Result<Given, gatewright_handler::Failure> {
        let directory = self.world.store.directory().await.unwrap().value;
        let priya = directory.identified("priya@example.com").unwrap();
        let (store, registry) = (&self.world.store, &self.world.registry);
        gatewright_steps::order(store, registry, priya, order, self.world.clock.now()).await
    }

    async fn lift(&self, release: &str) -> Result<Given, gatewright_handler::Failure> {
        let order = Order::Lift {
            pipeline: self.definition.id.clone(),
            environment: self.environment.clone(),
            release: id(release),
            reason: " it was the network ".to_owned(),
        };
        self.order(order).await
    }

    async fn resolve(
        &self,
        release: &str,
        text: &str,
    ) -> Result<Given, gatewright_handler::Failure> {
        let (release, text) = (id(release), text.to_owned());
        self.order(Order::Resolve { release, text }).await
    }

    /// Releases; the first stage there that `failing` picks fails.
    async fn fails(&self, name: &str, digit: char, failing: &str) -> String {
        self.fails_in(name, self.input(&commit(digit)), failing)
            .await
    }

    /// A rollback by hand whose deploy fails.
    async fn fails_to_go_back(&mut self, name: &str, also: Value) -> String {
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

    async fn fails_in(&self, name: &str, input: Value, failing: &str) -> String {
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

async fn gps() -> Place {
    Place::of(definition("pl-gps-001"), "production").await
}

/// A pipeline that undoes by itself, with the name of the deploy that may fail.
async fn dairy() -> (Place, String) {
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

fn done() -> (String, Option<String>) {
    (DONE.0.to_owned(), DONE.1)
}

fn refused(error: ErrorName) -> (String, Option<String>) {
    ("failed-clean".to_owned(), Some(error.to_string()))
}

#[tokio::test]
async fn by_hand_it_goes_to_the_one_before_and_never_on_to_what_was_taken_back() {
    let mut place = gps().await;
    place
        .release(&[("one", '1'), ("two", '2'), ("three", '3')])
        .await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    assert_eq!(place.runs().await, "two");
    let [taken] = &place.taken_back().await[..] else {
        panic!("one was taken back");
    };
    assert_eq!((taken.release.as_str(), taken.number), ("three", Some(3)));
    assert_eq!(taken.commit.as_str(), commit('3'));
    assert_eq!(taken.why, "customers cannot pay");
    assert!(taken.by.is_some() && taken.is_active());
    let facts = place.world.facts("back").await;
    assert!(facts.contains(&"taken-back".to_owned()), "{facts:?}");
    // Asked again, it does not go back and forth between the last two.
    assert_eq!(place.roll_back("further", json!({})).await, done());
    assert_eq!(place.runs().await, "one");
    let nothing = place.roll_back("nowhere", json!({})).await;
    assert_eq!(nothing, refused(ErrorName::NotTriggered));
    let bad = place.roll_back("to-bad", json!({ "to": "three" })).await;
    assert_eq!(bad, refused(ErrorName::TakenBack));
    let cause = place.world.head("to-bad").await.failure.unwrap().cause;
    assert!(
        cause.contains("gatewright lift pl-gps-001 production three"),
        "{cause}"
    );
    assert_eq!(place.runs().await, "one");
}

#[tokio::test]
async fn what_was_taken_back_is_allowed_again_with_a_reason() {
    let mut place = gps().await;
    place.release(&[("one", '1'), ("two", '2')]).await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    let never = place.lift("one").await.unwrap_err();
    assert_eq!(never.name, ErrorName::BadInput);
    let given = place.lift("two").await.unwrap();
    assert_eq!(given.by.as_str(), "priya");
    let lifted = place.taken_back().await[0].lifted.clone().unwrap();
    assert_eq!(
        (lifted.by.as_str(), lifted.reason.as_str()),
        ("priya", "it was the network")
    );
    let again = place.lift("two").await.unwrap_err();
    assert!(again.message.contains("lifted it already"), "{again:?}");
    let facts = place.world.facts("two").await;
    assert_eq!(facts.iter().filter(|f| *f == "lifted").count(), 1);
    place.world.has_ended("two", Status::Succeeded).await;
    let again = place.roll_back("again", json!({ "to": "two" })).await;
    assert_eq!(again, done());
    assert_eq!(place.runs().await, "two");
}

#[tokio::test]
async fn a_release_of_what_was_taken_back_is_not_cleared_until_it_is_lifted() {
    let (mut place, deploy) = dairy().await;
    place.release(&[("one", '1')]).await;
    assert_eq!(place.fails("bad", '2', &deploy).await, "failed-clean");
    let again = place.input(&commit('2'));
    let (_, end) = place.world.release("again", again.clone()).await;
    assert_eq!(end, "failed-clean");
    let head = place.world.has_ended("again", Status::FailedClean).await;
    assert_eq!(head.failure.unwrap().error, "TakenBack");
    assert!(head.flags.iter().all(|flag| flag.same), "{:?}", head.flags);
    assert_eq!(place.runs().await, "one");
    place.lift("bad").await.unwrap();
    let (_, end) = place.world.release("lifted", again).await;
    assert_eq!(end, "succeeded");
    assert_eq!(place.runs().await, "lifted");
}

#[tokio::test]
async fn another_build_of_a_commit_that_was_taken_back_stays_back_too() {
    let (mut place, deploy) = dairy().await;
    place.release(&[("one", '1')]).await;
    assert_eq!(place.fails("bad", '2', &deploy).await, "failed-clean");
    place.world.weather = "a newer base image".to_owned();
    let again = place.input(&commit('2'));
    let (_, end) = place.world.release("again", again.clone()).await;
    assert_eq!(end, "failed-clean");
    let failure = place.world.head("again").await.failure.unwrap();
    assert_eq!(failure.error, "TakenBack");
    let anew = "it is another build of commit 22222222";
    assert!(failure.cause.contains(anew), "{failure:?}");
    place.lift("bad").await.unwrap();
    let (_, end) = place.world.release("lifted", again).await;
    assert_eq!(end, "succeeded");
}

#[tokio::test]
async fn what_staging_took_back_does_not_go_on_to_production() {
    let mut place = Place::of(definition("pl-gps-001"), "staging").await;
    place.release(&[("one", '1')]).await;
    place.world.clock.pass(60);
    let mut two = Run::start(&place.world, "two", place.input(&commit('2')));
    let asks = async |place: &Place, run: &mut Run| {
        while !matches!(run.go(&place.world).await, Stand::Waits(state) if state == "Production Approval")
        {
            assert!(place.world.goes_well(&run.name).await, "{:?}", run.path);
        }
    };
    asks(&place, &mut two).await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    place.world.switch(place.definition.clone()).await;
    let end = place
        .world
        .drive(&mut two, async |world, _| world.goes_well("two").await);
    assert_eq!(end.await, "failed-clean");
    let head = place.world.has_ended("two", Status::FailedClean).await;
    let failure = head.failure.unwrap();
    assert_eq!(failure.error, "TakenBack");
    let lift = "gatewright lift pl-gps-001 staging two";
    assert!(failure.cause.contains(lift), "{failure:?}");
    let production = "production".parse().unwrap();
    let current = place.world.store.current(&place.definition.id, &production);
    assert_eq!(current.await.unwrap().unwrap().title, "pl-gps-001#1");
}

#[tokio::test]
async fn to_a_release_that_is_named_and_ran_there() {
    let mut place = gps().await;
    place
        .release(&[("one", '1'), ("two", '2'), ("three", '3')])
        .await;
    let stranger = place.roll_back("to-back", json!({ "to": "nine" })).await;
    assert_eq!(stranger, refused(ErrorName::NotTriggered));
    assert_eq!(
        place.roll_back("back", json!({ "to": "one" })).await,
        done()
    );
    assert_eq!(place.runs().await, "one");
    // What runs can be deployed again: an environment that somebody changed by hand.
    let same = place.roll_back("same", json!({ "to": "one" })).await;
    assert_eq!(same, done());
    let taken: Vec<_> = place.taken_back().await;
    assert_eq!(taken.len(), 1, "{taken:?}");
}

#[tokio::test]
async fn what_the_requester_did_not_see_is_not_replaced() {
    let mut place = gps().await;
    place
        .release(&[("one", '1'), ("two", '2'), ("three", '3')])
        .await;
    let saw = json!({ "to": "one", "instead_of": "two" });
    let moved = place.roll_back("late", saw).await;
    assert_eq!(moved, refused(ErrorName::MovedOn));
    // Two ask at once: the second waits for the first, and then finds something else.
    let saw = json!({ "to": "one", "instead_of": "three" });
    let input = place.back(&saw);
    place
        .world
        .switch(place.definition.rollback().unwrap())
        .await;
    let world = &place.world;
    let mut first = Run::start(world, "first", input.clone());
    while !matches!(first.go(world).await, Stand::Waits(state) if state == "Roll back production") {
        assert!(world.goes_well("first").await, "{:?}", first.path);
    }
    let mut input = input;
    input["reason"] = json!("somebody else saw it too");
    input["to"] = json!("two");
    let mut second = Run::start(world, "second", input);
    while !matches!(second.go(world).await, Stand::Waits(state) if state.ends_with("clear to deploy"))
    {
        assert!(
            world.everybody_approves("second").await,
            "{:?}",
            second.path
        );
    }
    let end = world
        .drive(&mut first, async |world, _| world.goes_well("first").await)
        .await;
    assert_eq!(end, "succeeded");
    let end = world
        .drive(&mut second, async |world, _| {
            world.goes_well("second").await
        })
        .await;
    assert_eq!(end, "failed-clean");
    let head = world.has_ended("second", Status::FailedClean).await;
    assert_eq!(head.failure.unwrap().error, "MovedOn");
    let orders = world.builds.orders();
    let of = |name: &str| {
        orders
            .iter()
            .filter(|o| o.env["GATEWRIGHT_RELEASE"] == name)
            .count()
    };
    assert_eq!((of("first") > 0, of("second")), (true, 0));
    assert_eq!(place.runs().await, "one");
}

#[tokio::test]
async fn across_a_forward_only_migration_only_by_typing_which() {
    let mut place = Place::of(definition("PL-ODOO-MOD"), "staging").await;
    place
        .release(&[("one", '1'), ("two", '2'), ("three", '3')])
        .await;
    let title = place.world.head("three").await.title();
    let facts = place.world.facts("three").await;
    assert!(facts.contains(&"schema-migrated".to_owned()), "{facts:?}");
    let plain = place.roll_back("plain", json!({})).await;
    assert_eq!(plain, refused(ErrorName::Irreversible));
    let cause = place.world.head("plain").await.failure.unwrap().cause;
    assert!(cause.contains(&format!("{title:?}")), "{cause}");
    let other = json!({ "acknowledge": place.world.head("two").await.title() });
    let other = place.roll_back("other", other).await;
    assert_eq!(other, refused(ErrorName::Irreversible));
    let typed = json!({ "to": "one", "acknowledge": title });
    assert_eq!(place.roll_back("typed", typed).await, done());
    assert_eq!(place.runs().await, "one");
    let events = place.world.store.ledger(&id("typed")).await.unwrap();
    let said: Vec<Value> = events.iter().map(|e| json!(e.fact)).collect();
    let said = said
        .iter()
        .find(|f| f["type"] == "migration-acknowledged")
        .unwrap();
    assert_eq!(said["typed"], json!(title));
    assert_eq!(said["migrated"].as_array().unwrap().len(), 2, "{said}");
}

#[tokio::test]
async fn a_change_that_undoes_itself_stays_back_and_is_history() {
    let (mut place, deploy) = dairy().await;
    place.release(&[("one", '1')]).await;
    assert_eq!(place.fails("bad", '2', &deploy).await, "failed-clean");
    assert_eq!(place.runs().await, "one");
    let [rolled] = &place.rollbacks().await[..] else {
        panic!("one rollback");
    };
    assert!(rolled.automatic && rolled.by.is_none());
    assert_eq!(rolled.release.as_str(), "bad");
    assert_eq!(rolled.from.release.as_str(), "bad");
    assert_eq!(rolled.from.commit.as_str(), commit('2'));
    assert_eq!(rolled.to.release.as_str(), "one");
    assert!(rolled.why.contains(&deploy), "{}", rolled.why);
    // From the recorded failure to the recorded recovery, as the clock has it.
    assert_eq!(rolled.seconds, 90);
    let [taken] = &place.taken_back().await[..] else {
        panic!("one was taken back");
    };
    assert_eq!(taken.digest, rolled.from.digest);
    assert!(taken.by.is_none() && taken.is_active());
    let digest = taken.digest.clone();
    let found = gatewright_domain::decide::undo::stays_back(Some(taken), &digest);
    assert_eq!(found.unwrap().0, ErrorName::TakenBack);
}

#[tokio::test]
async fn a_deploy_that_a_halt_stopped_before_it_began_is_not_undone() {
    let (mut place, deploy) = dairy().await;
    place.release(&[("one", '1')]).await;
    let (pipeline, environment) = (place.definition.id.clone(), place.environment.clone());
    let hold = Order::Hold {
        pipeline: pipeline.clone(),
        environment: environment.clone(),
        reason: "looking".to_owned(),
    };
    place.order(hold).await.unwrap();
    let mut run = Run::start(&place.world, "two", place.input(&commit('2')));
    let clear = Stand::Waits(format!("{deploy}: clear to deploy"));
    while run.go(&place.world).await != clear {
        assert!(place.world.goes_well("two").await, "{:?}", run.path);
    }
    // It is cleared, and halted before its deploy begins.
    let unhold = Order::Unhold {
        pipeline: pipeline.clone(),
        environment,
        runs: None,
        reason: "looked".to_owned(),
    };
    place.order(unhold).await.unwrap();
    let halt = Order::Halt {
        of: Target::Pipeline(pipeline),
        reason: "incident".to_owned(),
    };
    place.order(halt).await.unwrap();
    let builds = place.world.builds.ids().len();
    let end = run.go(&place.world).await;
    assert_eq!(end, Stand::Ended("failed-clean".to_owned()));
    let head = place.world.has_ended("two", Status::FailedClean).await;
    assert_eq!(head.failure.unwrap().error, "Halted");
    assert_eq!(
        place.world.builds.ids().len(),
        builds,
        "something was undone"
    );
    assert!(place.taken_back().await.is_empty() && place.rollbacks().await.is_empty());
    assert_eq!(place.runs().await, "one");
}

#[tokio::test]
async fn it_does_not_undo_itself_across_its_own_forward_only_migration() {
    // The deploy migrates and fails half way; and a stage before it has migrated.
    for own in [true, false] {
        let (place, deploy) = dairy().await;
        let mut definition = place.definition.clone();
        let there = |s: &&mut gatewright_domain::pipeline::Stage| match own {
            true => s.name.as_str() == deploy,
            false => {
                s.environment.as_ref() == Some(&place.environment)
                    && matches!(s.work, gatewright_domain::pipeline::Work::Build(_))
                    && s.of.is_none()
            }
        };
        let migrates = definition.stages.iter_mut().find(there).unwrap();
        migrates.migration = Some(Migration::ForwardOnly);
        let name = migrates.name.to_string();
        // A migration runs alone.
        let beside = |g: &gatewright_domain::pipeline::Group| {
            g.stages.iter().any(|stage| stage.as_str() == name)
        };
        definition.groups.retain(|group| !beside(group));
        let environment = place.environment.to_string();
        let mut place = Place::of(definition, &environment).await;
        place.release(&[("one", '1')]).await;
        assert_eq!(place.fails("bad", '2', &deploy).await, "failed-dirty");
        let head = place.world.has_ended("bad", Status::FailedDirty).await;
        let cause = head.failure.unwrap().cause;
        assert!(cause.contains("could not be undone"), "{cause}");
        assert!(
            cause.contains(&format!("{name:?}")) && cause.contains("forward only"),
            "{cause}"
        );
        let records = place.world.store.stages(&id("bad")).await.unwrap();
        let undo = records
            .iter()
            .find(|r| r.stage.as_str().ends_with(": roll back"));
        let (error, _) = undo.unwrap().failure.clone().unwrap();
        assert_eq!(error, ErrorName::Irreversible);
        assert!(place.rollbacks().await.is_empty());
        // By hand, somebody brings it to a known state, and what was half there stays back.
        let title = place.world.head("bad").await.title();
        let plain = place.roll_back("plain", json!({ "to": "one" })).await;
        assert_eq!(plain, refused(ErrorName::Irreversible));
        let typed = json!({ "to": "one", "acknowledge": title });
        assert_eq!(place.roll_back("typed", typed).await, done());
        let taken = place.taken_back().await;
        assert_eq!(taken[0].release.as_str(), "bad");
        assert_eq!(place.rollbacks().await[0].from.release.as_str(), "bad");
    }
}

#[tokio::test]
async fn newer_commits_of_the_branch_are_flagged_until_it_is_lifted() {
    let (mut place, deploy) = dairy().await;
    place.release(&[("one", '1')]).await;
    place.fails("bad", '2', &deploy).await;
    place.release(&[("next", '3')]).await;
    let head = place.world.head("next").await;
    let [flag] = &head.flags[..] else {
        panic!("one flag: {:?}", head.flags);
    };
    assert_eq!(flag.commit.as_str(), commit('2'));
    assert!(!flag.same);
    assert!(flag.told().contains("unless it was reverted"));
    let facts = place.world.facts("next").await;
    assert_eq!(facts[..2], ["release-admitted", "flagged"]);
    // Another branch does not contain it, as far as anybody knows.
    let mut elsewhere = place.input(&commit('4'));
    let reference = elsewhere["ref"].as_str().unwrap().to_owned();
    let tag = json!(format!("{reference}-2").replace("refs/heads/", "refs/tags/"));
    elsewhere["ref"] = tag;
    let _ = place.world.release("elsewhere", elsewhere).await;
    let flags = place.world.head("elsewhere").await.flags;
    assert!(flags.is_empty(), "{flags:?}");
    place.lift("bad").await.unwrap();
    place.release(&[("later", '5')]).await;
    assert!(place.world.head("later").await.flags.is_empty());
}

#[tokio::test]
async fn what_became_of_it_is_written_down_once_or_again() {
    let mut place = gps().await;
    place.release(&[("one", '1'), ("two", '2')]).await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    let wrong = async |release: &str, text: &str| {
        let refused = place.resolve(release, text).await.unwrap_err();
        assert_eq!(refused.name, ErrorName::BadInput);
        refused.message
    };
    let nothing = wrong("one", "x").await;
    assert!(nothing.contains("neither undid a change"), "{nothing}");
    assert!(wrong("back", " ").await.contains("what became of it"));
    place.resolve("back", "a missing index").await.unwrap();
    // More is known later, and the release that was undone is as good a name.
    place
        .resolve("two", "a missing index; corrected in #3")
        .await
        .unwrap();
    let [rolled] = &place.rollbacks().await[..] else {
        panic!("one rollback");
    };
    let resolution = rolled.resolution.clone().unwrap();
    assert_eq!(resolution.text, "a missing index; corrected in #3");
    assert_eq!(resolution.by, "priya");
    assert!(rolled.seconds >= 0 && !rolled.automatic);
    let facts = place.world.facts("back").await;
    let count = facts.iter().filter(|f| *f == "rollback-resolved").count();
    assert_eq!(count, 2);
    place.world.has_ended("back", Status::Succeeded).await;
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_rollback_leaves_nothing_or_everything() {
    let mut at = 0;
    loop {
        let mut place = gps().await;
        place.release(&[("one", '1'), ("two", '2')]).await;
        let before = place.world.store.table().writes();
        let table = place.world.store.table();
        match at % 2 {
            0 => table.crash_after(at / 2 + 2),
            _ => table.crash_before(at / 2 + 2),
        }
        let end = place.roll_back("back", json!({})).await;
        let wrote = place.world.store.table().writes() - before;
        let (history, taken) = (place.rollbacks().await, place.taken_back().await);
        assert_eq!(end, done(), "crash {at}");
        assert_eq!((history.len(), taken.len()), (1, 1), "crash {at}");
        assert_eq!(place.runs().await, "one", "crash {at}");
        at += 1;
        if at / 2 + 2 >= wrote {
            break;
        }
    }
    assert!(at > 10, "only {at} crashes");
}

const PRODUCTION: &str = "Deploy to Production";

/// Production runs `two`; the deploy of `three` failed half-way, and nothing is
/// undone by itself.
async fn in_doubt() -> Place {
    let mut place = gps().await;
    place.release(&[("one", '1'), ("two", '2')]).await;
    assert_eq!(place.fails("three", '3', PRODUCTION).await, "failed-dirty");
    place
}

async fn stays_back(place: &Place) -> Vec<String> {
    let all = place.taken_back().await;
    all.iter().map(|back| back.release.to_string()).collect()
}

#[tokio::test]
async fn from_a_doubt_it_goes_back_to_what_should_run() {
    let mut place = in_doubt().await;
    assert_eq!(place.roll_back("back", json!({})).await, done());
    assert_eq!(place.runs().await, "two");
    assert_eq!(stays_back(&place).await, ["three"]);
    let [rolled] = &place.rollbacks().await[..] else {
        panic!("one rollback");
    };
    assert_eq!(rolled.from.release.as_str(), "three");
    assert_eq!(rolled.to.release.as_str(), "two");
    // Nobody is in doubt any more: the next one goes one further.
    assert_eq!(place.roll_back("further", json!({})).await, done());
    assert_eq!(place.runs().await, "one");
}

#[tokio::test]
async fn what_was_left_half_deployed_stays_back_though_the_first_way_back_failed_too() {
    let mut place = in_doubt().await;
    let ended = place.fails_to_go_back("fails", json!({})).await;
    assert_eq!(ended, "failed-dirty");
    assert_eq!(place.roll_back("back", json!({})).await, done());
    assert_eq!(place.runs().await, "two");
    assert_eq!(stays_back(&place).await, ["three"]);
}

#[tokio::test]
async fn the_same_version_twice_is_taken_back_once() {
    let mut place = gps().await;
    place.release(&[("one", '1'), ("two", '2')]).await;
    assert_eq!(place.fails("again", '2', PRODUCTION).await, "failed-dirty");
    let to = json!({ "to": "one" });
    assert_eq!(place.roll_back("back", to).await, done());
    assert_eq!(place.runs().await, "one");
    assert_eq!(place.taken_back().await.len(), 1);
}

impl Place {
    /// Priya gives the environment back: this runs there.
    async fn unhold(&self, runs: Option<Runs>) -> Result<Given, gatewright_handler::Failure> {
        let order = Order::Unhold {
            pipeline: self.definition.id.clone(),
            environment: self.environment.clone(),
            runs,
            reason: "brought back by hand".to_owned(),
        };
        self.order(order).await
    }

    async fn in_doubt(&self) -> bool {
        let (store, pipeline) = (&self.world.store, &self.definition.id);
        let (lock, _) = store.lock(pipeline, &self.environment).await.unwrap();
        !lock.doubts.is_empty()
    }
}

#[tokio::test]
async fn whoever_ends_a_doubt_says_what_runs_and_that_is_the_record() {
    let place = in_doubt().await;
    for (runs, said) in [
        (
            None,
            "on record is two, and three may have put its own there",
        ),
        (Some(Runs::Nothing), "on record is two"),
        (Some(Runs::Release(id("fails"))), "fails never ran in"),
    ] {
        let refused = place.unhold(runs).await.unwrap_err();
        assert!(refused.message.contains(said), "{}", refused.message);
        assert!(place.in_doubt().await);
    }
    place.unhold(Some(Runs::Release(id("one")))).await.unwrap();
    assert!(!place.in_doubt().await);
    assert_eq!(place.runs().await, "one");
    let [rolled] = &place.rollbacks().await[..] else {
        panic!("one rollback");
    };
    assert!(!rolled.automatic && rolled.by.as_deref() == Some("priya"));
    assert_eq!(rolled.release.as_str(), "three");
    assert_eq!(rolled.to.release.as_str(), "one");
    let mut back = stays_back(&place).await;
    back.sort();
    assert_eq!(back, ["three", "two"]);
    place.resolve("three", "the disk was full").await.unwrap();
    let head = place.world.head("three").await;
    let events = place.world.store.ledger(&id("three")).await.unwrap();
    let last = (head.last_seq, head.last_hash.as_ref());
    gatewright_domain::ledger::verify(&head.release, &events, last).unwrap();
}

#[tokio::test]
async fn what_was_half_deployed_may_be_whole_after_all() {
    let place = in_doubt().await;
    place
        .unhold(Some(Runs::Release(id("three"))))
        .await
        .unwrap();
    assert_eq!(place.runs().await, "three");
    assert!(place.taken_back().await.is_empty() && place.rollbacks().await.is_empty());
    assert!(!place.in_doubt().await);
}

#[tokio::test]
async fn where_nothing_ran_before_nothing_may_run() {
    let place = gps().await;
    assert_eq!(place.fails("first", '1', PRODUCTION).await, "failed-dirty");
    place.unhold(Some(Runs::Nothing)).await.unwrap();
    assert!(!place.in_doubt().await && place.taken_back().await.is_empty());
}
