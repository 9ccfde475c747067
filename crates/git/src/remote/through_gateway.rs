//! What git says when it reads through a gateway. The answers of the repository's own server are told as if git had asked it itself; what is
//! the gateway's own trouble is kept apart, because it passes and says nothing about the repository.

use super::explain::{CredentialHint, UNREACHABLE};
use super::{Asked, Denied, ResolveError};
use crate::credentials::Trouble;
use crate::process::GitError;
use crate::url::RepoUrl;

const UNAVAILABLE: &str = "that cannot serve it now";
const NOT_HELD: &str = "that does not know this worker to hold the attempt";
const CUT_OFF: &str = "the connection to that broke off";

/// How git tells that a transfer ended before its end.
const BROKEN: [&str; 6] = [
    "rpc failed",
    "early eof",
    "hung up unexpectedly",
    "unexpected disconnect",
    "unable to access",
    "authentication failed",
];

pub(super) fn explain(url: &RepoUrl, fault: GitError) -> ResolveError {
    let url = url.clone();
    let stderr = match &fault {
        GitError::TimedOut { limit_ms, .. } => {
            return ResolveError::TimedOut {
                url,
                limit_ms: *limit_ms,
            };
        }
        GitError::Failed { stderr, .. } => stderr,
        GitError::Start { .. }
        | GitError::OutputTooLarge { .. }
        | GitError::Unexpected { .. }
        | GitError::Io { .. } => return ResolveError::Other { url, source: fault },
    };
    if let Some(trouble) = Trouble::said(stderr) {
        return of(url, trouble, fault);
    }
    let text = stderr.to_ascii_lowercase();
    let says = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    // A commit that is not given out, and a disk that is full, are told by git in the same breath as the end of the connection.
    let is_else = says(&["not our ref", "no space left", "disk quota exceeded"]);
    if is_else || !(says(&BROKEN) || says(&UNREACHABLE)) {
        return ResolveError::Other { url, source: fault };
    }
    // In the middle of a transfer git shows the status and not the text.
    let status = |wanted: &[&str]| {
        let mut forms = wanted
            .iter()
            .flat_map(|status| [format!("http {status}"), format!("error: {status}")]);
        forms.any(|form| text.contains(&form))
    };
    let source = Some(fault);
    if status(&["502", "504"]) {
        let said = "it broke off in the middle".into();
        return ResolveError::Failing { url, said, source };
    }
    let why = if status(&["401", "403"]) || says(&["authentication failed"]) {
        NOT_HELD
    } else if status(&["500", "503", "429"]) || says(&UNREACHABLE) {
        UNAVAILABLE
    } else {
        CUT_OFF
    };
    ResolveError::Gateway { url, why, source }
}

fn of(url: RepoUrl, trouble: Trouble, fault: GitError) -> ResolveError {
    let hint = CredentialHint::of(&url);
    let host = url.authority().unwrap_or_default();
    let source = Some(fault);
    let unreadable = |url, denied, source| ResolveError::Unreadable {
        url,
        denied: Box::new(denied),
        source,
    };
    match trouble {
        Trouble::Denied => unreadable(url, Denied::Credential(hint), source),
        Trouble::NoCredential => unreadable(url, Denied::NoCredential(hint), source),
        Trouble::Redirected { to } => unreadable(url, Denied::Redirected { host, to }, source),
        Trouble::Address { address } => unreadable(url, Denied::Address { address }, source),
        Trouble::Plain => {
            let why = "a token is sent over https only".to_owned();
            unreadable(url, Denied::NotSent { why }, source)
        }
        Trouble::NotFound => ResolveError::NotFound {
            url,
            asked: Box::new(Asked::WithCredential { host }),
            source,
        },
        Trouble::Unreachable => ResolveError::Unreachable { url, source },
        Trouble::TimedOut { limit_ms } => ResolveError::TimedOut {
            url,
            limit_ms: limit_ms.into(),
        },
        Trouble::Failing { status } => ResolveError::Failing {
            url,
            said: format!("HTTP {status}").into(),
            source,
        },
        Trouble::NotGit => ResolveError::Failing {
            url,
            said: "what answers there does not speak git's smart HTTP".into(),
            source,
        },
        Trouble::NotHeld => ResolveError::Gateway {
            url,
            why: NOT_HELD,
            source,
        },
        Trouble::ReadOnly | Trouble::Unavailable => ResolveError::Gateway {
            url,
            why: UNAVAILABLE,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(stderr: &str) -> ResolveError {
        let url = RepoUrl::parse("https://git.example.com/team/repo.git").expect("an address");
        let fault = GitError::Failed {
            operation: "fetch from the repository",
            code: Some(128),
            stderr: stderr.to_owned(),
        };
        explain(&url, fault)
    }

    #[test]
    fn the_repositorys_troubles_are_told_from_the_gateways() {
        for (stderr, expected) in [
            (
                "fatal: unable to access 'http://x/': The requested URL returned error: 503",
                UNAVAILABLE,
            ),
            (
                "fatal: unable to access 'http://x/': Failed to connect to 10.0.0.1 port 1",
                UNAVAILABLE,
            ),
            (
                "error: RPC failed; HTTP 403 curl 22 The requested URL returned error: 403\nfatal: expected flush",
                NOT_HELD,
            ),
            ("fatal: Authentication failed for 'http://x/'", NOT_HELD),
            (
                "error: RPC failed; curl 18 transfer closed with outstanding read data remaining\nfatal: early EOF",
                CUT_OFF,
            ),
        ] {
            match said(stderr) {
                ResolveError::Gateway { why, .. } => assert_eq!(why, expected, "{stderr}"),
                other => panic!("{stderr}: {other:?}"),
            }
        }
        let broken =
            said("error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502");
        assert!(matches!(broken, ResolveError::Failing { .. }), "{broken:?}");
        for stderr in [
            "fatal: remote error: upload-pack: not our ref 0123\nfatal: the remote end hung up unexpectedly",
            "fatal: write error: No space left on device\nfatal: early EOF",
            "fatal: bad object refs/heads/x",
        ] {
            let other = said(stderr);
            assert!(matches!(other, ResolveError::Other { .. }), "{other:?}");
        }
    }
}
