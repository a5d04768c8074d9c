//! The server all stand-ins share, and its beginning and end.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use url::Url;

use crate::{
    cluster::{self, Cluster},
    codebuild::{self, CodeBuild, Roles, SecretResolver},
    codepipeline,
    config::StandInsConfig,
    ecr::{self, Ecr, Store},
    events::Outbox,
    inbox::{self, Inbox},
    keys::Keys,
    n8n::{self, N8n},
    odoo::{self, Odoo},
    pagerduty::{self, PagerDuty},
    scans::{self, Scans},
    slack::{self, Slack},
    sns::{self, SnsInbox},
    terraform::{self, States},
    tools,
};

/// How long a shutdown waits for undelivered events and for open connections.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Why the stand-ins could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something in the data directory could not be made or read.
    #[error(
        "the stand-ins' data directory: {path}: {error}; it must be a folder this user can write"
    )]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The port is taken.
    #[error(
        "the stand-ins cannot listen on 127.0.0.1:{port}: {error}; choose a free port, or 0 for any"
    )]
    Listen {
        /// The port asked for.
        port: u16,
        /// What went wrong.
        error: io::Error,
    },
    /// No HTTP client could be made.
    #[error("the stand-ins' HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// The server's own address is no URL.
    #[error("the stand-ins' own address: {0}")]
    Address(#[from] url::ParseError),
    /// The tool program is not there.
    #[error(
        "the stand-in tools need the program {0}, which does not exist; build gatewright-standin first"
    )]
    ToolBinary(PathBuf),
}

/// All stand-ins, running. Dropping it without [`StandIns::shutdown`] asks the
/// server, the builds and the services to end, but waits for nothing.
pub struct StandIns {
    url: Url,
    codebuild: Arc<CodeBuild>,
    ecr: Arc<Ecr>,
    slack: Arc<Slack>,
    cluster: Arc<Cluster>,
    keys: Arc<Keys>,
    outbox: Arc<Outbox>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl std::fmt::Debug for StandIns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandIns")
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

impl StandIns {
    /// Starts every stand-in and listens on 127.0.0.1.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(mut config: StandInsConfig) -> Result<Self, StartError> {
        // Builds run in folders of their own: a relative path would lead
        // somewhere else from there.
        config.data = whole_path(&config.data)?;
        let bin = config.data.join("bin");
        link_tools(&bin, tools::NAMES, &config.tool_binary)?;
        let services = config.data.join("services");
        link_tools(&services, &tools::SERVICES, &config.tool_binary)?;
        let listener = listen(config.port).await?;
        let address = listener.local_addr().map_err(|error| StartError::Listen {
            port: config.port,
            error,
        })?;
        let parts = Parts::new(config, &bin, services, address)?;
        let stop = watch::Sender::new(false);
        let server = serve(listener, parts.router(), stop.subscribe());
        tracing::info!("laptop stand-ins listen on {}", parts.url);
        let Parts {
            url,
            codebuild,
            ecr,
            slack,
            cluster,
            keys,
            outbox,
            ..
        } = parts;
        Ok(Self {
            url,
            codebuild,
            ecr,
            slack,
            cluster,
            keys,
            outbox,
            stop,
            server,
        })
    }

    /// The server's address, `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Where pressed Slack buttons are posted from now on.
    pub fn set_interactivity_url(&self, url: Url) {
        self.slack.set_interactivity_url(url);
    }

    /// What a caller of an n8n instance sends as `X-N8N-API-KEY`; the instance is
    /// at `n8n/<environment>` of [`StandIns::url`].
    ///
    /// # Errors
    /// When the name is no name, or the data folder cannot be written.
    pub fn n8n_api_key(&self, environment: &str) -> io::Result<String> {
        self.keys.key(n8n::SERVICE, environment)
    }

    /// The password for the external API of an Odoo instance, which is at
    /// `odoo/<database>` of [`StandIns::url`].
    ///
    /// # Errors
    /// When the name is no name, or the data folder cannot be written.
    pub fn odoo_password(&self, database: &str) -> io::Result<String> {
        self.keys.key(odoo::SERVICE, database)
    }

    /// Stops builds and deployed services, delivers what events it can, and
    /// ends the server. No process the stand-ins started is left afterwards.
    pub async fn shutdown(mut self) {
        // No new request first: none may start what nobody would then stop.
        self.stop.send_replace(true);
        self.end_processes().await;
        tokio::join!(self.ecr.shutdown(), self.slack.shutdown());
        let server = &mut self.server;
        if tokio::time::timeout(END_WITHIN, &mut *server)
            .await
            .is_err()
        {
            // A client that keeps its request open does not keep us up.
            server.abort();
        }
        // What a request under way may have started meanwhile.
        self.end_processes().await;
        self.outbox.close(END_WITHIN).await;
    }

    async fn end_processes(&self) {
        // Services and builds at once: each may take its grace period.
        tokio::join!(self.codebuild.shutdown(), self.cluster.shutdown());
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.codebuild.stop();
        self.cluster.stop();
    }
}

struct Parts {
    url: Url,
    codebuild: Arc<CodeBuild>,
    ecr: Arc<Ecr>,
    slack: Arc<Slack>,
    sns: Arc<SnsInbox>,
    pagerduty: Arc<PagerDuty>,
    cluster: Arc<Cluster>,
    states: Arc<States>,
    n8n: Arc<N8n>,
    odoo: Arc<Odoo>,
    keys: Arc<Keys>,
    scans: Arc<Scans>,
    outbox: Arc<Outbox>,
}

