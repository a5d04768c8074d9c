//! What the language's short forms mean, and what is accepted with a warning.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use gatewright_compiler::{read, read_directory};
use gatewright_domain::gate::Gate;
use gatewright_domain::pipeline::{Definition, Event, Work};

const HEAD: &str = "language: 1\nid: shop\nname: Shop\nregion: eu-central-1\n\
    source: { repository: https://github.com/example/shop }\n";

fn definition(rest: &str) -> Definition {
    let read = read("shop.yaml", &format!("{HEAD}{rest}"), None);
    read.unwrap_or_else(|d| panic!("{d}")).definition
}

const DEFAULTS: &str = "on: { manual: true }
defaults: { image: theirs, compute: large, timeout: 20m, retries: 3, runtimes: { python: 3.10, node: 22 }, env: { A: 1, B: two } }
environments: { test: { cluster: c, namespace: n } }
stages:
  - name: One
    steps: [make]
  - name: Two
    image: ours
    compute: 2xlarge
    timeout: 1h
    retries: 0
    runtimes: { python: 3.13 }
    env: { B: three }
    steps: [make]
    environment: test
  - name: Three
    project: special
    steps: [make]
";

#[test]
fn a_stage_says_what_differs_from_the_defaults() {
    let definition = definition(DEFAULTS);
    let said = |index: usize| {
        let b = definition.stages[index].build().unwrap();
        let runtimes: Vec<String> = b.runtimes.iter().map(|(k, v)| format!("{k} {v}")).collect();
        format!(
            "{} {} {} {} {} {:?} {}",
            b.project,
            b.image,
            b.compute,
            b.timeout.0,
            b.retries,
            runtimes,
            serde_json::to_string(&b.env).unwrap()
        )
    };
    insta::assert_snapshot!(said(0), @r#"gatewright-shop theirs BUILD_GENERAL1_LARGE 1200 3 ["python 3.10", "node 22"] {"A":{"from":"plain","value":"1"},"B":{"from":"plain","value":"two"}}"#);
    insta::assert_snapshot!(said(1), @r#"gatewright-shop-test ours BUILD_GENERAL1_2XLARGE 3600 0 ["python 3.13", "node 22"] {"A":{"from":"plain","value":"1"},"B":{"from":"plain","value":"three"}}"#);
    insta::assert_snapshot!(said(2), @r#"special theirs BUILD_GENERAL1_LARGE 1200 3 ["python 3.10", "node 22"] {"A":{"from":"plain","value":"1"},"B":{"from":"plain","value":"two"}}"#);
}

#[test]
fn without_defaults_there_are_ours() {
    let definition = definition("on: { manual: true }\nstages: [{ name: One, steps: [make] }]\n");
    let build = definition.stages[0].build().unwrap();
    assert_eq!(build.project, "gatewright-shop");
    assert_eq!((build.timeout.0, build.retries), (900, 1));
    assert_eq!(definition.budget.0, 7 * 86_400);
    assert_eq!(definition.source.path, ".");
    assert_eq!(definition.stages[0].gates, [Gate::Steps]);
    assert_eq!(
        (build.steps[0].name.as_str(), build.steps[0].run.as_str()),
        ("make", "make")
    );
}

#[test]
fn the_usual_budget_holds_what_may_be_waited_for() {
    let definition = definition(
        "on: { manual: true }
artifacts: { image: { type: image, repository: shop } }
environments:
  staging: { verify: none, windows: [{ days: [sat], from: '02:00', to: '04:00' }] }
stages:
  - { name: Package, steps: [make], produces: image }
  - { name: Ask, environment: staging, approval: { quorum: [{ group: leads }] } }
  - { name: Ship, deploy: { artifact: image, environment: staging }, steps: [make] }
",
    );
    // Eight days for a window that opens once a week, and three for the approval.
    assert_eq!(definition.budget.0, 12 * 86_400);
    assert!(gatewright_compiler::compile(&definition).is_ok());
}

#[test]
fn production_is_protected_unless_somebody_says_otherwise() {
    let check = |name: &str, said: &str, expect: bool| {
        let rest = format!(
            "on: {{ manual: true }}\nenvironments: {{ {name}: {{ cluster: c, namespace: n{said} }} }}\nstages: [{{ name: One, steps: [make] }}]\n"
        );
        let definition = definition(&rest);
        assert_eq!(definition.environments[0].protected, expect, "{name}{said}");
    };
    check("staging", "", false);
    check("staging", ", protected: true", true);
    check("production", "", true);
    check("eu-prod", "", true);
    check("pre-production", "", true);
    check("production", ", protected: false", false);
    check("product", "", false);
}

#[test]
fn triggers_are_read_in_their_short_form() {
    let rest = "on:\n  push: { branches: [main, 'release/*'] }\n  tag: { patterns: ['v*.*.*'] }\n  manual: true\nstages: [{ name: One, steps: [make] }]\n";
    let expect = [
        Event::Push {
            branches: vec!["main".to_owned(), "release/*".to_owned()],
        },
        Event::Tag {
            patterns: vec!["v*.*.*".to_owned()],
        },
        Event::Manual { environment: None },
    ];
    let definition = definition(rest);
    let events: Vec<&Event> = definition.triggers.iter().map(|t| &t.event).collect();
    assert_eq!(events, expect.iter().collect::<Vec<_>>());
    let names: Vec<&str> = definition
        .triggers
        .iter()
        .map(|t| t.name.as_str())
        .collect();
    assert_eq!(names, ["push", "tag", "manual"]);
}

#[test]
fn an_approval_has_its_defaults() {
    let rest = "on: { manual: true }\nenvironments: { test: { cluster: c, namespace: n } }\nstages:\n  - { name: Ask, environment: test, approval: { quorum: [{ group: leads }] } }\n";
    let definition = definition(rest);
    let Work::Approval(approval) = &definition.stages[0].work else {
        panic!("not an approval");
    };
    assert_eq!(
        (approval.expires.0, approval.remind.0),
        (3 * 86_400, 4 * 3_600)
    );
    assert_eq!(approval.quorum[0].count, 1);
    assert!(definition.stages[0].gates.is_empty());
}

#[test]
fn an_alias_and_a_merge_key_mean_what_they_mean_in_yaml() {
    let rest = "on: { manual: true }\nstages:\n  - name: One\n    install: &setup [a]\n    env: &env { A: x }\n    steps: [make]\n  - name: Two\n    install: *setup\n    env: { <<: *env, B: y }\n    steps: [make]\n";
    let definition = definition(rest);
    let build = definition.stages[1].build().unwrap();
    assert_eq!(build.install, ["a"]);
    assert_eq!(build.env.len(), 2);
}

#[test]
fn windows_line_endings_and_a_byte_order_mark_change_nothing() {
    let text = format!("{HEAD}on: {{ manual: true }}\nstages: [{{ name: One, steps: [make] }}]\n");
    let plain = read("a", &text, None).unwrap().definition;
    let other = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(read("a", &other, None).unwrap().definition, plain);
}

fn warnings(rest: &str) -> String {
    let people = "people:\n  - { id: ada, name: Ada, email: ada@example.com }\n  - { id: bo, name: Bo, email: bo@example.com }\n  - { id: cy, name: Cy, email: cy@example.com }\ngroups:\n  - { name: leads, members: [ada, bo] }\n";
    let directory = read_directory("approvers.yaml", people).unwrap();
    let text = format!("{HEAD}on: {{ manual: true }}\n{rest}");
    let read = read("shop.yaml", &text, Some(&directory));
    read.unwrap_or_else(|d| panic!("{d}")).warnings.to_string()
}

#[test]
fn a_quorum_that_one_absence_makes_impossible_is_warned_of() {
    let rest = "environments: { test: { cluster: c, namespace: n } }\nstages:\n  - { name: Ask, environment: test, approval: { quorum: [{ group: leads, count: 2 }] } }\n  - { name: Two, environment: test, steps: [make] }\n";
    insta::assert_snapshot!(warnings(rest), @r#"
warning: without ada or without bo nobody can reach this quorum
 --> shop.yaml:9:49
  |
9 |   - { name: Ask, environment: test, approval: { quorum: [{ group: leads, count: 2 }] } }
  |                                                 ^^^^^^
  |
  = help: who requests a release or wrote its commit does not count; with one more member it would always be possible
"#);
}

#[test]
fn a_gate_that_lets_worse_through_is_warned_of() {
    let rest = "artifacts: { image: { type: image, repository: shop } }\nstages:\n  - name: One\n    steps: [make]\n    produces: image\n    gates: [{ scan: { artifact: image, none-of: [CRITICAL, HIGH] } }]\n";
    insta::assert_snapshot!(warnings(rest), @r#"
warning: this gate forbids HIGH and lets UNTRIAGED and UNDEFINED through
  --> shop.yaml:12:60
   |
12 |     gates: [{ scan: { artifact: image, none-of: [CRITICAL, HIGH] } }]
   |                                                            ^^^^
   |
   = help: what nobody has rated yet counts as worse than HIGH; list it too if that is not meant
"#);
}

#[test]
fn a_variable_that_sounds_like_a_secret_is_warned_of() {
    let rest = "stages:\n  - { name: One, steps: [make], env: { API_TOKEN: letmein } }\n";
    insta::assert_snapshot!(warnings(rest), @r#"
warning: API_TOKEN sounds like a secret, and everybody who reads this file reads it
 --> shop.yaml:8:51
  |
8 |   - { name: One, steps: [make], env: { API_TOKEN: letmein } }
  |                                                   ^^^^^^^
  |
  = help: if it is one: `API_TOKEN: { secret: ID }`, from Secrets Manager
"#);
}
