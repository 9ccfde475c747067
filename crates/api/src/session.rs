//! An agent's session as bytes, which servers, workers and clients hand to each other. `docs/session-format.md`
//! describes it.
//!
//! A line of JSON lists the files, then their contents follow in that order. The same files give the same bytes, so that
//! a session that did not change is the same object. Who reads one takes it as hostile: it may have been written by
//! anybody.

use std::collections::BTreeSet;

use outwork_domain::limits::SESSION_BYTES;
use serde::{Deserialize, Serialize};

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// The most files of a session.
pub const FILES: usize = 10_000;
/// The longest path of a file, in bytes.
pub const PATH_BYTES: usize = 4096;
/// The longest id of a thread, in bytes.
pub const THREAD_ID_BYTES: usize = 200;
/// The longest line that lists the files, in bytes.
const INDEX_BYTES: usize = 8 * 1024 * 1024;

/// What remains of an agent between two turns: it goes on from there in another process, on any worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The agent's name: a session is never given to another.
    pub agent: String,
    /// What the agent calls the conversation.
    pub thread_id: String,
    /// Its files, by path.
    pub files: Vec<SessionFile>,
}

/// A file of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionFile {
    /// Relative to the agent's home, without empty, `.` or `..` parts.
    pub path: String,
    /// What it holds: prompts and the output of commands in clear.
    pub contents: Vec<u8>,
}

impl std::fmt::Debug for SessionFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.path, self.contents.len())
    }
}

/// Why bytes are not a session that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The first line is not the list of files.
    #[error("it is not a session of Outwork")]
    Format,
    /// It is of another version of the format.
    #[error(
        "it is a session of format version {found}, and this version of Outwork reads {VERSION}; upgrade Outwork"
    )]
    Version {
        /// Which.
        found: u64,
    },
    /// It has more bytes or files than a session may have.
    #[error("it is larger than a session may be ({} MiB, {FILES} files)", SESSION_BYTES >> 20)]
    TooLarge,
    /// A path leaves the agent's home, is there twice, or is the directory of another one.
    #[error("the path of one of its files cannot be used")]
    Path,
    /// The contents are longer or shorter than the list says.
    #[error("its contents do not fit its list of files")]
    Size,
}

#[derive(Serialize, Deserialize)]
struct Index {
    outwork_session: u32,
    agent: String,
    thread_id: String,
    files: Vec<IndexFile>,
}

#[derive(Serialize, Deserialize)]
struct IndexFile {
    path: String,
    size_bytes: u64,
}

/// What every version has.
#[derive(Deserialize)]
struct Marked {
    outwork_session: u64,
}

