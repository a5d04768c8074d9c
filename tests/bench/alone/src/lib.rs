//! What a function's own binary needs before its handler: the same as the one
//! bootstrap does (`functions/bootstrap`), without the choice of a function.

use aws_config::SdkConfig;
use gatewright_aws::Store;
use gatewright_aws::clients;
use gatewright_aws::config::Config;
use gatewright_aws::table::dynamo::DynamoTable;
use lambda_runtime::Error;

/// Logging, configuration and the runtime; then `main`.
///
/// # Errors
/// When the configuration is incomplete, or whatever `main` fails with.
pub fn start<R>(main: impl FnOnce(Config) -> R) -> Result<(), Error>
where
    R: Future<Output = Result<(), Error>>,
{
    let variable = |name: &str| std::env::var(name).ok();
    gatewright_handler::start_logging(variable("GATEWRIGHT_LOG"));
    let config = Config::from_vars(variable)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(main(config))
}

/// The record, and the SDK's configuration for other clients.
pub async fn connect(config: &Config) -> (Store<DynamoTable>, SdkConfig) {
    let sdk = clients::for_function().await;
    (
        Store::new(DynamoTable::new(
            aws_sdk_dynamodb::Client::new(&sdk),
            &config.table,
        )),
        sdk,
    )
}
