//! What goes wrong when something is published. Texts are sentences for people; none of them holds a credential.

use std::time::Duration;

use outwork_domain::publication::PublishFailure;
use outwork_git::{MirrorError, PrepareError, PushError, ResolveError};
use outwork_store::StoreError;

use crate::refusal::sentence;

/// Why a step did not work.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It may pass: begin anew later.
    Passing {
        text: String,
        /// How long to wait, if the other side said so.
        wait: Option<Duration>,
    },
    /// Somebody has to do something.
    Final(PublishFailure),
    /// The store cannot be read or written, or another server has it: leave it as it is.
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(fault: StoreError) -> Self {
        Self::Store(fault)
    }
}

impl Trouble {
    pub(crate) fn passing(text: impl Into<String>) -> Self {
        Self::Passing {
            text: text.into(),
            wait: None,
        }
    }

    pub(crate) fn last(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Final(PublishFailure {
            code: code.to_owned(),
            message: message.into(),
            hint: Some(hint.into()),
        })
    }

    pub(super) fn prepare(fault: PrepareError, host: &str) -> Self {
        let text = sentence(&fault.to_string());
        match fault {
            PrepareError::Mirror(MirrorError::Remote(fault)) | PrepareError::Remote(fault) => {
                Self::remote(&fault, host)
            }
            PrepareError::Mirror(
                MirrorError::CommitMissing { .. } | MirrorError::Ambiguous { .. },
            ) => Self::last(
                "commit_missing",
                text,
                "Push the commit that the task started from, then publish again.",
            ),
            PrepareError::Mirror(MirrorError::Folder { .. } | MirrorError::Local { .. })
            | PrepareError::Folder(_)
            | PrepareError::Git(_) => {
                tracing::error!(error = %chain(&fault), "a result could not be published");
                Self::passing(text)
            }
            PrepareError::DiffDoesNotApply { .. } => Self::last(
                "diff_does_not_apply",
                text,
                "This is a fault of Outwork; `outwork diff` still prints the diff.",
            ),
            PrepareError::Nothing => Self::last("nothing", text, "There is nothing to publish."),
            PrepareError::Moved { branch, found } => Self::last(
                "branch_moved",
                format!(
                    "The branch `{branch}` has the commit {}, which is not Outwork's, and is left as it is.",
                    &found.as_str()[..12]
                ),
                format!(
                    "Publish to another branch with `--branch NAME`, or take that commit off `{branch}` and publish again."
                ),
            ),
        }
    }

    pub(super) fn push(fault: PushError, host: &str) -> Self {
        let text = sentence(&fault.to_string());
        match fault {
            // The next look at the branch finds whose it is.
            PushError::Moved { .. } => Self::passing(text),
            PushError::Protected { branch, .. } => Self::last(
                "protected_branch",
                text,
                format!(
                    "Name another branch with `--branch NAME`, or let the credential push to branches like `{branch}`."
                ),
            ),
            PushError::NotPermitted { .. } => Self::last("not_permitted", text, may_not(host)),
            PushError::Shallow { .. } => Self::last(
                "shallow",
                text,
                "Point the environment at the full repository with `outwork env edit`, then publish again.",
            ),
            PushError::Refused { .. } => Self::last(
                "push_refused",
                text,
                "Its server has a rule against this push: change the rule, or publish with another `--branch`, `--title` or `--author`.",
            ),
            PushError::Remote(fault) => Self::remote(&fault, host),
            PushError::Git(fault) => {
                tracing::error!(error = %chain(&fault), "a branch could not be pushed");
                Self::passing(text)
            }
        }
    }

    fn remote(fault: &ResolveError, host: &str) -> Self {
        let text = sentence(&fault.to_string());
        match fault {
            ResolveError::Unreachable { .. }
            | ResolveError::TimedOut { .. }
            | ResolveError::Failing { .. }
            | ResolveError::Gateway { .. } => Self::passing(text),
            ResolveError::Other { .. } => {
                tracing::error!(error = %chain(fault), "a repository could not be published to");
                Self::passing(text)
            }
            ResolveError::NotFound { .. } | ResolveError::Unreadable { .. } => {
                Self::last("not_permitted", text, may_not(host))
            }
            ResolveError::BranchMissing { .. }
            | ResolveError::NoDefaultBranch { .. }
            | ResolveError::Empty { .. } => Self::last(
                "commit_missing",
                text,
                "Push what the task started from, then publish again.",
            ),
        }
    }
}

/// What to do when a credential may not write. A fork is a repository of its own.
pub(super) fn may_not(host: &str) -> String {
    match host {
        "" => "Let the user that runs Outwork's server write there.".to_owned(),
        host => format!(
            "Store a credential that may: `outwork credential set {host} --push --token-file FILE`. To publish into a fork, give an environment the fork's address."
        ),
    }
}

/// An error with what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
