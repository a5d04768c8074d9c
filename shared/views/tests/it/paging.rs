use crate::support::World;
use gatewright_domain::EnvironmentName;
use gatewright_domain::release::Failure;
use gatewright_domain::undo::{Standing, Target};
use gatewright_views::paging::{InDoubt, page};

const PROCEDURE: &str =
    "# 1. Look\ngatewright explain cp-1\n\n# 2. Roll back by hand\nkubectl apply\n";

fn failure(cause: &str) -> Failure {
    Failure {
        stage: Some("Deploy to Production".parse().unwrap()),
        error: "BuildFailed".to_owned(),
        cause: cause.to_owned(),
    }
}

fn production(before: Option<Target>) -> [(EnvironmentName, Option<Target>); 1] {
    [("production".parse().unwrap(), before)]
}

#[test]
fn a_page_says_what_is_unknown_why_what_ran_before_and_what_to_do() {
    let world = World::new();
    let failure = failure("the rollout timed out; and it could not be undone: it timed out too");
    let page = page(&InDoubt {
        head: &world.head,
        failure: Some(&failure),
        environments: &production(Some(Target {
            title: world.running.title.clone(),
            deployment: world.running.clone(),
            standing: Standing::Good,
            across: vec!["pl-gps-001#142".to_owned()],
        })),
        procedure: PROCEDURE,
        page_url: "https://g.example/r/cp-1",
    });
    let details: Vec<String> = page
        .details
        .iter()
        .map(|(heading, text)| format!("-- {heading}\n{text}"))
        .collect();
    insta::assert_snapshot!(format!(
        "{}\n{}\n{:?}\n{}",
        page.summary,
        page.component,
        page.link,
        details.join("\n")
    ));
}

#[test]
fn a_page_is_short_and_harmless_whatever_it_quotes() {
    let text = "x\r\n\u{202E}\u{1b}[2J".repeat(2_000);
    let world = World::with(&text, 1);
    let failure = failure(&text);
    let procedure = "kubectl get\n".repeat(500);
    let page = page(&InDoubt {
        head: &world.head,
        failure: Some(&failure),
        environments: &production(None),
        procedure: &procedure,
        page_url: "javascript:x",
    });
    assert!(page.summary.chars().count() <= 1_024);
    assert_eq!(page.link, None);
    for (heading, text) in &page.details {
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202E}';
        assert!(!text.contains(steers), "{heading}: {text}");
        assert!(text.lines().count() < 40, "{heading}");
    }
}
