//! `gatewright local metric` and `gatewright local alarm`: what a rollout on the
//! laptop is judged by, put into the emulator's CloudWatch.

use super::stop::Stop;
use crate::args::{Alarm, Metric};
use crate::connect::reach;
use crate::error::{Code, Failed};
use crate::out::Out;
use aws_config::SdkConfig;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricDatum, Statistic};
use gatewright_aws::error::classify;
use gatewright_aws::{Clock, SystemClock};
use gatewright_domain::Timestamp;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// A sample of the laptop is a second long, and none may be without a number.
const EVERY: Duration = Duration::from_millis(300);

/// Puts a number again and again, as an application does, until its time is over
/// or somebody stops it.
///
/// # Errors
/// When there is no laptop stack, or the emulator refuses.
pub async fn metric(args: &Metric, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let client = Client::new(&emulator(at).await?);
    let mut stop = Stop::listen()?;
    let began = Instant::now();
    put(&client, args, SystemClock.now()).await?;
    let lasts = match args.lasts {
        Some(lasts) => format!("for {} s", lasts.as_secs()),
        None => "until Ctrl-C".to_owned(),
    };
    let Metric {
        namespace,
        name,
        value,
        ..
    } = args;
    out.aside(format!("{namespace} {name} is {value}, {lasts}"));
    loop {
        tokio::select! {
            () = stop.asked() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
        if args.lasts.is_some_and(|lasts| began.elapsed() >= lasts) {
            break;
        }
        put(&client, args, SystemClock.now()).await?;
    }
    if out.json {
        out.json(&json!({ "namespace": namespace, "name": name, "value": value }));
    }
    Ok(Code::Done)
}

async fn put(client: &Client, args: &Metric, now: Timestamp) -> Result<(), Failed> {
    let dimension =
        |(name, value): &(String, String)| Dimension::builder().name(name).value(value).build();
    let datum = MetricDatum::builder()
        .metric_name(&args.name)
        .set_dimensions(Some(args.dimensions.iter().map(dimension).collect()))
        .timestamp(DateTime::from_secs(now.as_second()))
        .value(args.value)
        .build();
    let sent = client
        .put_metric_data()
        .namespace(&args.namespace)
        .metric_data(datum)
        .send()
        .await;
    sent.map_err(|e| classify("cloudwatch:PutMetricData", &e))?;
    Ok(())
}

/// Puts an alarm into a state; one that is not there is made first.
///
/// # Errors
/// When there is no laptop stack, or the emulator refuses.
pub async fn alarm(args: &Alarm, at: Option<&Path>, out: &Out) -> Result<Code, Failed> {
    let client = Client::new(&emulator(at).await?);
    let known = client.describe_alarms().alarm_names(&args.name).send();
    let known = known
        .await
        .map_err(|e| classify("cloudwatch:DescribeAlarms", &e))?;
    if known.metric_alarms().is_empty() {
        make(&client, &args.name).await?;
    }
    let set = client
        .set_alarm_state()
        .alarm_name(&args.name)
        .state_value(args.state.as_str().into())
        .state_reason("gatewright local alarm says so")
        .send();
    set.await
        .map_err(|e| classify("cloudwatch:SetAlarmState", &e))?;
    let state = args.state.as_str();
    if out.json {
        out.json(&json!({ "alarm": args.name, "state": state }));
    } else {
        out.line(format!("{} is {state}", args.name));
    }
    Ok(Code::Done)
}

/// An alarm over a metric that nobody puts: its state is what is said of it.
async fn make(client: &Client, name: &str) -> Result<(), Failed> {
    let made = client
        .put_metric_alarm()
        .alarm_name(name)
        .namespace("Gatewright/Laptop")
        .metric_name(name)
        .statistic(Statistic::Maximum)
        .period(60)
        .evaluation_periods(1)
        .threshold(1.0)
        .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
        .send();
    made.await
        .map_err(|e| classify("cloudwatch:PutMetricAlarm", &e))?;
    Ok(())
}

/// The laptop's emulator: what is said here must never reach a real CloudWatch.
async fn emulator(at: Option<&Path>) -> Result<SdkConfig, Failed> {
    let connection = reach(at).await?.connection;
    if connection.endpoint.is_none() {
        return Err(
            Failed::refused("this connection leads to AWS, where metrics are measured")
                .help("start the laptop stack with `gatewright local up`"),
        );
    }
    Ok(connection.sdk().await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::out::Colour;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};

    /// A CloudWatch that takes everything and tells what it was asked.
    fn cloudwatch() -> (tempfile::TempDir, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut all = Vec::new();
                let mut part = [0; 4096];
                while !is_whole(&all) {
                    let read = stream.read(&mut part).unwrap();
                    all.extend_from_slice(&part[..read]);
                }
                let asked = String::from_utf8_lossy(&all).into_owned();
                let reply = "HTTP/1.1 200 OK\r\nsmithy-protocol: rpc-v2-cbor\r\ncontent-type: application/cbor\r\nconnection: close\r\ncontent-length: 1\r\n\r\n";
                stream.write_all(reply.as_bytes()).unwrap();
                // An empty map.
                stream.write_all(&[0xa0]).unwrap();
                if tell.send(asked).is_err() {
                    return;
                }
            }
        });
        (connection(Some(format!("http://{address}"))), told)
    }

    fn is_whole(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request).to_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head.split_once("content-length: ").unwrap().1;
        let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
        let body = request
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        request.len() >= body + length
    }

    fn connection(endpoint: Option<String>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let connection = json!({
            "region": "eu-central-1", "endpoint": endpoint, "table": "t", "machines": {},
            "public_url": "http://127.0.0.1/", "credentials": { "key": "k", "secret": "s" },
        });
        std::fs::write(folder.path().join("c.json"), connection.to_string()).unwrap();
        folder
    }

    fn rate() -> Metric {
        Metric {
            namespace: "Shop".to_owned(),
            name: "ErrorRate".to_owned(),
            value: 0.5,
            dimensions: vec![("Service".to_owned(), "preview".to_owned())],
            lasts: Some(Duration::from_millis(400)),
        }
    }

    #[tokio::test]
    async fn a_number_is_put_until_its_time_is_over() {
        let (folder, told) = cloudwatch();
        let at = folder.path().join("c.json");
        let out = Out::new(false, Colour::Never);
        metric(&rate(), Some(&at), &out).await.unwrap();
        let asked: Vec<String> = told.try_iter().collect();
        assert_eq!(asked.len(), 2, "{asked:?}");
        for part in ["PutMetricData", "Shop", "ErrorRate", "Service", "preview"] {
            assert!(
                asked.iter().all(|one| one.contains(part)),
                "{part}: {asked:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_alarm_that_is_not_there_is_made_before_its_state_is_set() {
        let (folder, told) = cloudwatch();
        let at = folder.path().join("c.json");
        let args = Alarm {
            name: "shop-hosts".to_owned(),
            state: clap::ValueEnum::from_str("ALARM", false).unwrap(),
        };
        let out = Out::new(false, Colour::Never);
        alarm(&args, Some(&at), &out).await.unwrap();
        let asked: Vec<String> = told.try_iter().collect();
        let order = ["DescribeAlarms", "PutMetricAlarm", "SetAlarmState"];
        assert_eq!(asked.len(), order.len());
        for (one, action) in asked.iter().zip(order) {
            assert!(one.contains(action) && one.contains("shop-hosts"), "{one}");
        }
        assert!(asked[2].contains("ALARM"));
    }

    #[tokio::test]
    async fn nothing_is_put_into_a_real_cloudwatch() {
        let folder = connection(None);
        let at = folder.path().join("c.json");
        let out = Out::new(false, Colour::Never);
        let failed = metric(&rate(), Some(&at), &out).await.unwrap_err();
        assert_eq!(failed.code, Code::Refused);
    }
}
