use super::*;
use crate::commands::shop::shop;
use gatewright_domain::gate::Gate;
use gatewright_domain::pipeline::{Feature, Queue, Quorum, Seconds, StrategyKind, Window, Work};
use gatewright_fakes::{definition, directory};

/// What changing the definition says, one line a change, `!` where it weakens.
fn said(definition: &Definition, change: impl FnOnce(&mut Definition)) -> Vec<String> {
    let mut after = definition.clone();
    change(&mut after);
    let changes = compare(definition, &after, &directory());
    let lines = changes.iter().map(|c| {
        let mark = if c.weakens.is_empty() { " " } else { "!" };
        format!("{mark} {}: {}", c.place, c.what)
    });
    lines.collect()
}

fn environment<'a>(
    definition: &'a mut Definition,
    name: &str,
) -> &'a mut gatewright_domain::pipeline::Environment {
    let found = definition.environments.iter_mut();
    found
        .map(|(n, e)| (n.to_string(), e))
        .find(|(n, _)| n == name)
        .unwrap()
        .1
}

fn quorum(lines: &[(&str, u32)]) -> Vec<Quorum> {
    let line = |(group, count): &(&str, u32)| Quorum {
        group: group.parse().unwrap(),
        count: *count,
    };
    lines.iter().map(line).collect()
}

fn asks(definition: &mut Definition, lines: &[(&str, u32)]) {
    for stage in &mut definition.stages {
        if let Work::Approval(approval) = &mut stage.work {
            approval.quorum = quorum(lines);
        }
    }
}

#[test]
fn the_same_definition_differs_in_nothing() {
    assert_eq!(said(&definition(), |_| {}), [""; 0]);
    assert_eq!(said(&shop(), |_| {}), [""; 0]);
}

#[test]
fn what_people_do_by_hand_is_told_and_weakens_nothing() {
    let change = |d: &mut Definition| environment(d, "production").manual.clear();
    assert_eq!(
        said(&definition(), change),
        ["  environment production: what people do by hand is described otherwise"]
    );
}

#[test]
fn fewer_people_weaken_what_they_guard_and_are_named() {
    assert_eq!(
        said(&definition(), |d| asks(d, &[("project-lead", 1)])),
        [
            "! stage Production Approval: production now needs 1 approval instead of 2: 1 of project-lead instead of 1 of project-lead and 1 of devops-lead; now Lena Fischer alone is enough"
        ]
    );
    let one = |d: &mut Definition| asks(d, &[("project-lead", 1)]);
    let mut before = definition();
    one(&mut before);
    let back = said(&before, |d| {
        asks(d, &[("project-lead", 1), ("devops-lead", 1)])
    });
    assert!(
        back[0].starts_with(
            "  stage Production Approval: production now needs 2 approvals instead of 1"
        ),
        "{back:?}"
    );
    // Somebody else may decide alone: other people, and so weaker.
    let other = said(&before, |d| asks(d, &[("devops-lead", 1)]));
    assert!(
        other[0].starts_with("! ") && other[0].ends_with("now Devan Okafor alone is enough"),
        "{other:?}"
    );
}

#[test]
fn gates_that_let_more_through_weaken_what_comes_after() {
    let change = |d: &mut Definition| {
        for gate in d.stages.iter_mut().flat_map(|s| &mut s.gates) {
            match gate {
                Gate::Coverage { at_least, .. } => at_least.0 = 7000,
                Gate::Scan { none_of, .. } => none_of.clear(),
                Gate::Steps
                | Gate::Tests { .. }
                | Gate::Findings { .. }
                | Gate::Signature { .. } => {}
            }
        }
        d.stages[4].gates.retain(|gate| matches!(gate, Gate::Steps));
    };
    assert_eq!(
        said(&definition(), change),
        [
            "! stage Unit Test & Coverage: demands line coverage of at least 70 % instead of 80 %",
            "! stage Package & Scan Artifact: the scan gate no longer forbids CRITICAL",
            "! stage Integration Test: no longer demands that all tests of integration-tests pass",
        ]
    );
}

#[test]
fn an_image_that_need_not_be_signed_any_more_weakens_where_it_is_deployed() {
    let sign = |d: &mut Definition| {
        for artifact in d.artifacts.values_mut() {
            artifact.signed = true;
        }
    };
    assert_eq!(
        said(&definition(), sign),
        ["  artifact image: is deployed only when its signature was verified"]
    );
    let mut before = definition();
    sign(&mut before);
    before.stages[4].gates.push(Gate::Signature {
        artifact: "image".to_owned(),
    });
    let change = |d: &mut Definition| {
        d.stages[4].gates.pop();
        for artifact in d.artifacts.values_mut() {
            artifact.signed = false;
        }
    };
    assert_eq!(
        said(&before, change),
        [
            "! artifact image: is deployed without a verified signature",
            "! stage Integration Test: no longer demands that the signature of image is verified",
        ]
    );
}