impl Parts {
    fn new(
        config: StandInsConfig,
        bin: &Path,
        services: PathBuf,
        address: SocketAddr,
    ) -> Result<Self, StartError> {
        let url = Url::parse(&format!("http://{address}/"))?;
        let http = client()?;
        let outbox = Arc::new(Outbox::start(config.event_sink));
        let registry = config.data.join("ecr");
        let store = Arc::new(Store::open(&registry).map_err(|error| StartError::Data {
            path: registry,
            error,
        })?);
        let secrets =
            SecretResolver::new(http.clone(), config.emulator.clone(), config.region.clone());
        let roles = Roles {
            http: http.clone(),
            emulator: config.emulator.clone(),
            region: config.region.clone(),
            root_key: config.root_key,
        };
        let ecr_settings = ecr::Settings {
            emulator: config.emulator.clone(),
            region: config.region.clone(),
            account: config.account.clone(),
        };
        let build_settings = codebuild::Settings {
            builds: config.data.join("builds"),
            bin: bin.to_path_buf(),
            tools_path: config.tools_path.clone(),
            sources: config.sources,
            overlays: config.overlays,
            commits: config.commits,
            url: url.clone(),
            emulator: config.emulator,
            region: config.region,
            account: config.account,
            minute: config.build_minute,
        };
        let clusters = config.data.join("clusters");
        // Somebody's real one comes first.
        let programs = [config.tools_path, vec![services]].concat();
        let keys = Arc::new(Keys::new(config.data.join("keys")));
        let (n8n, odoo) = (config.data.join("n8n"), config.data.join("odoo"));
        Ok(Self {
            codebuild: Arc::new(CodeBuild::new(
                build_settings,
                Arc::clone(&outbox),
                secrets,
                roles,
            )),
            ecr: Arc::new(Ecr::new(
                ecr_settings,
                Arc::clone(&store),
                config.findings,
                Arc::clone(&outbox),
                http.clone(),
            )),
            slack: Arc::new(Slack::new(config.slack, url.clone(), http.clone())),
            sns: Arc::new(SnsInbox::new(http.clone())),
            pagerduty: Arc::new(PagerDuty::new(config.pagerduty)),
            cluster: Arc::new(Cluster::new(clusters, store, programs, http)),
            states: Arc::new(States::new(config.data.join("terraform"))),
            n8n: Arc::new(N8n::new(n8n, Arc::clone(&keys))),
            odoo: Arc::new(Odoo::new(odoo, Arc::clone(&keys))),
            keys,
            scans: Arc::new(Scans::new(config.data.join("scans"))),
            outbox,
            url,
        })
    }

    fn router(&self) -> Router {
        let inbox = Inbox {
            slack: Arc::clone(&self.slack),
            sns: Arc::clone(&self.sns),
            pagerduty: Arc::clone(&self.pagerduty),
        };
        codebuild::router(Arc::clone(&self.codebuild))
            .merge(ecr::router(Arc::clone(&self.ecr)))
            .merge(codepipeline::router(Arc::default()))
            .merge(slack::router(Arc::clone(&self.slack)))
            .merge(sns::router(Arc::clone(&self.sns)))
            .merge(pagerduty::router(Arc::clone(&self.pagerduty)))
            .merge(inbox::router(inbox))
            .merge(cluster::router(Arc::clone(&self.cluster)))
            .merge(terraform::router(Arc::clone(&self.states)))
            .merge(n8n::router(Arc::clone(&self.n8n)))
            .merge(odoo::router(Arc::clone(&self.odoo)))
            .merge(scans::router(Arc::clone(&self.scans)))
            .layer(middleware::from_fn(only_by_local_name))
    }
}

/// Refuses requests that name this server by somebody else's name.
///
/// Whoever can start a build runs commands as this user. A web page in the
/// user's browser could reach 127.0.0.1 by pointing its own name there (DNS
/// rebinding); its requests would carry that name.
async fn only_by_local_name(request: Request, next: Next) -> Response {
    let host = (request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok()))
    .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    // The last one is this machine, as containers on it call it.
    if ["127.0.0.1", "localhost", "host.docker.internal"].contains(&name) {
        return next.run(request).await;
    }
    let text = format!("the laptop stand-ins answer to 127.0.0.1 and localhost, not to {host:?}\n");
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

async fn listen(port: u16) -> Result<TcpListener, StartError> {
    (TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await)
        .map_err(|error| StartError::Listen { port, error })
}

fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let stopped = async move {
            // A dropped sender is a dropped `StandIns`: stop as well.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(stopped)
            .await;
        if let Err(error) = served {
            tracing::error!("laptop stand-ins: the server ended: {error}");
        }
    })
}

/// The client for everything on this machine: no proxy is ever in between.
fn client() -> Result<reqwest::Client, reqwest::Error> {
    tools::install_crypto();
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .build()
}

fn whole_path(data: &Path) -> Result<PathBuf, StartError> {
    fs::create_dir_all(data)
        .and_then(|()| fs::canonicalize(data))
        .map_err(|error| StartError::Data {
            path: data.to_path_buf(),
            error,
        })
}

/// Makes a folder in which builds, or deployed services, find the stand-in
/// programs.
fn link_tools(bin: &Path, names: &[&str], program: &Path) -> Result<(), StartError> {
    let data = |path: &Path| {
        let path = path.to_path_buf();
        move |error| StartError::Data { path, error }
    };
    let program =
        (fs::canonicalize(program)).map_err(|_| StartError::ToolBinary(program.to_path_buf()))?;
    fs::create_dir_all(bin).map_err(data(bin))?;
    for name in names {
        let link = bin.join(name);
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(data(&link)(error));
            }
            _ => {}
        }
        std::os::unix::fs::symlink(&program, &link).map_err(data(&link))?;
    }
    Ok(())
}
