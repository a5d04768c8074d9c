//! The programs that builds on the laptop stack find as `docker`, `kubectl`,
//! `terraform` and so on, and deployed services as `odoo`; see
//! `gatewright_local::tools`.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    ExitCode::from(gatewright_local::tools::main(std::env::args_os().collect()).await)
}
