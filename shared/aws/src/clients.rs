//! One HTTP client and one SDK configuration for all services of a process.

use aws_config::SdkConfig;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_http_client::{Builder, tls};
use std::time::Duration;

/// For a Lambda function: credentials from the environment only, so that a cold
/// start does not walk the whole provider chain; one TLS client (on ring, whose
/// start needs no entropy gathering) for every service.
pub async fn for_function() -> SdkConfig {
    base()
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        // A function has 30 s; five tries at up to 20 s of backoff would use
        // them up. Step Functions retries `Transient` with longer pauses.
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(4)
                .with_max_backoff(Duration::from_secs(2)),
        )
        .load()
        .await
}

/// For a person's machine: whatever credentials the AWS CLI would find.
pub async fn for_person(region: Option<String>, endpoint: Option<String>) -> SdkConfig {
    let mut loader = base();
    if let Some(region) = region {
        loader = loader.region(aws_config::Region::new(region));
    }
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    loader.load().await
}

/// Makes ring the process's TLS provider; reqwest is built without one of its
/// own. `false` when the process had one already, which is as good.
pub fn install_crypto() -> bool {
    rustls::crypto::ring::default_provider()
        .install_default()
        .is_ok()
}

fn base() -> aws_config::ConfigLoader {
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .build();
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
}
