//! The environment a build's commands start in.
//!
//! It is made from nothing, not from the supervisor's: a build must not pass
//! because of what happens to be exported in somebody's terminal. Only what a
//! package installer needs to reach its index is handed through.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use super::model::Build;
use crate::sigv4::Credentials;

/// Handed through from the supervisor's environment, whole names.
const HANDED_THROUGH: [&str; 13] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GATEWRIGHT_ALLOW_UNAUDITED",
    "TZ",
];

/// And every variable that configures a package installer.
const HANDED_THROUGH_PREFIXES: [&str; 4] = ["PIP_", "UV_", "npm_config_", "NPM_CONFIG_"];

/// The folders of one build.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    root: PathBuf,
}

impl Folders {
    /// The folders under `root`; nothing is made yet.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes them.
    ///
    /// # Errors
    /// When the data directory cannot be written.
    pub(crate) fn create(&self) -> io::Result<()> {
        [self.source(), self.home(), self.temporary(), self.state()]
            .iter()
            .try_for_each(fs::create_dir_all)
    }

    /// `CODEBUILD_SRC_DIR`.
    pub(crate) fn source(&self) -> PathBuf {
        self.root.join("src")
    }

    /// `HOME`.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// `TMPDIR`.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// The phases' scripts and what they hand on.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The build's log.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log.txt")
    }
}

/// Stand-in programs first, then the caller's tools, then the system's.
pub(crate) fn search_path(bin: Option<&Path>, tools: &[PathBuf]) -> String {
    let system = env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let parts = (bin.map(Path::to_path_buf).into_iter())
        .chain(tools.iter().cloned())
        .chain(env::split_paths(&system));
    // A folder with a colon in its name cannot be on a PATH at all.
    env::join_paths(parts.filter(|part| !part.to_string_lossy().contains(':')))
        .map(|joined| joined.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// What is handed through of the supervisor's environment.
fn handed_through() -> BTreeMap<String, String> {
    let mut kept: BTreeMap<String, String> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| {
            HANDED_THROUGH.contains(&name.as_str())
                || HANDED_THROUGH_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
        })
        .collect();
    if !kept.contains_key("PIP_CONFIG_FILE")
        && let Some(file) = pip_config()
    {
        // HOME is another one in a build; pip would not find the user's file.
        kept.insert("PIP_CONFIG_FILE".to_owned(), file);
    }
    if !kept
        .keys()
        .any(|name| name.eq_ignore_ascii_case("npm_config_userconfig"))
        && let Some(home) = env::var_os("HOME")
    {
        let file = PathBuf::from(home).join(".npmrc");
        if file.is_file() {
            let file = file.to_string_lossy().into_owned();
            kept.insert("npm_config_userconfig".to_owned(), file);
        }
    }
    kept
}

fn pip_config() -> Option<String> {
    let home = PathBuf::from(env::var_os("HOME")?);
    [".config/pip/pip.conf", ".pip/pip.conf"]
        .iter()
        .map(|file| home.join(file))
        .find(|file| file.is_file())
        .map(|file| file.to_string_lossy().into_owned())
}

/// Where a build runs, for its environment.
pub(crate) struct Place<'p> {
    /// The build's folders.
    pub(crate) folders: &'p Folders,
    /// The stand-in programs' folder.
    pub(crate) bin: &'p Path,
    /// The caller's tools.
    pub(crate) tools: &'p [PathBuf],
    /// The stand-ins' own address.
    pub(crate) stand_ins: &'p str,
    /// The emulator's address.
    pub(crate) emulator: &'p str,
    /// The region.
    pub(crate) region: &'p str,
    /// As whom it acts.
    pub(crate) acts_as: &'p Credentials,
}

/// Everything but the buildspec's and the caller's own variables.
pub(crate) fn base(build: &Build, place: &Place<'_>) -> BTreeMap<String, String> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let folders = place.folders;
    let mut variables = handed_through();
    let own = [
        ("PATH", search_path(Some(place.bin), place.tools)),
        ("HOME", text(folders.home())),
        ("TMPDIR", text(folders.temporary())),
        ("LANG", "C.UTF-8".to_owned()),
        ("SHELL", "/bin/bash".to_owned()),
        ("CI", "true".to_owned()),
        ("AWS_REGION", place.region.to_owned()),
        ("AWS_DEFAULT_REGION", place.region.to_owned()),
        // An AWS SDK inside a build reaches the emulator, never AWS.
        ("AWS_ENDPOINT_URL", place.emulator.to_owned()),
        ("AWS_ACCESS_KEY_ID", place.acts_as.key.clone()),
        ("AWS_SECRET_ACCESS_KEY", place.acts_as.secret.clone()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        (crate::tools::URL_VARIABLE, place.stand_ins.to_owned()),
        // Nothing here takes as long as it does on AWS: those who wait for it look
        // every second.
        ("GATEWRIGHT_PAUSE_SECONDS", "1".to_owned()),
        ("CODEBUILD_BUILD_ID", build.id.clone()),
        ("CODEBUILD_BUILD_ARN", build.arn.clone()),
        ("CODEBUILD_BUILD_NUMBER", build.build_number.to_string()),
        ("CODEBUILD_BUILD_IMAGE", build.environment.image.clone()),
        ("CODEBUILD_INITIATOR", build.initiator.clone()),
        ("CODEBUILD_LOG_PATH", build.logs.stream_name.clone()),
        ("CODEBUILD_SRC_DIR", text(folders.source())),
        (
            "CODEBUILD_START_TIME",
            format!("{:.0}", build.start_time * 1000.0),
        ),
        (
            "CODEBUILD_SOURCE_REPO_URL",
            build.source["location"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        ),
        (
            "CODEBUILD_SOURCE_VERSION",
            build.source_version.clone().unwrap_or_default(),
        ),
        (
            "CODEBUILD_RESOLVED_SOURCE_VERSION",
            build.resolved_source_version.clone().unwrap_or_default(),
        ),
    ];
    variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if let Some(token) = &place.acts_as.token {
        variables.insert("AWS_SESSION_TOKEN".to_owned(), token.clone());
    }
    variables
}
