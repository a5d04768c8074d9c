//! The eleven pipelines on the laptop stack, every route of each from its trigger
//! to its terminal state: the templates that deploy to AWS, the binary that ships,
//! IAM evaluation on, builds that really run.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_compiler::{compile, path_on};
use gatewright_domain::pipeline::{Definition, Effect, Event, Trigger};
use gatewright_domain::release::{Head, Status};
use gatewright_tests::happily::input_for;
use gatewright_tests::laptop::root;
use gatewright_tests::world::COMMIT;
use gatewright_tests::{Laptop, definitions};
use tokio::sync::Semaphore;

/// Two stacks at a time: builds wait as much as they compute.
static TURN: Semaphore = Semaphore::const_new(2);

/// A second commit.
const NEXT: &str = "9b1d7e22c40f4d5c8a6b3e1f0d2c4b6a8e0f1234";

fn definition(id: &str) -> Definition {
    definitions()
        .into_iter()
        .find(|d| d.id.as_str() == id)
        .unwrap()
}

async fn stack_for(pipelines: &[&str], overlays: &[&str]) -> Laptop {
    Laptop::up(|options| {
        options.pipelines = pipelines.iter().map(|id| (*id).to_owned()).collect();
        let variants = root().join("tests/fixtures/variants");
        options.overlays = overlays.iter().map(|name| variants.join(name)).collect();
    })
    .await
}

/// A release's id for the route of this trigger.
fn name_for(definition: &Definition, trigger: &Trigger) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = format!("{}-{}", definition.id, trigger.name);
    name.chars().map(plain).take(80).collect()
}

/// The states that are on some route, without those inside of groups.
fn known(definition: &Definition) -> Vec<String> {
    let machine = compile(definition).unwrap();
    machine.states.keys().map(ToString::to_string).collect()
}

/// Releases on the trigger's route and asserts that it went well, through its own
/// states in their order.
async fn goes_well(laptop: &Laptop, definition: &Definition, trigger: &Trigger) -> Head {
    let about = format!("{}: {}", definition.id, trigger.name);
    let input = input_for(definition, trigger, COMMIT);
    let name = name_for(definition, trigger);
    let release = laptop.begin(definition.id.as_str(), &name, &input).await;
    let head = laptop.approve_all(&release).await;
    let logs = laptop.logs(&release).await;
    assert_eq!(
        head.status,
        Status::Succeeded,
        "{about}: {:?}{logs}",
        head.failure
    );
    took_its_route(laptop, definition, trigger, &head).await;
    head
}

async fn took_its_route(laptop: &Laptop, definition: &Definition, trigger: &Trigger, head: &Head) {
    let about = format!("{}: {}", definition.id, trigger.name);
    assert_eq!(
        head.route.as_deref(),
        Some(trigger.name.as_str()),
        "{about}"
    );
    let machine = &laptop.stack.connection().machines[definition.id.as_str()];
    let entered = laptop
        .states(machine, &head.release, &known(definition))
        .await;
    let expected = path_on(&compile(definition).unwrap(), Some(&trigger.name));
    assert_eq!(entered, expected, "{about}");
    for (_, stage) in definition.path(Some(trigger)) {
        let Some(deploy) = stage.deploy().filter(|d| d.effect == Effect::Complete) else {
            continue;
        };
        let environment = stage.environment.as_ref().unwrap();
        let current = laptop
            .store
            .current(&definition.id, environment)
            .await
            .unwrap();
        let runs = current.unwrap_or_else(|| panic!("{about}: nothing runs in {environment}"));
        assert_eq!(runs.release, head.release, "{about}: {environment}");
        let names: Vec<&String> = runs.artifacts.iter().map(|a| &a.name).collect();
        let wanted: Vec<&String> = deploy.artifacts.iter().collect();
        assert_eq!(names, wanted, "{about}");
    }
    laptop.in_order(head).await;
}

