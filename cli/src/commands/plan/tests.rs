use super::*;
use crate::commands::example::{plain, push};
use crate::commands::shop::shop;
use gatewright_fakes::{definition, directory};

/// The plan's words, without the version, which changes with the language.
fn told_of(definition: &Definition, input: &TriggerInput, cost: bool) -> String {
    let plan = plan(definition, &directory(), input, cost).unwrap();
    let version = plan.version.short().to_owned();
    plain(&plan.told().join("\n")).replace(&version, "<version>")
}

fn told(input: &TriggerInput) -> String {
    told_of(&definition(), input, false)
}

fn at(reference: &str) -> TriggerInput {
    TriggerInput {
        pipeline: "shop".parse().unwrap(),
        reference: reference.to_owned(),
        ..push()
    }
}

#[test]
fn a_plan_shows_every_stage_who_is_asked_and_the_price() {
    insta::assert_snapshot!(told(&push()));
}

#[test]
fn a_route_shows_groups_shifts_pauses_ways_back_and_what_is_not_enforced() {
    insta::assert_snapshot!(told_of(&shop(), &at("refs/tags/v1.2.3"), true));
}

#[test]
fn a_route_has_no_more_than_its_stages() {
    let input = TriggerInput {
        cause: Some(Cause::PullRequest),
        into: Some("develop".to_owned()),
        ..at("refs/pull/7/head")
    };
    let plan = plan(&shop(), &directory(), &input, false).unwrap();
    assert_eq!(plan.route.as_deref(), Some("pull-request"));
    let names: Vec<&str> = plan.stages.iter().map(|s| s.name.as_str()).collect();
    let expected = [
        "Lint",
        "Unit Tests",
        "Build Images (odoo)",
        "Build Images (fastapi)",
    ];
    assert_eq!(names, expected);
    assert!(plan.environments.is_empty() && plan.ways_back.is_empty());
    // Lint and unit tests at the same time, then both images.
    assert_eq!(plan.work_seconds, (15 + 20) * 60);
    assert_eq!(plan.waiting_seconds, 0);
}

#[test]
fn without_a_trigger_all_of_them_are_listed() {
    let table = triggers::table(&shop(), &directory()).unwrap();
    let version = shop().version().unwrap();
    let told = plain(&table.told().join("\n")).replace(version.short(), "<version>");
    insta::assert_snapshot!(told);
}

#[test]
fn a_rollback_is_planned_by_its_own_definition() {
    let rollback = shop().rollback().unwrap();
    let input = TriggerInput {
        cause: Some(Cause::Rollback),
        environment: Some("production".parse().unwrap()),
        requester: Some("lena@example.com".to_owned()),
        reason: Some("errors".to_owned()),
        ..at("refs/heads/main")
    };
    let plan = plan(&rollback, &directory(), &input, false).unwrap();
    assert!(plan.admitted, "{:?}", plan.refused);
    assert_eq!(plan.route.as_deref(), Some("rollback of production"));
    assert_eq!(plan.stages[0].name, "Roll back production");
    // It is exempt from what a release waits for, and says so.
    let around = &plan.environments[0];
    assert!(around.windows.is_empty() && around.soak_seconds.is_none());
    assert!(
        around.told().contains("waits for no window"),
        "{}",
        around.told()
    );
}

#[test]
fn a_refused_trigger_says_why_and_what_would_do() {
    let input = TriggerInput {
        reference: "refs/heads/mian".to_owned(),
        ..push()
    };
    let told = told(&input);
    assert!(
        told.contains("refused (NotTriggered)") && told.contains("did you mean \"main\"?"),
        "{told}"
    );
}

#[test]
fn the_states_that_are_counted_are_those_of_the_machine() {
    let definition = definition();
    let machine = compile(&definition).unwrap();
    let plan = plan(&definition, &directory(), &push(), true).unwrap();
    assert_eq!(plan.path, gatewright_compiler::happy_path(&machine));
    assert_eq!(plan.transitions, gatewright_compiler::transitions(&machine));
    let cost = plan.cost.unwrap();
    assert_eq!(cost.minutes["BUILD_GENERAL1_MEDIUM"], 20);
    assert!((cost.usd - cost.builds_usd - cost.transitions_usd).abs() < 1e-9);
}

#[test]
fn whoever_asked_or_wrote_is_excluded_and_the_quorum_may_fail_for_it() {
    let by = |requester: &str, author: &str| TriggerInput {
        requester: Some(requester.to_owned()),
        author: Some(author.to_owned()),
        ..push()
    };
    let approval = |input| {
        let plan = plan(&definition(), &directory(), &input, false).unwrap();
        plan.stages
            .into_iter()
            .find(|s| s.kind == "approval")
            .unwrap()
    };
    let one = approval(by("priya@example.com", "sam@example.com"));
    assert_eq!(one.asked[0].people, ["Lena Fischer"]);
    assert_eq!(one.asked[0].excluded, ["Priya Raman"]);
    assert_eq!(one.reachable, Some(true));
    // Lena alone cannot stand for both groups.
    let two = approval(by("priya@example.com", "devan@example.com"));
    assert_eq!(two.reachable, Some(false));
}
