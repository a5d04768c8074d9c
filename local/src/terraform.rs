//! Where the stand-in for Terraform keeps what it has "built".
//!
//! One file for each state, `terraform/<hash of its place>.json`, so that a
//! state outlives the build that wrote it, as a remote backend's does. A state
//! is replaced only under the serial it was read with.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State as Shared,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{ecr::write_whole, sync::locked};

/// What every state says about itself.
const STAND_IN: &str = "laptop stand-in for Terraform: nothing of this exists";

/// Which state: real Terraform knows a state by its backend and workspace; here
/// the variable files are part of its name too, so that one folder with a file
/// for each environment has a state for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The backend's type and settings, or the repository and folder.
    pub(crate) backend: String,
    pub(crate) workspace: String,
    pub(crate) var_files: Vec<String>,
}

/// One thing that was "built".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resource {
    /// Such as `aws_s3_bucket`.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, Value>,
}

/// What a state holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// By address, such as `aws_s3_bucket.backups`.
    pub(crate) resources: BTreeMap<String, Resource>,
    pub(crate) outputs: BTreeMap<String, Value>,
}

/// A state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    #[serde(default)]
    pub(crate) stand_in: String,
    pub(crate) place: Place,
    /// One more with every change; 0 is a state nobody has written.
    pub(crate) serial: u64,
    #[serde(flatten)]
    pub(crate) content: Content,
}

impl State {
    /// The state of a place where nothing was ever applied.
    pub(crate) fn empty(place: Place) -> Self {
        Self {
            stand_in: STAND_IN.to_owned(),
            place,
            serial: 0,
            content: Content::default(),
        }
    }

    /// What a plan names the state by that it was made against.
    pub(crate) fn digest(&self) -> String {
        // A map of strings and values always becomes JSON.
        let text = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(&text))
    }
}

/// All states of this machine.
pub(crate) struct States {
    folder: PathBuf,
    writing: Mutex<()>,
}

impl States {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            writing: Mutex::default(),
        }
    }

    fn path(&self, place: &Place) -> PathBuf {
        let text = serde_json::to_vec(place).unwrap_or_default();
        let name = hex::encode(Sha256::digest(&text));
        self.folder.join(format!("{}.json", &name[..16]))
    }

    fn read(&self, place: &Place) -> io::Result<State> {
        match fs::read(self.path(place)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(State::empty(place.clone()))
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces a state that is still the one before `state`.
    fn write(&self, state: &State) -> io::Result<bool> {
        let _alone = locked(&self.writing);
        if self.read(&state.place)?.serial + 1 != state.serial {
            return Ok(false);
        }
        let bytes = serde_json::to_vec_pretty(state)?;
        write_whole(&self.path(&state.place), &bytes)?;
        Ok(true)
    }

    /// Every state of a backend.
    fn of(&self, backend: &str) -> io::Result<Vec<State>> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Ok(vec![]);
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                found.push(serde_json::from_slice::<State>(&fs::read(path)?)?);
            }
        }
        found.retain(|state| state.place.backend == backend);
        found.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(found)
    }
}

/// The routes under `/terraform`.
pub(crate) fn router(states: Arc<States>) -> Router {
    Router::new()
        .route("/terraform/read", post(read))
        .route("/terraform/write", post(write))
        .route("/terraform/of", post(of))
        .with_state(states)
}

async fn read(Shared(states): Shared<Arc<States>>, Json(place): Json<Place>) -> Response {
    answer(states.read(&place))
}

async fn of(Shared(states): Shared<Arc<States>>, Json(backend): Json<String>) -> Response {
    answer(states.of(&backend))
}

async fn write(Shared(states): Shared<Arc<States>>, Json(state): Json<State>) -> Response {
    answer(states.write(&state))
}

fn answer<T: Serialize>(result: io::Result<T>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => {
            let text = format!("the stand-in's Terraform state: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_replaced_only_by_the_one_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let states = States::new(folder.path().to_path_buf());
        let place = Place {
            backend: "s3 a/b".to_owned(),
            workspace: "default".to_owned(),
            var_files: vec![],
        };
        let mut state = states.read(&place).unwrap();
        state.serial = 1;
        assert!(states.write(&state).unwrap());
        assert!(!states.write(&state).unwrap(), "somebody was first");
        assert_eq!(states.read(&place).unwrap(), state);
        assert_eq!(states.of("s3 a/b").unwrap(), [state]);
        assert_eq!(states.of("s3 other").unwrap(), []);
    }
}
