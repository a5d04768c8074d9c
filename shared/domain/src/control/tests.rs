use super::*;
use crate::order::verify;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-21T10:00:00Z")
}

fn by() -> PersonId {
    "anna".parse().unwrap()
}

fn halt(of: Target) -> Order {
    Order::Halt {
        of,
        reason: "errors".to_owned(),
    }
}

fn freeze(until: &str) -> Order {
    Order::Freeze {
        pipeline: None,
        environment: Some("production".parse().unwrap()),
        times: Times::Once {
            from: at("2026-11-21T00:00:00Z"),
            until: at(until),
        },
        running: UnderWay::Finish,
        rollbacks: false,
        reason: "sale".to_owned(),
    }
}

fn pipeline() -> PipelineId {
    "pl-gps-001".parse().unwrap()
}

#[test]
fn a_halt_of_everything_halts_every_pipeline_until_it_is_lifted() {
    let (halted, first) = Controls::default()
        .give(&by(), halt(Target::All), now())
        .unwrap();
    assert!(halted.halted(&pipeline()).is_some());
    assert!(halted.give(&by(), halt(Target::All), now()).is_err());
    let resume = Order::Resume {
        of: Target::All,
        reason: "over".to_owned(),
    };
    let (free, second) = halted.give(&by(), resume.clone(), now()).unwrap();
    assert!(free.halted(&pipeline()).is_none());
    assert_eq!(
        free.give(&by(), resume, now()).unwrap_err(),
        "everything is not halted"
    );
    assert_eq!(verify(&[first.clone(), second.clone()]), Ok(()));
    assert!(verify(std::slice::from_ref(&second)).is_err());
    let mut altered = first;
    altered.by = "somebody".parse().unwrap();
    assert!(verify(&[altered, second]).is_err());
}

#[test]
fn a_halt_of_one_pipeline_leaves_the_others_alone() {
    let other = Target::Pipeline("other".parse().unwrap());
    let (halted, _) = Controls::default().give(&by(), halt(other), now()).unwrap();
    assert!(halted.halted(&pipeline()).is_none());
    assert!(halted.halted(&"other".parse().unwrap()).is_some());
}

#[test]
fn a_freeze_binds_its_environment_and_lets_rollbacks_through() {
    let order = freeze("2026-11-22T00:00:00Z");
    let (frozen, _) = Controls::default().give(&by(), order, now()).unwrap();
    let seen = |environment: &str, rollback| {
        let environment = environment.parse().unwrap();
        let found = frozen.frozen(&pipeline(), &environment, rollback, now());
        found.unwrap().len()
    };
    assert_eq!(seen("production", false), 1);
    assert_eq!(seen("production", true), 0);
    assert_eq!(seen("staging", false), 0);
    let thaw = |freeze| Order::Thaw {
        freeze,
        reason: "over".to_owned(),
    };
    assert!(frozen.give(&by(), thaw(7), now()).is_err());
    let (thawed, _) = frozen.give(&by(), thaw(1), now()).unwrap();
    assert!(thawed.freezes.is_empty());
}

#[test]
fn a_freeze_whose_time_is_to_come_is_not_in_force_yet() {
    let (frozen, _) = Controls::default()
        .give(&by(), freeze("2026-11-22T00:00:00Z"), now())
        .unwrap();
    let (all, _) = frozen.give(&by(), halt(Target::All), now()).unwrap();
    assert_eq!(all.clone().at(now()), all);
    let before = all.at(at("2026-11-20T00:00:00Z"));
    assert_eq!((before.halts.len(), before.freezes.len()), (1, 0));
}

#[test]
fn freezes_that_are_over_leave_with_the_next_order() {
    let (frozen, _) = Controls::default()
        .give(&by(), freeze("2026-11-22T00:00:00Z"), now())
        .unwrap();
    let later = at("2026-11-23T00:00:00Z");
    let (next, given) = frozen.give(&by(), halt(Target::All), later).unwrap();
    assert!(next.freezes.is_empty());
    assert_eq!(given.seq, 2);
}

#[test]
fn an_order_without_a_reason_or_in_the_past_is_none() {
    let refused = |order: Order| Controls::default().give(&by(), order, now()).unwrap_err();
    let blank = Order::Halt {
        of: Target::All,
        reason: "  ".to_owned(),
    };
    assert_eq!(refused(blank), "say why: \"reason\" is empty");
    let past = refused(freeze("2026-11-21T09:00:00Z"));
    assert_eq!(
        past,
        "the freeze would be over already: 2026-11-21T09:00:00Z is past, as it is 2026-11-21T10:00:00Z; let it end later"
    );
    let past = refused(freeze("2026-11-20T09:00:00Z"));
    assert!(past.starts_with("the freeze would be over already: 2026-11-20"));
    let again = |times: Times| {
        let mut order = freeze("2026-11-22T00:00:00Z");
        if let Order::Freeze { times: known, .. } = &mut order {
            *known = times;
        }
        order
    };
    let turned = Times::Once {
        from: at("2026-11-23T00:00:00Z"),
        until: at("2026-11-22T00:00:00Z"),
    };
    assert_eq!(
        refused(again(turned)),
        "a freeze must end after it begins: 2026-11-22T00:00:00Z is not after 2026-11-23T00:00:00Z"
    );
    let always = Times::Yearly {
        from: "11-01".to_owned(),
        to: "10-31".to_owned(),
        time_zone: "UTC".to_owned(),
    };
    assert!(
        refused(again(always))
            .starts_with("\"each year 11-01 to 10-31 (UTC)\" begins again when it ends")
    );
}

#[test]
fn what_is_in_force_is_what_was_ordered_or_what_differs_is_said() {
    let mut orders = Vec::new();
    let mut controls = Controls::default();
    for order in [
        halt(Target::Pipeline(pipeline())),
        freeze("2026-11-21T11:00:00Z"),
        freeze("2026-11-22T00:00:00Z"),
        halt(Target::Release("cp-1".parse().unwrap())),
    ] {
        let (next, given) = controls.give(&by(), order, now()).unwrap();
        controls = next;
        orders.push(given);
    }
    assert_eq!(controls.verify(&orders), Ok(()));
    // A freeze that is over goes with the next order, in both.
    let later = at("2026-11-21T12:00:00Z");
    let (next, given) = controls.give(&by(), halt(Target::All), later).unwrap();
    orders.push(given);
    assert_eq!(next.freezes.len(), 1);
    assert_eq!(next.verify(&orders), Ok(()));
    // An order that came after the controls were read is not looked at.
    assert_eq!(controls.verify(&orders), Ok(()));

    let altered = |change: fn(&mut Controls)| {
        let mut altered = next.clone();
        change(&mut altered);
        altered.verify(&orders).unwrap_err()
    };
    assert_eq!(
        altered(|c| c.halts[1].said.reason = "forged".to_owned()),
        "the halt of everything is in force, and not as it was ordered"
    );
    assert_eq!(
        altered(|c| c.halts.clear()),
        "the halt of pl-gps-001 was ordered and is not in force"
    );
    assert_eq!(
        altered(|c| c.freezes.clear()),
        "freeze 3 was ordered and is not in force"
    );
    assert_eq!(
        altered(|c| c.last_hash = None),
        "the last orders are missing"
    );
}
