//! A definition with everything that the language knows, for tests: routes, a
//! matrix, a group, a canary with a way back, windows, and what is not enforced.

use gatewright_domain::gate::{Gate, Leniency};
use gatewright_domain::pipeline::{
    Artifact, Build, Definition, Deploy, Effect, Environment, Event, Form, Group, GroupKind,
    Seconds, Series, Stage, StrategyKind, Trigger, Versioning, Watch, Watching, Window, Work,
};
use gatewright_fakes::definition;

fn named(stage: &Stage, name: &str) -> Stage {
    Stage {
        name: name.parse().unwrap(),
        ..stage.clone()
    }
}

fn part(stage: &Stage, name: &str, of: &str, work: Work) -> Stage {
    Stage {
        of: Some(of.parse().unwrap()),
        work,
        ..named(stage, name)
    }
}

/// A part of a deploy, with that effect.
fn deploy(stage: &Stage, suffix: &str, effect: Effect) -> Stage {
    let Work::Deploy(whole) = &stage.work else {
        panic!("{stage:?} deploys nothing");
    };
    let work = Work::Deploy(Deploy {
        effect,
        ..whole.clone()
    });
    let of = stage.name.as_str();
    part(stage, &format!("{of}: {suffix}"), of, work)
}

fn watch(stage: &Stage, suffix: &str, seconds: u32) -> Stage {
    let of = stage.name.as_str();
    let work = Work::Watch(Watching {
        lasts: Seconds(seconds),
        warm_up: Seconds(60),
        decide_within: Seconds(3_600),
        watch: watched(),
    });
    let mut made = part(stage, &format!("{of}: {suffix}"), of, work);
    made.gates.clear();
    made
}

fn leg(stage: &Stage, leg: &str) -> Stage {
    let Work::Build(whole) = &stage.work else {
        panic!("{stage:?} builds nothing");
    };
    let work = Work::Build(Build {
        produces: Some(leg.to_owned()),
        ..whole.clone()
    });
    let mut made = part(
        stage,
        &format!("Build Images ({leg})"),
        "Build Images",
        work,
    );
    made.gates = vec![
        Gate::Steps,
        Gate::Scan {
            artifact: leg.to_owned(),
            none_of: vec![gatewright_domain::evidence::Severity::Critical],
            but: Leniency {
                known: true,
                ..Leniency::default()
            },
        },
    ];
    made
}

fn stages(gps: &Definition) -> Vec<Stage> {
    let at = |index: usize| &gps.stages[index];
    let mut to_production = named(at(6), "Deploy to Production");
    if let Work::Deploy(deploy) = &mut to_production.work {
        deploy.effect = Effect::Partial;
    }
    let mut smoke = part(
        at(4),
        "Deploy to Production: smoke test",
        "Deploy to Production",
        at(4).work.clone(),
    );
    smoke.environment.clone_from(&to_production.environment);
    let mut changing = vec![
        to_production.clone(),
        smoke,
        deploy(&to_production, "5 %", Effect::Partial),
        watch(&to_production, "watch 5 %", 600),
        deploy(&to_production, "100 %", Effect::Complete),
    ];
    for stage in &mut changing {
        stage.on_failure = Some("Deploy to Production: roll back".parse().unwrap());
    }
    let mut all = vec![
        named(at(0), "Lint"),
        named(at(1), "Unit Tests"),
        leg(at(2), "odoo"),
        leg(at(2), "fastapi"),
        at(3).clone(),
        at(4).clone(),
        at(5).clone(),
    ];
    all.extend(changing);
    all.push(deploy(&to_production, "roll back", Effect::Undo));
    all
}

fn trigger(name: &str, event: Event, stages: &[Stage], but: &[&str]) -> Trigger {
    let stages = stages.iter().filter(|stage| !stage.undoes());
    let kept = stages.filter(|stage| !but.iter().any(|word| stage.name.as_str().contains(word)));
    Trigger {
        name: name.to_owned(),
        event,
        stages: kept.map(|stage| stage.name.clone()).collect(),
        budget: None,
    }
}

