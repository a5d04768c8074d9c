use super::expression::{Happened, holds, parse};
use super::*;

const SMART_DAIRY: &str = include_str!("../../tests/fixtures/smart-dairy-workflow.yml");
const CODE_VALIDATION: &str = include_str!("../../tests/fixtures/code-validation-workflow.yml");

fn drafted(text: &str) -> Draft {
    let known = Known {
        repository: Some("https://github.com/example/shop".to_owned()),
        file: ".github/workflows/main.yml".to_owned(),
        ..Known::default()
    };
    draft(text, &known).unwrap()
}

fn read(draft: &Draft) -> serde_json::Value {
    serde_saphyr::from_str(&draft.text).unwrap_or_else(|e| panic!("{e}\n{}", draft.text))
}

#[test]
fn the_workflow_of_smart_dairy_is_carried_over() {
    let draft = drafted(SMART_DAIRY);
    assert_eq!((draft.jobs, draft.steps), ((7, 7), (37, 37)));
    insta::assert_snapshot!(draft.text);
}

#[test]
fn the_code_validation_of_a_shop_is_carried_over() {
    let draft = drafted(CODE_VALIDATION);
    assert_eq!((draft.jobs, draft.steps), ((1, 1), (6, 6)));
    insta::assert_snapshot!(draft.text);
}

#[test]
fn drafts_are_yaml_without_githubs_expressions() {
    for text in [SMART_DAIRY, CODE_VALIDATION] {
        let draft = drafted(text);
        let read = read(&draft);
        assert_eq!(read["language"], 1);
        let open = draft
            .text
            .lines()
            .filter(|line| line.contains("${{") && !line.contains(DECIDE));
        let open: Vec<&str> = open.filter(|line| !line.contains("${{ matrix.")).collect();
        assert_eq!(open, [""; 0]);
    }
}

#[test]
fn routes_follow_the_conditions_of_the_jobs() {
    let read = read(&drafted(SMART_DAIRY));
    let on = &read["on"];
    assert_eq!(on["push"][0]["branches"], serde_json::json!(["main"]));
    assert_eq!(on["push"][0]["deploy"], "staging");
    assert_eq!(on["push"][1]["deploy"], "none");
    assert_eq!(
        on["tag"]["deploy"],
        serde_json::json!(["staging", "production"])
    );
    assert_eq!(
        on["pull-request"]["skip"],
        serde_json::json!(["Security Scan"])
    );
    assert_eq!(on["schedule"]["cron"], "0 0 * * *");
}

#[test]
fn conditions_are_decided_as_far_as_they_are_known() {
    let push = |reference: &str| Happened {
        event: "push".to_owned(),
        reference: reference.to_owned(),
        base: String::new(),
    };
    let main = push("refs/heads/main");
    for (text, expected) in [
        ("github.ref == 'refs/heads/main'", Some(true)),
        ("${{ github.ref != 'refs/heads/main' }}", Some(false)),
        ("startsWith(github.ref, 'refs/tags/v')", Some(false)),
        ("github.event_name != 'pull_request'", Some(true)),
        ("always()", Some(true)),
        ("failure() || github.ref_name == 'main'", Some(true)),
        (
            "github.event_name == 'push' && (github.ref == 'refs/heads/x' || !false)",
            Some(true),
        ),
        ("needs.build.outputs.changed == 'true'", None),
        ("github.ref == 'refs/heads/x' && inputs.go", Some(false)),
        ("'it''s' == 'it''s'", Some(true)),
    ] {
        let expression = parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(holds(&expression, &main), expected, "{text}");
    }
    for wrong in ["", "a ==", "(a", "f(a", "'open", "a b"] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn what_cannot_be_carried_over_is_a_decision_and_fails_until_it_is_made() {
    let draft = drafted(
        "name: Odd\non:\n  push: { branches-ignore: [wip], paths: [src/**] }\n  workflow_dispatch: { inputs: { level: { type: string } } }\n  issue_comment:\nenv: { A: '${{ vars.A }}' }\njobs:\n  one:\n    runs-on: [self-hosted, linux]\n    continue-on-error: true\n    strategy:\n      fail-fast: false\n      matrix: { python: ['3.10', '3.11'], include: [{ python: '3.12' }] }\n    steps:\n      - uses: someone/something@v1\n        with: { key: value }\n      - run: make ${{ steps.x.outputs.y }}\n        continue-on-error: true\n        working-directory: sub\n        env: { TOKEN: '${{ secrets.TOKEN }}', WHEN: '${{ github.sha }}' }\n",
    );
    let read = read(&draft);
    let stage = &read["stages"][0];
    assert_eq!(
        stage["matrix"]["python"],
        serde_json::json!(["3.10", "3.11"])
    );
    assert_eq!(stage["fail-fast"], false);
    assert_eq!(
        stage["env"]["TOKEN"],
        serde_json::json!({ "secret": "token" })
    );
    assert_eq!(stage["steps"][0]["run"], "exit 1");
    let run = stage["steps"][1]["run"].as_str().unwrap();
    assert_eq!(
        run.trim_end(),
        "export WHEN=\"$COMMIT_SHA\"\n(\n(\ncd \"sub\"\nmake $STEPS_X_OUTPUTS_Y\n)\n) || echo \"failed, and goes on\""
    );
    assert_eq!((draft.jobs, draft.steps), ((1, 1), (2, 1)));
    let all = draft.decide.join("\n");
    for part in [
        "all branches but wip",
        "`paths: src/**`",
        "issue_comment",
        "input \"level\"",
        "self-hosted",
        "continue-on-error",
        "include",
        "someone/something@v1",
        "steps.x.outputs.y",
        "A, which the workflow computes",
    ] {
        assert!(all.contains(part), "{part}\n{all}");
    }
}

#[test]
fn jobs_that_need_each_other_or_nobody_are_refused() {
    let of =
        |jobs: &str| draft(&format!("on: push\njobs:\n{jobs}"), &Known::default()).unwrap_err();
    let circle = "  a: { needs: b, steps: [] }\n  b: { needs: a, steps: [] }\n";
    assert_eq!(of(circle), "the jobs a, b need each other in a circle");
    let nobody = "  a: { needs: c, steps: [] }\n";
    assert_eq!(
        of(nobody),
        "job \"a\" needs \"c\", and there is no such job"
    );
    let known = Known::default();
    assert!(
        draft("on: push\n", &known)
            .unwrap_err()
            .contains("`jobs` is missing")
    );
    assert!(
        draft("jobs: { a: {} }\n", &known)
            .unwrap_err()
            .contains("`on` is missing")
    );
    assert!(draft("a: [\n", &known).unwrap_err().contains("not YAML"));
    assert!(draft("- 1\n", &known).unwrap_err().contains("mapping"));
}

#[test]
fn a_deploy_without_an_image_gets_an_archive() {
    let read = read(&drafted(
        "on: { push: { branches: ['release/**'] } }\njobs:\n  ship:\n    environment: Production\n    runs-on: ubuntu-latest\n    timeout-minutes: 3\n    steps: [{ run: ./ship.sh }]\n",
    ));
    assert_eq!(read["artifacts"]["source"]["type"], "archive");
    let names: Vec<&str> = read["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Package", "Production Approval", "Ship"]);
    assert_eq!(read["stages"][2]["timeout"], "5m");
    assert_eq!(read["environments"]["production"]["protected"], true);
    assert_eq!(
        read["on"]["push"]["branches"],
        serde_json::json!(["release/*"])
    );
}

