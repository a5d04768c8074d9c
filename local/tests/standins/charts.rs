//! smart-dairy and ecommerce on the laptop: their own commands, good and ill.

use std::{fs, net::TcpListener};

use serde_json::{Value, json};

use crate::{
    release::tools_path,
    stack::{Stack, Wishes},
    system::System,
    tools::REGISTRY,
};

/// Builds the three images and returns what deploys get.
async fn dairy_images(system: &System) -> Vec<(&'static str, String)> {
    let mut images = Vec::new();
    for (leg, variable) in [
        ("odoo", "IMAGE_ODOO"),
        ("fastapi", "IMAGE_FASTAPI"),
        ("celery", "IMAGE_CELERY"),
    ] {
        system.pass("Build Images", &[("matrix", leg)]).await;
        images.push((variable, system.pinned(&format!("smart-dairy/{leg}")).await));
    }
    images
}

fn borrowed<'i>(images: &'i [(&'static str, String)]) -> Vec<(&'i str, &'i str)> {
    images
        .iter()
        .map(|(name, image)| (*name, image.as_str()))
        .collect()
}

const IMAGE: &str = "-o jsonpath='{.spec.template.spec.containers[0].image}'";

#[tokio::test(flavor = "multi_thread")]
async fn smart_dairy_is_checked_built_and_tested_with_real_stores() {
    let mut system = System::start("smart-dairy").await;
    let linted = system.pass("Lint & Validate", &[]).await;
    assert!(linted.contains("no leaks found"), "{linted}");
    dairy_images(&system).await;
    let tested = system.pass("Unit Tests", &[]).await;
    assert!(tested.contains("22 passed"), "{tested}");
    let tested = system.pass("Integration Tests", &[]).await;
    assert!(tested.contains("2 passed"), "{tested}");
    system.pass("Security Scan", &[]).await;
    let report = || fs::read_to_string(system.source.join("trivy-fastapi.sarif")).unwrap();
    assert!(report().contains("\"results\": []"));

    system.vary("smart-dairy-high-finding");
    system.pass("Staging Security Gate", &[]).await;
    assert!(
        report().contains("\"HIGH\""),
        "the gate judges it, the step goes on"
    );

    system.vary("smart-dairy-failing-test");
    system.commit("0002");
    let failed = system.run("Unit Tests", &[]).await.unwrap_err();
    assert!(
        failed.contains("test_half_a_cent_is_rounded_up"),
        "{failed}"
    );
    system.stack.stand_ins.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_release_that_never_gets_well_is_rolled_back() {
    let mut system = System::start("smart-dairy").await;
    let good = dairy_images(&system).await;
    system.pass("Deploy to Staging", &borrowed(&good)).await;
    let smoke = system.list("staging", "/verify", &[]).await.unwrap();
    assert!(smoke.contains("\"environment\":\"staging\""), "{smoke}");

    system.vary("smart-dairy-unhealthy-staging");
    system.commit("0002");
    let bad = dairy_images(&system).await;
    let failed = system
        .run("Deploy to Staging", &borrowed(&bad))
        .await
        .unwrap_err();
    assert!(failed.contains("UPGRADE FAILED"), "{failed}");
    assert!(
        system.list("staging", "/verify", &[]).await.is_ok(),
        "the old one serves"
    );
    // The roll-back of a rolling strategy: the same steps, the previous images.
    system.pass("Deploy to Staging", &borrowed(&good)).await;
    let runs = system
        .kubectl(
            "staging",
            &format!("get deployment smart-dairy-odoo {IMAGE}"),
        )
        .await;
    assert_eq!(runs, good[0].1);
    system.stack.stand_ins.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn production_goes_from_blue_to_green_by_shares_and_back_at_once() {
    let mut system = System::start("smart-dairy").await;
    let blue = dairy_images(&system).await;
    system.pass("Deploy to Production", &borrowed(&blue)).await;
    let readme = system.source.join("smart_dairy/news.py");
    fs::write(readme, "\"\"\"Green.\"\"\"\n").unwrap();
    system.commit("0002");
    let green = dairy_images(&system).await;
    system.pass("Deploy to Production", &borrowed(&green)).await;
    system.list("production", "/smoke", &[]).await.unwrap();
    let traffic = "get ingress smart-dairy -o jsonpath='{.metadata.annotations.alb\\.ingress\\.kubernetes\\.io/actions\\.smart-dairy-active}'";
    for weight in ["5", "25", "100"] {
        let shift = [("WEIGHT", weight)];
        system
            .list("production", "/strategy/shift", &shift)
            .await
            .unwrap();
        let action: Value =
            serde_json::from_str(&system.kubectl("production", traffic).await).unwrap();
        assert_eq!(
            action["forwardConfig"]["targetGroups"][1]["weight"].to_string(),
            weight
        );
    }
    let active = format!("get deployment smart-dairy-active-odoo {IMAGE}");
    assert_eq!(system.kubectl("production", &active).await, blue[0].1);

    let back = "/rollback/steps";
    system
        .list("production", back, &borrowed(&blue))
        .await
        .unwrap();
    assert!(
        system
            .kubectl("production", traffic)
            .await
            .contains("\"weight\":100},{")
    );
    assert!(
        system.list("production", "/smoke", &[]).await.is_err(),
        "green rests"
    );
    system
        .list("production", "/rollback/verify", &[])
        .await
        .unwrap();

    system.pass("Deploy to Production", &borrowed(&green)).await;
    system
        .list("production", "/strategy/shift", &[("WEIGHT", "100")])
        .await
        .unwrap();
    system
        .list("production", "/strategy/retire", &borrowed(&green))
        .await
        .unwrap();
    assert_eq!(system.kubectl("production", &active).await, green[0].1);
    assert!(
        system.list("production", "/smoke", &[]).await.is_err(),
        "green rests"
    );
    // By hand, days later: blue is not there any more, and is put there again.
    for list in ["/rollback/steps", "/rollback/verify"] {
        system
            .list("production", list, &borrowed(&blue))
            .await
            .unwrap();
    }
    assert_eq!(system.kubectl("production", &active).await, blue[0].1);
    system.stack.stand_ins.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ecommerce_is_signed_shifted_by_its_mesh_and_compared_with_argo_cd() {
    let mut system = System::start("ecommerce").await;
    for stage in [
        "SonarQube Analysis",
        "OWASP Dependency Check",
        "Build & Push",
    ] {
        system.pass(stage, &[]).await;
    }
    let one = system.pinned("ecommerce/product-service").await;
    let stranger = format!(
        "{REGISTRY}/ecommerce/product-service@sha256:{}",
        "0".repeat(64)
    );
    for stage in ["Verify Signature", "Deploy to Testing"] {
        let refused = system
            .run(stage, &[("IMAGE", &stranger)])
            .await
            .unwrap_err();
        assert!(
            refused.contains("signature verification failed"),
            "{refused}"
        );
    }
    let verified = system.pass("Verify Signature", &[("IMAGE", &one)]).await;
    let said = format!("Successfully verified signature for {one}");
    assert!(verified.contains(&said), "{verified}");
    system.pass("Deploy to Testing", &[("IMAGE", &one)]).await;
    system.list("testing", "/smoke", &[]).await.unwrap();
    system.pass("Drift Detection", &[]).await;
    system
        .pass("Deploy to Production", &[("IMAGE", &one)])
        .await;
    system.pass("DAST on Production", &[]).await;

    fs::write(
        system.source.join("src/news.js"),
        "export const news = 2;\n",
    )
    .unwrap();
    system.commit("0002");
    system.pass("Build & Push", &[]).await;
    let two = system.pinned("ecommerce/product-service").await;
    system
        .pass("Deploy to Production", &[("IMAGE", &two)])
        .await;
    let smoke = system.list("production", "/smoke", &[]).await.unwrap();
    assert!(smoke.contains("\"track\":\"canary\""), "{smoke}");
    let route = "get virtualrouter product-service -o jsonpath='{.spec.routes[0].httpRoute.action.weightedTargets[1].weight}'";
    for weight in ["5", "20", "50", "100"] {
        system
            .list(
                "production",
                "/strategy/shift",
                &[("WEIGHT", weight), ("IMAGE", &two)],
            )
            .await
            .unwrap();
        assert_eq!(system.kubectl("production", route).await, weight);
    }
    system
        .list("production", "/strategy/retire", &[("IMAGE", &two)])
        .await
        .unwrap();
    let stable = format!("get deployment product-service {IMAGE}");
    assert_eq!(system.kubectl("production", &stable).await, two);
    assert_eq!(system.kubectl("production", route).await, "0");

    system.pass("Monthly Audit", &[]).await;
    system
        .kubectl(
            "production",
            "scale deployment/product-service --replicas=0",
        )
        .await;
    let drifted = system.run("Drift Detection", &[]).await.unwrap_err();
    assert!(drifted.contains(".spec.replicas"), "{drifted}");
    system.stack.stand_ins.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_is_not_well_ends_and_stable_keeps_serving() {
    let mut system = System::start("ecommerce").await;
    system.pass("Build & Push", &[]).await;
    let one = system.pinned("ecommerce/product-service").await;
    system
        .pass("Deploy to Production", &[("IMAGE", &one)])
        .await;
    system.vary("ecommerce-unhealthy-canary");
    system.commit("0002");
    system.pass("Build & Push", &[]).await;
    let two = system.pinned("ecommerce/product-service").await;
    let failed = system
        .run("Deploy to Production", &[("IMAGE", &two)])
        .await
        .unwrap_err();
    assert!(failed.contains("Degraded"), "{failed}");
    system
        .list("production", "/rollback/steps", &[("IMAGE", &one)])
        .await
        .unwrap();
    let stable = format!("get deployment product-service {IMAGE}");
    assert_eq!(system.kubectl("production", &stable).await, one);
    assert!(
        system.list("production", "/smoke", &[]).await.is_err(),
        "the canary is gone"
    );
    system
        .list("production", "/rollback/verify", &[])
        .await
        .unwrap();
    system.stack.stand_ins.shutdown().await;
}

/// The process ids of everything whose command line has this in it.
fn processes(part: &str) -> usize {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(part))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_builds_services_wait_for_their_port_and_end_with_the_build() {
    let stack = Stack::start_with(Wishes {
        tools_path: vec![tools_path()],
        ..Wishes::default()
    })
    .await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let spec = json!({"version": 0.2, "phases": {
        "install": {"commands": [
            format!("docker run --detach --name db --publish {port}:5432 --env POSTGRES_PASSWORD=x --env POSTGRES_DB=shop postgres:16-alpine"),
            "docker exec db pg_isready"]},
        "build": {"commands": ["docker exec db psql --dbname shop --command 'select version()'"]}}});
    let id = stack.start_build(&spec.to_string()).await;
    let waits = stack.eventually("the build says what it waits for", async || {
        let build = stack.build(&id).await;
        let log = stack.log(&build).await;
        log.contains(&format!("port {port} of this machine is taken"))
            .then_some(())
    });
    waits.await;
    drop(taken);
    let build = stack.finished(&id).await;
    let log = stack.log(&build).await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    assert!(log.contains("PostgreSQL 16"), "{log}");
    let data = stack.data().display().to_string();
    let gone = stack.eventually("the server is gone", async || {
        (processes(&data) == 0).then_some(())
    });
    gone.await;
    stack.stand_ins.shutdown().await;
}
