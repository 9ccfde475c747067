//! An agent's session: read from its home, as bytes and back.

use std::os::fd::OwnedFd;

use outwork_agents::{HomePath, SessionEntry, SessionFile, SessionSpec, StoredSession};
use outwork_api::session as wire;
use outwork_domain::limits::SESSION_BYTES;

use crate::hostile_file::{HostileDirectory, ReadError};
use crate::sandbox_layout::HOME;

/// Why bytes are not a session of the agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error(transparent)]
    Unusable(#[from] wire::SessionError),
    #[error("it is a session of the agent `{agent}`")]
    OtherAgent { agent: String },
}

/// Reads what `spec` names below the agent's home; `root` is open at the top of what the agent saw.
pub(crate) fn collect(root: &OwnedFd, spec: &SessionSpec) -> Result<StoredSession, ReadError> {
    let limit_bytes = spec.max_size_bytes.min(SESSION_BYTES as u64);
    let mut found = Vec::new();
    // A home that the agent took away has no session.
    if let Some(mut directory) = HostileDirectory::open(root, HOME, limit_bytes)? {
        find(&mut directory, spec, &mut found)?;
    }
    let files = found
        .into_iter()
        .filter_map(|(path, contents)| {
            Some(SessionFile {
                path: HomePath::parse(&path).ok()?,
                contents,
            })
        })
        .collect();
    Ok(StoredSession {
        thread_id: spec.thread_id.clone(),
        files,
    })
}

fn find(
    directory: &mut HostileDirectory,
    spec: &SessionSpec,
    found: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), ReadError> {
    for entry in &spec.entries {
        match entry {
            SessionEntry::File(path) => {
                let content = directory.file(path.as_str())?;
                found.extend(content.map(|content| (path.as_str().to_owned(), content)));
            }
            SessionEntry::Directory(path) => found.extend(directory.files_below(path.as_str())?),
        }
    }
    Ok(())
}

pub(crate) fn pack(agent: &str, session: StoredSession) -> Vec<u8> {
    let StoredSession { thread_id, files } = session;
    let file = |SessionFile { path, contents }| wire::SessionFile {
        path: path.as_str().to_owned(),
        contents,
    };
    wire::pack(&wire::Session {
        agent: agent.to_owned(),
        thread_id,
        files: files.into_iter().map(file).collect(),
    })
}

pub(crate) fn unpack(of_agent: &str, bytes: &[u8]) -> Result<StoredSession, UnpackError> {
    let wire::Session {
        agent,
        thread_id,
        files,
    } = wire::unpack(bytes)?;
    if agent != of_agent {
        return Err(UnpackError::OtherAgent { agent });
    }
    let file = |wire::SessionFile { path, contents }| {
        let path = HomePath::parse(&path).map_err(|_| wire::SessionError::Path)?;
        Ok(SessionFile { path, contents })
    };
    Ok(StoredSession {
        thread_id,
        files: files
            .into_iter()
            .map(file)
            .collect::<Result<_, UnpackError>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_with_its_own_agent_alone() {
        let session = StoredSession {
            thread_id: "t-1".to_owned(),
            files: vec![SessionFile {
                path: HomePath::parse(".s/a").unwrap(),
                contents: b"\n\0\xff".to_vec(),
            }],
        };
        let bytes = pack("codex", session.clone());
        assert_eq!(unpack("codex", &bytes), Ok(session));
        let agent = "codex".to_owned();
        assert_eq!(
            unpack("command", &bytes),
            Err(UnpackError::OtherAgent { agent })
        );
        let refused = unpack("codex", b"{\"outwork_session\":2}\n").unwrap_err();
        assert!(
            refused.to_string().contains("format version 2"),
            "{refused}"
        );
    }
}
