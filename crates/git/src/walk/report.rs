//! Limits of a diff, and what the walk has to say about it.

use std::fmt;
use std::io;
use std::time::Duration;

/// How much a diff may take. What exceeds a limit is named, never cut silently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffLimits {
    /// A larger file is left as in the base, with a warning.
    pub max_file_bytes: u64,
    /// Sum of the changed files that are read.
    pub max_total_bytes: u64,
    /// Files and folders that the agent touched.
    pub max_entries: u64,
    /// Size of the patch.
    pub max_patch_bytes: usize,
    /// For the walk, and again for each git.
    pub time: Duration,
}

impl Default for DiffLimits {
    fn default() -> Self {
        Self {
            max_file_bytes: 32 << 20,
            max_total_bytes: 512 << 20,
            max_entries: 2_000_000,
            max_patch_bytes: 128 << 20,
            time: Duration::from_secs(120),
        }
    }
}

/// Something in the working tree that the diff does not show. For the user; `Display` escapes what could confuse a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    TooLarge {
        path: Vec<u8>,
        size_bytes: u64,
        limit_bytes: u64,
    },
    NotAFile {
        path: Vec<u8>,
        what: &'static str,
    },
    /// Left as in the base.
    Unreadable {
        path: Vec<u8>,
    },
    /// Such as `.GIT` or `git~1`.
    NameRefused {
        path: Vec<u8>,
    },
    /// Longer than 4095 bytes; the path here is its beginning.
    PathTooLong {
        path: Vec<u8>,
    },
    /// Files lie in a submodule's folder; git records only its commit.
    InsideSubmodule {
        path: Vec<u8>,
    },
    /// The agent's own index could not be read: ignored files that it added by force are missing.
    AgentIndex,
    /// This `.gitignore` has more rules than are followed: what it names is in the diff.
    IgnoreRules {
        path: Vec<u8>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge {
                path,
                size_bytes,
                limit_bytes,
            } => {
                write!(
                    f,
                    "{} is left out: it has {size_bytes} bytes, more than {limit_bytes}",
                    path.escape_ascii()
                )
            }
            Self::NotAFile { path, what } => {
                write!(f, "{} is left out: it is {what}", path.escape_ascii())
            }
            Self::Unreadable { path } => write!(
                f,
                "{} could not be read and is taken as unchanged",
                path.escape_ascii()
            ),
            Self::NameRefused { path } => write!(
                f,
                "{} is left out: git refuses this name",
                path.escape_ascii()
            ),
            Self::PathTooLong { path } => write!(
                f,
                "{}… is left out: its path is longer than git can hold",
                path.escape_ascii()
            ),
            Self::InsideSubmodule { path } => write!(
                f,
                "files in the submodule {} are not part of the diff",
                path.escape_ascii()
            ),
            Self::AgentIndex => write!(
                f,
                "the agent's git index could not be read; ignored files that it added are left out"
            ),
            Self::IgnoreRules { path } => write!(
                f,
                "{} has too many rules; what it names is not left out",
                path.escape_ascii()
            ),
        }
    }
}

/// Why the working tree could not be read. Texts are for the user.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error("the working tree cannot be opened")]
    Root(#[source] io::Error),
    #[error(
        "more than {limit} files and folders of the working tree were touched; name what is generated in .gitignore"
    )]
    TooManyEntries { limit: u64 },
    #[error("the changed files, or their names, have more than {limit_bytes} bytes together (reached at {}); name what is generated in .gitignore", .at.escape_ascii())]
    TooMuch { limit_bytes: u64, at: Vec<u8> },
    #[error("reading the working tree took longer than {limit_ms} ms")]
    TimedOut { limit_ms: u128 },
    #[error("reading the working tree was given up")]
    GivenUp,
}
