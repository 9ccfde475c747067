//! Whether a token still holds, asked of the store at each request, and what may then be read, with which credential.

use outwork_domain::attempt::State;
use outwork_domain::credential::choose;
use outwork_domain::{AttemptId, CredentialId, Desired, Timestamp};
use outwork_git::{Login, RepoUrl, Trouble};

use super::Lease;
use crate::credentials;
use crate::plane::Plane;

/// What a request says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed<'a> {
    /// `att_…`.
    pub(crate) attempt: &'a str,
    /// The repository's name.
    pub(crate) repository: &'a str,
    pub(crate) token: &'a str,
}

/// Why a request is not answered.
#[derive(Debug)]
pub(crate) enum NotPermitted {
    /// The token is none of this server's, or one for something else.
    Unknown,
    Trouble(Trouble),
}

impl From<Trouble> for NotPermitted {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// One repository may be read. Only the check makes one.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(super) lease: Lease,
    pub(super) url: RepoUrl,
    pub(super) login: Login,
    credential: Chosen,
}

/// Which credential it was, and as it was when.
type Chosen = (CredentialId, Timestamp);

impl Permit {
    pub(crate) async fn of(plane: &Plane, claimed: Claimed<'_>) -> Result<Self, NotPermitted> {
        let Claimed {
            attempt,
            repository,
            token,
        } = claimed;
        let attempt: AttemptId = attempt.parse().map_err(|_| NotPermitted::Unknown)?;
        // Before the store is asked anything.
        let lease = plane.git_gateway.key.verify(token, attempt, repository);
        let lease = lease.ok_or(NotPermitted::Unknown)?;
        Ok(check(plane, lease).await?)
    }

    /// The same asked again, while an answer is on its way. A store that cannot be read takes nothing back.
    pub(super) async fn still_holds(&self, plane: &Plane) -> bool {
        match check(plane, self.lease.clone()).await {
            Ok(now) => now.credential == self.credential,
            Err(Trouble::Unavailable) => true,
            Err(_) => false,
        }
    }
}

async fn check(plane: &Plane, lease: Lease) -> Result<Permit, Trouble> {
    let store = &plane.store;
    let unavailable = |fault| {
        tracing::warn!(%fault, "the git gateway cannot read the store");
        Trouble::Unavailable
    };
    let found = store.attempt(lease.workspace, lease.attempt).await;
    let record = found.map_err(unavailable)?.ok_or(Trouble::NotHeld)?;
    let is_held = match record.attempt.state {
        State::Held {
            lease: held,
            step: _,
            deadline_at,
        } => held.epoch == lease.epoch && plane.now() < held.until.min(deadline_at),
        State::Queued { .. }
        | State::AwaitingInput { .. }
        | State::Succeeded { .. }
        | State::Failed { .. }
        | State::Cancelled { .. } => false,
    };
    // Who is to stop has nothing more to read.
    if !is_held || record.attempt.desired != Desired::Run {
        return Err(Trouble::NotHeld);
    }
    let records = store.credentials(lease.workspace).await;
    let records = records.map_err(unavailable)?;
    let chosen = choose(&records, |record| &record.credential, &lease.url);
    let chosen = &chosen.ok_or(Trouble::NoCredential)?.credential;
    let credential = (chosen.id, chosen.updated_at);
    // The claim was given out for a credential that could be opened and used.
    let secret = credentials::for_url(plane, &records, &lease.url).map_err(|fault| {
        tracing::error!(attempt = %lease.attempt, "{fault}");
        Trouble::Unavailable
    })?;
    let secret = secret.ok_or(Trouble::NoCredential)?;
    let url = RepoUrl::parse(&lease.url).map_err(|_| Trouble::NotGit)?;
    let credentials = credentials::for_git(&secret).map_err(|fault| {
        tracing::error!(attempt = %lease.attempt, %fault, "a stored credential cannot be used");
        Trouble::Denied
    })?;
    let login = credentials.login(&url).ok_or(Trouble::Plain)?;
    Ok(Permit {
        lease,
        url,
        login,
        credential,
    })
}