/// Every route of a pipeline but those that another pipeline starts.
async fn every_route_of(id: &str) {
    let _turn = TURN.acquire().await.unwrap();
    let definition = definition(id);
    let laptop = stack_for(&[id], &[]).await;
    // Whatever day it is, an environment with windows is closed: the releases wait
    // there, and pass with the glass broken.
    let windowed = definition
        .environments
        .iter()
        .filter(|(_, e)| !e.windows.is_empty());
    for (name, _) in windowed {
        let place = format!("{id}/{name}");
        let people = &laptop.stack.connection().people;
        let person = people.keys().next().unwrap();
        laptop
            .says(&[
                "freeze", &place, "--for", "2h", "--as", person, "--reason", "a test",
            ])
            .await;
    }
    for trigger in &definition.triggers {
        if !matches!(trigger.event, Event::Upstream { .. }) {
            goes_well(&laptop, &definition, trigger).await;
        }
    }
    laptop.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_odoo_addon_takes_every_route() {
    every_route_of("pipeline-tms-odoo-addon").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_gps_microservice_takes_every_route() {
    every_route_of("pipeline-gps-microservice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_terraform_takes_every_route() {
    every_route_of("pipeline-iac-terraform").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_odoo_takes_every_route() {
    every_route_of("pl-odoo-001").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_gps_takes_every_route() {
    every_route_of("pl-gps-001").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s6_smart_dairy_takes_every_route() {
    every_route_of("smart-dairy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_odoo_modules_take_every_route() {
    every_route_of("PL-ODOO-MOD").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_workflows_take_every_route() {
    every_route_of("PL-N8N-WF").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s9_infrastructure_takes_every_route() {
    every_route_of("PL-IAC").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_ecommerce_takes_every_route() {
    every_route_of("ecommerce").await;
}

/// S10 builds images and hands its digests over; the pipeline downstream starts by
/// itself and deploys exactly that digest.
#[tokio::test(flavor = "multi_thread")]
async fn s10_images_start_the_pipeline_that_deploys_their_digest() {
    let _turn = TURN.acquire().await.unwrap();
    let (images, workflows) = (definition("PL-CONTAINER-IMG"), definition("PL-N8N-WF"));
    let laptop = stack_for(&["PL-CONTAINER-IMG", "PL-N8N-WF"], &[]).await;
    // Deploy scripts come from the last commit of the branch, so there must be one.
    let main = workflows.triggers.iter().find(|t| match &t.event {
        Event::Push { branches } => branches.iter().any(|b| b == "main"),
        _ => false,
    });
    goes_well(&laptop, &workflows, main.unwrap()).await;
    let upstream = workflows
        .triggers
        .iter()
        .find(|t| matches!(t.event, Event::Upstream { .. }));
    let upstream = upstream.unwrap();
    for trigger in &images.triggers {
        let built = goes_well(&laptop, &images, trigger).await;
        let name = format!("PL-N8N-WF-after-{}", built.release);
        let Ok(started) = name.parse() else {
            continue;
        };
        let head = laptop.approve_all(&started).await;
        assert_eq!(head.status, Status::Succeeded, "{:?}", head.failure);
        took_its_route(&laptop, &workflows, upstream, &head).await;
        let records = laptop.store.stages(&built.release).await.unwrap();
        let digests: Vec<_> = records
            .iter()
            .filter_map(|r| r.evidence.as_ref()?.artifact.clone())
            .filter(|a| a.name == "n8n")
            .map(|a| a.digest)
            .collect();
        assert_eq!(digests, [head.given[0].digest.clone()]);
    }
    laptop.down().await;
}

/// Starts a release on the first route that deploys to `environment`.
async fn released(
    laptop: &Laptop,
    definition: &Definition,
    name: &str,
    commit: &str,
    environment: &str,
) -> Head {
    let trigger = definition.triggers.iter().find(|t| {
        let deploys = |s: &&gatewright_domain::StageName| {
            definition.stage(s).is_some_and(|(_, s)| {
                s.deploy().is_some()
                    && s.environment
                        .as_ref()
                        .is_some_and(|e| e.as_str() == environment)
            })
        };
        matches!(t.event, Event::Push { .. }) && t.stages.iter().any(|s| deploys(&s))
    });
    let input = input_for(definition, trigger.unwrap(), commit);
    let release = laptop.begin(definition.id.as_str(), name, &input).await;
    laptop.approve_all(&release).await
}

/// S1's dependency scan fails on critical findings, and on no others.
#[tokio::test(flavor = "multi_thread")]
async fn s1_a_critical_dependency_stops_the_release() {
    let _turn = TURN.acquire().await.unwrap();
    let definition = definition("pipeline-tms-odoo-addon");
    let laptop = stack_for(&["pipeline-tms-odoo-addon"], &["critical-dependency"]).await;
    let head = released(&laptop, &definition, "critical", COMMIT, "staging").await;
    let failure = head.failure.clone().unwrap();
    assert_eq!(
        (head.status, failure.error.as_str()),
        (Status::FailedClean, "GateDenied")
    );
    assert!(failure.cause.contains("1 CRITICAL"), "{}", failure.cause);
    laptop.in_order(&head).await;
    laptop.down().await;
}

/// S6's staging undoes by itself what does not become healthy.
#[tokio::test(flavor = "multi_thread")]
async fn s6_an_unhealthy_staging_goes_back_to_what_ran() {
    let _turn = TURN.acquire().await.unwrap();
    let definition = definition("smart-dairy");
    let variant = root().join("tests/fixtures/variants/smart-dairy-unhealthy-staging");
    let laptop = Laptop::up(|options| {
        options.pipelines = vec!["smart-dairy".to_owned()];
        options.commits.insert(NEXT.to_owned(), vec![variant]);
    })
    .await;
    let first = released(&laptop, &definition, "healthy", COMMIT, "staging").await;
    assert_eq!(first.status, Status::Succeeded, "{:?}", first.failure);
    let second = released(&laptop, &definition, "unhealthy", NEXT, "staging").await;
    assert_eq!(second.status, Status::FailedClean, "{:?}", second.failure);
    let staging = "staging".parse().unwrap();
    let runs = laptop
        .store
        .current(&definition.id, &staging)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(runs.restored.as_ref(), Some(&first.release));
    laptop.in_order(&second).await;
    laptop.down().await;
}

/// The plan that was reviewed is the plan that is applied: one that was put in its
/// place is refused before anything is applied.
async fn another_plan_is_refused(id: &str, environment: &str) {
    let _turn = TURN.acquire().await.unwrap();
    let definition = definition(id);
    let laptop = stack_for(&[id], &[]).await;
    let asks = |t: &&Trigger| {
        let stage = |name| {
            definition.stage(name).is_some_and(|(_, s)| {
                s.environment
                    .as_ref()
                    .is_some_and(|e| e.as_str() == environment)
                    && s.build().is_none()
            })
        };
        matches!(t.event, Event::Push { .. }) && t.stages.iter().any(stage)
    };
    let trigger = definition.triggers.iter().find(asks);
    let input = input_for(&definition, trigger.unwrap(), COMMIT);
    let release = laptop.begin(id, "another-plan", &input).await;
    laptop.until_asked(&release).await;
    let records = laptop.store.stages(&release).await.unwrap();
    let plan = records
        .iter()
        .filter_map(|r| r.evidence.as_ref()?.artifact.as_ref())
        .find(|a| a.name == "plan" || a.name == format!("plan-{environment}"));
    laptop
        .put_artifact(&plan.unwrap().location, b"destroy everything")
        .await;
    let head = laptop.approve_all(&release).await;
    assert_eq!(head.status, Status::FailedDirty, "{:?}", head.failure);
    let failure = head.failure.clone().unwrap();
    assert_eq!(failure.error, "BuildFailed");
    let environment = environment.parse().unwrap();
    assert_eq!(
        laptop
            .store
            .current(&definition.id, &environment)
            .await
            .unwrap(),
        None
    );
    laptop.in_order(&head).await;
    laptop.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_another_plan_than_the_reviewed_one_is_refused() {
    another_plan_is_refused("pipeline-iac-terraform", "production").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s9_another_plan_than_the_reviewed_one_is_refused() {
    another_plan_is_refused("PL-IAC", "staging").await;
}

/// A release of the pipeline whose source has this variant ends early and clean,
/// in this stage, with these words in its reason.
async fn is_stopped(id: &str, variant: &str, environment: &str, stage: &str, words: &str) {
    let _turn = TURN.acquire().await.unwrap();
    let definition = definition(id);
    let laptop = stack_for(&[id], &[variant]).await;
    let head = released(&laptop, &definition, "stopped", COMMIT, environment).await;
    let failure = head.failure.clone().unwrap();
    assert_eq!(head.status, Status::FailedClean, "{failure:?}");
    let at = failure.stage.as_ref().map(ToString::to_string);
    assert_eq!(at.as_deref(), Some(stage), "{failure:?}");
    assert!(failure.cause.contains(words), "{}", failure.cause);
    laptop.in_order(&head).await;
    laptop.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_an_embedded_credential_stops_the_release() {
    let stage = "Code Quality & Security Analysis";
    is_stopped("PL-N8N-WF", "embedded-credential", "dev", stage, "finding").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s9_an_open_port_stops_the_release() {
    let stage = "Code Quality & Security Analysis";
    is_stopped("PL-IAC", "open-ssh", "dev", stage, "CRITICAL").await;
}