fn triggers(stages: &[Stage]) -> Vec<Trigger> {
    let text = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
    let checks = ["Staging", "Integration", "Production"];
    let push = |branches: &[&str]| Event::Push {
        branches: text(branches),
    };
    let schedule = Event::Schedule {
        cron: "0 0 * * *".to_owned(),
        time_zone: "Asia/Dhaka".to_owned(),
        branch: "main".to_owned(),
    };
    let upstream = Event::Upstream {
        pipeline: "PL-CONTAINER-IMG".parse().unwrap(),
        branch: "main".to_owned(),
    };
    let manual = Event::Manual {
        environment: Some("staging".parse().unwrap()),
    };
    let into = Event::PullRequest { into: text(&["*"]) };
    let tag = Event::Tag {
        patterns: text(&["v*.*.*"]),
    };
    let mut all = vec![
        trigger("feature", push(&["feature/*"]), stages, &checks),
        trigger("main", push(&["main"]), stages, &["Production"]),
        trigger("pull-request", into, stages, &checks),
        trigger("tag", tag, stages, &[]),
        trigger("manual to staging", manual, stages, &["Production"]),
        trigger(
            "nightly",
            schedule,
            stages,
            &["Staging", "Integration", "Production", "Build"],
        ),
        trigger("upstream", upstream, stages, &["Production"]),
    ];
    all[1].budget = Some(Seconds(1_800));
    all
}

fn watched() -> Vec<Watch> {
    vec![Watch {
        metric: "error-rate".to_owned(),
        at_most: Some("1".to_owned()),
        at_most_times_old: None,
        new: Some(Series {
            namespace: "Shop".to_owned(),
            name: "ErrorRate".to_owned(),
            statistic: "Average".to_owned(),
            dimensions: [("Service".to_owned(), "shop-preview".to_owned())].into(),
            ..Series::default()
        }),
        old: None,
        alarm: None,
    }]
}

fn production(environment: &mut Environment) {
    environment.strategy.kind = StrategyKind::Canary;
    environment.strategy.steps = vec![5, 100];
    environment.strategy.watch = watched();
    environment.rollback.automatic = true;
    environment.windows = vec![Window {
        days: vec!["sat".to_owned(), "sun".to_owned()],
        from: "22:00".to_owned(),
        to: "02:00".to_owned(),
        time_zone: "Asia/Dhaka".to_owned(),
        rollbacks: false,
    }];
    environment.soak = Some(Seconds(3_600));
}

/// The definition.
pub fn shop() -> Definition {
    let mut shop = definition();
    shop.stages = stages(&shop);
    shop.triggers = triggers(&shop.stages);
    shop.id = "shop".parse().unwrap();
    shop.name = "Shop".to_owned();
    shop.budget = Seconds(864_000);
    shop.artifacts = ["odoo", "fastapi"]
        .iter()
        .map(|name| {
            let artifact = Artifact {
                form: Form::Image {
                    repository: format!("shop/{name}"),
                },
                version: Versioning::Commit,
                keep: 20,
                from: None,
                signed: false,
            };
            ((*name).to_owned(), artifact)
        })
        .collect();
    for stage in &mut shop.stages {
        if let Work::Deploy(deploy) = &mut stage.work {
            deploy.artifacts = vec!["odoo".to_owned(), "fastapi".to_owned()];
        }
    }
    let group = |name: &str, kind, stages: &[Stage], fail_fast| Group {
        name: name.parse().unwrap(),
        kind,
        stages: stages.iter().map(|stage| stage.name.clone()).collect(),
        fail_fast,
    };
    shop.groups = vec![
        group("Checks", GroupKind::Parallel, &shop.stages[..2], true),
        group("Build Images", GroupKind::Matrix, &shop.stages[2..4], false),
    ];
    for (name, environment) in &mut shop.environments {
        if name.as_str() == "production" {
            production(environment);
        }
    }
    shop
}
