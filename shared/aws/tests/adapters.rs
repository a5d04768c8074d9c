//! The adapters against a server that answers as the services do: pages, errors,
//! throttling and failed conditions included.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod served;

use gatewright_aws::Kind;
use gatewright_aws::builds::{Builds, CodeBuild};
use gatewright_aws::registry::{Ecr, Registry};
use gatewright_aws::table::dynamo::DynamoTable;
use gatewright_aws::table::{Key, Range, Table, TableError, When, Write};
use gatewright_aws::tasks::{StepFunctions, Tasks};
use gatewright_domain::Digest;
use gatewright_domain::evidence::{BuildStatus, Percent, ReportResult, Severity, Tests};
use gatewright_domain::wait::{Answer, TaskToken};
use serde_json::{Value, json};
use served::{failing, service};

fn image() -> Digest {
    Digest::of_bytes(b"image")
}

fn finding(name: &str, severity: &str) -> Value {
    let attributes = json!([{ "key": "package_name", "value": "zlib" }, { "key": "package_version", "value": "1.2" }]);
    json!({ "name": name, "severity": severity, "uri": "https://example.com", "attributes": attributes })
}

#[tokio::test]
async fn every_page_of_a_scan_is_read() {
    let page = |findings: Value, next: Option<&str>| {
        (
            200,
            json!({
                "imageScanStatus": { "status": "COMPLETE" }, "nextToken": next,
                "imageScanFindings": { "findings": findings, "findingSeverityCounts": { "CRITICAL": 1, "LOW": 2 } },
            }),
        )
    };
    let (config, asked) = service(vec![
        page(json!([finding("CVE-1", "LOW")]), Some("two")),
        page(json!([finding("CVE-2", "LOW")]), Some("three")),
        page(
            json!([
                finding("CVE-3", "CRITICAL"),
                finding("CVE-4", "CATASTROPHIC")
            ]),
            None,
        ),
    ])
    .await;
    let seen = Ecr::new(&config).scan("gps", &image()).await.unwrap();
    let severities: Vec<Severity> = seen.findings.iter().map(|f| f.severity).collect();
    assert_eq!(
        severities,
        [
            Severity::Low,
            Severity::Low,
            Severity::Critical,
            Severity::Unknown
        ]
    );
    assert_eq!(
        seen.counts.unwrap()[&Severity::Low],
        2,
        "each page repeats the counts of the whole"
    );
    assert_eq!(seen.findings[0].package.as_deref(), Some("zlib 1.2"));
    let tokens: Vec<Value> = asked
        .lock()
        .unwrap()
        .iter()
        .map(|(_, body)| body["nextToken"].clone())
        .collect();
    assert_eq!(tokens, [Value::Null, json!("two"), json!("three")]);
}

#[tokio::test]
async fn enhanced_findings_are_found_whatever_the_status_says() {
    let enhanced = |severity: &str, status: &str| {
        json!({ "severity": severity, "status": status, "title": "t",
                "packageVulnerabilityDetails": { "vulnerabilityId": "CVE-9", "vulnerablePackages": [{ "name": "a", "version": "1" }] } })
    };
    let body = json!({
        "imageScanStatus": { "status": "COMPLETE" },
        "imageScanFindings": { "enhancedFindings": [enhanced("CRITICAL", "ACTIVE"), enhanced("HIGH", "CLOSED"), enhanced("UNTRIAGED", "ACTIVE")] },
    });
    let (config, _) = service(vec![(200, body)]).await;
    let seen = Ecr::new(&config).scan("gps", &image()).await.unwrap();
    assert!(seen.enhanced);
    let severities: Vec<Severity> = seen.findings.iter().map(|f| f.severity).collect();
    assert_eq!(
        severities,
        [Severity::Critical, Severity::Untriaged],
        "what was closed no longer counts"
    );
}

#[tokio::test]
async fn no_scan_is_no_status_and_no_image_is_none() {
    let (config, _) = service(vec![
        failing(400, "ScanNotFoundException"),
        failing(400, "ImageNotFoundException"),
    ])
    .await;
    let ecr = Ecr::new(&config);
    assert_eq!(ecr.scan("gps", &image()).await.unwrap().status, None);
    assert_eq!(ecr.digest_of("gps", "tag").await.unwrap(), None);
}

