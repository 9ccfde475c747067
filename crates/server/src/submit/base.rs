//! The commit that a task starts from: found once, so that all its attempts start from the same.

use outwork_api::problem::Code;
use outwork_domain::environment::Environment;
use outwork_git::{Credentials, RefName, RefSpec, RepoUrl, ResolveError, Resolved};

use crate::plane::Plane;
use crate::refusal::{Refusal, shell_word};

/// Asks the environment's repository, within the limit of the server.
pub(super) async fn resolve(
    plane: &Plane,
    environment: &Environment,
    asked: Option<RefSpec>,
) -> Result<Resolved, Refusal> {
    let spec = &environment.spec;
    let label = &shell_word(&spec.label);
    let stored = |detail: String| {
        Refusal::new(Code::Repository, detail).with_hint(format!(
            "Correct the environment with `outwork env edit {label}`."
        ))
    };
    let url =
        RepoUrl::parse(&spec.repository_url).map_err(|fault| stored(format!("The {fault}.")))?;
    let wanted = match (asked, &spec.branch) {
        (Some(asked), _) => asked,
        (None, Some(branch)) => RefSpec::Branch(
            RefName::parse(branch).map_err(|fault| stored(format!("The {fault}.")))?,
        ),
        (None, None) => RefSpec::DefaultBranch,
    };
    match tokio::time::timeout(
        plane.resolve_limit,
        plane.git.resolve(&url, &wanted, Credentials::None),
    )
    .await
    {
        Ok(Ok(resolved)) => Ok(resolved),
        Ok(Err(fault)) => Err(refused(fault, label)),
        Err(_) => Err(refused(
            ResolveError::TimedOut {
                url,
                limit_ms: plane.resolve_limit.as_millis(),
            },
            label,
        )),
    }
}

fn refused(fault: ResolveError, label: &str) -> Refusal {
    let text = fault.to_string();
    // Message and advice are one sentence there, parted by a semicolon.
    let (detail, advice) = text.split_once("; ").unwrap_or((text.as_str(), ""));
    let hint = match &fault {
        ResolveError::NotFound { .. } | ResolveError::Unreadable { .. } => {
            format!(
                "{}. The environment's address is changed with `outwork env edit {label}`.",
                capital(advice)
            )
        }
        ResolveError::Other { .. } => {
            format!("The server's log says more. `outwork env show {label}` shows the address.")
        }
        ResolveError::Unreachable { .. }
        | ResolveError::TimedOut { .. }
        | ResolveError::BranchMissing { .. }
        | ResolveError::NoDefaultBranch { .. }
        | ResolveError::Empty { .. } => format!("{}.", capital(advice)),
    };
    let refusal = Refusal::new(Code::Repository, format!("{}.", capital(detail))).with_hint(hint);
    match fault {
        fault @ ResolveError::Other { .. } => refusal.because(fault),
        _ => refusal,
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(chars)
        .collect()
}
