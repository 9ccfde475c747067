//! Reading a repository: with what, and how often when the server is in trouble.

use std::fmt::Display;

use futures_util::future::BoxFuture;
use outwork_api::credential::CredentialSecret;
use outwork_api::worker::AssignedRepository;
use outwork_domain::{AttemptId, Failure, FailureCode};
use outwork_git::{Credentials, MirrorError, ResolveError};

use super::Run;
use crate::failure;
use crate::retry::Backoff;

/// How often a repository's server may fail before the attempt does.
const FAILURES: u32 = 4;

/// What git reads the repository with.
pub(super) fn credentials(
    run: &Run,
    assigned: &AssignedRepository,
) -> Result<Credentials, Failure> {
    if let Some(token) = &assigned.lease_token {
        let url = run.host.config.server_url.as_deref();
        let url = url.ok_or_else(|| {
            let what =
                "The server gave a lease token, and this worker does not know where the server is.";
            Failure::new(FailureCode::Internal, what)
        })?;
        let address = address(url, run.claim.attempt, &assigned.name);
        return Credentials::gateway(&address, token.reveal())
            .map_err(|error| failure::internal("the server's git gateway cannot be used", &error));
    }
    let made = match &assigned.credential {
        None => return Ok(Credentials::None),
        Some(CredentialSecret::Token { username, token }) => {
            Credentials::token(username.as_deref(), token.reveal())
        }
        Some(CredentialSecret::SshKey {
            private_key,
            known_hosts,
        }) => Credentials::ssh_key(private_key.reveal(), known_hosts.as_deref()),
    };
    made.map_err(|error| {
        Failure::new(
            FailureCode::RepositoryUnavailable,
            format!("The stored credential for the repository cannot be used: {error}."),
        )
        .with_hint("Set it again with `outwork credential set`.")
    })
}

fn address(server_url: &str, attempt: AttemptId, repository: &str) -> String {
    let base = server_url.trim_end_matches('/');
    format!("{base}/api/worker/v1/attempts/{attempt}/git/{repository}")
}

/// Reads until it works. Trouble of Outwork's server passes, so only the step's limit ends it, or a wish to stop; trouble of the repository's
/// own server may pass, and is met a few times.
pub(super) async fn patiently<'a, T>(
    run: &Run,
    read: impl Fn() -> BoxFuture<'a, Result<T, MirrorError>>,
) -> Result<T, Failure> {
    let mut backoff = Backoff::default();
    let mut failures = 0;
    let mut is_told = false;
    loop {
        let error = match read().await {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        match trouble(&error) {
            Trouble::Final => return Err(failure::mirror(&error)),
            Trouble::Repository => {
                failures += 1;
                if failures == FAILURES {
                    return Err(failure::mirror(&error));
                }
            }
            Trouble::Gateway => {}
        }
        tracing::info!(claim = %run.claim, %error, "a repository is read again");
        if !is_told {
            is_told = true;
            run.warn(told(&error));
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

fn told(error: &dyn Display) -> String {
    format!("Reading is tried again: {error}.")
}

/// Whose trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Gateway,
    Repository,
    Final,
}

fn trouble(error: &MirrorError) -> Trouble {
    let MirrorError::Remote(fault) = error else {
        return Trouble::Final;
    };
    match **fault {
        ResolveError::Gateway { .. } => Trouble::Gateway,
        ResolveError::Failing { .. } => Trouble::Repository,
        ResolveError::NotFound { .. }
        | ResolveError::Unreadable { .. }
        | ResolveError::Unreachable { .. }
        | ResolveError::TimedOut { .. }
        | ResolveError::BranchMissing { .. }
        | ResolveError::NoDefaultBranch { .. }
        | ResolveError::Empty { .. }
        | ResolveError::Other { .. } => Trouble::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_below_a_path_has_its_gateway_there() {
        let attempt: AttemptId = "att_00000000000000000000000000000002"
            .parse()
            .expect("an id");
        for base in ["https://host/outwork", "https://host/outwork/"] {
            assert_eq!(
                address(base, attempt, "repo"),
                "https://host/outwork/api/worker/v1/attempts/att_00000000000000000000000000000002/git/repo"
            );
        }
    }
}