#[test]
fn a_stricter_gate_weakens_nothing() {
    let change = |d: &mut Definition| {
        for gate in d.stages.iter_mut().flat_map(|s| &mut s.gates) {
            if let Gate::Scan { none_of, .. } = gate {
                none_of.push(gatewright_domain::evidence::Severity::High);
            }
        }
    };
    assert_eq!(
        said(&definition(), change),
        ["  stage Package & Scan Artifact: the scan gate forbids HIGH too"]
    );
}

#[test]
fn a_check_that_is_gone_or_skipped_weakens() {
    let gone = said(&definition(), |d| {
        let name = d.stages.remove(1).name;
        d.triggers
            .iter_mut()
            .for_each(|t| t.stages.retain(|s| s != &name));
    });
    assert_eq!(gone, ["! stage Unit Test & Coverage: is gone"]);
    let skipped = said(&shop(), |d| {
        let tag = d.triggers.iter_mut().find(|t| t.name == "tag").unwrap();
        tag.stages.retain(|s| s.as_str() != "Unit Tests");
    });
    assert_eq!(
        skipped,
        [
            "  trigger tag: no longer runs Unit Tests",
            "! trigger tag: changes production without Unit Tests, which every way there passed",
        ]
    );
    let smoke = said(&shop(), |d| {
        let name = "Deploy to Production: smoke test";
        d.stages.retain(|s| s.name.as_str() != name);
        d.triggers
            .iter_mut()
            .for_each(|t| t.stages.retain(|s| s.as_str() != name));
    });
    assert_eq!(smoke, ["! stage Deploy to Production: smoke test: is gone"]);
    let step = said(&definition(), |d| {
        if let Work::Build(build) = &mut d.stages[0].work {
            build.steps.pop();
            build.timeout = Seconds(1_200);
        }
    });
    assert_eq!(
        step,
        [
            "! stage Static Analysis & Code Quality: no longer runs the step \"Dependency Vulnerability Scan\"",
            "  stage Static Analysis & Code Quality: may take 10 min longer: 20 min instead of 10 min",
        ]
    );
}

#[test]
fn a_new_way_into_production_that_skips_a_check_weakens_it() {
    let said = said(&shop(), |d| {
        let mut hotfix = d.trigger("tag").unwrap().clone();
        hotfix.name = "hotfix".to_owned();
        hotfix.stages.retain(|s| s.as_str() != "Integration Test");
        d.triggers.push(hotfix);
    });
    assert_eq!(
        said,
        [
            "  trigger hotfix: is new: tag v*.*.*, into staging and production",
            "! trigger hotfix: changes production without Integration Test, which every way there passed",
        ]
    );
}

#[test]
fn a_check_that_moved_behind_the_deploy_weakens() {
    let said = said(&definition(), |d| {
        let stage = d.stages.remove(1);
        d.stages.push(stage);
    });
    assert!(
        said.contains(
            &"  stage Unit Test & Coverage: comes after Deploy to Production now".to_owned()
        ),
        "{said:?}"
    );
    assert!(
        said.contains(
            &"! trigger push: changes production before Unit Test & Coverage, no longer after it"
                .to_owned()
        ),
        "{said:?}"
    );
}

#[test]
fn an_environment_is_weakened_by_less_protection() {
    let said = said(&shop(), |d| {
        let production = environment(d, "production");
        production.protected = false;
        production.soak = None;
        production.rollback.automatic = false;
        production.strategy.kind = StrategyKind::Direct;
        production.strategy.steps.clear();
        production.strategy.watch[0].at_most = Some("5".to_owned());
        production.windows.push(Window {
            days: vec!["mon".to_owned()],
            ..production.windows[0].clone()
        });
    });
    assert_eq!(
        said,
        [
            "! environment production: is no longer protected",
            "! environment production: the strategy is direct instead of canary (5 %, 100 %)",
            "! environment production: the most for error-rate is 5 instead of 1",
            "! environment production: a change that fails is no longer rolled back automatically",
            "! environment production: may be changed sat and sun 22:00 to 02:00 (Asia/Dhaka) or mon 22:00 to 02:00 (Asia/Dhaka) instead of sat and sun 22:00 to 02:00 (Asia/Dhaka)",
            "! environment production: the soak is none instead of 1 h",
        ]
    );
}

