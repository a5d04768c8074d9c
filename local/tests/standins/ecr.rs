//! ECR: images, scans, paging, and what is handed on.

use serde_json::{Value, json};

use crate::stack::Stack;
use crate::tools::{Place, REGISTRY};

const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"size":10},"layers":[{"size":90}]}"#;

async fn put(stack: &Stack, repository: &str, tag: &str, manifest: &str) -> (u16, Value) {
    let request = json!({"repositoryName": repository, "imageTag": tag, "imageManifest": manifest});
    stack.try_ecr("PutImage", request).await
}

async fn with_image() -> (Stack, String) {
    let stack = Stack::start().await;
    let request = json!({"repositoryName": "gps", "imageTagMutability": "IMMUTABLE"});
    stack.ecr("CreateRepository", request).await;
    let (status, answer) = put(&stack, "gps", "v1", MANIFEST).await;
    assert_eq!(status, 200, "{answer}");
    let digest = answer["image"]["imageId"]["imageDigest"]
        .as_str()
        .unwrap()
        .to_owned();
    (stack, digest)
}

#[tokio::test]
async fn an_immutable_tag_stays_with_its_image() {
    let (stack, digest) = with_image().await;
    let (_, same) = put(&stack, "gps", "v1", MANIFEST).await;
    assert_eq!(same["__type"], "ImageAlreadyExistsException");
    let other = MANIFEST.replace("90", "91");
    let (_, moved) = put(&stack, "gps", "v1", &other).await;
    assert_eq!(moved["__type"], "ImageTagAlreadyExistsException");
    let (status, _) = put(&stack, "gps", "v2", MANIFEST).await;
    assert_eq!(status, 200, "one image may have two tags");
    let request = json!({"repositoryName": "gps", "imageIds": [{"imageTag": "v1"}]});
    let described = stack.ecr("DescribeImages", request.clone()).await;
    let detail = &described["imageDetails"][0];
    assert_eq!(detail["imageDigest"], digest.as_str());
    assert_eq!(detail["imageTags"], json!(["v1", "v2"]));
    assert_eq!(detail["imageSizeInBytes"], 100);
    let got = stack.ecr("BatchGetImage", request).await;
    assert_eq!(got["images"][0]["imageManifest"], MANIFEST);
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_tag_goes_alone_and_the_last_one_takes_its_image_along() {
    let (stack, digest) = with_image().await;
    let by = |image: Value| json!({"repositoryName": "gps", "imageIds": [image]});
    let got = stack
        .ecr("BatchGetImage", by(json!({"imageDigest": digest})))
        .await;
    let kept = json!({
        "repositoryName": "gps", "imageTag": "in-shop.staging-4f2a", "imageDigest": digest,
        "imageManifest": got["images"][0]["imageManifest"],
        "imageManifestMediaType": got["images"][0]["imageManifestMediaType"],
    });
    stack.ecr("PutImage", kept.clone()).await;
    let (_, again) = stack.try_ecr("PutImage", kept).await;
    assert_eq!(again["__type"], "ImageAlreadyExistsException");
    let other = json!({"imageDigest": "sha256:0", "imageTag": "v1"});
    for (image, code) in [
        (json!({}), "MissingDigestAndTag"),
        (json!({"imageTag": "v9"}), "ImageNotFound"),
        (json!({"imageDigest": "sha256:0"}), "ImageNotFound"),
        (other, "ImageTagDoesNotMatchDigest"),
    ] {
        let told = stack.ecr("BatchDeleteImage", by(image)).await;
        assert_eq!(told["failures"][0]["failureCode"], code);
        assert_eq!(told["imageIds"], json!([]));
    }
    let tags = async || {
        let found = stack
            .ecr("ListImages", json!({"repositoryName": "gps"}))
            .await;
        let ids = found["imageIds"].as_array().unwrap().clone();
        ids.into_iter()
            .map(|id| id["imageTag"].clone())
            .collect::<Vec<_>>()
    };
    let tag = by(json!({"imageTag": "v1"}));
    let gone = stack.ecr("BatchDeleteImage", tag).await;
    let expected = json!([{"imageDigest": digest, "imageTag": "v1"}]);
    assert_eq!(
        (&gone["imageIds"], &gone["failures"]),
        (&expected, &json!([]))
    );
    assert_eq!(tags().await, [json!("in-shop.staging-4f2a")]);
    let last = by(json!({"imageTag": "in-shop.staging-4f2a"}));
    stack.ecr("BatchDeleteImage", last).await;
    assert_eq!(tags().await, Vec::<Value>::new());
    put(&stack, "gps", "v1", MANIFEST).await;
    put(&stack, "gps", "v2", MANIFEST).await;
    let whole = by(json!({"imageDigest": digest}));
    let gone = stack.ecr("BatchDeleteImage", whole).await;
    assert_eq!(gone["imageIds"].as_array().unwrap().len(), 2, "both tags");
    assert_eq!(tags().await, Vec::<Value>::new());
    let none = json!({"repositoryName": "gps", "imageIds": []});
    let (_, error) = stack.try_ecr("BatchDeleteImage", none).await;
    assert_eq!(error["__type"], "InvalidParameterException");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn what_is_not_there_has_its_own_error() {
    let (stack, digest) = with_image().await;
    let tag = json!({"imageTag": "none"});
    for (operation, request, expected) in [
        (
            "DescribeImages",
            json!({"repositoryName": "gps", "imageIds": [tag]}),
            "ImageNotFoundException",
        ),
        (
            "DescribeImages",
            json!({"repositoryName": "none"}),
            "RepositoryNotFoundException",
        ),
        (
            "StartImageScan",
            json!({"repositoryName": "gps", "imageId": tag}),
            "ImageNotFoundException",
        ),
        (
            "DescribeImageScanFindings",
            json!({"repositoryName": "gps", "imageId": {"imageDigest": digest}}),
            "ScanNotFoundException",
        ),
        (
            "DescribeImages",
            json!({"repositoryName": "gps", "maxResults": 1001}),
            "InvalidParameterException",
        ),
        (
            "DescribeImages",
            json!({"repositoryName": "gps", "nextToken": "?"}),
            "InvalidParameterException",
        ),
    ] {
        let (status, error) = stack.try_ecr(operation, request).await;
        assert_eq!(
            (status, &error["__type"]),
            (400, &json!(expected)),
            "{operation}"
        );
    }
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_scan_settles_by_itself_and_says_so_once() {
    let (stack, digest) = with_image().await;
    let image = json!({"repositoryName": "gps", "imageId": {"imageTag": "v1"}});
    let started = stack.ecr("StartImageScan", image.clone()).await;
    assert_eq!(started["imageScanStatus"]["status"], "IN_PROGRESS");
    let events = stack.until(|events| !events.is_empty()).await;
    assert_eq!(
        (events[0].source.as_str(), events[0].detail_type.as_str()),
        ("aws.ecr", "ECR Image Scan")
    );
    assert_eq!(
        events[0].detail,
        json!({
            "scan-status": "COMPLETE",
            "repository-name": "gps",
            "finding-severity-counts": {"LOW": 2},
            "image-digest": digest,
            "image-tags": ["v1"],
        })
    );
    let found = stack.ecr("DescribeImageScanFindings", image).await;
    assert_eq!(found["imageScanStatus"]["status"], "COMPLETE");
    assert_eq!(
        found["imageScanFindings"]["findings"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(stack.sink.events().len(), 1);
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn prepared_findings_move_on_call_by_call_and_come_in_pages() {
    let (stack, _) = with_image().await;
    let findings: Vec<Value> = (0..150)
        .map(|number| json!({"name": format!("CVE-{number}"), "severity": if number == 0 { "CRITICAL" } else { "LOW" }}))
        .collect();
    let prepared = json!({"repositoryName": "gps", "findings": {"sequence": [
        {"calls": 2, "response": {"imageScanStatus": {"status": "IN_PROGRESS"}}},
        {"response": {"imageScanStatus": {"status": "COMPLETE"}, "imageScanFindings": {"findings": findings}}},
    ]}});
    assert_eq!(
        stack.post_json("ecr/_findings", &prepared).await.status(),
        204
    );
    let mut image = json!({"repositoryName": "gps", "imageId": {"imageTag": "v1"}});
    stack.ecr("StartImageScan", image.clone()).await;
    for expected in ["IN_PROGRESS", "IN_PROGRESS", "COMPLETE"] {
        let answer = stack.ecr("DescribeImageScanFindings", image.clone()).await;
        assert_eq!(answer["imageScanStatus"]["status"], expected);
    }
    let first = stack.ecr("DescribeImageScanFindings", image.clone()).await;
    assert_eq!(
        first["imageScanFindings"]["findings"]
            .as_array()
            .unwrap()
            .len(),
        100
    );
    assert_eq!(
        first["imageScanFindings"]["findingSeverityCounts"],
        json!({"CRITICAL": 1, "LOW": 149})
    );
    image["nextToken"] = first["nextToken"].clone();
    let second = stack.ecr("DescribeImageScanFindings", image).await;
    assert_eq!(
        second["imageScanFindings"]["findings"][49]["name"],
        "CVE-149"
    );
    assert_eq!(second.get("nextToken"), None);
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn a_repository_of_the_emulator_is_adopted_with_its_mutability() {
    let stack = Stack::start().await;
    let (status, _) = put(&stack, "made-by-stack", "v1", MANIFEST).await;
    assert_eq!(status, 200);
    let (_, error) = put(&stack, "made-by-stack", "v1", &MANIFEST.replace("90", "91")).await;
    assert_eq!(error["__type"], "ImageTagAlreadyExistsException");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn other_operations_reach_the_emulator_byte_for_byte() {
    let stack = Stack::start().await;
    let body = "{\"repositoryName\" :  \"gps\"}";
    let answer = (stack.http.post(stack.url("ecr")))
        .header(
            "x-amz-target",
            "AmazonEC2ContainerRegistry_V20150921.GetLifecyclePolicy",
        )
        .header("authorization", "AWS4-HMAC-SHA256 kept")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({"lifecyclePolicyText": "{}"})
    );
    let seen = stack.emulator.seen.lock().unwrap().pop().unwrap();
    assert_eq!(seen.body, body);
    assert_eq!(seen.headers["authorization"], "AWS4-HMAC-SHA256 kept");
    stack.stand_ins.shutdown().await;
}

#[tokio::test]
async fn notation_verifies_by_digest_what_was_signed_and_ends_with_1_otherwise() {
    let (stack, digest) = with_image().await;
    let place = Place::new(&stack);
    let image = format!("{REGISTRY}/gps@{digest}");
    let verify = format!("notation verify {image}");
    let (code, why) = place.fail(&verify).await;
    assert_eq!(code, 1);
    let expected = "signature verification failed: no signature is associated with";
    assert!(why.contains(expected), "{why}");
    let (code, why) = place.fail(&format!("notation sign {image}")).await;
    assert_eq!(code, 1);
    assert!(why.contains("--force-referrers-tag=false"), "{why}");
    let sign = format!("notation sign --force-referrers-tag=false {image}");
    let signed = place.run(&sign).await;
    assert_eq!(signed, format!("Successfully signed {image}"));
    let verified = place.run(&verify).await;
    let said = format!("Successfully verified signature for {image}");
    assert_eq!(verified, said);
    let (code, why) = place
        .fail(&format!("notation verify {REGISTRY}/gps:v1"))
        .await;
    assert_eq!(code, 1);
    assert!(why.contains("a tag can move"), "{why}");
    stack.stand_ins.shutdown().await;
}