#[tokio::test]
async fn errors_are_classified_by_what_the_caller_can_do() {
    let rows = [
        (failing(400, "ThrottlingException"), Kind::Transient),
        (failing(500, "ServerException"), Kind::Transient),
        (failing(400, "AccessDeniedException"), Kind::Denied),
        (failing(400, "RepositoryNotFoundException"), Kind::Missing),
        (failing(400, "InvalidParameterException"), Kind::Other),
    ];
    for (answer, kind) in rows {
        let (config, _) = service(vec![answer.clone()]).await;
        let error = Ecr::new(&config).digest_of("gps", "tag").await.unwrap_err();
        assert_eq!(error.kind, kind, "{answer:?}");
        assert!(
            error.to_string().starts_with("ecr:DescribeImages: "),
            "{error}"
        );
    }
    let config = service(vec![])
        .await
        .0
        .to_builder()
        .endpoint_url("http://127.0.0.1:9")
        .build();
    assert_eq!(
        Ecr::new(&config)
            .has("gps", &image())
            .await
            .unwrap_err()
            .kind,
        Kind::Transient,
        "unreachable"
    );
}

#[tokio::test]
async fn reports_without_a_summary_are_unreadable_and_errors_count_as_failed() {
    let arn = |name: &str| format!("arn:aws:codebuild:ap-south-1:1:report-group/p-{name}");
    let tests = json!({ "total": 5, "statusCounts": { "SUCCEEDED": 2, "FAILED": 1, "ERROR": 1, "SKIPPED": 1 }, "durationInNanoSeconds": 1 });
    let coverage =
        json!({ "linesCovered": 182, "linesMissed": 48, "lineCoveragePercentage": 79.2 });
    let reports = json!({ "reports": [
        { "type": "TEST", "status": "SUCCEEDED", "reportGroupArn": arn("unit"), "testSummary": tests },
        { "type": "CODE_COVERAGE", "status": "SUCCEEDED", "reportGroupArn": arn("cov"), "codeCoverageSummary": coverage },
        { "type": "TEST", "status": "INCOMPLETE", "reportGroupArn": arn("half") },
    ]});
    let (config, _) = service(vec![(200, reports)]).await;
    let found = CodeBuild::new(&config)
        .reports(&["a".to_owned()])
        .await
        .unwrap();
    assert_eq!(
        found[0],
        (
            "p-unit".to_owned(),
            ReportResult::Tests(Tests {
                total: 5,
                passed: 2,
                failed: 2,
                skipped: 1
            })
        )
    );
    assert_eq!(
        found[1].1,
        ReportResult::Coverage {
            lines: Percent(7913)
        },
        "lines before the rounded percentage"
    );
    assert!(
        matches!(&found[2].1, ReportResult::Unreadable { why } if why.contains("INCOMPLETE")),
        "{:?}",
        found[2]
    );
}

#[tokio::test]
async fn a_build_tells_its_failing_phase_and_a_new_status_is_not_a_success() {
    let build = |status: &str| {
        json!({ "builds": [{ "id": "p:1", "buildStatus": status, "startTime": 10, "endTime": 17,
            "phases": [
                { "phaseType": "INSTALL", "phaseStatus": "SUCCEEDED" },
                { "phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": [{ "statusCode": "COMMAND_EXECUTION_ERROR", "message": "exit status 2" }] },
                { "phaseType": "COMPLETED" },
            ],
            "environment": { "type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL",
                             "environmentVariables": [{ "name": "A", "value": "1" }] } }] })
    };
    let mut silent = build("STOPPED");
    silent["builds"][0]["phases"][1] = json!({ "phaseType": "BUILD", "phaseStatus": "STOPPED",
        "contexts": [{ "statusCode": "", "message": "" }] });
    let (config, _) = service(vec![
        (200, build("FAILED")),
        (200, build("SUPERSEDED")),
        (200, silent),
        (200, json!({ "buildsNotFound": ["p:1"] })),
    ])
    .await;
    let codebuild = CodeBuild::new(&config);
    let seen = codebuild.get("p:1").await.unwrap().unwrap();
    assert_eq!(
        (seen.status, seen.seconds, seen.env["A"].as_str()),
        (BuildStatus::Failed, Some(7), "1")
    );
    assert_eq!(seen.message.as_deref(), Some("BUILD: exit status 2"));
    assert_eq!(
        codebuild.get("p:1").await.unwrap().unwrap().status,
        BuildStatus::Unknown
    );
    let stopped = codebuild.get("p:1").await.unwrap().unwrap();
    assert_eq!(
        (stopped.status, stopped.message),
        (BuildStatus::Stopped, None)
    );
    assert_eq!(codebuild.get("p:1").await.unwrap(), None);
}

