use crate::facts::facts;
use crate::support::{World, halt, now};
use gatewright_domain::release::{Failure, Status};
use gatewright_views::slack::{self, ReleaseMessage, SlackMessage};
use proptest::prelude::*;
use serde_json::Value;

const PAGE: &str = "https://g.example/r/cp-1";

fn message(world: &World, open: bool) -> SlackMessage {
    slack::release_message(&ReleaseMessage {
        head: &world.head,
        definition: &world.definition,
        records: &world.records,
        asked: open.then(|| world.asked()),
        halted: world.halted.as_ref(),
        page_url: PAGE,
        now: now(),
    })
}

fn personal(world: &World) -> SlackMessage {
    let person = "devan".parse().unwrap();
    let link = "https://g.example/a?t=v4.local.x";
    slack::personal_request(
        &world.head,
        &world.asked(),
        &person,
        link,
        Some(&world.running),
    )
}

fn shown(message: &SlackMessage) -> String {
    serde_json::to_string_pretty(&message.blocks).unwrap()
}

#[test]
fn the_message_of_a_release_that_waits_for_people() {
    insta::assert_snapshot!(shown(&message(&World::new(), true)));
}

#[test]
fn a_release_that_has_ended_has_no_buttons_and_says_what_helps() {
    let mut world = World::new();
    world.head.status = Status::FailedClean;
    world.head.failure = Some(Failure {
        stage: None,
        error: "Rejected".to_owned(),
        cause: "not now".to_owned(),
    });
    let shown = shown(&message(&world, true));
    assert!(!shown.contains("\"actions\""));
    assert!(shown.contains("not now") && shown.contains("Talk to the person who rejected"));
}

#[test]
fn a_halted_release_says_so_above_everything_else() {
    let said = message(&World::halted("errors since 14:02"), true);
    assert!(said.text.ends_with("running, halted"), "{}", said.text);
    let first = shown(&said);
    let at = |what: &str| {
        first
            .find(what)
            .unwrap_or_else(|| panic!("{what}: {first}"))
    };
    let halted =
        at("All releases of pl-gps-001 are halted by anna since 2026-10-12 09:25 UTC: errors");
    assert!(halted < at("Fix the parser"), "{first}");
}

#[test]
fn the_personal_request_carries_the_link_and_the_shared_message_does_not() {
    let world = World::new();
    let own = personal(&world);
    insta::assert_snapshot!(shown(&own));
    assert!(!shown(&message(&world, true)).contains("v4.local"));
}

/// Whoever is asked about a watch reads that it did not tell, and what was measured.
#[test]
fn a_request_about_a_watch_says_so_and_shows_the_numbers() {
    let world = World::watched();
    for shown in [shown(&personal(&world)), shown(&message(&world, true))] {
        assert!(shown.contains("its numbers do not tell"), "{shown}");
        assert!(
            shown.contains("mean 0.4 %, worst 0.4 % in 3 of 4 samples"),
            "{shown}"
        );
        assert!(shown.contains("alarm shop-hosts does not exist"), "{shown}");
    }
    let about = |world: &World| shown(&message(world, true)).contains("do not tell");
    assert!(!about(&World::new()));
}

/// Calls `check` with every text of a message and the key that it stands under.
fn texts(value: &Value, key: &str, check: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => check(key, text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, check)),
        Value::Object(members) => members.iter().for_each(|(k, v)| {
            let kind = members
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let key = if k == "text" && v.is_object() {
                kind
            } else if k == "text" {
                key
            } else {
                k
            };
            texts(v, key, check);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn holds(message: &SlackMessage) {
    assert!(message.blocks.len() <= 50);
    let mut total = message.text.encode_utf16().count();
    texts(
        &Value::Array(message.blocks.clone()),
        "",
        &mut |key, text| {
            let long = text.encode_utf16().count();
            total += long;
            let most = match key {
                "header" => 150,
                "button" => 75,
                "value" => 2_000,
                _ => 3_000,
            };
            assert!((1..=most).contains(&long), "{key} has {long}: {text}");
            if key == "section" {
                let bare = text
                    .replace("&amp;", "")
                    .replace("&lt;", "")
                    .replace("&gt;", "");
                assert!(!bare.contains(['&', '<', '>', '\u{202E}', '\r']), "{text}");
            }
        },
    );
    assert!(total <= 9_500, "{total}");
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        Just("<!channel>".to_owned()),
        Just("&\"<https://evil.example|x>".to_owned()),
        Just("\u{202E}\r\n```*_~".to_owned()),
        Just("🚀".to_owned()),
    ];
    (piece, 1usize..400).prop_map(|(piece, times)| format!("x{}", piece.repeat(times)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_text_from_outside_breaks_slacks_limits(text in hostile(), stages in 1usize..40, ended in any::<bool>()) {
        let mut world = World::with(&text, stages);
        world.halted = (!ended).then(|| halt(&text));
        if ended {
            world.head.status = Status::FailedDirty;
            world.head.failure = Some(Failure { stage: None, error: text.clone(), cause: text.clone() });
        }
        holds(&message(&world, true));
        holds(&personal(&world));
        for fact in facts(&text) {
            if let Some(line) = slack::thread_line(&fact) {
                prop_assert!(line.encode_utf16().count() <= 3_000 && !line.contains(['<', '>']));
            }
        }
    }
}

#[test]
fn a_dirty_end_says_first_how_its_environment_becomes_known_again() {
    let mut world = World::new();
    world.ends_dirty();
    let said = serde_json::json!(message(&world, false).blocks).to_string();
    assert!(
        said.contains("`gatewright runbook pl-gps-001 production`")
            && said.contains("gatewright unhold pl-gps-001/production --runs RELEASE"),
        "{said}"
    );
}

#[test]
#[should_panic(expected = "has 3001")]
fn a_text_that_is_too_long_is_found() {
    holds(&SlackMessage {
        text: "x".to_owned(),
        blocks: vec![
            serde_json::json!({ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(3_001) } }),
        ],
    });
}
