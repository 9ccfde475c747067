//! The commit that a submodule's repository has checked out, read from plain files.

use crate::names::ObjectId;
use crate::tree_dir::{Content, TreeRoot, file_type, join, names_in, read_in, stat_in};
use rustix::fs::FileType;

const SMALL_FILE_BYTES: u64 = 64 * 1024;
const PACKED_REFS_BYTES: u64 = 16 * 1024 * 1024;

/// What is in the folder of a submodule.
pub(crate) enum Nested {
    /// No `.git`: the submodule was never fetched.
    NoRepository {
        is_empty: bool,
    },
    Head(ObjectId),
    /// There is a `.git` that does not lead to a commit.
    Unreadable,
}

/// Reads HEAD of the repository in `folder` (relative to the root). No symlink is followed and nothing outside the root is read. Also gives
/// the paths on which the answer depends.
pub(crate) fn nested_head(root: &TreeRoot, folder: &[u8]) -> (Nested, Vec<Vec<u8>>) {
    let mut reader = Reader {
        root,
        asked: vec![join(folder, b".git")],
    };
    let nested = reader.nested_head(folder);
    (nested, reader.asked)
}

/// `gitdir: ../.git/modules/x`, worked out by its text: absolute paths and those that leave the root lead nowhere.
fn redirected(folder: &[u8], text: &str) -> Option<Vec<u8>> {
    let target = text
        .strip_prefix("gitdir: ")?
        .trim_end_matches(['\n', '\r']);
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&[u8]> = folder.split(|&byte| byte == b'/').collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name.as_bytes()),
        }
    }
    Some(parts.join(&b'/'))
}

struct Reader<'a> {
    root: &'a TreeRoot,
    asked: Vec<Vec<u8>>,
}

impl Reader<'_> {
    fn nested_head(&mut self, folder: &[u8]) -> Nested {
        let Ok(opened) = self.root.open_folder(folder) else {
            return Nested::Unreadable;
        };
        let stat = match stat_in(&opened, b".git") {
            Ok(Some(stat)) => stat,
            Ok(None) => {
                let is_empty = names_in(&opened, 0).is_ok_and(|names| names.is_empty());
                return Nested::NoRepository { is_empty };
            }
            Err(_) => return Nested::Unreadable,
        };
        let git_dir = match file_type(&stat) {
            FileType::Directory => {
                // That there is a folder says nothing yet.
                self.asked.clear();
                Some(join(folder, b".git"))
            }
            FileType::RegularFile => self
                .read(folder, b".git", SMALL_FILE_BYTES)
                .and_then(|text| redirected(folder, &text)),
            _ => None,
        };
        match git_dir.and_then(|git_dir| self.head_of(&git_dir)) {
            Some(id) => Nested::Head(id),
            None => Nested::Unreadable,
        }
    }

    fn head_of(&mut self, git_dir: &[u8]) -> Option<ObjectId> {
        let head = self.read(git_dir, b"HEAD", SMALL_FILE_BYTES)?;
        let head = head.trim_end();
        let Some(name) = head.strip_prefix("ref: ") else {
            return ObjectId::parse(head).ok();
        };
        let plain = name.starts_with("refs/")
            && !name.split('/').any(|part| matches!(part, "" | "." | ".."));
        if !plain {
            return None;
        }
        let (folder, last) = name.rsplit_once('/')?;
        let folder = join(git_dir, folder.as_bytes());
        let loose = self.read(&folder, last.as_bytes(), SMALL_FILE_BYTES);
        if let Some(id) = loose.and_then(|text| ObjectId::parse(text.trim_end()).ok()) {
            return Some(id);
        }
        let packed = self.read(git_dir, b"packed-refs", PACKED_REFS_BYTES)?;
        let id = packed
            .lines()
            .find_map(|line| line.strip_suffix(name)?.strip_suffix(' '))?;
        ObjectId::parse(id).ok()
    }

    fn read(&mut self, folder: &[u8], name: &[u8], limit_bytes: u64) -> Option<String> {
        self.asked.push(join(folder, name));
        let folder = self.root.open_folder(folder).ok()?;
        match read_in(&folder, name, limit_bytes) {
            Ok(Content::Bytes(bytes)) => String::from_utf8(bytes).ok(),
            Ok(Content::TooLarge { .. } | Content::NotAFile) | Err(_) => None,
        }
    }
}