#[test]
fn a_narrower_window_and_what_is_said_of_staging_weaken_nothing() {
    let said = said(&shop(), |d| {
        environment(d, "production").windows[0].from = "23:00".to_owned();
        environment(d, "staging").namespace = Some("other".to_owned());
    });
    assert_eq!(
        said,
        [
            "  environment staging: the namespace is other instead of staging",
            "  environment production: may be changed sat and sun 23:00 to 02:00 (Asia/Dhaka) instead of sat and sun 22:00 to 02:00 (Asia/Dhaka)",
        ]
    );
}

#[test]
fn relying_on_what_is_not_enforced_weakens() {
    let mut before = shop();
    before.accepts = vec![Feature::OnlyNew];
    let said = said(&before, |d| d.accepts.push(Feature::Waiver));
    assert_eq!(
        said,
        ["! pipeline: accepts that waiver is not enforced: nothing lifts the gate"]
    );
}

#[test]
fn a_new_stage_says_where_and_a_renamed_one_is_not_gone() {
    let said = said(&definition(), |d| {
        let old = d.stages[4].name.clone();
        d.stages[4].name = "Integration Tests".parse().unwrap();
        let new = d.stages[4].name.clone();
        for stages in d.triggers.iter_mut().map(|t| &mut t.stages) {
            stages
                .iter_mut()
                .filter(|s| **s == old)
                .for_each(|s| s.clone_from(&new));
        }
        let mut extra = d.stages[0].clone();
        extra.name = "Licences".parse().unwrap();
        extra.gates.clear();
        d.stages.insert(4, extra);
    });
    assert_eq!(
        said,
        [
            "  stage Integration Tests: was called Integration Test",
            "  stage Licences: is new, after Deploy to Staging",
        ]
    );
}

#[test]
fn what_a_strategy_is_made_of_is_said_once() {
    let said = said(&shop(), |d| {
        environment(d, "production").strategy.steps = vec![100];
        let gone = ["5 %"];
        let kept = |name: &str| !gone.iter().any(|word| name.ends_with(word));
        d.stages.retain(|s| kept(s.name.as_str()));
        for trigger in &mut d.triggers {
            trigger.stages.retain(|s| kept(s.as_str()));
        }
    });
    assert_eq!(
        said,
        ["! environment production: the strategy is canary (100 %) instead of canary (5 %, 100 %)"]
    );
}

#[test]
fn who_comes_next_and_how_long_it_waits_are_told() {
    let change = |d: &mut Definition| {
        let production = environment(d, "production");
        production.queue = Queue::Newest;
        production.wait = Seconds(10 * 86_400);
    };
    assert_eq!(
        said(&definition(), change),
        [
            "  environment production: who comes next is newest instead of in-order",
            "  environment production: how long a release waits for it at most is 10 d instead of 1 d",
        ]
    );
}

#[test]
fn rollbacks_that_no_longer_wait_for_a_window_weaken_it() {
    let mut before = definition();
    environment(&mut before, "production").windows = vec![Window {
        days: vec!["sat".to_owned()],
        from: "02:00".to_owned(),
        to: "04:00".to_owned(),
        time_zone: "UTC".to_owned(),
        rollbacks: true,
    }];
    let change = |d: &mut Definition| environment(d, "production").windows[0].rollbacks = false;
    assert_eq!(
        said(&before, change),
        [
            "! environment production: may be changed sat 02:00 to 04:00 (UTC) instead of sat 02:00 to 04:00 (UTC, rollbacks too)"
        ]
    );
}

#[test]
fn a_deploy_that_looks_at_less_weakens_a_protected_environment() {
    let change = |d: &mut Definition| {
        let deploys =
            |s: &&mut gatewright_domain::pipeline::Stage| s.name.as_str() == "Deploy to Production";
        let stage = d.stages.iter_mut().find(deploys).unwrap();
        if let Work::Deploy(deploy) = &mut stage.work {
            deploy.build.steps.pop();
        }
    };
    let said = said(&definition(), change);
    assert!(
        said[0].starts_with("! stage Deploy to Production: no longer runs"),
        "{said:?}"
    );
}

#[test]
fn what_nobody_has_words_for_is_never_no_change() {
    let change = |d: &mut Definition| d.language = 2;
    assert_eq!(
        said(&definition(), change),
        ["  pipeline: differs in something that has no words here: compare the files"]
    );
}