/// The session as bytes.
pub fn pack(session: &Session) -> Vec<u8> {
    let mut files: Vec<&SessionFile> = session.files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let listed = |file: &&SessionFile| IndexFile {
        path: file.path.clone(),
        size_bytes: file.contents.len() as u64,
    };
    let index = Index {
        outwork_session: VERSION,
        agent: session.agent.clone(),
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

/// The session that the bytes are.
pub fn unpack(bytes: &[u8]) -> Result<Session, SessionError> {
    if bytes.len() > SESSION_BYTES {
        return Err(SessionError::TooLarge);
    }
    let head = &bytes[..bytes.len().min(INDEX_BYTES)];
    let end = head.iter().position(|byte| *byte == b'\n');
    let (line, mut rest) = match end {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => return Err(SessionError::Format),
    };
    let index = index(line)?;
    if index.files.len() > FILES {
        return Err(SessionError::TooLarge);
    }
    check_paths(&index.files)?;
    let mut files = Vec::with_capacity(index.files.len());
    for IndexFile { path, size_bytes } in index.files {
        let size = usize::try_from(size_bytes).map_err(|_| SessionError::Size)?;
        let (contents, behind) = rest.split_at_checked(size).ok_or(SessionError::Size)?;
        files.push(SessionFile {
            path,
            contents: contents.to_vec(),
        });
        rest = behind;
    }
    if !rest.is_empty() {
        return Err(SessionError::Size);
    }
    Ok(Session {
        agent: index.agent,
        thread_id: index.thread_id,
        files,
    })
}

fn index(line: &[u8]) -> Result<Index, SessionError> {
    let Marked { outwork_session } =
        serde_json::from_slice(line).map_err(|_| SessionError::Format)?;
    if outwork_session != u64::from(VERSION) {
        return Err(SessionError::Version {
            found: outwork_session,
        });
    }
    let index: Index = serde_json::from_slice(line).map_err(|_| SessionError::Format)?;
    if index.thread_id.len() > THREAD_ID_BYTES || index.thread_id.chars().any(char::is_control) {
        return Err(SessionError::Format);
    }
    Ok(index)
}

fn check_paths(files: &[IndexFile]) -> Result<(), SessionError> {
    let mut seen = BTreeSet::new();
    for IndexFile { path, .. } in files {
        if !is_plain(path) || !seen.insert(path.as_str()) {
            return Err(SessionError::Path);
        }
    }
    let is_directory = |path: &&str| {
        let below = format!("{path}/");
        seen.range(below.as_str()..)
            .next()
            .is_some_and(|next| next.starts_with(&below))
    };
    match seen.iter().any(is_directory) {
        true => Err(SessionError::Path),
        false => Ok(()),
    }
}

fn is_plain(path: &str) -> bool {
    path.len() <= PATH_BYTES
        && !path.contains('\0')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(files: &[(&str, &[u8])]) -> Session {
        let file = |(path, contents): &(&str, &[u8])| SessionFile {
            path: (*path).to_owned(),
            contents: contents.to_vec(),
        };
        Session {
            agent: "codex".to_owned(),
            thread_id: "t-1".to_owned(),
            files: files.iter().map(file).collect(),
        }
    }

    #[test]
    fn a_session_reads_back_whatever_its_files_hold() {
        let stored = session(&[(".s/a", b"\n\0\xff{}\n"), (".s/b", b""), (".s/ü", b"x")]);
        let bytes = pack(&stored);
        assert_eq!(unpack(&bytes).unwrap(), stored);
        let swapped = session(&[(".s/ü", b"x"), (".s/b", b""), (".s/a", b"\n\0\xff{}\n")]);
        assert_eq!(pack(&swapped), bytes);
    }

    #[test]
    fn contents_must_fit_the_list() {
        let bytes = pack(&session(&[("a", b"12")]));
        assert_eq!(unpack(&bytes[..bytes.len() - 1]), Err(SessionError::Size));
        assert_eq!(
            unpack(&[bytes.as_slice(), b"x"].concat()),
            Err(SessionError::Size)
        );
        let text = String::from_utf8(bytes).unwrap();
        let huge = text.replace(":2}", ":18446744073709551615}");
        assert_eq!(unpack(huge.as_bytes()), Err(SessionError::Size));
    }

    #[test]
    fn what_is_no_session_of_this_version_says_so() {
        for text in ["", "nonsense", "{}\n", "[]\n", "{\"outwork_session\":1}\n"] {
            assert_eq!(unpack(text.as_bytes()), Err(SessionError::Format), "{text}");
        }
        let newer = b"{\"outwork_session\":2,\"parts\":[]}\nwhatever comes then";
        let refused = unpack(newer).unwrap_err();
        assert_eq!(refused, SessionError::Version { found: 2 });
        assert!(refused.to_string().contains("upgrade Outwork"));
        let long = vec![b' '; SESSION_BYTES + 1];
        assert_eq!(unpack(&long), Err(SessionError::TooLarge));
        let endless = vec![b' '; INDEX_BYTES + 1];
        assert_eq!(unpack(&endless), Err(SessionError::Format));
    }

    #[test]
    fn no_path_leaves_the_home_or_meets_another() {
        let wrong: [&[&str]; 9] = [
            &["../a"],
            &["/etc/passwd"],
            &["a/../../b"],
            &["./a"],
            &["a//b"],
            &[""],
            &["a", "a"],
            &["a", "a.b", "a/b"],
            &["a\0b"],
        ];
        for paths in wrong {
            let files: Vec<_> = paths.iter().map(|path| (*path, &b""[..])).collect();
            let refused = unpack(&pack(&session(&files)));
            assert_eq!(refused, Err(SessionError::Path), "{paths:?}");
        }
        let beside = session(&[("a", b""), ("a.b", b""), ("b/c", b""), ("b/d", b"")]);
        assert_eq!(unpack(&pack(&beside)), Ok(beside));
    }
}
