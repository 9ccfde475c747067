//! An agent's session as bytes: a line of JSON that lists the files, then their contents in that order. The same files give
//! the same bytes, so that a session that did not change is the same object.

use std::os::fd::OwnedFd;

use outwork_agents::{HomePath, SessionEntry, SessionFile, SessionSpec, StoredSession};
use outwork_domain::limits::SESSION_BYTES;
use serde::{Deserialize, Serialize};

use crate::hostile_file::{HostileDirectory, ReadError};
use crate::sandbox_layout::HOME;

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Index {
    outwork_session: u32,
    /// The agent's name: a session is never given to another.
    agent: String,
    thread_id: String,
    files: Vec<IndexFile>,
}

#[derive(Serialize, Deserialize)]
struct IndexFile {
    path: String,
    size_bytes: u64,
}

/// Why bytes are not a session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("it is not a session, or one of a newer version of Outwork")]
    Format,
    #[error("it is a session of the agent `{agent}`")]
    OtherAgent { agent: String },
    #[error("its contents do not fit its list of files")]
    Size,
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

pub(crate) fn pack(agent: &str, session: &StoredSession) -> Vec<u8> {
    let mut files: Vec<&SessionFile> = session.files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let listed = |file: &&SessionFile| IndexFile {
        path: file.path.as_str().to_owned(),
        size_bytes: file.contents.len() as u64,
    };
    let index = Index {
        outwork_session: FORMAT,
        agent: agent.to_owned(),
        thread_id: session.thread_id.clone(),
        files: files.iter().map(listed).collect(),
    };
    let mut bytes = serde_json::to_vec(&index).expect("an index has text and numbers only");
    bytes.push(b'\n');
    for file in files {
        bytes.extend_from_slice(&file.contents);
    }
    bytes
}

pub(crate) fn unpack(agent: &str, bytes: &[u8]) -> Result<StoredSession, UnpackError> {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(UnpackError::Format)?;
    let (index, mut rest) = (&bytes[..end], &bytes[end + 1..]);
    let index: Index = serde_json::from_slice(index).map_err(|_| UnpackError::Format)?;
    if index.outwork_session != FORMAT {
        return Err(UnpackError::Format);
    }
    if index.agent != agent {
        return Err(UnpackError::OtherAgent { agent: index.agent });
    }
    let mut files = Vec::new();
    for IndexFile { path, size_bytes } in index.files {
        let path = HomePath::parse(&path).map_err(|_| UnpackError::Format)?;
        let size = usize::try_from(size_bytes).map_err(|_| UnpackError::Size)?;
        let (contents, behind) = rest.split_at_checked(size).ok_or(UnpackError::Size)?;
        files.push(SessionFile {
            path,
            contents: contents.to_vec(),
        });
        rest = behind;
    }
    if !rest.is_empty() {
        return Err(UnpackError::Size);
    }
    Ok(StoredSession {
        thread_id: index.thread_id,
        files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(files: &[(&str, &[u8])]) -> StoredSession {
        let file = |(path, contents): &(&str, &[u8])| SessionFile {
            path: HomePath::parse(path).unwrap(),
            contents: contents.to_vec(),
        };
        StoredSession {
            thread_id: "t-1".to_owned(),
            files: files.iter().map(file).collect(),
        }
    }

    #[test]
    fn a_session_reads_back_whatever_its_files_hold() {
        let stored = session(&[(".s/a", b"\n\0\xff{}\n"), (".s/b", b""), (".s/ü", b"x")]);
        let bytes = pack("codex", &stored);
        assert_eq!(unpack("codex", &bytes).unwrap(), stored);
        let swapped = session(&[(".s/ü", b"x"), (".s/b", b""), (".s/a", b"\n\0\xff{}\n")]);
        assert_eq!(pack("codex", &swapped), bytes);
    }

    #[test]
    fn what_is_not_a_session_of_this_agent_is_refused() {
        let bytes = pack("codex", &session(&[("a", b"12")]));
        assert_eq!(
            unpack("command", &bytes),
            Err(UnpackError::OtherAgent {
                agent: "codex".to_owned()
            })
        );
        assert_eq!(
            unpack("codex", &bytes[..bytes.len() - 1]),
            Err(UnpackError::Size)
        );
        assert_eq!(
            unpack("codex", &[bytes.as_slice(), b"x"].concat()),
            Err(UnpackError::Size)
        );
        assert_eq!(unpack("codex", b"nonsense"), Err(UnpackError::Format));
        let outside = String::from_utf8(bytes)
            .unwrap()
            .replace("\"a\"", "\"../a\"");
        assert_eq!(
            unpack("codex", outside.as_bytes()),
            Err(UnpackError::Format)
        );
    }
}
