//! Names that git lets nobody check out, since on some system they would be `.git`.

/// Follows `verify_path` of git with `core.protectNTFS` and `core.protectHFS` on: a diff with such a name could not be applied everywhere.
pub(crate) fn git_refuses(name: &[u8], is_symlink: bool) -> bool {
    is_dot_git_for_ntfs(name) || is_for_hfs(name, ".git") || (is_symlink && is_dot_gitmodules(name))
}

fn is_dot_git_for_ntfs(name: &[u8]) -> bool {
    let starts = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let rest = match () {
        () if starts(".git") => &name[4..],
        () if starts("git~1") => &name[5..],
        () => return false,
    };
    // `.git. .`, `.git:stream` and `.git\x` are the folder too
    let first = rest.iter().find(|byte| !b". ".contains(byte));
    matches!(first, None | Some(b'\\' | b':'))
}

/// HFS+ leaves these characters out when it compares names.
fn is_for_hfs(name: &[u8], wanted: &str) -> bool {
    let Ok(text) = std::str::from_utf8(name) else {
        return false;
    };
    let left_out = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let seen: String = text.chars().filter(|c| !left_out(c)).collect();
    seen.eq_ignore_ascii_case(wanted)
}

fn is_dot_gitmodules(name: &[u8]) -> bool {
    let trimmed = match name.iter().position(|&byte| byte == b':') {
        Some(at) => &name[..at],
        None => name,
    };
    let end = trimmed
        .iter()
        .rposition(|byte| !b". ".contains(byte))
        .map_or(0, |at| at + 1);
    let trimmed = &trimmed[..end];
    let short = trimmed.len() == 8 && trimmed[..7].eq_ignore_ascii_case(b"gitmod~")
        || trimmed.len() == 8 && trimmed[..4].eq_ignore_ascii_case(b"gi7e");
    trimmed.eq_ignore_ascii_case(b".gitmodules") || short || is_for_hfs(name, ".gitmodules")
}
