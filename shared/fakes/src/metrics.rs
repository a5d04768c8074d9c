//! CloudWatch in memory: what nobody measured is missing.

use crate::services::locked;
use gatewright_aws::error::{Kind, ServiceError};
use gatewright_aws::metrics::Metrics;
use gatewright_domain::decide::{Sample, Window};
use gatewright_domain::pipeline::Series;
use gatewright_domain::{Decimal, Timestamp};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Metrics and alarms, silent until told otherwise.
#[derive(Debug, Default)]
pub struct FakeMetrics {
    /// Per series the samples, by their time.
    samples: Mutex<BTreeMap<String, BTreeMap<Timestamp, Decimal>>>,
    /// Per series what it measures all the time.
    steady: Mutex<BTreeMap<String, Decimal>>,
    alarms: Mutex<BTreeMap<String, String>>,
    asked: Mutex<Vec<Window>>,
    refusal: Mutex<Option<Kind>>,
    hangs: AtomicBool,
}

impl FakeMetrics {
    /// A series measures this in every period.
    pub fn measures(&self, series: &Series, value: Decimal) {
        locked(&self.steady).insert(key(series), value);
    }

    /// A series measured this at one time.
    pub fn measured(&self, series: &Series, at: Timestamp, value: Decimal) {
        let mut samples = locked(&self.samples);
        samples.entry(key(series)).or_default().insert(at, value);
    }

    /// An alarm is in this state.
    pub fn alarm(&self, name: &str, state: &str) {
        locked(&self.alarms).insert(name.to_owned(), state.to_owned());
    }

    /// The next calls fail so; `None`: they succeed again.
    pub fn refuse(&self, kind: Option<Kind>) {
        *locked(&self.refusal) = kind;
    }

    /// Whether calls never come back from now on.
    pub fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }

    /// The windows that were asked for, in order.
    pub fn asked(&self) -> Vec<Window> {
        locked(&self.asked).clone()
    }

    async fn comes_back(&self) {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    fn refused(&self, action: &'static str) -> Result<(), ServiceError> {
        match *locked(&self.refusal) {
            Some(kind) => Err(ServiceError::of(
                action,
                kind,
                "a failure that the test asked for",
            )),
            None => Ok(()),
        }
    }
}

/// CloudWatch knows a metric by all of this.
fn key(series: &Series) -> String {
    let mut dimensions: Vec<_> = series.dimensions.iter().collect();
    dimensions.sort();
    format!(
        "{} {} {} {dimensions:?}",
        series.namespace, series.name, series.statistic
    )
}

impl Metrics for FakeMetrics {
    async fn samples(
        &self,
        series: &[Series],
        window: Window,
    ) -> Result<Vec<Option<Vec<Sample>>>, ServiceError> {
        self.comes_back().await;
        self.refused("cloudwatch:GetMetricData")?;
        locked(&self.asked).push(window);
        let (known, steady) = (locked(&self.samples), locked(&self.steady));
        let periods =
            (window.from.as_second()..window.until.as_second()).step_by(window.period as usize);
        let of = |series: &Series| {
            let all = steady.get(&key(series)).map(|value| {
                periods
                    .clone()
                    .filter_map(|at| Some((Timestamp::from_second(at).ok()?, *value)))
            });
            let some = known.get(&key(series)).into_iter().flatten();
            let some = some.filter(|(at, _)| (window.from..window.until).contains(*at));
            some.map(|(at, value)| (*at, *value))
                .chain(all.into_iter().flatten())
                .map(|(at, value)| Sample { at, value })
                .collect::<Vec<_>>()
        };
        Ok(series.iter().map(|series| Some(of(series))).collect())
    }

    async fn alarms(&self, names: &[String]) -> Result<BTreeMap<String, String>, ServiceError> {
        self.comes_back().await;
        self.refused("cloudwatch:DescribeAlarms")?;
        let known = locked(&self.alarms);
        let of = |name: &String| Some((name.clone(), known.get(name)?.clone()));
        Ok(names.iter().filter_map(of).collect())
    }
}
