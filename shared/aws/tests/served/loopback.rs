//! An SDK configuration for a service on the loopback.

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use axum::Router;

/// Serves `app`; the configuration that leads every client there, without retries.
pub async fn serving(app: Router) -> SdkConfig {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let fixed = Credentials::new("key", "secret", None, None, "test");
    let config =
        gatewright_aws::clients::for_person(Some("ap-south-1".to_owned()), Some(endpoint)).await;
    config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(fixed))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build()
}
