//! The functions that machines call, and the errors that each can raise: the
//! contract between a function's crate and the Catch of its states.

use gatewright_domain::ErrorName::{
    self, AccessDenied, AlreadyStarted, ApprovalExpired, BadInput, Bug, BuildFailed, BuildFault,
    BuildLost, BuildStopped, BuildTimedOut, Conflict, EvidenceChanged, Frozen, GateDenied, Halted,
    Irreversible, LockLost, MovedOn, NotApproved, NotPromoted, NotTriggered, Orphaned, Rejected,
    ReleaseEnded, Superseded, TakenBack, Transient, UnknownPipeline, WaitExpired, WatchFailed,
};

/// A function that a state calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// `admit-release`.
    AdmitRelease,
    /// `start-build`; its token is answered by `finish-build` or `sweep`.
    StartBuild,
    /// `judge-scan`.
    JudgeScan,
    /// `clear-deploy`.
    ClearDeploy,
    /// `request-approval`; its token is answered by `answer-approval` or `sweep`.
    RequestApproval,
    /// `watch-rollout`; its token is answered by `sweep` or `answer-approval`.
    WatchRollout,
    /// `finish-release`.
    FinishRelease,
}

impl Function {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::AdmitRelease,
        Self::StartBuild,
        Self::JudgeScan,
        Self::ClearDeploy,
        Self::RequestApproval,
        Self::WatchRollout,
        Self::FinishRelease,
    ];

    /// Its name in `DefinitionSubstitutions`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdmitRelease => "AdmitRelease",
            Self::StartBuild => "StartBuild",
            Self::JudgeScan => "JudgeScan",
            Self::ClearDeploy => "ClearDeploy",
            Self::RequestApproval => "RequestApproval",
            Self::WatchRollout => "WatchRollout",
            Self::FinishRelease => "FinishRelease",
        }
    }

    /// The placeholder that a template fills with the function's ARN.
    pub fn placeholder(self) -> String {
        format!("${{{}}}", self.name())
    }

    /// The errors that reach a state through this function: its own, and those
    /// with which its token is answered.
    pub fn raises(self) -> &'static [ErrorName] {
        match self {
            Self::AdmitRelease => &[
                BadInput,
                UnknownPipeline,
                NotTriggered,
                AlreadyStarted,
                TakenBack,
                Irreversible,
                MovedOn,
                Halted,
                AccessDenied,
                Transient,
                Conflict,
                Bug,
            ],
            Self::StartBuild => &[
                BadInput,
                UnknownPipeline,
                BuildFailed,
                BuildFault,
                BuildStopped,
                BuildTimedOut,
                BuildLost,
                GateDenied,
                Irreversible,
                MovedOn,
                LockLost,
                Halted,
                Frozen,
                ReleaseEnded,
                AccessDenied,
                Transient,
                Conflict,
                Bug,
            ],
            Self::JudgeScan => &[
                BadInput,
                UnknownPipeline,
                GateDenied,
                WaitExpired,
                ReleaseEnded,
                AccessDenied,
                Transient,
                Conflict,
                Bug,
            ],
            Self::ClearDeploy => &[
                BadInput,
                UnknownPipeline,
                NotApproved,
                EvidenceChanged,
                GateDenied,
                TakenBack,
                MovedOn,
                NotPromoted,
                Superseded,
                Orphaned,
                Halted,
                WaitExpired,
                ReleaseEnded,
                AccessDenied,
                Transient,
                Conflict,
                Bug,
            ],
            Self::RequestApproval => &[
                BadInput,
                UnknownPipeline,
                NotApproved,
                Rejected,
                ApprovalExpired,
                Halted,
                ReleaseEnded,
                AccessDenied,
                Transient,
                Conflict,
                Bug,
            ],
            Self::WatchRollout => &[
                BadInput,
                UnknownPipeline,
                Halted,
                Frozen,
                WatchFailed,
                LockLost,
                Rejected,
                ApprovalExpired,
                ReleaseEnded,
                AccessDenied,
                Transient,
                Conflict,
                Bug,
            ],
            Self::FinishRelease => &[
                BadInput,
                UnknownPipeline,
                AccessDenied,
                Transient,
                Conflict,
                Bug,
            ],
        }
    }
}
