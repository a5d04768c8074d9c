use super::*;
use crate::args::{Cli, Command};
use crate::commands::example::plain;
use clap::Parser;
use gatewright_domain::calendar::Times;

fn asked(line: &str) -> Freeze {
    let words = std::iter::once("gatewright")
        .chain(["freeze"])
        .chain(line.split('|'));
    match Cli::try_parse_from(words).unwrap().command {
        Command::Freeze(args) => args,
        other => panic!("{other:?}"),
    }
}

fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

#[test]
fn a_freeze_is_for_a_time_until_a_time_or_again_and_again() {
    let times = |line: &str| times::of(&asked(line), now()).map(|times| times.to_string());
    assert_eq!(
        times("all|--for|3d|--reason|sale").unwrap(),
        "2026-11-21T10:00:00Z until 2026-11-24T10:00:00Z"
    );
    assert_eq!(
        times("all|--until|2026-11-22T18:00:00+05:30|--reason|sale").unwrap(),
        "2026-11-21T10:00:00Z until 2026-11-22T12:30:00Z"
    );
    assert_eq!(
        times("all|--every|Fri 16:00..Mon 08:00|--time-zone|Asia/Kolkata|--reason|rest").unwrap(),
        "each fri 16:00 until mon 08:00 (Asia/Kolkata)"
    );
    assert_eq!(
        times("all|--every|12-20..01-05|--reason|rest").unwrap(),
        "each year 12-20 to 01-05 (UTC)"
    );
    for (line, what) in [
        ("all|--reason|x", "until when?"),
        (
            "all|--for|3d|--time-zone|Asia/Kolkata|--reason|x",
            "--time-zone Asia/Kolkata belongs to --every alone",
        ),
        (
            "all|--until|friday|--reason|x",
            "--until \"friday\" is no time with a zone",
        ),
        (
            "all|--every|weekends|--reason|x",
            "--every \"weekends\" does not read",
        ),
        (
            "all|--every|fri 16:00..08:00|--reason|x",
            "--every \"fri 16:00..08:00\" does not read",
        ),
    ] {
        assert_eq!(times(line).unwrap_err().what, what);
    }
}

#[test]
fn a_freeze_is_of_everything_a_pipeline_an_environment_or_both() {
    let said = |text: &str| {
        let (pipeline, environment) = place::frozen(text).unwrap();
        gatewright_domain::order::place(pipeline.as_ref(), environment.as_ref())
    };
    assert_eq!(said("all"), "everything");
    assert_eq!(said("pl-gps-001"), "pl-gps-001");
    assert_eq!(said("pl-gps-001/production"), "pl-gps-001/production");
    assert_eq!(said("/production"), "every production");
    assert!(place::frozen("/").is_err());
    assert!(place::frozen("/Production").is_err());
}

#[test]
fn a_misspelt_freeze_is_none() {
    let known = [gatewright_fakes::definition()];
    let wrong = |text: &str| {
        let (pipeline, environment) = place::frozen(text).unwrap();
        let about = place::about(&known, pipeline.as_ref(), environment.as_ref());
        let failed = about.unwrap_err();
        format!("{} / {}", failed.what, failed.help.unwrap_or_default())
    };
    assert_eq!(
        wrong("production"),
        "there is no pipeline \"production\" / it is an environment: /production freezes that of every pipeline, pl-gps-001/production that of one"
    );
    let near = "there is no pipeline \"pl-gps-01\"; did you mean \"pl-gps-001\"? / ";
    assert!(
        wrong("pl-gps-01").starts_with(near),
        "{}",
        wrong("pl-gps-01")
    );
    let near = "no pipeline has an environment \"prodution\"; did you mean \"production\"? / ";
    assert!(
        wrong("/prodution").starts_with(near),
        "{}",
        wrong("/prodution")
    );
    let near = "pl-gps-001 has no environment \"stging\"; did you mean \"staging\"? / ";
    let said = wrong("pl-gps-001/stging");
    assert!(said.starts_with(near), "{said}");
}

#[test]
fn a_freeze_says_whom_it_ends() {
    let known = [gatewright_fakes::definition()];
    let said = |text: &str, line: &str| {
        let (pipeline, environment) = place::frozen(text).unwrap();
        let about = place::about(&known, pipeline.as_ref(), environment.as_ref());
        let times = times::of(&asked(line), now()).unwrap();
        place::too_short(&about.unwrap(), &times, now())
    };
    assert!(said("/production", "x|--for|20h|--reason|x").is_empty());
    let weekend = "x|--every|fri 16:00..mon 08:00|--reason|x";
    let told = said("/production", weekend);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("releases wait for pl-gps-001/production no longer than 1 d"),
        "{told:?}"
    );
    assert_eq!(said("all", weekend).len(), 2);
}

#[test]
fn what_is_in_force_says_who_why_and_until_when() {
    let by = "anna".parse().unwrap();
    let freeze = Order::Freeze {
        pipeline: None,
        environment: Some("production".parse().unwrap()),
        times: Times::Once {
            from: now(),
            until: "2026-11-24T10:00:00Z".parse().unwrap(),
        },
        running: UnderWay::Finish,
        rollbacks: false,
        reason: "sale".to_owned(),
    };
    let stopping = Order::Freeze {
        pipeline: Some("pl-gps-001".parse().unwrap()),
        environment: None,
        times: Times::Once {
            from: now(),
            until: "2026-11-24T10:00:00Z".parse().unwrap(),
        },
        running: UnderWay::Stop,
        rollbacks: true,
        reason: "fire".to_owned(),
    };
    assert_eq!(
        stopping.to_string(),
        "froze pl-gps-001, 2026-11-21T10:00:00Z until 2026-11-24T10:00:00Z, rollbacks too, stopping deploys that are under way"
    );
    let halt = Order::Halt {
        of: Target::All,
        reason: "incident".to_owned(),
    };
    let (controls, _) = Controls::default().give(&by, freeze, now()).unwrap();
    let (controls, _) = controls.give(&by, halt, now()).unwrap();
    let (controls, _) = controls.give(&by, stopping, now()).unwrap();
    assert_eq!(
        plain(&in_force(&controls, now()).join("\n")),
        "everything is halted by anna now: incident\n\
         freeze 1 of every production, 2026-11-21T10:00:00Z until 2026-11-24T10:00:00Z, in force until 2026-11-24 10:00 UTC: sale (anna)\n\
         freeze 3 of pl-gps-001, 2026-11-21T10:00:00Z until 2026-11-24T10:00:00Z, rollbacks too, stopping deploys that are under way, in force until 2026-11-24 10:00 UTC: fire (anna)\n"
    );
}
