use crate::facts::facts;
use crate::support::World;
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
        let Some(mail) = mail::for_fact(&fact, &world.head, &world.definition, "javascript:x")
        else {
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
