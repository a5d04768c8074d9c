//! The generated tables: the pipelines in README.md, and docs/systems.md, which
//! says of each system's special features whether they are declared, whether they
//! are enforced, and which test shows it. `GATEWRIGHT_EXPECT=write` writes them.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use gatewright_compiler::{compile, transitions_on};
use gatewright_domain::evidence::Severity;
use gatewright_domain::gate::Gate;
use gatewright_domain::pipeline::{
    Build, Definition, Feature, Form, GroupKind, NotifyRoute, ReportFormat, StrategyKind,
    Versioning, Work,
};
use gatewright_tests::{definitions, laptop::root};
use std::fmt::Write;

/// A special feature of a system: what its document asks for.
struct Row {
    pipeline: &'static str,
    feature: &'static str,
    declared: fn(&Definition) -> bool,
    /// The feature of the language that is meant, where nothing enforces it yet.
    not_yet: Option<Feature>,
    /// The test that shows it: file and function.
    proven: (&'static str, &'static str),
}

const ROUTES: (&str, &str) = (
    "systems.rs",
    "every_route_goes_from_its_trigger_to_its_end_through_its_own_states",
);
const UNDONE: (&str, &str) = (
    "systems.rs",
    "every_deploy_that_undoes_itself_goes_back_to_what_ran_before",
);

fn builds(d: &Definition) -> impl Iterator<Item = &Build> {
    d.stages.iter().filter_map(|stage| stage.build())
}

fn runs(d: &Definition, command: &str) -> bool {
    let says = |b: &Build| {
        b.steps.iter().any(|s| s.run.contains(command))
            || b.install.iter().any(|c| c.contains(command))
    };
    builds(d).any(says)
}

fn gates(d: &Definition) -> impl Iterator<Item = &Gate> {
    d.stages.iter().flat_map(|stage| &stage.gates)
}

fn asks(d: &Definition, group: &str, points: usize) -> bool {
    d.stages.iter().any(|stage| match &stage.work {
        Work::Approval(approval) => {
            approval.quorum.iter().any(|q| q.group.as_str() == group)
                && approval.checklist.len() >= points
        }
        _ => false,
    })
}

fn covers(d: &Definition) -> bool {
    gates(d).any(|g| matches!(g, Gate::Coverage { at_least, .. } if at_least.0 >= 8_000))
}

fn says_not_enforced(d: &Definition, feature: Feature) -> bool {
    d.unenforced().iter().any(|said| said.feature == feature)
}

fn watches(d: &Definition, metric: &str) -> bool {
    let watched = d.stages.iter().filter_map(|stage| stage.watching());
    watched.flat_map(|w| &w.watch).any(|w| w.metric == metric)
}

fn strategy(d: &Definition, kind: StrategyKind, steps: &[u32]) -> bool {
    let of = |e: &gatewright_domain::pipeline::Environment| {
        e.strategy.kind == kind && e.strategy.steps == steps
    };
    d.environments.values().any(of)
}

fn undoes(d: &Definition, environment: &str) -> bool {
    let known = d
        .environments
        .iter()
        .find(|(name, _)| name.as_str() == environment);
    known.is_some_and(|(_, e)| e.rollback.automatic)
}

fn critical_only(d: &Definition) -> bool {
    gates(d)
        .any(|g| matches!(g, Gate::Findings { none_of, .. } if none_of == &[Severity::Critical]))
}

fn scans(d: &Definition) -> bool {
    gates(d)
        .any(|g| matches!(g, Gate::Scan { none_of, .. } if none_of.contains(&Severity::Critical)))
}

fn verifies(d: &Definition) -> bool {
    d.artifacts.values().any(|artifact| artifact.signed) && gates(d).any(|g| g.verifies().is_some())
}

fn form(d: &Definition, wanted: fn(&Form) -> bool) -> bool {
    d.artifacts.values().any(|artifact| wanted(&artifact.form))
}

fn kinds(d: &Definition, wanted: &[&str]) -> bool {
    wanted
        .iter()
        .all(|kind| d.triggers.iter().any(|t| t.event.kind() == *kind))
}

fn windowed(d: &Definition) -> bool {
    d.environments.values().any(|e| !e.windows.is_empty())
}

fn retried(d: &Definition) -> bool {
    builds(d).all(|b| b.retries > 0)
}

fn by_hand(d: &Definition) -> bool {
    d.environments.values().all(|e| !e.manual.is_empty())
}

