//! Parts of definitions that show what the objects can say.

pub(super) const PIPELINE: &str = "";
pub(super) const ON: &str = "";
pub(super) const MANUAL: &str = "";
pub(super) const SCHEDULE: &str = "";
pub(super) const UPSTREAM: &str = "";
pub(super) const ARTIFACT: &str = "";
pub(super) const ENVIRONMENT: &str = "";
pub(super) const STRATEGY: &str = "";
pub(super) const ROLLBACK: &str = "";
pub(super) const WINDOW: &str = "";
pub(super) const DEFAULTS: &str = "";
pub(super) const STAGE: &str = "";
pub(super) const PARALLEL: &str = "";
pub(super) const GATES: &str = "";
pub(super) const DEPLOY: &str = "";
pub(super) const NOTIFY: &str = "";
pub(super) const DIRECTORY: &str = "";
