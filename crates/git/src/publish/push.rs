//! Pushing a commit, and what the repository's server says against it.

use super::Prepared;
use crate::process::{GitError, Output};
use crate::remote::{ResolveError, explain, unusable};
use crate::url::RepoUrl;
use std::time::Duration;

const PUSH_LIMIT: Duration = Duration::from_secs(600);
const SAID_CHARS: usize = 500;

/// Why the branch is not where it should be. Texts are sentences' beginnings, for the user; what the server said is in them, without the
/// credential.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("somebody else pushed to the branch {branch} at the same time{}", quoted(.said))]
    Moved { branch: String, said: String },
    #[error("the branch {branch} of {url} is protected{}", quoted(.said))]
    Protected {
        url: RepoUrl,
        branch: String,
        said: String,
    },
    #[error("the credential may not push to {url}{}", quoted(.said))]
    NotPermitted { url: RepoUrl, said: String },
    #[error("the server's copy of {url} is shallow, and it does not take a push from such a copy{}", quoted(.said))]
    Shallow { url: RepoUrl, said: String },
    #[error("the repository {url} refuses the push{}", quoted(.said))]
    Refused { url: RepoUrl, said: String },
    /// Not known whether it was pushed, if it broke off.
    #[error(transparent)]
    Remote(Box<ResolveError>),
    #[error(transparent)]
    Git(#[from] GitError),
}

fn quoted(said: &str) -> String {
    match said {
        "" => String::new(),
        said => format!(" (its server says: {said})"),
    }
}

const MOVED: [&str; 6] = [
    "stale info",
    "non-fast-forward",
    "fetch first",
    "cannot lock ref",
    "reference already exists",
    "failed to update ref",
];
const PROTECTED: [&str; 4] = [
    "protected branch",
    "protected ref",
    "gh006",
    "repository rule violations",
];
const NOT_PERMITTED: [&str; 11] = [
    "error: 401",
    "error: 403",
    "http 401",
    "http 403",
    "permission to",
    "permission denied",
    "access denied",
    "authentication failed",
    "not allowed to push",
    "write access",
    "could not read username",
];

impl Prepared {
    /// Pushes the commit: only if the branch is still where it was looked at, which the repository's server checks as it moves it.
    pub async fn push(&self) -> Result<(), PushError> {
        if self.is_pushed() {
            return Ok(());
        }
        let Self {
            trusted,
            url,
            credentials,
            branch,
            head,
            commit,
            ..
        } = self;
        let access = credentials
            .access(&trusted.git, url)
            .map_err(|fault| PushError::Remote(Box::new(unusable(url, fault))))?;
        let full = branch.full();
        let expected = head.as_ref().map(|head| head.as_str()).unwrap_or_default();
        let call = access
            .add_to(trusted.git.call("push the branch"))
            .git_dir(&trusted.dir)
            .args([
                "push",
                "--porcelain",
                "--no-verify",
                "--no-follow-tags",
                "--recurse-submodules=no",
                "--signed=no",
            ])
            .arg(format!("--force-with-lease={full}:{expected}"))
            .arg("--")
            .arg(url.as_str())
            .arg(format!("{commit}:{full}"))
            .env("GIT_ALLOW_PROTOCOL", credentials.protocol(url).as_str())
            .limit(PUSH_LIMIT);
        let output = match call.output().await {
            Ok(output) => output,
            Err(fault) => {
                let fault = explain(url, credentials, fault);
                return Err(PushError::Remote(Box::new(fault)));
            }
        };
        match output.code {
            Some(0) => Ok(()),
            Some(_) | None => Err(self.refused(output)),
        }
    }

    fn refused(&self, output: Output) -> PushError {
        let Self {
            url,
            credentials,
            branch,
            ..
        } = self;
        let stdout = output.text();
        let stderr = credentials.masked(output.stderr.clone());
        let rejected = stdout.lines().find(|line| line.starts_with('!'));
        let reason = rejected.and_then(|line| line.rsplit('\t').next());
        let said = said(&stderr, reason.unwrap_or_default());
        let said = credentials.masked(said);
        let all = format!("{}\n{stderr}", reason.unwrap_or_default()).to_ascii_lowercase();
        let says = |needles: &[&str]| needles.iter().any(|needle| all.contains(needle));
        let (url, branch) = (url.clone(), branch.as_str().to_owned());
        if says(&PROTECTED) {
            PushError::Protected { url, branch, said }
        } else if rejected.is_some() && says(&MOVED) {
            PushError::Moved { branch, said }
        } else if says(&["shallow update not allowed"]) {
            PushError::Shallow { url, said }
        } else if says(&NOT_PERMITTED) {
            PushError::NotPermitted { url, said }
        } else if rejected.is_some() {
            PushError::Refused { url, said }
        } else {
            let fault = GitError::Failed {
                operation: "push the branch",
                code: output.code,
                stderr: output.stderr,
            };
            PushError::Remote(Box::new(explain(&url, credentials, fault)))
        }
    }
}

/// What the server's own lines say, else git's reason.
fn said(stderr: &str, reason: &str) -> String {
    let lines = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("remote:"));
    let lines = lines.map(str::trim).filter(|line| !line.is_empty());
    let mut text = lines.collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        text = reason.to_owned();
    }
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(SAID_CHARS).collect::<String>().trim().to_owned()
}