const BY_HAND: (&str, &str) = (
    "../../shared/compiler/tests/by_hand.rs",
    "what_the_definition_has_people_do_stands_there_with_its_values",
);

const S1: &str = "pipeline-tms-odoo-addon";
const S2: &str = "pipeline-gps-microservice";
const S3: &str = "pipeline-iac-terraform";
const S4: &str = "pl-odoo-001";
const S5: &str = "pl-gps-001";
const S6: &str = "smart-dairy";
const S7: &str = "PL-ODOO-MOD";
const S8: &str = "PL-N8N-WF";
const S9: &str = "PL-IAC";
const S10: &str = "PL-CONTAINER-IMG";
const S11: &str = "ecommerce";

const fn row(
    pipeline: &'static str,
    feature: &'static str,
    declared: fn(&Definition) -> bool,
    proven: (&'static str, &'static str),
) -> Row {
    Row {
        pipeline,
        feature,
        declared,
        not_yet: None,
        proven,
    }
}

const fn later(
    pipeline: &'static str,
    feature: &'static str,
    declared: fn(&Definition) -> bool,
    not_yet: Feature,
) -> Row {
    Row {
        pipeline,
        feature,
        declared,
        not_yet: Some(not_yet),
        proven: ROUTES,
    }
}

const LAPTOP: &str = "eleven.rs";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(S1, "linters and formatters block", |d| runs(d, "flake8 .") && runs(d, "black --check .") && runs(d, "isort --check-only ."), (LAPTOP, "s1_odoo_addon_takes_every_route")),
    row(S1, "coverage of at least 80 %", covers, (LAPTOP, "s1_odoo_addon_takes_every_route")),
    row(S1, "dependency scan that fails on critical findings only", critical_only, (LAPTOP, "s1_a_critical_dependency_stops_the_release")),
    row(S1, "`kubectl apply` to staging and production", |d| runs(d, "kubectl apply -f k8s/staging/deployment.yaml --namespace staging"), (LAPTOP, "s1_odoo_addon_takes_every_route")),
    row(S1, "approval by Project-Leads-Group with three points", |d| asks(d, "project-leads-group", 3), (LAPTOP, "s1_odoo_addon_takes_every_route")),
    row(S1, "the last 10 builds are kept", |d| d.artifacts.values().all(|a| a.keep == 10), ("../../shared/compiler/tests/stack.rs", "a_pipelines_stack_holds_what_only_it_needs")),
    row(S2, "five stages", |d| d.stages.iter().filter(|s| s.of.is_none()).count() == 5, (LAPTOP, "s2_gps_microservice_takes_every_route")),
    row(S2, "approval that asks whether staging's tests passed", |d| asks(d, "project-leads-group", 1), (LAPTOP, "s2_gps_microservice_takes_every_route")),
    row(S3, "init, validate, plan", |d| runs(d, "terraform validate") && runs(d, "terraform plan -out=tfplan"), (LAPTOP, "s3_terraform_takes_every_route")),
    row(S3, "the plan is the artifact, and only the reviewed one is applied", |d| form(d, |f| matches!(f, Form::Plan { .. })), (LAPTOP, "s3_another_plan_than_the_reviewed_one_is_refused")),
    row(S3, "approval by DevOps-Leads-Group", |d| asks(d, "devops-leads-group", 1), (LAPTOP, "s3_terraform_takes_every_route")),
    row(S4, "push, tag and manual triggers", |d| kinds(d, &["push", "tag", "manual"]), (LAPTOP, "s4_odoo_takes_every_route")),
    row(S4, "flake8, black, isort, bandit, pip-audit", |d| runs(d, "bandit -r . -ll -ii") && runs(d, "pip-audit"), (LAPTOP, "s4_odoo_takes_every_route")),
    row(S4, "no critical finding in the image", scans, (LAPTOP, "s4_odoo_takes_every_route")),
    row(S4, "approval by Project Lead and DevOps Lead", |d| asks(d, "project-lead", 0) && asks(d, "devops-lead", 0), (LAPTOP, "s4_odoo_takes_every_route")),
    row(S4, "each deploy can be run by hand", by_hand, BY_HAND),
    row(S4, "infrastructure failures are retried, red tests are not", retried, ("in_memory/refusing.rs", "an_infrastructure_fault_is_retried_and_a_red_build_is_not")),
    row(S5, "push, tag and manual triggers", |d| kinds(d, &["push", "tag", "manual"]), (LAPTOP, "s5_gps_takes_every_route")),
    row(S5, "each deploy can be run by hand", by_hand, BY_HAND),
    row(S5, "production runs the digest that staging ran", scans, ("laptop.rs", "a_release_goes_from_commit_to_production_and_its_record_can_be_verified")),
    row(S6, "seven triggers, each with its route", |d| kinds(d, &["push", "pull-request", "tag", "manual", "schedule"]) && d.triggers.len() >= 7, (LAPTOP, "s6_smart_dairy_takes_every_route")),
    row(S6, "build matrix of odoo, fastapi and celery", |d| d.groups.iter().any(|g| g.kind == GroupKind::Matrix && g.stages.len() == 3), (LAPTOP, "s6_smart_dairy_takes_every_route")),
    row(S6, "unit tests with PostgreSQL and Redis", |d| builds(d).any(|b| b.services.len() == 2), (LAPTOP, "s6_smart_dairy_takes_every_route")),
    row(S6, "integration tests with compose", |d| runs(d, "docker-compose -f docker-compose.test.yml"), (LAPTOP, "s6_smart_dairy_takes_every_route")),
    row(S6, "Trivy and Snyk", |d| runs(d, "trivy") && runs(d, "snyk"), (LAPTOP, "s6_smart_dairy_takes_every_route")),
    row(S6, "Helm with `--wait --timeout 10m`", |d| runs(d, "scripts/install.sh"), (LAPTOP, "s6_smart_dairy_takes_every_route")),
    row(S6, "security gates of rising strictness", |d| gates(d).filter(|g| g.leniency().is_some()).count() >= 3, (LAPTOP, "s6_smart_dairy_takes_every_route")),
    later(S6, "exceptions to the gate for high findings", |d| says_not_enforced(d, Feature::Waiver), Feature::Waiver),
    later(S6, "security's sign-off for medium findings", |d| says_not_enforced(d, Feature::SignOff), Feature::SignOff),
    row(S6, "time budgets of stages, and 30 min for the way to staging", |d| d.triggers.iter().any(|t| t.budget.is_some_and(|b| b.0 == 1_800)), ("systems.rs", "a_route_that_has_used_up_its_budget_starts_no_build")),
    row(S6, "staging undoes a deploy that fails", |d| undoes(d, "staging"), (LAPTOP, "s6_an_unhealthy_staging_goes_back_to_what_ran")),
    row(S6, "production: blue-green with canary 5, 25, 100", |d| strategy(d, StrategyKind::BlueGreenCanary, &[5, 25, 100]), (LAPTOP, "s6_smart_dairy_takes_every_route")),
    row(S6, "metrics watched while traffic shifts", |d| watches(d, "error-rate") && watches(d, "health"), ("watching/main.rs", "a_rollout_that_does_well_goes_on")),
    row(S6, "the Release Manager approves", |d| asks(d, "release-manager", 0), (LAPTOP, "s6_smart_dairy_takes_every_route")),
    later(S6, "delivery metrics with targets and alerts", |d| d.targets.len() == 5, Feature::Targets),
    row(S6, "PagerDuty for the one on call when recovery is needed", |d| d.notify.routes.iter().any(NotifyRoute::is_enforced), ("paging.rs", "the_definition_says_who_is_woken_up")),
    row(S6, "what is done by hand: roll back, scale to zero, look at events", by_hand, BY_HAND),
    later(S6, "notification table", |d| d.notify.routes.len() >= 5, Feature::NotifyRoutes),
    row(S6, "weekly DAST on staging", |d| runs(d, "zap-baseline.py"), (LAPTOP, "s6_smart_dairy_takes_every_route")),
    row(S7, "the artifact is a versioned archive", |d| d.artifacts.values().any(|a| matches!(a.form, Form::Archive { .. }) && a.version == Versioning::Semver), (LAPTOP, "s7_odoo_modules_take_every_route")),
    later(S7, "no new high or critical findings", |d| says_not_enforced(d, Feature::OnlyNew), Feature::OnlyNew),
    row(S7, "UAT sign-off by Product Owner or QA Lead", |d| asks(d, "product-owner-or-qa-lead", 0), (LAPTOP, "s7_odoo_modules_take_every_route")),
    row(S7, "two of the CAB, with the pre-cutover checklist", |d| asks(d, "cab", 1), (LAPTOP, "s7_odoo_modules_take_every_route")),
    row(S7, "production inside a maintenance window", windowed, ("controls/freezes.rs", "a_window_is_waited_for_and_the_glass_can_be_broken")),
    row(S7, "database migrations", |d| runs(d, "odoo-bin"), (LAPTOP, "s7_odoo_modules_take_every_route")),
    row(S8, "the artifact is a set of JSON files", |d| form(d, |f| matches!(f, Form::Files { .. })), (LAPTOP, "s8_workflows_take_every_route")),
    row(S8, "JSON and schema validation, secret detection", |d| runs(d, "gitleaks") && builds(d).any(|b| b.reports.values().any(|r| r.format == ReportFormat::Sarif)), (LAPTOP, "s8_an_embedded_credential_stops_the_release")),
    row(S8, "deployed through an HTTP API", |d| runs(d, "scripts/deploy.py"), (LAPTOP, "s8_workflows_take_every_route")),
    row(S8, "a failed deploy puts the previous files back", |d| undoes(d, "staging"), UNDONE),
    row(S9, "tfsec and checkov", |d| runs(d, "tfsec") && runs(d, "checkov"), (LAPTOP, "s9_an_open_port_stops_the_release")),
    row(S9, "a plan for each environment, reviewed and applied as it was", |d| d.artifacts.values().filter(|a| matches!(a.form, Form::Plan { .. })).count() == 3, (LAPTOP, "s9_another_plan_than_the_reviewed_one_is_refused")),
    row(S9, "staging parity check", |d| runs(d, "parity"), (LAPTOP, "s9_infrastructure_takes_every_route")),
    row(S9, "production inside a maintenance window", windowed, ("controls/freezes.rs", "a_window_is_waited_for_and_the_glass_can_be_broken")),
    row(S10, "images for other pipelines, by SemVer and commit", |d| d.artifacts.values().all(|a| a.version == Versioning::Semver), (LAPTOP, "s10_images_start_the_pipeline_that_deploys_their_digest")),
    later(S10, "no new high or critical findings", |d| says_not_enforced(d, Feature::OnlyNew), Feature::OnlyNew),
    row(S10, "its releases start a pipeline that deploys their digest", |d| !d.downstream.is_empty(), (LAPTOP, "s10_images_start_the_pipeline_that_deploys_their_digest")),
    row(S11, "feature, develop, release and main to four environments", |d| d.environments.len() == 4 && kinds(d, &["push", "pull-request"]), (LAPTOP, "s11_ecommerce_takes_every_route")),
    row(S11, "8 vCPU, 16 GB, 30 min, cache", |d| builds(d).any(|b| b.compute == "BUILD_GENERAL1_LARGE" && b.timeout.0 == 1_800 && !b.cache.is_empty()), (LAPTOP, "s11_ecommerce_takes_every_route")),
    row(S11, "Argo CD and Helm", |d| runs(d, "app.sh"), (LAPTOP, "s11_ecommerce_takes_every_route")),
    row(S11, "canary 5, 20, 50, 100 beside the old version", |d| strategy(d, StrategyKind::BlueGreenCanary, &[5, 20, 50, 100]), (LAPTOP, "s11_ecommerce_takes_every_route")),
    row(S11, "signature verified before each deploy", verifies, ("signing.rs", "what_was_verified_is_evidence_and_is_deployed")),
    row(S11, "another digest than the verified one is refused", verifies, ("signing.rs", "another_digest_than_the_one_to_deploy_does_not_count")),
    row(S11, "what is brought back is verified too", verifies, ("signing.rs", "a_rollback_verifies_what_it_brings_back_in_its_own_build")),
    row(S11, "a change that fails is undone", |d| undoes(d, "production"), UNDONE),
    row(S11, "error rate and P90 latency watched", |d| watches(d, "error-rate") && watches(d, "latency-p90"), ("watching/judging.rs", "numbers_beyond_their_limit_undo_the_rollout")),
    later(S11, "SNS and Slack by environment and status, daily summary", |d| !d.notify.routes.is_empty(), Feature::NotifyRoutes),
    row(S11, "drift detection and monthly audit", |d| kinds(d, &["schedule"]), (LAPTOP, "s11_ecommerce_takes_every_route")),
];

