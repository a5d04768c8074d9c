//! A small pipeline of the tests' own on the laptop stack: one build, one
//! environment, and as many strategies as a test wants. Its metrics are put into
//! the emulator's CloudWatch.

use crate::Laptop;
use crate::laptop::root;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, MetricDatum, StateValue, Statistic,
};
use gatewright_aws::{Clock, SystemClock};
use gatewright_domain::ReleaseId;
use gatewright_domain::release::Head;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The pipeline's id.
pub const SHOP: &str = "shop";

/// A folder like the project's with one definition of its own, compiled.
fn project(folder: &Path, production: &str) -> PathBuf {
    let real = root();
    let made = folder.join("project");
    for part in ["pipelines", "infra/pipelines", "statemachines", "local"] {
        fs::create_dir_all(made.join(part)).unwrap_or_else(|e| panic!("{e}"));
    }
    let copy = |part: &str| {
        fs::copy(real.join(part), made.join(part)).unwrap_or_else(|e| panic!("{part}: {e}"));
    };
    copy("pipelines/approvers.yaml");
    copy("infra/template.yaml");
    copy("infra/deploy.py");
    copy("infra/stacks.py");
    copy("local/launch.py");
    copy("local/ministack_changes.py");
    let definition = format!(
        r#"language: 1
id: shop
name: Shop
region: ap-south-1
source: {{ repository: https://github.com/example/transport-management, path: gps_ingestion_service }}
on: {{ push: {{ branches: [main] }} }}
artifacts: {{ page: {{ type: files, paths: [page.txt] }} }}
environments:
  production:
{production}
defaults: {{ retries: 0, timeout: 5m }}
stages:
  - {{ name: Package, steps: ['echo "$COMMIT_SHA" > page.txt'], produces: page }}
  - name: Approval
    environment: production
    approval: {{ quorum: [{{ group: project-lead, count: 1 }}], expires: 1d, remind: 1h }}
  - {{ name: Deploy, deploy: {{ artifact: page, environment: production }}, steps: [echo the new version is there] }}
notify: {{ slack: "\#tms-deployments" }}
budget: 30d
"#
    );
    fs::write(
        made.join("pipelines/shop.yaml"),
        definition.replace("\\#", "#"),
    )
    .unwrap_or_else(|e| panic!("{e}"));
    let compiled = Command::new(real.join("target/debug/gatewright"))
        .args(["compile", "pipelines/shop.yaml"])
        .current_dir(&made)
        .output()
        .unwrap_or_else(|e| panic!("{e}; build gatewright first"));
    let said = String::from_utf8_lossy(&compiled.stderr).into_owned();
    assert!(compiled.status.success(), "{said}");
    made
}

/// The stack with the shop alone, and its metrics.
#[derive(Debug)]
pub struct Shop {
    /// The stack.
    pub laptop: Laptop,
    /// Its project, with the definition.
    pub project: PathBuf,
    metrics: Arc<Metrics>,
    putting: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// What the new version's numbers are from now on; none while negative.
#[derive(Debug)]
struct Metrics {
    error_rate: AtomicI64,
    latency: AtomicI64,
}

impl Shop {
    /// Brings the shop up with this `production`.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn up(production: &str) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let project = project(folder.path(), production);
        let made = project.clone();
        let laptop = Laptop::up(|options| {
            options.root = made;
            options.pipelines = vec![SHOP.to_owned()];
        })
        .await;
        let metrics = Arc::new(Metrics {
            error_rate: AtomicI64::new(0),
            latency: AtomicI64::new(100),
        });
        let client = Client::new(&laptop.sdk);
        let putting = tokio::spawn(put(client, Arc::clone(&metrics)));
        let shop = Self {
            laptop,
            project,
            metrics,
            putting,
            _folder: folder,
        };
        shop.healthy(true).await;
        shop
    }

    /// The new version's error rate in percent and latency in milliseconds from now
    /// on; nothing is put while they are negative.
    pub fn does(&self, error_rate: i64, latency: i64) {
        self.metrics.error_rate.store(error_rate, Ordering::SeqCst);
        self.metrics.latency.store(latency, Ordering::SeqCst);
    }

    /// Whether the alarm about its health is OK.
    ///
    /// # Panics
    /// When CloudWatch refuses.
    pub async fn healthy(&self, healthy: bool) {
        let client = Client::new(&self.laptop.sdk);
        let put = client
            .put_metric_alarm()
            .alarm_name("shop-unhealthy")
            .namespace("Shop")
            .metric_name("Unhealthy")
            .statistic(Statistic::Maximum)
            .period(60)
            .evaluation_periods(1)
            .threshold(1.0)
            .comparison_operator(ComparisonOperator::GreaterThanOrEqualToThreshold)
            .send();
        put.await.unwrap_or_else(|e| panic!("{e:?}"));
        let state = if healthy {
            StateValue::Ok
        } else {
            StateValue::Alarm
        };
        let set = client
            .set_alarm_state()
            .alarm_name("shop-unhealthy")
            .state_value(state)
            .state_reason("the test says so")
            .send();
        set.await.unwrap_or_else(|e| panic!("{e:?}"));
    }

    /// Starts a release of a commit made of this digit.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn begin(&self, name: &str, digit: char) -> ReleaseId {
        let input = json!({
            "pipeline": SHOP, "ref": "refs/heads/main", "commit": digit.to_string().repeat(40),
            "author": "sam@example.com", "message": name,
        });
        self.laptop.begin(SHOP, name, &input).await
    }

    /// A release, approved, to its end.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn release(&self, name: &str, digit: char) -> Head {
        let release = self.begin(name, digit).await;
        self.laptop.approve_all(&release).await
    }

    /// What runs in production: the release's id, or nothing.
    ///
    /// # Panics
    /// When the record cannot be read.
    pub async fn runs(&self) -> Option<String> {
        let current = self
            .laptop
            .store
            .current(
                &"shop".parse().unwrap_or_else(|e| panic!("{e}")),
                &production(),
            )
            .await;
        let current = current.unwrap_or_else(|e| panic!("{e}"));
        current.map(|d| d.version_of().to_string())
    }

    /// Ends it.
    pub async fn down(self) {
        self.putting.abort();
        self.laptop.down().await;
    }
}

/// The shop's only environment.
///
/// # Panics
/// Never.
pub fn production() -> gatewright_domain::EnvironmentName {
    "production".parse().unwrap_or_else(|e| panic!("{e}"))
}

/// One datum a second of each metric, as an application puts them.
async fn put(client: Client, metrics: Arc<Metrics>) {
    loop {
        let version = Dimension::builder().name("Version").value("new").build();
        let datum = |name: &str, value: i64| {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let value = value as f64;
            MetricDatum::builder()
                .metric_name(name)
                .dimensions(version.clone())
                .timestamp(DateTime::from_secs(SystemClock.now().as_second()))
                .value(value)
                .build()
        };
        let (errors, latency) = (
            metrics.error_rate.load(Ordering::SeqCst),
            metrics.latency.load(Ordering::SeqCst),
        );
        if errors >= 0 {
            let sent = client
                .put_metric_data()
                .namespace("Shop")
                .metric_data(datum("ErrorRate", errors))
                .metric_data(datum("Latency", latency))
                .send();
            sent.await.unwrap_or_else(|e| panic!("{e:?}"));
        }
        // A sample of the laptop is a second long, and none may be without a number.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
