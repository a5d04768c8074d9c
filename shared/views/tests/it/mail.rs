use crate::facts::facts;
use crate::support::World;
use gatewright_domain::ledger::Fact;
use gatewright_views::mail;

#[test]
fn the_mails_are_these_and_each_says_what_subscribers_filter_by() {
    let world = World::new();
    let mut said = Vec::new();
    for fact in facts("they disagree") {
        if let Some(mail) = mail::for_fact(
            &fact,
            &world.head,
            &world.definition,
            &world.records,
            "https://g.example/r/cp-1",
        ) {
            said.push(format!(
                "{}\n{:?}\n{}",
                mail.subject, mail.attributes, mail.text
            ));
        }
    }
    insta::assert_snapshot!(said.join("\n\n---\n\n"));
}

#[test]
fn a_subject_is_one_short_line_whatever_it_quotes() {
    let text = "x\r\nBcc: everybody@example.com\u{202E}".repeat(50);
    let world = World::with(&text, 1);
    for fact in facts(&text) {
        let Some(mail) = mail::for_fact(
            &fact,
            &world.head,
            &world.definition,
            &world.records,
            "javascript:x",
        ) else {
            continue;
        };
        assert!(mail.subject.chars().count() < 100 && !mail.subject.contains(char::is_control));
        assert!(
            !mail.text.contains("\nBcc") && !mail.text.contains("javascript:"),
            "{}",
            mail.text
        );
    }
}

#[test]
fn a_dirty_end_says_first_how_its_environment_becomes_known_again() {
    let mut world = World::new();
    world.ends_dirty();
    let failure = world.head.failure.clone();
    let status = world.head.status;
    let mail = mail::for_fact(
        &Fact::ReleaseEnded { status, failure },
        &world.head,
        &world.definition,
        &world.records,
        "https://g.example/r/cp-1",
    );
    let text = mail.unwrap().text;
    let runbook = text.find("`gatewright runbook pl-gps-001 production`");
    assert!(
        runbook.is_some() && runbook < text.find("new commit"),
        "{text}"
    );
}
