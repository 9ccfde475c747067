//! What remains of an agent between two turns.

use crate::path::HomePath;

/// The most a session may hold; a host refuses to store more.
pub(crate) const SESSION_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// What to store after a turn. The agent could write everywhere below its home: the host must not follow symbolic links
/// on the way, takes regular files only, and keeps to `max_size_bytes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSpec {
    pub thread_id: String,
    pub entries: Vec<SessionEntry>,
    pub max_size_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEntry {
    File(HomePath),
    /// All regular files below; may be absent.
    Directory(HomePath),
}

/// A session as it was stored. Treat it like source code: it holds prompts and the output of commands in clear.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSession {
    pub thread_id: String,
    pub files: Vec<SessionFile>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct SessionFile {
    pub path: HomePath,
    pub contents: Vec<u8>,
}

impl std::fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredSession")
            .field("thread_id", &self.thread_id)
            .field("files", &self.files)
            .finish()
    }
}

impl std::fmt::Debug for SessionFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.path.as_str(), self.contents.len())
    }
}
