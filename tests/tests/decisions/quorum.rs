//! Whose decisions count, and how often.

use super::*;

#[tokio::test]
async fn who_decides_sees_what_was_taken_back_since() {
    let waiting = Waiting::new(World::push()).await;
    let token = waiting.token("devan").await;
    let (_, page) = waiting.page("GET", &token, &[]).await;
    assert!(!page.contains("taken back from staging"), "{page}");
    let head = waiting.world.head(R).await;
    let trigger = head.trigger.clone().unwrap();
    let back = TakenBack {
        pipeline: head.pipeline.clone(),
        environment: "staging".parse().unwrap(),
        digest: Digest::of_bytes(b"image"),
        release: head.release.clone(),
        title: head.title(),
        number: head.number,
        commit: trigger.commit,
        reference: trigger.reference,
        why: "it lost positions".to_owned(),
        by: None,
        at: waiting.world.clock.now(),
        lifted: None,
    };
    let write = taken_back_write(&back, When::Absent).unwrap();
    waiting
        .world
        .store
        .table()
        .write(vec![write])
        .await
        .unwrap();
    let (_, page) = waiting.page("GET", &token, &[]).await;
    assert!(
        page.contains("taken back from staging as pl-gps-001#1"),
        "{page}"
    );
}

#[tokio::test]
async fn both_leads_complete_the_quorum_and_the_release_goes_on() {
    let mut w = Waiting::new(World::push()).await;
    let (status, page) = w.decide("priya", "approve", "").await;
    assert_eq!(status, 200);
    assert!(page.contains("DevOps Lead"), "{page}");
    assert_eq!(
        w.run.go(&w.world).await,
        Stand::Waits("Production Approval".to_owned())
    );
    assert_eq!(w.decide("devan", "approve", "").await.0, 200);
    assert!(matches!(w.state().await, State::Approved { .. }));
    assert_eq!(
        w.run.go(&w.world).await,
        Stand::Waits("Deploy to Production".to_owned())
    );
}

#[tokio::test]
async fn a_second_decision_of_one_person_counts_for_nothing() {
    let w = Waiting::new(World::push()).await;
    // Lena is in both groups, and still one person.
    assert_eq!(w.decide("lena", "approve", "").await.0, 200);
    for (choice, reason) in [("approve", ""), ("reject", "second thoughts")] {
        let (status, page) = w.decide("lena", choice, reason).await;
        assert_eq!(status, 409, "{page}");
    }
    assert_eq!(
        w.slack("U0LENA", "approve", &w.evidence().await, 0, SIGNING)
            .await
            .0,
        200
    );
    assert_eq!(w.decided().await, ["lena"]);
    assert_eq!(w.state().await, State::Open);
}

#[tokio::test]
async fn who_wrote_or_requested_it_cannot_decide_on_it() {
    let mut own = World::push();
    own["author"] = json!("LENA@example.com");
    let w = Waiting::new(own).await;
    let (status, page) = w.decide("lena", "approve", "").await;
    assert_eq!(status, 403, "{page}");
    let mut asked = World::push();
    asked["cause"] = json!("manual");
    asked["requester"] = json!("lena-fischer");
    let w = Waiting::new(asked).await;
    assert_eq!(w.decide("lena", "reject", "no").await.0, 403);
    assert_eq!(w.decided().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_quorum_that_nobody_can_reach_is_refused_before_anybody_waits() {
    let world = World::new().await;
    let mut people = gatewright_fakes::directory();
    people
        .groups
        .iter_mut()
        .for_each(|g| g.members.retain(|m| m.as_str() == "lena"));
    world.store.apply_directory(&people).await.unwrap();
    let mut run = Run::start(&world, R, World::push());
    let end = loop {
        match run.go(&world).await {
            Stand::Ended(end) => break end,
            Stand::Waits(state) if state.ends_with(": scan") => {
                world.scan_settles(&[]);
                world.scan_event().await.unwrap();
            }
            Stand::Waits(_) => {
                let build = world.build_succeeds().await;
                world.build_event(&build).await.unwrap();
            }
        }
    };
    assert_eq!(end, "failed-clean");
    let cause = world
        .has_ended(R, Status::FailedClean)
        .await
        .failure
        .unwrap()
        .cause;
    assert!(cause.contains("the quorum cannot be reached"), "{cause}");
}

#[tokio::test]
async fn nothing_decides_after_the_request_is_over() {
    let mut w = Waiting::new(World::push()).await;
    assert_eq!(
        w.decide("devan", "reject", "The migration is not ready")
            .await
            .0,
        200
    );
    assert_eq!(
        w.run.go(&w.world).await,
        Stand::Ended("failed-clean".to_owned())
    );
    let head = w.world.has_ended(R, Status::FailedClean).await;
    assert_eq!(
        head.failure.unwrap().cause,
        "Devan Okafor rejected: The migration is not ready"
    );
    let (status, page) = w.decide("priya", "approve", "").await;
    assert_eq!(status, 409, "{page}");
    assert_eq!(w.decided().await, ["devan"]);
}

#[tokio::test]
async fn a_crash_at_any_write_of_a_decision_records_it_once_or_not_at_all() {
    for (n, done) in [(0, true), (0, false)] {
        let mut w = Waiting::new(World::push()).await;
        assert_eq!(w.decide("priya", "approve", "").await.0, 200);
        if done {
            w.world.store.table().crash_after(n)
        } else {
            w.world.store.table().crash_before(n)
        }
        let (status, _) = w.decide("devan", "approve", "").await;
        assert_eq!(status, 503, "the person is told that it did not work");
        let (status, _) = w.decide("devan", "approve", "").await;
        assert_eq!(
            status,
            if done { 409 } else { 200 },
            "and the second try finds out"
        );
        assert_eq!(w.decided().await, ["devan", "priya"]);
        assert_eq!(
            w.run.go(&w.world).await,
            Stand::Waits("Deploy to Production".to_owned())
        );
        let facts = w.world.facts(R).await;
        assert_eq!(
            facts.iter().filter(|f| *f == "decision-recorded").count(),
            2,
            "{facts:?}"
        );
    }
}
