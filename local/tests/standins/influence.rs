//! What the InfluenceGen pipelines find on their builds' PATH, and the instances
//! that they deploy to.

use std::{fs, path::Path, process::Output};

use serde_json::{Value, json};

use crate::stack::Stack;

/// The folder of a fixture.
fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures")
        .join(name)
}

async fn run(stack: &Stack, line: &str, folder: &Path) -> Output {
    let bin = stack.data().join("bin");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    tokio::process::Command::new("bash")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", stack.folder.path())
        .env("GATEWRIGHT_STANDINS_URL", stack.stand_ins.url().as_str())
        .output()
        .await
        .unwrap()
}

async fn ok(stack: &Stack, line: &str, folder: &Path) -> String {
    let output = run(stack, line, folder).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn refused(stack: &Stack, line: &str, folder: &Path) -> (i32, String) {
    let output = run(stack, line, folder).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), errors)
}

/// A copy of the modules' addons, which a test may change.
fn addons(stack: &Stack) -> std::path::PathBuf {
    let target = stack.folder.path().join("addons");
    let status = std::process::Command::new("cp")
        .arg("-r")
        .args([fixture("odoo-modules/addons"), target.clone()])
        .status();
    assert!(status.unwrap().success());
    target
}

const BOTH: &str = "influencegen_campaign,influencegen_core";