#[test]
fn whoever_starts_it_by_hand_chooses_an_environment() {
    let read = read(&drafted(
        "on: { workflow_dispatch: { inputs: { where: { type: choice, options: [staging, production] } } } }\njobs:\n  a: { runs-on: ubuntu-latest, environment: staging, steps: [{ run: a }] }\n  b: { runs-on: ubuntu-latest, environment: production, needs: a, steps: [{ run: b }] }\n",
    ));
    assert_eq!(
        read["on"]["manual"],
        serde_json::json!({ "environments": ["staging", "production"] })
    );
}

#[test]
fn a_branch_that_only_a_condition_names_gets_a_route_of_its_own() {
    let read = read(&drafted(
        "on: { push: { branches: ['**'] } }\njobs:\n  test: { runs-on: ubuntu-latest, steps: [{ run: t }] }\n  ship:\n    runs-on: ubuntu-latest\n    needs: test\n    environment: staging\n    if: github.ref == 'refs/heads/main'\n    steps: [{ run: s }]\n",
    ));
    assert_eq!(
        read["on"]["push"],
        serde_json::json!([
            { "branches": ["main"], "deploy": "staging" },
            { "branches": ["*"], "deploy": "none" },
        ])
    );
}

#[test]
fn no_password_of_a_workflow_gets_into_a_draft() {
    let draft = drafted(
        "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    services:\n      db: { image: 'postgres:16', env: { POSTGRES_PASSWORD: local } }\n    steps:\n      - run: test\n        env: { OWN: 'postgres://u:local@localhost/db', OTHER: 'https://u:hunter2@example.com' }\n",
    );
    assert!(!draft.text.contains("hunter2"), "{}", draft.text);
    let read = read(&draft);
    let stage = &read["stages"][0];
    assert_eq!(
        stage["env"]["OTHER"],
        serde_json::json!({ "secret": "other" })
    );
    assert_eq!(stage["env"]["POSTGRES_PASSWORD"], "local");
    let run = stage["steps"][0]["run"].as_str().unwrap().trim_end();
    assert_eq!(
        run,
        "export OWN=\"postgres://u:${POSTGRES_PASSWORD}@localhost/db\"\ntest"
    );
    assert!(
        draft
            .decide
            .iter()
            .any(|what| what.starts_with("OTHER has a password"))
    );
}

#[test]
fn drafts_validate_as_they_are() {
    for text in [SMART_DAIRY, CODE_VALIDATION] {
        let draft = drafted(text);
        let read = gatewright_compiler::read("draft.yaml", &draft.text, None);
        let read = read.unwrap_or_else(|found| panic!("{}", found.render(false)));
        let compiled = gatewright_compiler::compile(&read.definition);
        assert!(compiled.is_ok(), "{compiled:?}");
    }
}
