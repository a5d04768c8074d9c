use crate::support::{World, now};
use base64::Engine as _;
use gatewright_domain::approval::{Choice, Decision, State, Via};
use gatewright_domain::decide::Outcome;
use gatewright_domain::pipeline::{Deploy, Effect, Work};
use gatewright_domain::release::Status;
use gatewright_domain::{Digest, after};
use gatewright_views::pages::*;
use scraper::{Html, Selector};
use sha2::Digest as _;

const RELEASE: &str = "https://g.example/r/cp-1";

fn approval_for(world: &World, person: &str) -> String {
    approval(&ApprovalView {
        head: &world.head,
        definition: &world.definition,
        records: &world.records,
        asked: world.asked(),
        running: Some(&world.running),
        halted: world.halted.as_ref(),
        person: &person.parse().unwrap(),
        nonce: "v4.local.nonce",
        release_url: RELEASE,
        now: now(),
    })
}

fn release_of(world: &World) -> String {
    release(&ReleaseView {
        head: &world.head,
        definition: Some(&world.definition),
        records: &world.records,
        approvals: &[(world.request.clone(), world.decisions.clone())],
        events: &world.events,
        running: std::slice::from_ref(&world.running),
        halted: world.halted.as_ref(),
        directory: &world.directory,
        now: now(),
    })
}

fn list_of(world: &World) -> String {
    let row = PipelineRow {
        id: &world.definition.id,
        name: &world.definition.name,
        releases: vec![ReleaseRow {
            head: &world.head,
            url: Some(RELEASE.to_owned()),
        }],
        older_url: None,
    };
    releases(&ReleasesView {
        pipelines: &[row],
        now: now(),
    })
}

fn decided_by(world: &World, choice: Choice, reason: &str) -> String {
    let decision = Decision {
        person: "devan".parse().unwrap(),
        choice,
        reason: reason.to_owned(),
        at: now(),
        via: Via::Page,
        evidence: world.request.evidence.clone(),
    };
    let outcome = match choice {
        Choice::Approve => world.asked().if_approved(&decision.person, now()).unwrap(),
        Choice::Reject => Outcome::Rejected,
    };
    decided(&DecidedView {
        head: &world.head,
        definition: &world.definition,
        asked: world.asked(),
        decision: &decision,
        halted: world.halted.as_ref(),
        outcome: &outcome,
        release_url: RELEASE,
    })
}

fn every_page(world: &World, text: &str) -> Vec<(&'static str, String)> {
    vec![
        ("approval", approval_for(world, "devan")),
        ("release", release_of(world)),
        ("releases", list_of(world)),
        ("approved", decided_by(world, Choice::Approve, text)),
        ("rejected", decided_by(world, Choice::Reject, text)),
        ("refused", refused(text, text, text)),
    ]
}

fn all<'a>(page: &'a Html, what: &str) -> Vec<scraper::ElementRef<'a>> {
    page.select(&Selector::parse(what).unwrap()).collect()
}

/// A page's text, one line an element that starts a line.
fn text_of(html: &str) -> String {
    let page = Html::parse_document(html);
    let lines = all(&page, "h1, h2, h3, p, li, tr, label, button, pre");
    let said = lines
        .iter()
        .filter(|e| e.value().name() != "li" || all_under(e, "p, h3").is_empty());
    said.map(|e| {
        let own = e.text().collect::<Vec<_>>().join(" ");
        format!(
            "{}: {}",
            e.value().name(),
            own.split_whitespace().collect::<Vec<_>>().join(" ")
        )
    })
    .collect::<Vec<_>>()
    .join("\n")
}

fn all_under<'a>(e: &scraper::ElementRef<'a>, what: &str) -> Vec<scraper::ElementRef<'a>> {
    e.select(&Selector::parse(what).unwrap()).collect()
}

#[test]
fn the_page_of_a_watch_says_that_it_does_not_tell_and_shows_the_numbers() {
    let page = approval_for(&World::watched(), "devan");
    for said in [
        "its numbers do not tell",
        "mean 0.4 %, worst 0.4 % in 3 of 4 samples",
        "alarm shop-hosts does not exist",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!approval_for(&World::new(), "devan").contains("do not tell"));
}

