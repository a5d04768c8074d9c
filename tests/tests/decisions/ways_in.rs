//! Links, forms, Slack and the command line: what is let in.

use super::*;

#[tokio::test]
async fn looking_changes_nothing_whoever_looks() {
    let w = Waiting::new(World::push()).await;
    let before = w.world.store.table().items();
    let token = w.token("priya").await;
    for method in ["GET", "HEAD", "GET"] {
        let (status, body) = w.page(method, &token, &[]).await;
        assert_eq!((status, body.is_empty()), (200, method == "HEAD"));
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        assert_eq!(w.page(method, &token, &[]).await.0, 405, "{method}");
    }
    assert_eq!(w.world.store.table().items(), before);
}

#[tokio::test]
async fn a_form_that_a_scanner_posts_decides_nothing() {
    let w = Waiting::new(World::push()).await;
    let token = w.token("priya").await;
    let nonce = w.nonce("priya").await;
    let others = w.nonce("devan").await;
    let rows: &[(&[(&str, &str)], u16)] = &[
        (&[], 403),
        (
            &[
                ("choice", "approve"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
            403,
        ),
        (
            &[
                ("nonce", "forged"),
                ("choice", "approve"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
            403,
        ),
        (
            &[
                ("nonce", &others),
                ("choice", "approve"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
            403,
        ),
        (
            &[
                ("nonce", &token),
                ("choice", "approve"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
            403,
        ),
        (&[("nonce", &nonce)], 422),
        (&[("nonce", &nonce), ("choice", "approve")], 422),
        (
            &[("nonce", &nonce), ("choice", "approve"), ("confirm", "yes")],
            422,
        ),
        (
            &[
                ("nonce", &nonce),
                ("choice", "maybe"),
                ("confirm", "yes"),
                ("check-0", "yes"),
            ],
            422,
        ),
        (
            &[
                ("nonce", &nonce),
                ("choice", "reject"),
                ("confirm", "yes"),
                ("reason", "  "),
            ],
            422,
        ),
    ];
    for (form, expected) in rows {
        let (status, page) = w.page("POST", &token, form).await;
        assert_eq!(status, *expected, "{form:?}: {page}");
    }
    assert_eq!(w.decided().await, Vec::<String>::new());
}

#[tokio::test]
async fn links_that_are_forged_expired_cut_off_or_for_something_else_are_refused() {
    let w = Waiting::new(World::push()).await;
    let good = w.token("priya").await;
    let expired = ApprovalLink {
        expires: w.world.clock.now(),
        ..w.link("priya").await
    };
    let read = ReadLink {
        release: id(R),
        expires: after(w.world.clock.now(), 60),
    };
    let foreign = Links::new(&Secret::new("x".repeat(64))).unwrap();
    let rows = [
        (String::new(), 403),
        ("v4.local.AAAA".to_owned(), 403),
        (good[..good.len() - 4].to_owned(), 403),
        (foreign.issue(&w.link("priya").await).unwrap(), 403),
        (w.links.issue(&read).unwrap(), 403),
        (w.links.issue(&expired).unwrap(), 410),
    ];
    for (token, expected) in rows {
        for method in ["GET", "POST"] {
            let (status, page) = w
                .page(method, &token, &[("choice", "approve"), ("confirm", "yes")])
                .await;
            assert_eq!(status, expected, "{method} {token}: {page}");
        }
    }
    // A link for other evidence than what is asked for now.
    let other = ApprovalLink {
        evidence: Digest::of_bytes(b"other"),
        ..w.link("priya").await
    };
    let nonce = w
        .links
        .issue(&PageNonce {
            link: other.clone(),
            expires: other.expires,
        })
        .unwrap();
    let form = [
        ("nonce", nonce.as_str()),
        ("choice", "approve"),
        ("confirm", "yes"),
        ("check-0", "yes"),
    ];
    assert_eq!(
        w.page("POST", &w.links.issue(&other).unwrap(), &form)
            .await
            .0,
        409
    );
    // Somebody whom nobody asked, with a link that is otherwise good.
    let stranger = ApprovalLink {
        person: "eve".parse().unwrap(),
        ..w.link("priya").await
    };
    let nonce = w
        .links
        .issue(&PageNonce {
            link: stranger.clone(),
            expires: stranger.expires,
        })
        .unwrap();
    let form = [
        ("nonce", nonce.as_str()),
        ("choice", "approve"),
        ("confirm", "yes"),
        ("check-0", "yes"),
    ];
    assert_eq!(
        w.page("POST", &w.links.issue(&stranger).unwrap(), &form)
            .await
            .0,
        403
    );
    assert_eq!(w.decided().await, Vec::<String>::new());
}

#[tokio::test]
async fn slack_decides_only_with_its_signature_and_for_members_we_know() {
    let w = Waiting::new(World::push()).await;
    let evidence = w.evidence().await;
    assert_eq!(
        w.slack("U0PRIYA", "approve", &evidence, 0, "another secret")
            .await
            .0,
        401
    );
    assert_eq!(
        w.slack("U0PRIYA", "approve", &evidence, 301, SIGNING)
            .await
            .0,
        401
    );
    assert_eq!(
        w.slack("U0EVE", "approve", &evidence, 0, SIGNING).await.0,
        200
    );
    assert_eq!(
        w.slack("U0PRIYA", "approve", &Digest::of_bytes(b"old"), 0, SIGNING)
            .await
            .0,
        200
    );
    assert_eq!(
        w.slack("U0PRIYA", "open", &evidence, 0, SIGNING).await.0,
        200
    );
    assert_eq!(w.decided().await, Vec::<String>::new());
    assert_eq!(
        w.slack("U0PRIYA", "approve", &evidence, 0, SIGNING).await.0,
        200
    );
    assert_eq!(
        w.slack("U0DEVAN", "reject", &evidence, 0, SIGNING).await.0,
        200
    );
    assert_eq!(w.decided().await, ["devan", "priya"]);
    assert!(matches!(w.state().await, State::Rejected { .. }));
    let told: Vec<String> = w
        .chat
        .responses()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        told,
        [
            "You are not among the approvers that Gatewright knows.",
            "Your decision was not recorded: this was issued for other evidence than what is asked for now; use the newest request.",
            "You approved pl-gps-001#1. Still missing: 1 of devops-lead.",
            "You rejected pl-gps-001#1. It ends here.",
        ]
    );
}

#[tokio::test]
async fn the_command_line_decides_as_whom_iam_has_authenticated() {
    let w = Waiting::new(World::push()).await;
    let mut people = gatewright_fakes::directory();
    let arn = "arn:aws:iam::123456789012:user/devan";
    people
        .people
        .iter_mut()
        .filter(|p| p.id.as_str() == "devan")
        .for_each(|p| p.aliases.push(arn.to_owned()));
    w.world.store.apply_directory(&people).await.unwrap();
    let body = json!({ "release": R, "choice": "approve", "evidence": w.evidence().await });
    assert_eq!(w.cli(None, &body).await.0, 401);
    for stranger in [
        "arn:aws:iam::123456789012:user/devan2",
        "arn:aws:iam::999999999999:user/devan",
        "user/devan",
    ] {
        let (status, said) = w.cli(Some(stranger), &body).await;
        assert_eq!(status, 400, "{said}");
        assert!(
            said.contains("is none of the people in approvers.yaml"),
            "{said}"
        );
    }
    let misspelt = json!({ "release": R, "choise": "approve", "evidence": w.evidence().await });
    let (status, said) = w.cli(Some(arn), &misspelt).await;
    assert!(
        status == 400 && said.contains("did you mean \\\"choice\\\"?"),
        "{said}"
    );
    assert_eq!(w.cli(Some(arn), &body).await.0, 200);
    assert_eq!(w.cli(Some(arn), &body).await.0, 409);
    assert_eq!(w.decided().await, ["devan"]);
}