#[tokio::test]
async fn odoo_installs_updates_and_migrates_modules_of_an_instance() {
    let stack = Stack::start().await;
    let addons = addons(&stack);
    let folder = stack.folder.path();
    let update =
        format!("odoo-bin -d influencegen_dev --addons-path addons -u {BOTH} --stop-after-init");
    let (_, errors) = refused(&stack, &update, folder).await;
    assert!(
        errors.contains("not installed in influencegen_dev"),
        "{errors}"
    );

    let manifest = addons.join("influencegen_core/__manifest__.py");
    let newer = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, newer.replace("18.0.1.4.0", "18.0.1.3.0")).unwrap();
    let install =
        format!("odoo-bin -d influencegen_dev --addons-path addons -i {BOTH} --stop-after-init");
    let said = ok(&stack, &install, folder).await;
    assert!(
        said.contains("influencegen_core: installed to 18.0.1.3.0, no migration"),
        "{said}"
    );

    fs::write(&manifest, newer).unwrap();
    let said = ok(&stack, &update, folder).await;
    assert!(
        said.contains("influencegen_core: updated from 18.0.1.3.0 to 18.0.1.4.0, 2 migrations"),
        "{said}"
    );
    let listed = ok(&stack, "odoo-bin list -d influencegen_dev", folder).await;
    assert_eq!(
        listed,
        "influencegen_campaign 18.0.1.4.0\ninfluencegen_core 18.0.1.4.0\n"
    );
    let shown = stack.get_json("odoo.json").await;
    let ran = &shown["instances"][0]["history"][1]["modules"][0]["migrations"];
    assert_eq!(
        ran[0]["script"],
        "influencegen_core/migrations/18.0.1.4.0/pre-migrate.py"
    );
    let page = stack
        .http
        .get(stack.url("odoo"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains("post-migrate.py"), "{page}");

    let broken = addons.join("influencegen_core/models/influencer.py");
    fs::write(&broken, "import nothing_there\n").unwrap();
    let (code, errors) = refused(&stack, &update, folder).await;
    assert_eq!(code, 1);
    assert!(
        errors.contains("nothing_there") && errors.contains("nothing was recorded"),
        "{errors}"
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn odoo_runs_the_modules_own_tests_and_keeps_nothing_of_them() {
    let stack = Stack::start().await;
    let addons = addons(&stack);
    let folder = stack.folder.path();
    let test =
        format!("odoo-bin -d test --addons-path addons -i {BOTH} --test-enable --stop-after-init");
    ok(&stack, &test, folder).await;
    assert_eq!(stack.get_json("odoo.json").await["instances"], json!([]));
    let kyc = addons.join("influencegen_core/logic/kyc.py");
    let wrong = fs::read_to_string(&kyc)
        .unwrap()
        .replace("return wanted in STEPS[current]", "return True");
    fs::write(&kyc, wrong).unwrap();
    let (code, errors) = refused(&stack, &test, folder).await;
    assert_eq!(code, 1);
    assert!(errors.contains("1 of 4 tests failed"), "{errors}");
    let (code, errors) = refused(&stack, "odoo-bin shell -d test", folder).await;
    assert_eq!(code, 2, "{errors}");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn odoos_external_api_shows_modules_to_who_has_the_password() {
    let stack = Stack::start().await;
    addons(&stack);
    let folder = stack.folder.path();
    let health = async || {
        stack
            .http
            .get(stack.url("odoo/dev/web/health"))
            .send()
            .await
            .unwrap()
    };
    assert_eq!(health().await.status(), 500);
    ok(
        &stack,
        &format!("odoo-bin -d dev --addons-path addons -i {BOTH} --stop-after-init"),
        folder,
    )
    .await;
    assert_eq!(
        health().await.json::<Value>().await.unwrap()["status"],
        "pass"
    );
    let call = async |service: &str, method: &str, arguments: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "params": {"service": service, "method": method, "args": arguments}});
        stack
            .post_json("odoo/dev/jsonrpc", &body)
            .await
            .json::<Value>()
            .await
            .unwrap()
    };
    let password = stack.stand_ins.odoo_password("dev").unwrap();
    let user = call(
        "common",
        "authenticate",
        json!(["dev", "smoke", password, {}]),
    )
    .await;
    assert_eq!(user["result"], 2);
    let nobody = call(
        "common",
        "authenticate",
        json!(["dev", "smoke", "guessed", {}]),
    )
    .await;
    assert_eq!(nobody["result"], false);
    let read = |password: &str| {
        json!([
            "dev",
            2,
            password,
            "ir.module.module",
            "search_read",
            [[["name", "in", ["influencegen_core"]]]],
            {}
        ])
    };
    let rows = call("object", "execute_kw", read(&password)).await;
    assert_eq!(rows["result"][0]["installed_version"], "18.0.1.4.0");
    let denied = call("object", "execute_kw", read("guessed")).await;
    assert_eq!(denied["error"]["message"], "Access Denied");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn n8n_takes_whole_workflows_from_who_has_the_instances_key() {
    let stack = Stack::start().await;
    let key = stack.stand_ins.n8n_api_key("dev").unwrap();
    let call = async |method: &str, path: &str, key: &str, body: &Value| {
        let url = stack.url(&format!("n8n/{path}"));
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = stack
            .http
            .request(method, url)
            .header("X-N8N-API-KEY", key)
            .json(body);
        let answer = request.send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let workflow = json!({"name": "w", "nodes": [{"name": "Hook", "type": "n8n-nodes-base.webhook"}], "connections": {}, "settings": {}});
    let workflows = "dev/api/v1/workflows";
    assert_eq!(call("POST", workflows, "guessed", &workflow).await.0, 401);
    let other = "staging/api/v1/workflows";
    assert_eq!(
        call("POST", other, &key, &workflow).await.0,
        401,
        "one instance's key is not another's"
    );
    let (status, made) = call("POST", workflows, &key, &workflow).await;
    assert_eq!((status, &made["active"]), (200, &json!(false)));
    let own = format!("{workflows}/{}", made["id"].as_str().unwrap());
    assert_eq!(
        call("POST", &format!("{own}/activate"), &key, &json!({}))
            .await
            .1["active"],
        true
    );
    let (_, changed) = call("PUT", &own, &key, &workflow).await;
    assert_eq!(
        (&changed["versionCounter"], &changed["active"]),
        (&json!(2), &json!(true))
    );
    let (_, listed) = call("GET", workflows, &key, &json!({})).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);

    let (status, said) = call("POST", workflows, &key, &json!({"name": "w"})).await;
    assert_eq!(status, 400, "{said}");
    let raw = stack.http.post(stack.url("n8n/dev/api/v1/workflows"));
    let answer = raw
        .header("X-N8N-API-KEY", &key)
        .body("{")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    let still = json!({"name": "idle", "nodes": [], "connections": {}, "settings": {}});
    let (_, idle) = call("POST", workflows, &key, &still).await;
    let idle = format!("{workflows}/{}/activate", idle["id"].as_str().unwrap());
    assert_eq!(call("POST", &idle, &key, &json!({})).await.0, 400);
    let page = stack
        .http
        .get(stack.url("n8n"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("<td>w</td>") && !page.contains(&key),
        "{page}"
    );
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn scanners_find_what_is_there_and_write_it_as_sarif() {
    let stack = Stack::start().await;
    let folder = stack.folder.path().join("scan");
    fs::create_dir_all(&folder).unwrap();
    let detect = "gitleaks detect --no-git --source . --report-format sarif --report-path reports/gitleaks.sarif";
    assert!(ok(&stack, detect, &folder).await.contains("no leaks found"));
    let secret = ["AK", "IA", "Q3EGRJTY7WVL2ZKD"].concat();
    fs::write(folder.join("w.json"), format!("{{\"key\": \"{secret}\"}}")).unwrap();
    let (code, errors) = refused(&stack, detect, &folder).await;
    assert_eq!(code, 1, "{errors}");
    let report = fs::read_to_string(folder.join("reports/gitleaks.sarif")).unwrap();
    assert!(!report.contains(&secret), "a report never shows a secret");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        report["runs"][0]["results"][0]["ruleId"],
        "aws-access-token"
    );
    let (code, _) = refused(&stack, "gitleaks protect", &folder).await;
    assert_eq!(code, 2);

    fs::write(
        folder.join("main.tf"),
        "resource \"aws_s3_bucket\" \"b\" {\n}\n",
    )
    .unwrap();
    ok(
        &stack,
        "tfsec . --format sarif --out tfsec.sarif --soft-fail",
        &folder,
    )
    .await;
    let report = fs::read_to_string(folder.join("tfsec.sarif")).unwrap();
    assert!(
        report.contains("aws-s3-enable-bucket-encryption"),
        "{report}"
    );
    let checkov =
        "checkov --directory . --framework terraform --output sarif --output-file-path reports";
    let (code, _) = refused(&stack, checkov, &folder).await;
    assert_eq!(code, 1);
    assert!(folder.join("reports/results_sarif.sarif").is_file());
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_tag_is_added_to_an_image_by_its_manifest() {
    let stack = Stack::start().await;
    let request = json!({"repositoryName": "influencegen-n8n", "imageTagMutability": "IMMUTABLE"});
    stack.ecr("CreateRepository", request).await;
    let folder = fixture("container-images");
    let image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/influencegen-n8n:0123456789ab";
    ok(
        &stack,
        &format!("docker build --tag {image} n8n && docker push {image}"),
        &folder,
    )
    .await;
    let retag = "set -eu
        manifest=$(aws ecr batch-get-image --repository-name influencegen-n8n --image-ids imageTag=0123456789ab --query 'images[0].imageManifest' --output text)
        aws ecr put-image --repository-name influencegen-n8n --image-tag 1.1.0 --image-manifest \"$manifest\" > /dev/null";
    ok(&stack, retag, &folder).await;
    let digest = async |tag: &str| {
        let line = format!(
            "aws ecr describe-images --repository-name influencegen-n8n --image-ids imageTag={tag} --query 'imageDetails[0].imageDigest' --output text"
        );
        ok(&stack, &line, &folder).await
    };
    assert_eq!(digest("1.1.0").await, digest("0123456789ab").await);
    stack.stand_ins.shutdown().await;
}

/// The path of the definition: retag, apply by digest, wait for the placeholder.
#[tokio::test]
async fn the_n8n_image_runs_in_the_development_cluster() {
    let stack = Stack::start().await;
    stack
        .ecr(
            "CreateRepository",
            json!({"repositoryName": "influencegen-n8n"}),
        )
        .await;
    let image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/influencegen-n8n";
    let build = format!("docker build --tag {image}:x n8n && docker push {image}:x");
    ok(&stack, &build, &fixture("container-images")).await;
    let kube = stack.folder.path().join("kube");
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([fixture("n8n-workflows/kube"), kube])
        .status();
    assert!(copied.unwrap().success());
    let deploy = format!("set -eu
        aws eks update-kubeconfig --name influencegen-dev
        kubectl config set-context --current --namespace=influencegen
        digest=$(aws ecr describe-images --repository-name influencegen-n8n --image-ids imageTag=x --query 'imageDetails[0].imageDigest' --output text)
        (cd kube/development && kustomize edit set image n8n={image}@$digest)
        kubectl apply -k ./kube/development
        kubectl rollout status deployment/n8n --timeout=60s");
    let said = ok(&stack, &deploy, stack.folder.path()).await;
    assert!(said.contains("successfully rolled out"), "{said}");
    stack.stand_ins.shutdown().await;
}