#[test]
fn every_special_feature_is_declared_and_has_a_test_that_is_there() {
    let definitions = definitions();
    let mut wrong = Vec::new();
    for row in ROWS {
        let definition = definitions
            .iter()
            .find(|d| d.id.as_str() == row.pipeline)
            .unwrap();
        if !(row.declared)(definition) {
            wrong.push(format!("{}: not declared: {}", row.pipeline, row.feature));
        }
        let (file, test) = row.proven;
        let path = root().join("tests/tests").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        if !text.contains(&format!("fn {test}(")) {
            wrong.push(format!("{file} has no test {test}"));
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn systems() -> String {
    let mut text = String::from(
        "# The systems, and what holds of them\n\n\
         Generated by `tests/tests/tables.rs`; `GATEWRIGHT_EXPECT=write cargo test -p gatewright-tests --test tables` writes it.\n\n\
         *Enforced: not yet* means that the definition says it and this version does something else, which is said; `gatewright plan` lists the same.\n\
         A protected environment that would let more through for it has to accept it by name (`accept-unenforced`).\n",
    );
    let mut last = "";
    for (number, id) in [S1, S2, S3, S4, S5, S6, S7, S8, S9, S10, S11]
        .iter()
        .enumerate()
    {
        for row in ROWS.iter().filter(|row| row.pipeline == *id) {
            if last != *id {
                write!(text, "\n## S{} {id}\n\n| special feature | declared | enforced | shown by |\n|---|---|---|---|\n", number + 1).unwrap();
                last = id;
            }
            let enforced = match row.not_yet {
                None => "yes".to_owned(),
                Some(feature) => format!("not yet (`{feature}`): {}", feature.instead()),
            };
            let (file, test) = row.proven;
            let file = file.trim_start_matches("../../");
            let shown = match row.not_yet {
                None => format!("`{file}`: {}", test.replace('_', " ")),
                Some(_) => "-".to_owned(),
            };
            writeln!(text, "| {} | yes | {enforced} | {shown} |", row.feature).unwrap();
        }
    }
    text
}

fn pipelines() -> String {
    let mut text = String::from(
        "| pipeline | routes | states | transitions | approvals |\n|---|---|---|---|---|\n",
    );
    for definition in definitions() {
        let machine = compile(&definition).unwrap();
        let of = |t: &gatewright_domain::pipeline::Trigger| transitions_on(&machine, Some(&t.name));
        let (least, most) = (
            definition.triggers.iter().map(of).min().unwrap(),
            definition.triggers.iter().map(of).max().unwrap(),
        );
        let transitions = if least == most {
            least.to_string()
        } else {
            format!("{least} to {most}")
        };
        let names: Vec<&str> = definition
            .triggers
            .iter()
            .map(|t| t.name.as_str())
            .collect();
        let approvals: Vec<String> = definition
            .stages
            .iter()
            .filter_map(|stage| match &stage.work {
                Work::Approval(approval) => {
                    let who: Vec<String> = approval
                        .quorum
                        .iter()
                        .map(|q| format!("{} × {}", q.count, q.group))
                        .collect();
                    Some(format!(
                        "{}: {}",
                        stage.environment.as_ref().unwrap(),
                        who.join(" and ")
                    ))
                }
                _ => None,
            })
            .collect();
        let approvals = if approvals.is_empty() {
            "none".to_owned()
        } else {
            approvals.join("; ")
        };
        let id = &definition.id;
        writeln!(
            text,
            "| [`{id}`](pipelines/{id}.yaml) | {} | {} | {transitions} | {approvals} |",
            names.join(", "),
            machine.states.len(),
        )
        .unwrap();
    }
    text
}

/// `text` with what is between the markers replaced by `table`.
fn replaced(text: &str, table: &str) -> String {
    const BEGIN: &str = "<!-- pipelines: generated by tests/tests/tables.rs -->\n";
    const END: &str = "<!-- /pipelines -->";
    let begin = text.find(BEGIN).unwrap() + BEGIN.len();
    let end = text.find(END).unwrap();
    format!("{}{table}{}", &text[..begin], &text[end..])
}

fn is_up_to_date(file: &str, wanted: impl Fn(&str) -> String) {
    let path = root().join(file);
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let wanted = wanted(&there);
    if std::env::var("GATEWRIGHT_EXPECT").is_ok_and(|v| v == "write") {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert!(
            there == wanted,
            "{file} is out of date: GATEWRIGHT_EXPECT=write writes it"
        );
    }
}

#[test]
fn the_table_of_systems_is_what_the_definitions_say() {
    is_up_to_date("docs/systems.md", |_| systems());
}

#[test]
fn the_table_of_pipelines_is_what_their_machines_are() {
    is_up_to_date("README.md", |text| replaced(text, &pipelines()));
}
