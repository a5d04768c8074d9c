//! Metrics and alarms: Amazon CloudWatch.

use crate::error::{ServiceError, classify};
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, StatusCode,
};
use gatewright_domain::decide::{Sample, Window};
use gatewright_domain::pipeline::Series;
use gatewright_domain::{Decimal, Timestamp};
use std::collections::BTreeMap;

/// How many series one request may ask for (GetMetricData, MetricDataQueries).
const MOST_SERIES: usize = 500;
/// How many alarms one request may name (DescribeAlarms, AlarmNames).
const MOST_ALARMS: usize = 100;

/// What functions need of CloudWatch.
pub trait Metrics: Send + Sync {
    /// The samples of each series in the window, in the order in which they are
    /// asked for. A sample that is no number is left out; `None` is a series that
    /// CloudWatch could not give completely.
    fn samples(
        &self,
        series: &[Series],
        window: Window,
    ) -> impl Future<Output = Result<Vec<Option<Vec<Sample>>>, ServiceError>> + Send;

    /// The states of the alarms of these names that exist, in CloudWatch's words.
    fn alarms(
        &self,
        names: &[String],
    ) -> impl Future<Output = Result<BTreeMap<String, String>, ServiceError>> + Send;
}

/// CloudWatch through the SDK.
#[derive(Debug, Clone)]
pub struct CloudWatch {
    client: Client,
}

impl CloudWatch {
    /// CloudWatch with this configuration.
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: Client::new(config),
        }
    }

    /// All pages of one request.
    async fn read(
        &self,
        series: &[Series],
        window: Window,
    ) -> Result<Vec<Option<Vec<Sample>>>, ServiceError> {
        let queries: Vec<MetricDataQuery> = series
            .iter()
            .enumerate()
            .map(|(at, series)| query(at, series, window.period))
            .collect();
        let mut read: Vec<Read> = series.iter().map(|_| Read::default()).collect();
        let mut next: Option<String> = None;
        loop {
            let sent = self
                .client
                .get_metric_data()
                .set_metric_data_queries(Some(queries.clone()))
                .start_time(DateTime::from_secs(window.from.as_second()))
                .end_time(DateTime::from_secs(window.until.as_second()))
                .scan_by(ScanBy::TimestampAscending)
                .set_next_token(next.take())
                .send()
                .await;
            let page = sent.map_err(|e| classify("cloudwatch:GetMetricData", &e))?;
            for result in page.metric_data_results.unwrap_or_default() {
                let id = result.id.as_deref().and_then(|id| id.strip_prefix('m'));
                let Some(known) = id.and_then(|at| read.get_mut(at.parse::<usize>().ok()?)) else {
                    continue;
                };
                let values = result.values.unwrap_or_default();
                let times = result.timestamps.unwrap_or_default();
                known
                    .samples
                    .extend(times.iter().zip(values).filter_map(sample));
                // Pages before the last one say `PartialData`.
                known.complete = result.status_code == Some(StatusCode::Complete);
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        Ok(read.into_iter().map(Read::whole).collect())
    }
}

/// What the pages have given of one series.
#[derive(Default)]
struct Read {
    samples: Vec<Sample>,
    complete: bool,
}

impl Read {
    /// Part of a series may be its better part.
    fn whole(self) -> Option<Vec<Sample>> {
        self.complete.then_some(self.samples)
    }
}

fn sample((at, value): (&DateTime, f64)) -> Option<Sample> {
    Some(Sample {
        at: Timestamp::from_second(at.secs()).ok()?,
        value: Decimal::measured(value)?,
    })
}

fn query(at: usize, series: &Series, period: u32) -> MetricDataQuery {
    let dimension =
        |(name, value): (&String, &String)| Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder()
        .namespace(&series.namespace)
        .metric_name(&series.name)
        .set_dimensions(Some(series.dimensions.iter().map(dimension).collect()))
        .build();
    let stat = MetricStat::builder()
        .metric(metric)
        .period(i32::try_from(period).unwrap_or(60))
        .stat(&series.statistic)
        .build();
    MetricDataQuery::builder()
        .id(format!("m{at}"))
        .metric_stat(stat)
        .return_data(true)
        .build()
}

impl Metrics for CloudWatch {
    async fn samples(
        &self,
        series: &[Series],
        window: Window,
    ) -> Result<Vec<Option<Vec<Sample>>>, ServiceError> {
        if window.from >= window.until {
            return Ok(vec![Some(Vec::new()); series.len()]);
        }
        let mut all = Vec::with_capacity(series.len());
        for some in series.chunks(MOST_SERIES) {
            all.extend(self.read(some, window).await?);
        }
        Ok(all)
    }

    async fn alarms(&self, names: &[String]) -> Result<BTreeMap<String, String>, ServiceError> {
        let mut states = BTreeMap::new();
        for some in names.chunks(MOST_ALARMS) {
            let mut next: Option<String> = None;
            loop {
                let sent = self
                    .client
                    .describe_alarms()
                    .set_alarm_names(Some(some.to_vec()))
                    // Without them, only metric alarms are found.
                    .alarm_types(AlarmType::MetricAlarm)
                    .alarm_types(AlarmType::CompositeAlarm)
                    .set_next_token(next.take())
                    .send()
                    .await;
                let page = sent.map_err(|e| classify("cloudwatch:DescribeAlarms", &e))?;
                let metric = page.metric_alarms.unwrap_or_default().into_iter();
                let composite = page.composite_alarms.unwrap_or_default().into_iter();
                let found = metric
                    .map(|alarm| (alarm.alarm_name, alarm.state_value))
                    .chain(composite.map(|alarm| (alarm.alarm_name, alarm.state_value)));
                states.extend(
                    found.filter_map(|(name, state)| Some((name?, state?.as_str().to_owned()))),
                );
                next = page.next_token.filter(|token| !token.is_empty());
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(states)
    }
}