fn put(when: When) -> Write {
    Write::Put {
        key: Key::new("A", "B"),
        due: None,
        body: json!({ "n": 1 }),
        when,
    }
}

#[tokio::test]
async fn a_refused_transaction_says_which_items_and_throttling_is_no_conflict() {
    let cancelled = |codes: &[&str]| {
        let reasons: Vec<Value> = codes.iter().map(|code| json!({ "Code": code })).collect();
        (
            400,
            json!({ "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "CancellationReasons": reasons }),
        )
    };
    let (config, asked) = service(vec![
        cancelled(&["None", "ConditionalCheckFailed"]),
        cancelled(&["TransactionConflict", "None"]),
        cancelled(&["ThrottlingError", "None"]),
        (200, json!({})),
    ])
    .await;
    let table = DynamoTable::new(aws_sdk_dynamodb::Client::new(&config), "t");
    let writes = || {
        vec![
            put(When::Absent),
            Write::Check {
                key: Key::new("C", "D"),
                when: When::Rev(7),
            },
        ]
    };
    assert_eq!(
        table.write(writes()).await,
        Err(TableError::Conflict(vec!["C D".to_owned()]))
    );
    assert_eq!(
        table.write(writes()).await,
        Err(TableError::Conflict(vec!["A B".to_owned()]))
    );
    let throttled = table.write(writes()).await;
    assert!(
        matches!(&throttled, Err(TableError::Service(error)) if error.kind == Kind::Transient),
        "{throttled:?}"
    );
    assert_eq!(table.write(writes()).await, Ok(()));
    let sent = asked.lock().unwrap()[0].1["TransactItems"].clone();
    assert_eq!(
        sent[0]["Put"]["ConditionExpression"],
        json!("attribute_not_exists(pk)")
    );
    assert_eq!(
        sent[1]["ConditionCheck"]["ConditionExpression"],
        json!("rev = :rev")
    );
    assert_eq!(
        sent[1]["ConditionCheck"]["ExpressionAttributeValues"],
        json!({ ":rev": { "N": "7" } })
    );
}

#[tokio::test]
async fn a_query_reads_every_page_and_stops_at_its_limit() {
    let item = |sk: &str| json!({ "pk": {"S": "A"}, "sk": {"S": sk}, "rev": {"N": "3"}, "body": {"M": { "n": {"N": "1"} }} });
    let first = json!({ "Items": [item("1"), item("2")], "LastEvaluatedKey": { "pk": {"S": "A"}, "sk": {"S": "2"} } });
    let (config, asked) = service(vec![
        (200, first.clone()),
        (200, json!({ "Items": [item("3")] })),
        (200, first),
    ])
    .await;
    let table = DynamoTable::new(aws_sdk_dynamodb::Client::new(&config), "t");
    let all = table.query("A", Range::default()).await.unwrap();
    assert_eq!(
        all.iter().map(|i| i.key.sk.as_str()).collect::<Vec<_>>(),
        ["1", "2", "3"]
    );
    assert_eq!((all[0].rev, &all[0].body), (3, &json!({ "n": 1 })));
    let two = table
        .query(
            "A",
            Range {
                limit: Some(2),
                ..Range::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(
        (two.len(), asked.lock().unwrap().len()),
        (2, 3),
        "no page is read for nothing"
    );
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_no_error() {
    let answer = Answer::Success {
        output: json!({ "verdict": "passed" }),
    };
    let token = TaskToken::new("secret-token".to_owned());
    for gone in ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"] {
        let (config, _) = service(vec![failing(400, gone)]).await;
        assert_eq!(
            StepFunctions::new(&config).answer(&token, &answer).await,
            Ok(false),
            "{gone}"
        );
    }
    let (config, _) = service(vec![
        (200, json!({})),
        failing(400, "AccessDeniedException"),
    ])
    .await;
    let sfn = StepFunctions::new(&config);
    assert_eq!(sfn.answer(&token, &answer).await, Ok(true));
    let denied = sfn.answer(&token, &answer).await.unwrap_err();
    assert!(
        denied.kind == Kind::Denied && !format!("{denied:?}").contains("secret-token"),
        "{denied:?}"
    );
}
