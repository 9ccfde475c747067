//! A patch that `git apply --reverse` takes back exactly.
//!
//! A file that the patch deletes comes back as an ordinary file, whether it was executable or a symlink: git exchanges the two modes of
//! a file only where the patch names both (seen with git 2.47.3). So here it names both.

const DELETED: &[u8] = b"deleted file mode ";

/// The same patch with both modes of what it deletes.
pub(super) fn reversible(patch: &[u8]) -> Vec<u8> {
    let mut reversible = Vec::with_capacity(patch.len());
    // A line of a file's content has a sign before it, and one of a binary file no blank.
    for line in patch.split_inclusive(|&byte| byte == b'\n') {
        if let Some(mode) = line.strip_prefix(DELETED) {
            for name in [&b"old mode "[..], b"new mode "] {
                reversible.extend_from_slice(name);
                reversible.extend_from_slice(mode);
            }
        }
        reversible.extend_from_slice(line);
    }
    reversible
}