#[test]
fn the_pages_of_a_halted_release_say_by_whom_and_promise_nothing() {
    let world = World::halted("errors since 14:02");
    let said = "All releases of pl-gps-001 are halted by anna since 2026-10-12 09:25 UTC: errors since 14:02";
    let command = "gatewright resume pl-gps-001 --reason TEXT";
    for page in [approval_for(&world, "devan"), release_of(&world)] {
        assert!(page.contains(said) && page.contains(command), "{page}");
    }
    let then =
        "; but the release is halted and ends before “S3”, unless somebody resumes it first.";
    let decided = decided_by(&world, Choice::Approve, "looks good");
    for page in [approval_for(&world, "devan"), decided] {
        assert!(page.contains(then) && !page.contains("at once"), "{page}");
    }
}

/// What keeps a deploy waiting is not known to the page, so it promises no time.
#[test]
fn an_approval_of_a_deploy_says_what_it_waits_for_and_not_at_once() {
    let mut world = World::new();
    let next = &mut world.definition.stages[3];
    next.environment = Some("production".parse().unwrap());
    let Work::Build(build) = next.work.clone() else {
        panic!("{next:?} builds nothing")
    };
    next.work = Work::Deploy(Deploy {
        artifacts: Vec::new(),
        effect: Effect::Complete,
        build,
    });
    let then = "“S3” begins as soon as production is clear: when no other release, hold, freeze, closed window or soak time is in its way.";
    let decided = decided_by(&world, Choice::Approve, "looks good");
    for page in [approval_for(&world, "devan"), decided] {
        assert!(page.contains(then) && !page.contains("at once"), "{page}");
    }
}

#[test]
fn the_pages_say_this() {
    let world = World::new();
    for (name, html) in every_page(&world, "looks good") {
        insta::assert_snapshot!(format!("text-of-{name}"), text_of(&html));
    }
}

#[test]
fn the_approval_page_in_full() {
    insta::assert_snapshot!(approval_for(&World::new(), "devan"));
}

#[test]
fn every_page_is_well_formed_and_accessible() {
    // The parser does tell: a test that finds nothing must be able to.
    assert!(
        !Html::parse_document("<!doctype html><p><ul></p></b>")
            .errors
            .is_empty()
    );
    for text in ["looks good", HOSTILE] {
        let world = World::with(
            if text == HOSTILE {
                HOSTILE
            } else {
                "Fix the parser"
            },
            2,
        );
        for (name, html) in every_page(&world, text) {
            let page = Html::parse_document(&html);
            assert!(page.errors.is_empty(), "{name}: {:?}", page.errors);
            assert_eq!(all(&page, "html[lang=en]").len(), 1, "{name}");
            assert_eq!(all(&page, "h1").len(), 1, "{name}");
            assert_eq!(all(&page, "main").len(), 1, "{name}");
            assert!(all(&page, "thead th:not([scope])").is_empty(), "{name}");
            let mut ids: Vec<_> = all(&page, "[id]")
                .iter()
                .filter_map(|e| e.attr("id"))
                .map(str::to_owned)
                .collect();
            let count = ids.len();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), count, "{name}: an id twice");
            for field in all(&page, "textarea, input:not([type=hidden])") {
                let labelled = field
                    .attr("id")
                    .is_some_and(|id| !all(&page, &format!("label[for={id}]")).is_empty());
                let inside = field
                    .ancestors()
                    .any(|a| a.value().as_element().is_some_and(|e| e.name() == "label"));
                assert!(labelled || inside, "{name}: {}", field.html());
            }
        }
    }
}

const HOSTILE: &str = "<script>alert(1)</script>\" onmouseover=\"x' \u{202E}gnp\u{1b}[0m </title></style></textarea>&amp;";

