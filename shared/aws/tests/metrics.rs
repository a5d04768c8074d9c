//! CloudWatch's adapter against a server that speaks its protocol, CBOR: pages,
//! series that are not complete, numbers that are none.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

#[path = "served/loopback.rs"]
mod loopback;

use aws_config::SdkConfig;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use gatewright_aws::Kind;
use gatewright_aws::metrics::{CloudWatch, Metrics};
use gatewright_domain::Timestamp;
use gatewright_domain::decide::{Sample, Window};
use gatewright_domain::pipeline::Series;
use loopback::serving;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What was asked: the operation and its body, as it came.
type Asked = Arc<Mutex<Vec<(String, Vec<u8>)>>>;
/// What is answered, in order.
type Answers = Arc<Mutex<VecDeque<(u16, Value)>>>;

/// JSON as CBOR; text that reads as a float's special value becomes one, and text
/// such as `@1800000060` a timestamp.
fn cbor(value: &Value, into: &mut Vec<u8>) {
    let mut head = |kind: u8, length: usize| {
        into.push(kind << 5 | 26);
        into.extend(u32::try_from(length).unwrap().to_be_bytes());
    };
    match value {
        Value::Null => into.push(0xf6),
        Value::Bool(yes) => into.push(0xf4 + u8::from(*yes)),
        Value::Number(number) => {
            into.push(0xfb);
            into.extend(number.as_f64().unwrap().to_be_bytes());
        }
        Value::String(text) if text == "NaN" => {
            into.push(0xfb);
            into.extend(f64::NAN.to_be_bytes());
        }
        Value::String(text) if text.starts_with('@') => {
            into.extend([0xc1, 0xfb]);
            into.extend(text[1..].parse::<f64>().unwrap().to_be_bytes());
        }
        Value::String(text) => {
            head(3, text.len());
            into.extend(text.as_bytes());
        }
        Value::Array(all) => {
            head(4, all.len());
            all.iter().for_each(|one| cbor(one, into));
        }
        Value::Object(all) => {
            head(5, all.len());
            for (name, one) in all {
                cbor(&json!(name), into);
                cbor(one, into);
            }
        }
    }
}

async fn service(answers: Vec<(u16, Value)>) -> (SdkConfig, Asked) {
    let (asked, answers): (Asked, Answers) =
        (Asked::default(), Arc::new(Mutex::new(answers.into())));
    let app = Router::new()
        .fallback(answer)
        .with_state((asked.clone(), answers));
    let config = serving(app).await;
    (config, asked)
}

async fn answer(
    State((asked, answers)): State<(Asked, Answers)>,
    uri: Uri,
    body: Bytes,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let operation = uri.path().rsplit('/').next().unwrap().to_owned();
    asked.lock().unwrap().push((operation, body.to_vec()));
    let (status, said) = answers.lock().unwrap().pop_front().unwrap();
    let mut bytes = Vec::new();
    cbor(&said, &mut bytes);
    let mut headers = HeaderMap::new();
    headers.insert("smithy-protocol", "rpc-v2-cbor".parse().unwrap());
    headers.insert("content-type", "application/cbor".parse().unwrap());
    (StatusCode::from_u16(status).unwrap(), headers, bytes)
}

fn series(name: &str, statistic: &str) -> Series {
    Series {
        namespace: "Shop".to_owned(),
        name: name.to_owned(),
        statistic: statistic.to_owned(),
        dimensions: [("Service".to_owned(), "preview".to_owned())].into(),
        ..Series::default()
    }
}

fn window() -> Window {
    let at = |second| Timestamp::from_second(second).unwrap();
    Window {
        from: at(1_800_000_000),
        until: at(1_800_000_300),
        period: 60,
    }
}

fn result(id: &str, status: &str, values: Value) -> Value {
    let times: Vec<Value> = values
        .as_array()
        .unwrap()
        .iter()
        .map(|_| json!("@1800000060"))
        .collect();
    json!({ "Id": id, "StatusCode": status, "Values": values, "Timestamps": times })
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}

#[tokio::test]
async fn every_page_is_read_and_what_is_not_complete_is_missing() {
    let first = json!({ "NextToken": "more", "MetricDataResults": [
        result("m1", "PartialData", json!([0.1, "NaN"])), result("m0", "Complete", json!([120.5])),
        result("m2", "PartialData", json!([0.0, 0.0])), result("m3", "InternalError", json!([0.0, 0.0])),
    ]});
    let last = json!({ "MetricDataResults": [
        result("m1", "Complete", json!([0.4])), result("m9", "Complete", json!([7.5])),
    ]});
    let (config, asked) = service(vec![(200, first), (200, last)]).await;
    let wanted = [
        series("Latency", "p90"),
        series("ErrorRate", "Average"),
        series("Partly", "Average"),
        series("Failing", "Average"),
        series("Silent", "Average"),
    ];
    let read = CloudWatch::new(&config)
        .samples(&wanted, window())
        .await
        .unwrap();
    let shown: Vec<Option<Vec<String>>> = read
        .iter()
        .map(|samples| {
            let samples = samples.as_ref()?.iter();
            let one = |s: &Sample| {
                assert_eq!(s.at.as_second(), 1_800_000_060);
                s.value.to_string()
            };
            Some(samples.map(one).collect())
        })
        .collect();
    let given = |texts: &[&str]| Some(texts.iter().map(|t| (*t).to_owned()).collect());
    assert_eq!(
        shown,
        [given(&["120.5"]), given(&["0.1", "0.4"]), None, None, None]
    );
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert!(
        asked
            .iter()
            .all(|(operation, _)| operation == "GetMetricData")
    );
    for said in ["Shop", "Latency", "p90", "Service", "preview", "m4"] {
        assert!(contains(&asked[0].1, said), "{said}");
    }
    assert!(contains(&asked[1].1, "more"));
}

#[tokio::test]
async fn an_empty_window_asks_for_nothing() {
    let (config, asked) = service(Vec::new()).await;
    let nothing = Window {
        until: window().from,
        ..window()
    };
    let read = CloudWatch::new(&config)
        .samples(&[series("Latency", "p90")], nothing)
        .await;
    assert_eq!(read.unwrap(), [Some(vec![])]);
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn alarms_of_both_kinds_are_found_and_a_missing_one_is_not_there() {
    let page = json!({
        "MetricAlarms": [{ "AlarmName": "hosts", "StateValue": "OK" }],
        "CompositeAlarms": [{ "AlarmName": "all", "StateValue": "NEW_WORD" }],
    });
    let (config, asked) = service(vec![(200, page)]).await;
    let names = ["hosts", "all", "gone"].map(str::to_owned);
    let states = CloudWatch::new(&config).alarms(&names).await.unwrap();
    let expected = [("all", "NEW_WORD"), ("hosts", "OK")];
    assert_eq!(
        states,
        expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into()
    );
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].0, "DescribeAlarms");
    assert!(contains(&asked[0].1, "CompositeAlarm") && contains(&asked[0].1, "gone"));
}

#[tokio::test]
async fn a_refusal_is_classified() {
    let refusal = json!({ "__type": "com.amazonaws.cloudwatch#AccessDenied", "message": "no" });
    let (config, _) = service(vec![(403, refusal)]).await;
    let error = CloudWatch::new(&config)
        .samples(&[series("Latency", "p90")], window())
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Denied, "{error}");
    assert_eq!(error.action, "cloudwatch:GetMetricData");
}
