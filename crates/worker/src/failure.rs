//! What people are told when an attempt fails: which class, what happened, what to do.

mod script;

use std::error::Error;
use std::io;

use outwork_agents::{FailureClass, PrepareError};
use outwork_domain::{Failure, FailureCode};
use outwork_git::{CheckoutError, DiffError, GitError, MirrorError, WalkError};
use outwork_sandbox::{PlanError, SandboxError, Step};

pub(crate) use script::{Script, of_another_build, quoted, script};

const DISK_HINT: &str =
    "Free space on the disk of the worker's data directory, then start the task again.";

pub(crate) fn internal(what: &str, error: &(dyn Error + 'static)) -> Failure {
    if is_disk_full(error) {
        return disk_full();
    }
    Failure::new(FailureCode::Internal, format!("{what}: {}", chain(error)))
        .with_hint("This is a fault of the worker or its machine; its log says more.")
}

/// What programs say can be of any length; people read the beginning.
const MESSAGE_BYTES: usize = 8 * 1024;

pub(crate) fn clipped(mut failure: Failure) -> Failure {
    let end = failure.message.floor_char_boundary(MESSAGE_BYTES);
    if end < failure.message.len() {
        failure.message.truncate(end);
        failure.message.push('…');
    }
    failure
}

pub(crate) fn panicked() -> Failure {
    Failure::new(
        FailureCode::Internal,
        "The worker made a mistake while it ran the attempt.",
    )
    .with_hint("Its log says more; please report it.")
}

pub(crate) fn disk_full() -> Failure {
    Failure::new(FailureCode::DiskFull, "The worker's disk is full.").with_hint(DISK_HINT)
}

pub(crate) fn mirror(error: &MirrorError) -> Failure {
    if is_disk_full(error) {
        return disk_full();
    }
    match error {
        MirrorError::Remote(_) => {
            Failure::new(FailureCode::RepositoryUnavailable, error.to_string()).with_hint(
                "Check the environment's repository, and that the worker's machine may read it.",
            )
        }
        MirrorError::CommitMissing { .. } | MirrorError::Ambiguous { .. } => {
            Failure::new(FailureCode::CommitNotFound, error.to_string())
        }
        MirrorError::Folder { .. } | MirrorError::Local { .. } => {
            internal("the repository cannot be copied", error)
        }
    }
}

pub(crate) fn checkout(what: &str, error: &CheckoutError) -> Failure {
    if is_disk_full(error) {
        return disk_full();
    }
    match error {
        CheckoutError::Mirror(error) => mirror(error),
        CheckoutError::DiffDoesNotApply { .. } => {
            Failure::new(FailureCode::StartingDiffConflict, format!("The {what} cannot be applied: {error}"))
                .with_hint("Bring the changes up to date with the branch, or start from the commit that they belong to.")
        }
        CheckoutError::Damaged { .. }
        | CheckoutError::Snapshot { .. }
        | CheckoutError::Folder { .. }
        | CheckoutError::Git(_) => {
            internal(&format!("the {what} cannot be made"), error)
        }
    }
}

pub(crate) fn plan(error: &PlanError) -> Failure {
    let code = match error {
        PlanError::IdsMissing { .. }
        | PlanError::RuntimeNesting
        | PlanError::Kernel(_)
        | PlanError::UserNamespaces { .. }
        | PlanError::Proc { .. } => FailureCode::SandboxUnavailable,
        // The wish itself is wrong: an environment variable, or a fault of this crate.
        _ => FailureCode::Internal,
    };
    Failure::new(code, format!("The worker cannot make a sandbox: {error}."))
        .with_hint("Run `outwork doctor` on the worker's machine; it says what to enable.")
}

pub(crate) fn sandbox(error: &SandboxError) -> Failure {
    if is_disk_full(error) {
        return disk_full();
    }
    let code = match error.step {
        Step::Execute | Step::ChangeDirectory | Step::OpenSource => FailureCode::Internal,
        _ => FailureCode::SandboxUnavailable,
    };
    let failure = Failure::new(
        code,
        format!("The sandbox could not be started: {}.", chain(error)),
    );
    match &error.hint {
        Some(hint) => failure.with_hint(hint.clone()),
        None => failure
            .with_hint("Run `outwork doctor` on the worker's machine; it says what to enable."),
    }
}

pub(crate) fn not_in_image(program: &str) -> Failure {
    Failure::new(
        FailureCode::BaseImageUnavailable,
        format!(
            "The environment's image has no {program}, which scripts and agents are started with."
        ),
    )
    .with_hint("Choose an image with bash, such as `debian:12`.")
}

pub(crate) fn prepare(error: &PrepareError) -> Failure {
    let code = match error {
        PrepareError::ModelMissing { .. } => return model_missing(),
        PrepareError::CommandMissing
        | PrepareError::PromptEmpty
        | PrepareError::SessionUnusable { .. } => FailureCode::AgentFailed,
    };
    Failure::new(code, error.to_string())
}

pub(crate) fn model_missing() -> Failure {
    Failure::new(
        FailureCode::ModelNotConfigured,
        "The agent needs a model, and none is set.",
    )
    .with_hint("Set one with `outwork model set --base-url URL --name NAME --key-file FILE`.")
}

pub(crate) fn agent_not_installed(name: &str) -> Failure {
    Failure::new(
        FailureCode::AgentNotInstalled,
        format!("The agent `{name}` is not installed on this worker."),
    )
    .with_hint(format!(
        "Run `outwork agent install {name}` on the worker's machine."
    ))
}

pub(crate) fn timed_out(step: &str, limit: std::time::Duration) -> Failure {
    let failure = Failure::new(
        FailureCode::TimedOut,
        format!("{step} took longer than {}.", seconds(limit)),
    );
    failure.with_hint("Raise the environment's time limit, or ask for less at once. What was done until then is in the diff.")
}

pub(crate) fn over_budget(message: &str) -> Failure {
    Failure::new(FailureCode::OverBudget, message).with_hint(
        "Raise the budget with `outwork env edit LABEL --max-tokens N`, or ask for less at once. What was done until then is in the diff.",
    )
}

pub(crate) fn silent(limit: std::time::Duration) -> Failure {
    Failure::new(
        FailureCode::TimedOut,
        format!(
            "The agent said nothing for {} and was stopped.",
            seconds(limit)
        ),
    )
    .with_hint("Check that the model answers; what was done until then is in the diff.")
}

/// The answer is not what the turn's schema asks for.
pub(crate) fn output_mismatch(fault: &str) -> Failure {
    Failure::new(
        FailureCode::OutputMismatch,
        format!("The agent's last message does not match the output schema: {fault}."),
    )
    .with_hint(
        "Ask again with `outwork follow-up` or `outwork retry`, or change the schema. What the agent changed is in the diff.",
    )
}

/// What was kept cannot be used, again.
pub(crate) fn broken(what: &str) -> Failure {
    Failure::new(
        FailureCode::Internal,
        format!("The environment's snapshot was rebuilt and cannot be used either: {what}."),
    )
    .with_hint("Check the disk of the worker's data directory; `outwork doctor` looks at the rest.")
}

/// A turn that the agent itself ended badly.
pub(crate) fn turn(class: FailureClass, message: &str) -> Failure {
    let (code, hint) = match class {
        FailureClass::ModelUnauthorized => (
            FailureCode::ModelUnauthorized,
            "Check the model's key: `outwork model set --key-file FILE`.",
        ),
        FailureClass::ModelUnreachable | FailureClass::ModelServerError => (
            FailureCode::ModelUnavailable,
            "Check the model's address and that it answers, then try again.",
        ),
        FailureClass::ModelNotFound => (
            FailureCode::ModelUnavailable,
            "Check the model's name and address: `outwork model set --name NAME --base-url URL`.",
        ),
        FailureClass::ModelBadRequest => (
            FailureCode::ModelUnavailable,
            "The model's endpoint lacks something that the agent needs; try another model.",
        ),
        FailureClass::RateLimited | FailureClass::QuotaExceeded => (
            FailureCode::ModelQuota,
            "Wait, or raise the limit at the model's provider.",
        ),
        FailureClass::ContextTooLong => (
            FailureCode::ContextTooLong,
            "Split the task, or use a model with a larger context.",
        ),
        FailureClass::PolicyRefused => (FailureCode::AgentFailed, "Ask in other words."),
        FailureClass::SessionLost => (
            FailureCode::AgentFailed,
            "Start a new task instead of a follow-up.",
        ),
        FailureClass::AgentCrashed | FailureClass::ProtocolError => (
            FailureCode::AgentCrashed,
            "Try again; if it happens again, the log shows what the agent wrote last.",
        ),
        FailureClass::CommandFailed { exit_code: _ } => (
            FailureCode::AgentFailed,
            "The log shows what the command wrote.",
        ),
        FailureClass::SandboxError | FailureClass::Other => (
            FailureCode::AgentFailed,
            "The log shows what the agent did.",
        ),
    };
    Failure::new(code, message).with_hint(hint)
}

pub(crate) fn diff(error: &DiffError) -> Failure {
    if is_disk_full(error) {
        return disk_full();
    }
    let code = match error {
        DiffError::PatchTooLarge { .. }
        | DiffError::Walk(WalkError::TooManyEntries { .. } | WalkError::TooMuch { .. }) => {
            FailureCode::ResultTooLarge
        }
        DiffError::Walk(WalkError::TimedOut { .. }) | DiffError::Git(GitError::TimedOut { .. }) => {
            FailureCode::TimedOut
        }
        DiffError::Walk(WalkError::Root(_) | WalkError::GivenUp)
        | DiffError::Inexact { .. }
        | DiffError::Folder(_)
        | DiffError::Git(_) => FailureCode::DiffFailed,
    };
    Failure::new(
        code,
        format!("The diff cannot be handed in: {}.", chain(error)),
    )
}

fn seconds(limit: std::time::Duration) -> String {
    if limit.as_millis().is_multiple_of(1000) {
        format!("{} s", limit.as_secs())
    } else {
        format!("{} ms", limit.as_millis())
    }
}

/// The error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// The system's words, and git's own.
const DISK_FULL_SIGNS: [&str; 3] = [
    "No space left on device",
    "Out of diskspace",
    "Disk quota exceeded",
];

pub(crate) fn is_disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            )
        {
            return true;
        }
        let said = error.to_string();
        if DISK_FULL_SIGNS.iter().any(|sign| said.contains(sign)) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_whatever_was_being_done() {
        let source = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        let error = CheckoutError::Folder {
            path: "x".to_owned(),
            source,
        };
        assert_eq!(checkout("checkout", &error).code, FailureCode::DiskFull);
        let stderr = "fatal: write error: No space left on device".to_owned();
        let error = MirrorError::Local {
            url: outwork_git::RepoUrl::parse("/srv/x").unwrap(),
            source: GitError::Failed {
                operation: "copy",
                code: Some(128),
                stderr,
            },
        };
        assert_eq!(mirror(&error).code, FailureCode::DiskFull);
    }
}
