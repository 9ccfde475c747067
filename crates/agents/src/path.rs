//! Paths inside the sandbox. Not `std::path`: they are only compared and joined here, never opened.

const MAX_BYTES: usize = 4096;

/// A path relative to the agent's home that cannot leave it: no empty, `.` or `..` part, no NUL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HomePath(String);

/// An absolute path without empty, `.` or `..` parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AbsolutePath(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error(
        "the path `{path}` must be relative and stay inside the home: no empty part, `.`, `..` or NUL"
    )]
    NotInHome { path: String },
    #[error("the path `{path}` must be absolute, without empty part, `.`, `..` or NUL")]
    NotAbsolute { path: String },
}

impl HomePath {
    pub fn parse(path: &str) -> Result<Self, PathError> {
        if is_plain(path) {
            Ok(Self(path.to_owned()))
        } else {
            Err(PathError::NotInHome { path: shown(path) })
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_below(&self, directory: &str) -> bool {
        self.0
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
    }
}

impl AbsolutePath {
    pub fn parse(path: &str) -> Result<Self, PathError> {
        match path.strip_prefix('/') {
            Some(rest) if rest.is_empty() || is_plain(rest) => Ok(Self(path.to_owned())),
            Some(_) | None => Err(PathError::NotAbsolute { path: shown(path) }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of something below this directory.
    pub fn join(&self, below: &HomePath) -> String {
        format!("{}/{}", self.0.trim_end_matches('/'), below.0)
    }

    /// `path` relative to this directory, if it lies below it.
    pub fn relative(&self, path: &str) -> Result<HomePath, PathError> {
        path.strip_prefix(self.0.trim_end_matches('/'))
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| PathError::NotInHome { path: shown(path) })
            .and_then(HomePath::parse)
    }
}

fn is_plain(path: &str) -> bool {
    path.len() <= MAX_BYTES
        && !path.contains('\0')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn shown(path: &str) -> String {
    path.chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_paths_cannot_leave_the_home() {
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "a/../b",
            "./a",
            "a//b",
            "a/",
            "a\0b",
            "a/..",
        ] {
            assert!(HomePath::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a", ".codex/sessions/x.jsonl", "..a/b..", "a b/ü"] {
            assert_eq!(HomePath::parse(good).unwrap().as_str(), good);
        }
        assert!(HomePath::parse(&"a".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn absolute_paths_give_relative_ones_only_below_themselves() {
        let home = AbsolutePath::parse("/home/agent").unwrap();
        assert_eq!(home.relative("/home/agent/.x/y").unwrap().as_str(), ".x/y");
        for bad in [
            "/home/agent",
            "/home/agent/",
            "/home/agents/x",
            "/home/agent/../x",
            "x",
            "/home/agent//etc/passwd",
        ] {
            assert!(home.relative(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            home.join(&HomePath::parse("a/b").unwrap()),
            "/home/agent/a/b"
        );
        let root = AbsolutePath::parse("/").unwrap();
        assert_eq!(root.join(&HomePath::parse("a").unwrap()), "/a");
        assert_eq!(root.relative("/a").unwrap().as_str(), "a");
        for bad in ["", "a", "//", "/a/", "/a/../b", "/./a"] {
            assert!(AbsolutePath::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn below_means_a_whole_part() {
        let path = HomePath::parse(".codex/sessions-x/a").unwrap();
        assert!(!path.is_below(".codex/sessions"));
        assert!(path.is_below(".codex"));
    }
}
