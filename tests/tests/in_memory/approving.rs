//! Approvals that expire, and what changes after them.

use super::*;

#[tokio::test]
async fn an_approval_that_nobody_completes_is_reminded_and_expires() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let end = drive(&world, &mut run, async |world, state| {
        if state == "Production Approval" {
            world.clock.pass(5 * 3_600);
            world.call("Sweep", json!({})).await.unwrap();
        } else {
            happily(world, state).await;
        }
    })
    .await;
    assert_eq!(end, "failed-clean");
    let failure = world
        .has_ended(R, Status::FailedClean)
        .await
        .failure
        .unwrap();
    assert_eq!(
        (failure.error.as_str(), failure.cause.as_str()),
        ("ApprovalExpired", "nobody completed the quorum within 3 d")
    );
    assert!(
        world
            .facts(R)
            .await
            .iter()
            .filter(|f| *f == "approval-reminded")
            .count()
            > 10
    );
}

#[tokio::test]
async fn evidence_that_changes_after_the_approval_stops_the_deploy() {
    use gatewright_aws::store::stage_write;
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let end = drive(&world, &mut run, async |world, state| {
        happily(world, state).await;
        if state == "Production Approval" {
            let mut seen = world.store.stage(&id(R), 1, 1).await.unwrap().unwrap();
            seen.value.evidence.as_mut().unwrap().seconds = Some(1);
            let write = stage_write(&seen.value, When::Rev(seen.rev)).unwrap();
            gatewright_aws::table::Table::write(world.store.table(), vec![write])
                .await
                .unwrap();
        }
    })
    .await;
    assert_eq!(end, "failed-clean");
    assert_eq!(
        world
            .has_ended(R, Status::FailedClean)
            .await
            .failure
            .unwrap()
            .error,
        "EvidenceChanged"
    );
    assert_eq!(world.builds.orders().len(), 5, "production was not touched");
}

#[tokio::test]
async fn an_approver_who_leaves_the_group_no_longer_counts() {
    let world = World::new().await;
    let mut run = Run::start(&world, R, World::push());
    let end = drive(&world, &mut run, async |world, state| {
        happily(world, state).await;
        if state == "Production Approval" {
            let mut people = gatewright_fakes::directory();
            people
                .groups
                .iter_mut()
                .for_each(|g| g.members.retain(|m| m.as_str() != "devan"));
            world.store.apply_directory(&people).await.unwrap();
        }
    })
    .await;
    assert_eq!(end, "failed-clean");
    let failure = world
        .has_ended(R, Status::FailedClean)
        .await
        .failure
        .unwrap();
    assert_eq!(failure.error, "NotApproved");
    assert!(
        failure
            .cause
            .contains("1 approval of devops-lead is missing by today's membership"),
        "{}",
        failure.cause
    );
}