#[test]
fn hostile_text_stays_text_in_every_field_of_every_page() {
    let world = World::with(HOSTILE, 2);
    for (name, html) in every_page(&world, HOSTILE) {
        let page = Html::parse_document(&html);
        assert!(
            all(&page, "script, img, iframe, object, link, base").is_empty(),
            "{name}"
        );
        assert_eq!(all(&page, "style").len(), 1, "{name}");
        for element in all(&page, "*") {
            for (attribute, value) in element.value().attrs() {
                assert!(
                    !attribute.starts_with("on") && attribute != "style",
                    "{name}: {attribute}"
                );
                assert!(!value.starts_with("javascript:"), "{name}: {value}");
            }
        }
        assert!(!html.contains(['\u{202E}', '\u{1b}']), "{name}");
    }
}

#[test]
fn the_policy_allows_the_style_of_every_page_and_nothing_from_elsewhere() {
    let policy = SECURITY_HEADERS
        .iter()
        .find(|(name, _)| *name == "Content-Security-Policy")
        .unwrap()
        .1;
    for (name, html) in every_page(&World::new(), "x") {
        let start = html.find("<style>").unwrap() + "<style>".len();
        let style = &html[start..html.find("</style>").unwrap()];
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
        assert!(
            policy.contains(&format!("style-src 'sha256-{hash}'")),
            "{name}: {hash}"
        );
        assert!(!style.contains("url(") && !style.contains("@import"));
    }
    for directive in [
        "default-src 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(directive));
    }
}

#[test]
fn the_form_posts_what_the_server_reads_and_nothing_is_ticked_beforehand() {
    let html = approval_for(&World::new(), "devan");
    let page = Html::parse_document(&html);
    let form = all(&page, "form")[0];
    assert_eq!(
        (form.attr("method"), form.attr("action")),
        (Some("post"), None)
    );
    for name in [form::NONCE, form::REASON, form::CONFIRM, &form::check(0)] {
        assert!(
            !all(&page, &format!("form [name={name}]")).is_empty(),
            "{name}"
        );
    }
    for value in [form::APPROVE, form::REJECT] {
        let button = format!("form button[name={}][value={value}]", form::CHOICE);
        assert_eq!(all(&page, &button).len(), 1);
    }
    assert!(
        all(&page, "input[name=confirm][required]").len()
            == all(&page, "input[name=confirm]").len()
    );
    assert!(all(&page, "input[checked]").is_empty());
}

#[test]
fn whoever_cannot_decide_gets_no_form_and_the_reason() {
    let check = |change: &dyn Fn(&mut World), person: &str, said: &str| {
        let mut world = World::new();
        change(&mut world);
        let html = approval_for(&world, person);
        assert!(!html.contains("<form"), "{said}");
        assert!(
            text_of(&html).contains(said),
            "{said} is not in\n{}",
            text_of(&html)
        );
    };
    check(&|_| {}, "priya", "You approved this 10 min ago");
    check(
        &|w| w.request.expires_at = now(),
        "devan",
        "It expired before everybody had decided",
    );
    check(
        &|w| {
            w.request.state = State::Approved {
                at: after(now(), -60),
            }
        },
        "devan",
        "It was approved at",
    );
    check(
        &|w| w.request.excluded.push("devan@example.com".to_owned()),
        "devan",
        "You cannot decide on your own work",
    );
    check(
        &|w| w.directory.groups[1].members.clear(),
        "devan",
        "You are not asked",
    );
    check(
        &|w| w.head.status = Status::Succeeded,
        "devan",
        "The release is over: it succeeded",
    );
}

#[test]
fn a_ledger_that_was_altered_is_called_so() {
    let mut world = World::new();
    assert!(release_of(&world).contains("Verified:"));
    world.events[3].hash = Digest::of_bytes(b"forged");
    let html = release_of(&world);
    assert!(html.contains("This ledger does not hold together") && !html.contains("Verified:"));
}

#[test]
fn a_dirty_end_says_first_how_its_environment_becomes_known_again() {
    let mut world = World::new();
    world.ends_dirty();
    let page = release_of(&world);
    let runbook = page.find("gatewright runbook pl-gps-001 production");
    assert!(
        runbook.is_some() && runbook < page.find("new commit"),
        "{page}"
    );
}
