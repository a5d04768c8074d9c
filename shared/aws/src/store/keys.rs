//! Where things are in the table. Numbers are padded so that text order is
//! number order.

use crate::table::Key;
use gatewright_domain::{Digest, EnvironmentName, PersonId, PipelineId, ReleaseId, Timestamp};

pub(super) fn release(id: &ReleaseId) -> String {
    format!("RELEASE#{id}")
}

pub(super) const HEAD: &str = "HEAD";

pub(super) fn head(id: &ReleaseId) -> Key {
    Key::new(release(id), HEAD)
}

pub(super) fn event(id: &ReleaseId, seq: u64) -> Key {
    Key::new(release(id), format!("EVENT#{seq:06}"))
}

pub(super) fn stage(id: &ReleaseId, index: usize, attempt: u32) -> Key {
    Key::new(release(id), format!("STAGE#{index:03}#{attempt:03}"))
}

pub(super) fn artifact(id: &ReleaseId, name: &str) -> Key {
    Key::new(release(id), format!("ARTIFACT#{name}"))
}

pub(super) fn approval(id: &ReleaseId, index: usize) -> Key {
    Key::new(release(id), format!("APPROVAL#{index:03}"))
}

pub(super) fn decisions(index: usize) -> String {
    format!("DECISION#{index:03}#")
}

pub(super) fn decision(id: &ReleaseId, index: usize, person: &PersonId) -> Key {
    Key::new(release(id), format!("{}{person}", decisions(index)))
}

pub(super) fn thread(id: &ReleaseId) -> Key {
    Key::new(release(id), "THREAD")
}

pub(super) fn pipeline(id: &PipelineId) -> String {
    format!("PIPELINE#{id}")
}

pub(super) fn version(id: &PipelineId, version: &Digest) -> Key {
    Key::new(pipeline(id), format!("VERSION#{}", version.hex()))
}

pub(super) fn applied(id: &PipelineId, at: Timestamp) -> Key {
    Key::new(pipeline(id), format!("APPLIED#{:015}", at.as_millisecond()))
}

pub(super) fn live(id: &PipelineId) -> Key {
    Key::new(pipeline(id), "LIVE")
}

pub(super) fn counter(id: &PipelineId) -> Key {
    Key::new(pipeline(id), "COUNTER")
}

pub(super) fn last_on(id: &PipelineId, reference: &str) -> Key {
    Key::new(pipeline(id), format!("REF#{reference}"))
}

pub(super) fn start(id: &PipelineId, upstream: &ReleaseId) -> Key {
    Key::new(format!("START#{id}"), upstream.to_string())
}

pub(super) fn numbered(id: &PipelineId, number: u64) -> Key {
    Key::new(pipeline(id), format!("RELEASE#{number:010}"))
}

pub(super) fn environment(pipeline: &PipelineId, name: &EnvironmentName) -> String {
    format!("ENV#{pipeline}#{name}")
}

pub(super) fn directory() -> Key {
    Key::new("PEOPLE", "DIRECTORY")
}
