use crate::facts::facts;
use gatewright_domain::ErrorName;
use gatewright_domain::release::Failure;
use gatewright_views::words;

#[test]
fn every_fact_has_its_sentence() {
    let said: Vec<String> = facts("they disagree").iter().map(words::fact).collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_sentence_is_one_harmless_line_whatever_it_quotes() {
    for fact in facts("a\r\nb\u{1b}[31m\u{202E}c") {
        let said = words::fact(&fact);
        assert!(
            !said.contains(|c: char| c.is_control() || c == '\u{202E}'),
            "{said}"
        );
        assert!(said.ends_with('.') || said.ends_with('…'), "{said}");
    }
}

#[test]
fn every_error_name_and_every_other_name_has_something_that_helps() {
    let others = [
        "States.Timeout",
        "States.Runtime",
        "Lambda.Unknown",
        "",
        "Anything",
    ];
    for name in ErrorName::ALL.iter().map(|n| n.as_str()).chain(others) {
        let failure = Failure {
            stage: None,
            error: name.to_owned(),
            cause: "x".to_owned(),
        };
        assert!(words::failure(&failure).len() > 1, "{name}");
    }
    // What docs/errors.md knows is never called unknown.
    for name in ["Stopped", "Sandbox.Timedout", "Runtime.ExitError"] {
        assert!(!words::helps(name)[0].contains("none of Gatewright's own"));
    }
}

#[test]
fn a_question_that_expired_names_the_key_of_whoever_asked() {
    let said = words::helps(ErrorName::ApprovalExpired.as_str()).join(" ");
    assert!(
        said.contains("`expires:` of the stage") && said.contains("`decide-within:`"),
        "{said}"
    );
}

#[test]
fn a_denial_of_a_person_is_not_only_about_roles() {
    let said = words::helps(ErrorName::AccessDenied.as_str()).join(" ");
    assert!(
        said.contains("approvers.yaml") && said.contains("about a role"),
        "{said}"
    );
}
