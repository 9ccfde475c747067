//! Ways out of the repository that `git apply` itself leaves open.
//!
//! Merging in three ways it looks for symlinks in the index only, so that it writes through one that git does not track; and it does not check
//! where a copied file comes from, so that a file of the user's could end up in the repository. (Seen with git 2.47.3.)

use super::path_from;
use crate::patch::Conflict;
use crate::patch::quoted::unquoted;
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

/// Why a path is not one of the repository's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outside {
    /// `..`, an absolute path, `.git`, or nothing.
    Name,
    /// This symlink is on the way.
    Link(PathBuf),
}

/// Where a path of a patch is in the repository.
pub(crate) fn inside(top_level: &Path, path: &Path) -> Result<PathBuf, Outside> {
    let mut at = top_level.to_owned();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            Component::Normal(name) if !is_dot_git(&name.to_string_lossy()) => at.push(name),
            Component::CurDir => {}
            Component::Normal(_)
            | Component::ParentDir
            | Component::RootDir
            | Component::Prefix(_) => return Err(Outside::Name),
        }
        if parts.peek().is_some() && at.is_symlink() {
            return Err(Outside::Link(at));
        }
    }
    match at == top_level {
        true => Err(Outside::Name),
        false => Ok(at),
    }
}

/// On any system: some ignore case, and some leave out characters that cannot be seen.
fn is_dot_git(name: &str) -> bool {
    let seen: String = name.chars().filter(char::is_ascii).collect();
    let seen = seen.split(':').next().unwrap_or_default();
    let seen = seen.trim_end_matches(['.', ' ']);
    seen.eq_ignore_ascii_case(".git") || seen.eq_ignore_ascii_case("git~1")
}

/// What of a patch leads out of the repository. A symlink that the patch itself takes away is none: git takes it away first.
pub(crate) fn ways_out(top_level: &Path, patch: &[u8], files: &[Vec<u8>]) -> Vec<Conflict> {
    let named: HashSet<PathBuf> = files
        .iter()
        .map(|file| top_level.join(path_from(file)))
        .collect();
    let from = sources(patch, &[b"rename from ", b"rename old ", b"copy from "]);
    let paths = files.iter().cloned().chain(from);
    let conflict = |path: Vec<u8>| {
        let reason = match inside(top_level, &path_from(&path)) {
            Ok(_) => return None,
            Err(Outside::Link(link)) if named.contains(&link) => return None,
            Err(Outside::Link(_)) => "is beyond a symbolic link",
            Err(Outside::Name) => "is not a file of the repository",
        };
        Some(Conflict {
            path: String::from_utf8_lossy(&path).into_owned(),
            reason: reason.to_owned(),
        })
    };
    paths.filter_map(conflict).collect()
}

/// Where files come from, as the lines with one of these beginnings say. A line of a file's content has a sign before it; another that looks the
/// same is taken for one, which does no harm.
pub(crate) fn sources(patch: &[u8], beginnings: &[&[u8]]) -> Vec<Vec<u8>> {
    let lines = patch.split(|&byte| byte == b'\n');
    let source = |line: &[u8]| {
        let path = beginnings
            .iter()
            .find_map(|beginning| line.strip_prefix(*beginning))?;
        Some(unquoted(path))
    };
    lines.filter_map(source).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_repository_are_told_from_others() {
        let top = tempfile::tempdir().expect("a folder");
        let inside = |path: &str| inside(top.path(), Path::new(path));
        for path in [
            "a",
            "a/b",
            "./a",
            "a/./b",
            ".gitignore",
            ".github/x",
            "a/git",
            "..a",
        ] {
            assert!(inside(path).is_ok(), "{path}");
        }
        for path in [
            "",
            ".",
            "..",
            "a/..",
            "a/../b",
            "/a",
            ".git",
            ".git/config",
            "a/.GIT/x",
            ".git./x",
            ".git :x/y",
            "git~1/x",
            ".g\u{200c}it/config",
        ] {
            assert_eq!(inside(path), Err(Outside::Name), "{path}");
        }
    }

    #[test]
    fn paths_are_read_as_git_writes_them() {
        let patch = b"rename from plain name\ncopy from \"a\\\"\\\\\\n\\t\\056\\303\\274\"\n-copy from x\n copy from y\n";
        assert_eq!(
            sources(patch, &[b"rename from ", b"copy from "]),
            [
                b"plain name".to_vec(),
                "a\"\\\n\t.\u{fc}".as_bytes().to_vec()
            ]
        );
    }
}
